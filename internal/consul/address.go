package consul

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"remora/internal/address"
	"remora/internal/service"
)

// ErrNoAddress says that no address of this host can be offered to others.
var ErrNoAddress = address.ErrNone

// Locate gives every instance without an address the one that ChooseAddress chooses.
func (a *Agent) Locate(ctx context.Context, instances []service.Instance) error {
	for n := range instances {
		if instances[n].Address != "" {
			continue
		}
		choice, err := a.ChooseAddress(ctx)
		if err != nil {
			return err
		}
		instances[n].Address = choice.Address
	}
	return nil
}

// ChooseAddress returns the address of this host to register, and why it is that
// one; package address has the rules. Unless something else is wished, it is the
// address on the route to the agent: the one by which the agent's network reaches
// us. An error that is not ErrNoAddress, such as a name that does not resolve yet,
// may pass.
func (a *Agent) ChooseAddress(ctx context.Context) (address.Choice, error) {
	facts := address.Facts{Agent: a.address}
	var err error
	if facts.Interfaces, err = address.Local(); err != nil {
		return address.Choice{}, err
	}
	if target, ok := a.dialTarget(); ok && a.where.ByRoute() {
		if facts.Route, err = a.route(ctx, target); err != nil {
			return address.Choice{}, err
		}
	}
	return a.where.Choose(facts)
}

// route returns the local address of the route to target. Connecting a datagram
// socket chooses it and sends nothing.
func (a *Agent) route(ctx context.Context, target string) (netip.Addr, error) {
	conn, err := (&net.Dialer{Timeout: a.timeout}).DialContext(ctx, "udp", target)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("find the route to consul at %s: %w", a.address, bare(err))
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
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
