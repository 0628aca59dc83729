# Everything that is built, shown and tested goes through here, on a developer's
# machine and in CI alike.
.DEFAULT_GOAL := help
# Targets that are listed together stand in an order: servers before their tests.
.NOTPARALLEL:
SHELL := /bin/bash

VERSION ?= $(shell git describe --always --dirty 2>/dev/null || echo dev)
ARCH    ?= $(shell go env GOARCH)
export VERSION

programs := ./init ./sidecar ./reloader ./images/demo
units    = $$(go list ./... | grep -v '^remora/integration')
scripts  = $$(find . -name '*.sh' -not -path './.git/*' -not -path './dist/*') .ci/run
# The race detector needs cgo, and cgo a C compiler.
race     = $(shell [ "$$(go env CGO_ENABLED)" = 1 ] && command -v "$$(go env CC)" >/dev/null && echo -race)

.PHONY: help build cross images servers demo demo-down test test-unit test-integration lint bench check clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## compile the static binaries into dist/linux_ARCH
	@images/compile.sh $(ARCH) dist/linux_$(ARCH) $(programs)
	@ls -l dist/linux_$(ARCH)

cross: ## compile for amd64 and arm64
	@$(MAKE) --no-print-directory build ARCH=amd64
	@$(MAKE) --no-print-directory build ARCH=arm64

images: ## make the images remora/{init,sidecar,reloader,demo} and print their sizes
	@images/build.sh

servers: ## make Consul, HAProxy, nginx and Compose available (once; cached)
	@integration/standin/build.sh >/dev/null

demo: images servers ## show Remora at work on real servers, and leave it running
	@go run ./integration/demo

demo-down: ## stop what make demo left running
	@go run ./integration/demo -down

test: RACE = $(race)
test: test-unit test-integration ## every test, those without Docker under the race detector

test-unit: ## the tests that need no Docker
	@echo "go test $(RACE), all packages but integration"
	@go test $(RACE) $(units)

test-integration: images servers ## the tests on real Consul, Docker, HAProxy and nginx
	go test ./integration/... -count=1 -timeout 20m

lint: ## go vet, gofmt, staticcheck, shellcheck
	go vet ./...
	@unformatted=$$(gofmt -l $$(go list -f '{{.Dir}}' ./...)); \
		if [ -n "$$unformatted" ]; then echo "gofmt -w these:"; echo "$$unformatted"; exit 1; fi
	go tool staticcheck ./...
	@if command -v shellcheck >/dev/null; then echo shellcheck; shellcheck $(scripts); \
		else echo "shellcheck is not installed: the scripts were not checked"; fi

bench: images servers ## the benchmarks, on real servers
	@go test -run '^$$' -bench . -benchtime 1x ./integration

check: lint test ## what CI does

clean: ## remove dist/ (images and cached servers stay)
	rm -rf dist
