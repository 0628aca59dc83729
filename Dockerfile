# One stage per image: docker build --target init|sidecar|reloader|demo .
# Where no registry can be reached, images/build.sh takes what the stage "build"
# leaves behind from outside Docker; the stages below it are used as they are.

FROM --platform=$BUILDPLATFORM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG TARGETARCH
ARG VERSION=dev
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    VERSION=$VERSION images/compile.sh $TARGETARCH /out ./init ./sidecar ./reloader ./images/demo
# A directory to copy: scratch has no mkdir and no chown.
RUN mkdir /empty

# What every version shares comes first in each stage, so that a new version costs
# only its last steps.
FROM scratch AS base
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
LABEL remora.image=true org.opencontainers.image.licenses=Apache-2.0
USER 65532:65532

# Each program has a volume of its own: volumes_from attaches it to other
# containers, and two images attached to one container must not share a path.
FROM base AS init
LABEL org.opencontainers.image.title="Remora init" \
      org.opencontainers.image.description="Registers a container in Consul and supervises its app"
ENTRYPOINT ["/remora/init"]
CMD ["-version"]
COPY --from=build /out/init /remora/init
VOLUME /remora
ARG VERSION=dev
LABEL org.opencontainers.image.version=$VERSION

FROM base AS sidecar
LABEL org.opencontainers.image.title="Remora sidecar" \
      org.opencontainers.image.description="Keeps Consul's checks and rendered files current"
ENTRYPOINT ["/remora-sidecar/sidecar"]
# It answers on a socket in no file system, so a read-only root does not hinder it.
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 \
  CMD ["/remora-sidecar/sidecar", "health"]
COPY --from=build --chown=65532:65532 /empty /candidate
COPY --from=build /out/sidecar /remora-sidecar/sidecar
VOLUME /remora-sidecar
ARG VERSION=dev
LABEL org.opencontainers.image.version=$VERSION

FROM base AS reloader
LABEL org.opencontainers.image.title="Remora reloader" \
      org.opencontainers.image.description="Validates, swaps, reloads and verifies a load balancer's configuration"
ENTRYPOINT ["/remora-reloader/reloader"]
# Engines before 25 know no --start-interval: the first probe, and so whoever
# waits for "healthy", comes one interval after the start.
HEALTHCHECK --interval=2s --timeout=3s --start-period=10s --retries=3 \
  CMD ["/remora-reloader/reloader", "health"]
COPY --from=build --chown=65532:65532 /empty /candidate
COPY --from=build --chown=65532:65532 /empty /live
COPY --from=build /out/reloader /remora-reloader/reloader
VOLUME /remora-reloader
ARG VERSION=dev
LABEL org.opencontainers.image.version=$VERSION

FROM scratch AS demo
LABEL remora.image=true \
      org.opencontainers.image.title="Remora demo app" \
      org.opencontainers.image.description="A small web app that knows nothing of Remora" \
      org.opencontainers.image.licenses=Apache-2.0
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/demo"]
COPY --from=build /out/demo /demo
ARG VERSION=dev
LABEL org.opencontainers.image.version=$VERSION
