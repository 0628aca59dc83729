#!/bin/sh
# Compiles the static binaries: images/compile.sh ARCH DIR PACKAGE...
# The one place that says how, for the Dockerfile and for builds outside Docker.
set -eu

arch=$1
dir=$2
shift 2
mkdir -p "$dir"
# The version comes in by -X, so that a build without the .git directory gives
# the same binary.
CGO_ENABLED=0 GOOS=linux GOARCH=$arch go build -trimpath -buildvcs=false \
	-ldflags "-s -w -X remora/internal/cmdline.Version=${VERSION:-dev}" -o "$dir/" "$@"
