#!/usr/bin/env bash
# Makes the real servers of the demo and the tests available on this machine.
# For each of Consul, HAProxy and nginx it takes the official image when that is
# there or can be pulled, and else builds a stand-in image once, from the Go
# module proxy and Debian's packages. Stand-ins are for the demo and the tests
# only: Consul from 1.17 on is under BUSL-1.1 and is never part of what we ship.
#
# Progress goes to stderr. The last thing on stdout is KEY=VALUE lines:
#   CONSUL_IMAGE HAPROXY_IMAGE NGINX_IMAGE COMPOSE CONSUL_BIN
#
# Once a stand-in is there it is used without asking the registry again; remove
# it (docker image rm) to have the official image tried again.
set -euo pipefail
umask 022 # the images' users are not the files' owner

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${REMORA_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/remora}

consul_version=1.22.7
compose_version=5.5.0
# Raise this when what goes into a stand-in image changes: older ones are then
# built anew on every machine that has them.
recipe=1

consul_official=hashicorp/consul:1.22
haproxy_official=haproxy:3.2
nginx_official=nginx:1.28
consul_standin=remora-standin/consul:$consul_version
haproxy_standin=remora-standin/haproxy:3.0
nginx_standin=remora-standin/nginx:1.26

consul_bin=$cache/bin/consul-$consul_version
compose_bin=$cache/bin/docker-compose-$compose_version
rootfs=$cache/lb-trixie-$recipe.tar

say() { printf '%s\n' "$*" >&2; }
die() { say "servers: $*"; exit 1; }

# bounded SECONDS CMD...: macOS has no timeout.
bounded() {
	local limit=$1
	shift
	if command -v timeout >/dev/null; then timeout "$limit" "$@"; else "$@"; fi
}

# step WHAT CMD...: runs CMD with its output kept in a log, and says when it
# starts and how long it took.
step() {
	local what=$1 start=$SECONDS log=$cache/last.log
	shift
	say "$what ..."
	# Not "if ! …": bash would then ignore set -e in everything that CMD calls.
	set +e
	(set -e; "$@") >"$log" 2>&1
	local code=$?
	set -e
	if [ $code -ne 0 ]; then
		tail -n 20 "$log" >&2
		die "$what: stopped after $((SECONDS - start)) s"
	fi
	say "  took $((SECONDS - start)) s"
}

# Two runs at once would write the same files. Everything built gets its real
# name by a rename at the end, so an interrupted run leaves nothing half-made.
take_lock() {
	command -v flock >/dev/null || return 0
	exec 9>"$cache/lock"
	flock -n 9 && return
	say "another run is building the servers; waiting for it ..."
	flock 9
}

has_image() { docker image inspect "$1" >/dev/null 2>&1; }

has_standin() {
	[ "$(docker image inspect -f '{{index .Config.Labels "remora.standin"}}' "$1" 2>/dev/null)" = "$recipe" ]
}

