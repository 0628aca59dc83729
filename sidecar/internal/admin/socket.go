package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Words that stand for an address in the setting.
const (
	Auto = "auto"
	Off  = "off"
)

const scheme = "unix://"

// Address returns the socket that a setting names, as package net writes it: a
// path, or a name that begins with @ and lies in no file system (unix(7),
// "abstract"). It is "" for Off.
//
// Auto is such a name, because a container from scratch with a read-only root has
// no place for a file, and a file would outlive a sidecar that was killed. Names
// like that belong to the network, which containers share; the number of the mount
// namespace, which they do not, makes it the container's own.
func Address(setting string) (string, error) {
	switch setting {
	case Off:
		return "", nil
	case Auto:
		return "@remora-sidecar" + mountNamespace(), nil
	}
	address, ok := strings.CutPrefix(setting, scheme)
	if !ok || !strings.HasPrefix(address, "/") && !strings.HasPrefix(address, "@") || len(address) < 2 {
		return "", errors.New("is not one of auto, off, unix:///path or unix://@name")
	}
	if len(address) >= maxAddress {
		return "", fmt.Errorf("is longer than the %d bytes that the kernel allows", maxAddress-1)
	}
	return address, nil
}

// maxAddress is the size of a socket's address, end byte included (unix(7), sun_path).
const maxAddress = len(syscall.RawSockaddrUnix{}.Path)

// mountNamespace is "-" and a number, or "" where there is no /proc.
func mountNamespace() string {
	link, err := os.Readlink("/proc/self/ns/mnt") // mnt:[4026531841]
	if err != nil {
		return ""
	}
	return "-" + strings.Trim(strings.TrimPrefix(link, "mnt:"), "[]")
}

// Listen listens on address. A file that a dead process left there is removed,
// and nobody but the owner may open the new one.
func Listen(address string) (net.Listener, error) {
	if strings.HasPrefix(address, "/") {
		if err := removeStale(address); err != nil {
			return nil, err
		}
	}
	listener, err := net.Listen("unix", address)
	if err != nil || !strings.HasPrefix(address, "/") {
		return listener, err
	}
	if err := os.Chmod(address, 0o600); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

func removeStale(path string) error {
	// A connect to any other file is refused just the same.
	if info, err := os.Lstat(path); err != nil || info.Mode().Type() != os.ModeSocket {
		return nil // listening will complain, if there is something
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		conn.Close()
		return fmt.Errorf("listen unix %s: another process answers there", path)
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return os.Remove(path)
	}
	return nil
}

type peerKey struct{}

// withPeer adds who is at the other end of conn.
func withPeer(ctx context.Context, conn net.Conn) context.Context {
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return ctx
	}
	var peer *unix.Ucred
	if err := raw.Control(func(fd uintptr) {
		peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil || peer == nil {
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, peer.Uid)
}

// allowed tells whether the peer may ask: who runs as we do, and root. A name in
// no file system has no mode that would keep others of the network out.
func allowed(ctx context.Context) bool {
	uid, ok := ctx.Value(peerKey{}).(uint32)
	return ok && (uid == 0 || int(uid) == os.Geteuid())
}
