#!/usr/bin/env bash
# Makes the images remora/NAME:latest and remora/NAME:VERSION, and prints their
# sizes: images/build.sh [NAME...], all of them without a name.
#
#   VERSION     git describe, else dev
#   ARCH        amd64 or arm64, else the Docker daemon's; another one's images
#               need BuildKit and get the tag VERSION-ARCH
#   BUILD_WITH  docker (BuildKit and the Go image) or host (the Go on this
#               machine); else docker where both can be had
set -euo pipefail
umask 022 # the images' user is not the files' owner
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '%s\n' "$*" >&2; }
die() { say "images: $*"; exit 1; }

# bounded SECONDS CMD...: macOS has no timeout.
bounded() {
	local limit=$1
	shift
	if command -v timeout >/dev/null; then timeout "$limit" "$@"; else "$@"; fi
}

# quietly CMD...: its output only where it went wrong; every build without
# BuildKit would otherwise print the same five lines of advice.
quietly() {
	local output
	output=$("$@" 2>&1) || { say "$output"; die "that build went wrong: $*"; }
}

# Uncompressed, in MB, as docker images shows it. The demo app has no aim.
aim() {
	case $1 in
	init | reloader) echo 10 ;;
	sidecar) echo 28 ;;
	esac
}

binary() {
	case $1 in
	init) echo /remora/init ;;
	sidecar) echo /remora-sidecar/sidecar ;;
	reloader) echo /remora-reloader/reloader ;;
	demo) echo /demo ;;
	esac
}

packages() {
	local name
	for name; do
		case $name in
		demo) echo ./images/demo ;;
		*) echo "./$name" ;;
		esac
	done
}

tags() {
	if [ "$arch" = "$daemon_arch" ]; then
		printf -- '-t remora/%s:%s -t remora/%s:latest' "$1" "$tag" "$1"
	else
		printf -- '-t remora/%s:%s-%s' "$1" "$tag" "$arch"
	fi
}

image_of() {
	if [ "$arch" = "$daemon_arch" ]; then echo "remora/$1:$tag"; else echo "remora/$1:$tag-$arch"; fi
}

# The registry is asked only where there is a BuildKit to use the answer.
pick_builder() {
	local go_image
	go_image=$(awk '/^FROM .* AS build$/ { print $(NF - 2) }' Dockerfile)
	if docker buildx version >/dev/null 2>&1 &&
		bounded 20 docker buildx imagetools inspect "$go_image" >/dev/null 2>&1; then
		echo docker
	else
		echo host
	fi
}

build_with_docker() {
	local name
	for name; do
		say "building remora/$name with BuildKit ..."
		# shellcheck disable=SC2046
		docker buildx build --load --platform "linux/$arch" \
			--build-arg "VERSION=$VERSION" --target "$name" $(tags "$name") .
	done
}

compile() {
	command -v go >/dev/null || die "neither Go nor BuildKit with the Go image can be had here: install one of them"
	say "compiling for linux/$arch with this machine's Go ..."
	# shellcheck disable=SC2046
	images/compile.sh "$arch" "dist/linux_$arch" $(packages "$@")
}

ca_file() {
	local f
	for f in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
		if [ -r "$f" ]; then printf %s "$f"; return; fi
	done
	die "no CA certificates found: install the package ca-certificates"
}

# The Dockerfile's own stages, with a build context in the place of "build".
assemble() {
	local name
	context=$(mktemp -d)
	trap 'rm -rf "$context"' EXIT
	mkdir -p "$context"/{out,empty,etc/ssl/certs}
	cp "$(ca_file)" "$context/etc/ssl/certs/ca-certificates.crt"
	for name; do
		say "assembling remora/$name ..."
		rm -f "$context"/out/*
		cp "dist/linux_$arch/$name" "$context/out/"
		# Only this stage and what it stands on: the builder before BuildKit runs
		# every stage that comes before the target.
		awk -v target="$name" '
			/^FROM / { on = $NF == "base" || $NF == target }
			on { sub(/ --from=build/, ""); print }' Dockerfile >"$context/Dockerfile"
		# shellcheck disable=SC2046
		quietly docker build -q --build-arg "VERSION=$VERSION" --target "$name" $(tags "$name") "$context"
	done
}

# Images whose name has gone to a newer build. Those that a container still uses
# stay, and so do the newest ones: a build that runs beside this one may be
# standing on them.
drop_replaced() {
	docker image prune -f --filter label=remora.image --filter until=30m >/dev/null
}

# sizes NAME: bytes of the binary, the image, and the image compressed.
sizes() {
	local image id
	image=$(image_of "$1")
	id=$(docker create --platform "linux/$arch" "$image")
	docker cp "$id:$(binary "$1")" - | tar -xOf - | wc -c
	docker rm -v "$id" >/dev/null
	docker image inspect -f '{{.Size}}' "$image"
	docker save "$image" | gzip -c | wc -c
}

table() {
	local name missed=0
	printf '%-18s %9s %9s %11s %9s\n' "linux/$arch" binary image compressed aim
	for name; do
		# shellcheck disable=SC2046
		awk -v name="remora/$name" -v aim="$(aim "$name")" 'function mb(n) { return sprintf("%.1f MB", n / 1e6) }
			BEGIN { limit = aim == "" ? "-" : "<= " aim " MB"
				over = aim != "" && ARGV[2] > aim * 1e6
				printf "%-18s %9s %9s %11s %9s%s\n", name, mb(ARGV[1]), mb(ARGV[2]), mb(ARGV[3]), limit, over ? "  TOO BIG" : ""
				exit over }' $(sizes "$name") || missed=1
	done
	[ $missed = 0 ] || die "an image is bigger than its aim"
}

main() {
	[ $# -gt 0 ] || set -- init sidecar reloader demo
	local name
	for name; do [ -n "$(binary "$name")" ] || die "$name: no such image (init, sidecar, reloader, demo)"; done
	export VERSION=${VERSION:-$(git describe --always --dirty 2>/dev/null || echo dev)}
	tag=$(printf %s "$VERSION" | tr -c 'A-Za-z0-9_.-' -)
	daemon_arch=$(bounded 20 docker version -f '{{.Server.Arch}}') || die "the Docker daemon does not answer: start it, and check with: docker version"
	arch=${ARCH:-$daemon_arch}
	if [ "${BUILD_WITH:-$(pick_builder)}" = docker ]; then
		build_with_docker "$@"
	else
		compile "$@"
		[ "$arch" = "$daemon_arch" ] || { say "binaries are in dist/linux_$arch; images for another platform need BuildKit"; return; }
		assemble "$@"
	fi
	drop_replaced
	table "$@"
}

main "$@"