# One refusal is enough: the other images come from the same registry, and a
# network that drops packets would cost the whole time-out for each.
registry=unknown
pull() {
	[ "$registry" != no ] || return 1
	local start=$SECONDS reply
	say "pulling $1 ..."
	if reply=$(bounded 120 docker pull -q "$1" 2>&1); then
		say "  took $((SECONDS - start)) s"
		return
	fi
	registry=no
	reply=${reply##*: }
	say "  no image registry can be reached (${reply:-no answer in 120 s}); using stand-ins"
	return 1
}

# image KEY OFFICIAL STANDIN BUILD: makes an image available and adds KEY=NAME to
# the answer.
image() {
	local name=$3
	if has_image "$2"; then
		name=$2
	elif ! has_standin "$3"; then
		if pull "$2"; then name=$2; else "$4"; fi
	fi
	answer+="$1=$name"$'\n'
}

# go_tool MODULE PACKAGE OUT LDFLAGS
go_tool() {
	(cd "$here/$1" && GOWORK=off CGO_ENABLED=0 \
		go build -mod=readonly -trimpath -ldflags "-s -w $4" -o "$3.tmp" "$2")
	mv "$3.tmp" "$3"
}

need_go() {
	command -v go >/dev/null || die "building $1 needs Go 1.26 or newer: install it from your package manager"
}

build_consul_bin() {
	[ ! -x "$consul_bin" ] || return 0
	need_go Consul
	step "building Consul $consul_version (about 10 minutes on two cores, once)" \
		go_tool consul github.com/hashicorp/consul "$consul_bin" ""
}

build_consul() {
	build_consul_bin
	step "making the image $consul_standin" import_consul
}

ca_file() {
	local f
	for f in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
		if [ -r "$f" ]; then printf %s "$f"; return; fi
	done
	die "no CA certificates found: install the package ca-certificates"
}

# The paths are those of the official image; TMPDIR is needed by raft snapshots.
import_consul() {
	local root=$cache/consul.tmp
	rm -rf "$root"
	mkdir -p "$root"/{bin,tmp,consul/data,consul/config,etc/ssl/certs}
	chmod 1777 "$root/tmp"
	cp "$consul_bin" "$root/bin/consul"
	cp "$(ca_file)" "$root/etc/ssl/certs/ca-certificates.crt"
	tar -C "$root" --numeric-owner --owner=0 --group=0 -c . | docker import \
		-c 'ENV PATH=/bin' \
		-c 'ENTRYPOINT ["/bin/consul"]' \
		-c 'CMD ["agent","-dev","-client","0.0.0.0"]' \
		-c 'EXPOSE 8300 8301 8301/udp 8302 8302/udp 8500 8600 8600/udp' \
		-c 'VOLUME /consul/data' \
		-c "LABEL remora.standin=$recipe" \
		- "$consul_standin"
	rm -rf "$root"
}

build_lb() {
	[ -s "$rootfs" ] || build_rootfs
	step "making the images $haproxy_standin and $nginx_standin" import_lb
}

build_rootfs() {
	[ "$(id -u)" = 0 ] || die "the stand-ins for HAProxy and nginx come from Debian's packages and need root:" \
		"install debootstrap and run this once as root (REMORA_CACHE=$cache), or pull $haproxy_official and $nginx_official"
	command -v debootstrap >/dev/null || install_debootstrap
	step "building the root file system of HAProxy and nginx from Debian's packages (about 2 minutes, once)" make_rootfs
}

install_debootstrap() {
	command -v apt-get >/dev/null || die "the stand-ins for HAProxy and nginx need debootstrap: install it"
	step "installing debootstrap" apt_install debootstrap debian-archive-keyring
}

apt_install() {
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

# An interrupted debootstrap can leave its proc and sys mounted.
drop_root() {
	local m
	for m in proc sys dev/pts; do umount "$1/$m" 2>/dev/null || true; done
	rm -rf --one-file-system "$1"
}

make_rootfs() {
	root=$cache/trixie.tmp
	drop_root "$root"
	trap 'drop_root "$root"' EXIT
	debootstrap --variant=minbase --include=haproxy,nginx trixie "$root"
	tailor_haproxy "$root"
	tailor_nginx "$root"
	rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale,info}/*
	tar -C "$root" --numeric-owner --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' -cf "$rootfs.tmp" .
	mv "$rootfs.tmp" "$rootfs"
}

# As in the official image: uid and gid 99, the configuration under /usr/local,
# and the flags -W -db put before the command's own.
tailor_haproxy() {
	chroot "$1" groupmod -g 99 haproxy
	chroot "$1" usermod -u 99 -g 99 haproxy
	rm -rf "$1/var/lib/haproxy" "$1/run/haproxy"
	mkdir -p "$1/var/lib/haproxy" "$1/usr/local/etc/haproxy"
	chown 99:99 "$1/var/lib/haproxy"
	cp -r "$1/etc/haproxy/errors" "$1/usr/local/etc/haproxy/"
	ln -s ../../sbin/haproxy "$1/usr/local/sbin/haproxy"
	cat >"$1/usr/local/bin/docker-entrypoint.sh" <<'EOF'
#!/bin/sh
set -e
case ${1-} in
-*) set -- haproxy "$@" ;;
esac
if [ "$1" = haproxy ]; then
	shift
	set -- haproxy -W -db "$@"
fi
exec "$@"
EOF
	chmod 755 "$1/usr/local/bin/docker-entrypoint.sh"
}

# As in the official image: user nginx with uid and gid 101, conf.d and nothing
# else included, logs on the container's output.
tailor_nginx() {
	chroot "$1" groupadd --system --gid 101 nginx
	chroot "$1" useradd --system --uid 101 --gid 101 --no-create-home --home-dir /nonexistent --shell /bin/false nginx
	rm -rf "$1"/etc/nginx/{sites-enabled,sites-available,modules-enabled}
	mkdir -p "$1/var/cache/nginx" "$1/etc/nginx/conf.d"
	ln -sf /dev/stdout "$1/var/log/nginx/access.log"
	ln -sf /dev/stderr "$1/var/log/nginx/error.log"
	cat >"$1/etc/nginx/nginx.conf" <<'EOF'
user nginx;
worker_processes auto;
error_log /var/log/nginx/error.log notice;
pid /run/nginx.pid;

events {
    worker_connections 1024;
}

http {
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    log_format main '$remote_addr - $remote_user [$time_local] "$request" '
                    '$status $body_bytes_sent "$http_referer" '
                    '"$http_user_agent" "$http_x_forwarded_for"';
    access_log /var/log/nginx/access.log main;
    sendfile on;
    keepalive_timeout 65;
    include /etc/nginx/conf.d/*.conf;
}
EOF
	cat >"$1/etc/nginx/conf.d/default.conf" <<'EOF'
server {
    listen 80;
    server_name localhost;
    location / {
        root /usr/share/nginx/html;
        index index.html;
    }
}
EOF
}

# Both images share the one imported layer. docker commit sets what a Dockerfile
# would, with whichever builder this machine has or has not; it takes the stop
# signal only from the container.
import_lb() {
	local base
	base=$(docker import -c 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
		-c "LABEL remora.standin=$recipe" - <"$rootfs")
	commit "$base" "$haproxy_standin" SIGUSR1 \
		-c 'USER haproxy' -c 'WORKDIR /var/lib/haproxy' \
		-c 'ENTRYPOINT ["docker-entrypoint.sh"]' \
		-c 'CMD ["haproxy","-f","/usr/local/etc/haproxy/haproxy.cfg"]'
	commit "$base" "$nginx_standin" SIGQUIT \
		-c 'EXPOSE 80' -c 'CMD ["nginx","-g","daemon off;"]'
}

commit() {
	local base=$1 name=$2 signal=$3 id
	shift 3
	id=$(docker create --stop-signal "$signal" "$base" true)
	docker commit "$@" "$id" "$name"
	docker rm "$id"
}

# The first release with everything the examples use.
compose_new_enough() {
	local version major minor
	version=$(docker compose version --short 2>/dev/null) || return 1
	version=${version#v}
	major=${version%%.*}
	minor=${version#*.}
	minor=${minor%%.*}
	[ "$major" -gt 2 ] 2>/dev/null || { [ "$major" = 2 ] && [ "$minor" -ge 20 ]; } 2>/dev/null
}

find_compose() {
	compose="docker compose"
	! compose_new_enough || return 0
	compose=$compose_bin
	[ ! -x "$compose_bin" ] || return 0
	need_go "Docker Compose"
	step "building Docker Compose $compose_version (about 4 minutes on two cores, once)" \
		go_tool compose github.com/docker/compose/v5/cmd "$compose_bin" \
		"-X github.com/docker/compose/v5/internal.Version=v$compose_version"
}

main() {
	answer=
	bounded 20 docker version >/dev/null 2>&1 || die "the Docker daemon does not answer: start it, and check with: docker version"
	mkdir -p "$cache/bin"
	take_lock
	image CONSUL_IMAGE "$consul_official" "$consul_standin" build_consul
	image HAPROXY_IMAGE "$haproxy_official" "$haproxy_standin" build_lb
	image NGINX_IMAGE "$nginx_official" "$nginx_standin" build_lb
	find_compose
	[ -x "$consul_bin" ] || consul_bin=
	printf '%s' "$answer"
	printf '%s\n' "COMPOSE=$compose" "CONSUL_BIN=$consul_bin"
}

main
