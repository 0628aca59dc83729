package consul

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"remora/internal/service"
)

// ErrNoAddress says that no address of this host can be offered to others.
var ErrNoAddress = errors.New("no address to register")

// Locate gives every instance without an address LocalAddress.
func (a *Agent) Locate(ctx context.Context, instances []service.Instance) error {
	for n := range instances {
		if instances[n].Address != "" {
			continue
		}
		address, err := a.LocalAddress(ctx)
		if err != nil {
			return err
		}
		instances[n].Address = address
	}
	return nil
}

// LocalAddress returns the address of this host on the route to the agent: the
// one by which the agent's network reaches us. Where the agent is on the loopback
// interface or on a unix socket that says nothing, and the host's only other
// address is taken; if there are several or none, the error is ErrNoAddress and
// lists them. Other errors, such as a name that does not resolve yet, may pass.
func (a *Agent) LocalAddress(ctx context.Context) (string, error) {
	if target, ok := a.dialTarget(); ok {
		// Connecting a datagram socket chooses the route and sends nothing.
		conn, err := (&net.Dialer{Timeout: a.timeout}).DialContext(ctx, "udp", target)
		if err != nil {
			return "", fmt.Errorf("find the route to consul at %s: %w", a.address, bare(err))
		}
		defer conn.Close()
		local := conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
		if usable(local) {
			return local.WithZone("").String(), nil
		}
	}
	all, err := candidates()
	if err != nil {
		return "", err
	}
	return a.only(all)
}

func (a *Agent) only(candidates []string) (string, error) {
	if len(candidates) == 1 {
		return candidates[0], nil
	}
	list := strings.Join(candidates, ", ")
	if list == "" {
		list = "none"
	}
	return "", fmt.Errorf("SERVICE_ADDRESS: is not set, and the route to consul at %s does not tell it: %w; candidates: %s",
		a.address, ErrNoAddress, list)
}

// dialTarget is host:port of the agent, unless it is on a unix socket.
func (a *Agent) dialTarget() (string, bool) {
	scheme, rest, found := strings.Cut(a.address, "://")
	if !found {
		scheme, rest = "http", a.address
	}
	if scheme == "unix" {
		return "", false
	}
	rest, _, _ = strings.Cut(rest, "/")
	if _, _, err := net.SplitHostPort(rest); err == nil {
		return rest, true
	}
	port := "80"
	if scheme == "https" {
		port = "443"
	}
	return net.JoinHostPort(strings.Trim(rest, "[]"), port), true
}

func candidates() ([]string, error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	var usables []string
	for _, address := range addresses {
		prefix, err := netip.ParsePrefix(address.String())
		if err == nil && usable(prefix.Addr()) {
			usables = append(usables, prefix.Addr().String())
		}
	}
	return usables, nil
}

// usable tells whether others can be told to connect to the address.
func usable(a netip.Addr) bool {
	return a.IsValid() && !a.IsLoopback() && !a.IsUnspecified() && !a.IsLinkLocalUnicast() && !a.IsMulticast()
}
