// Package address chooses, among the addresses of a host, the one that others are
// told to connect to, and says why it was that one. It is pure: what the host has
// is given to it.
package address

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// ErrNone says that no address of the host can be offered to others, or that it
// is not clear which.
var ErrNone = errors.New("no address to register")

// Interface is a network interface of the host. The order of interfaces and of
// the addresses of each is the kernel's: by index, and the primary address first.
type Interface struct {
	Name      string
	Addresses []netip.Addr
}

// Choice is an address and why it was chosen.
type Choice struct {
	Address string
	Reason  string // a few words, such as "route to consul:8500, on eth0"
}

// Facts are what a choice is made from.
type Facts struct {
	Route      netip.Addr // the local address of the route to the agent; zero if there is none
	Agent      string     // where the agent is, for people
	Interfaces []Interface
}

// candidate is an address that may be offered.
type candidate struct {
	netip.Addr
	on string
}

func (c candidate) String() string { return fmt.Sprintf("%s (%s)", c.Addr, c.on) }

// Choose returns the address that w wants. Where several fit, IPv4 comes before
// IPv6, then the kernel's order decides, so that the same host always gives the
// same. Errors are ErrNone and list the candidates with their interfaces.
func (w Wish) Choose(f Facts) (Choice, error) {
	all := usables(f.Interfaces)
	fit := slices.DeleteFunc(slices.Clone(all), func(c candidate) bool { return !w.Family.has(c.Addr) })
	if w.From.route() {
		return w.byRoute(f, all, fit)
	}
	if literal, err := netip.ParseAddr(string(w.From)); err == nil {
		// It need not be the host's: it may be what NAT makes of it.
		return Choice{literal.String(), "REMORA_ADDRESS"}, nil
	}
	what := "on interface " + string(w.From)
	match := func(c candidate) bool { return c.on == string(w.From) }
	if network, err := netip.ParsePrefix(string(w.From)); err == nil {
		what = "in " + network.String()
		match = func(c candidate) bool { return network.Contains(c.Addr) }
	}
	fit = slices.DeleteFunc(fit, func(c candidate) bool { return !match(c) })
	if len(fit) == 0 {
		return Choice{}, fmt.Errorf("REMORA_ADDRESS=%q: %s %s: %w; candidates: %s",
			string(w.From), w.Family.noun(), what, ErrNone, list(all))
	}
	reason := fmt.Sprintf("REMORA_ADDRESS=%s, on %s", w.From, fit[0].on)
	return Choice{fit[0].Addr.String(), reason + oneOf(fit)}, nil
}

// byRoute takes the route's address; where that is of the other family, the first
// of its interface; and where the route tells nothing, the only one there is.
func (w Wish) byRoute(f Facts, all, fit []candidate) (Choice, error) {
	if usable(f.Route) {
		on := slices.IndexFunc(all, func(c candidate) bool { return c.Addr == f.Route.WithZone("") })
		if w.Family.has(f.Route) {
			reason := "route to " + f.Agent
			if on >= 0 {
				reason += ", on " + all[on].on
			}
			return Choice{f.Route.WithZone("").String(), reason}, nil
		}
		if on >= 0 {
			same := slices.DeleteFunc(slices.Clone(fit), func(c candidate) bool { return c.on != all[on].on })
			if len(same) > 0 {
				reason := fmt.Sprintf("%s on %s, the interface of the route to %s", w.Family.noun(), same[0].on, f.Agent)
				return Choice{same[0].Addr.String(), reason + oneOf(same)}, nil
			}
		}
	}
	if len(fit) == 1 {
		return Choice{fit[0].Addr.String(), fmt.Sprintf("the only %s, on %s", w.Family.noun(), fit[0].on)}, nil
	}
	return Choice{}, fmt.Errorf("SERVICE_ADDRESS: is not set, nor does REMORA_ADDRESS say which, and the route to consul at %s does not tell it: %w; candidates: %s",
		f.Agent, ErrNone, list(fit))
}

// usables lists what may be offered, IPv4 first and otherwise in order.
func usables(interfaces []Interface) []candidate {
	var all []candidate
	for _, i := range interfaces {
		for _, a := range i.Addresses {
			if a = a.Unmap(); usable(a) {
				all = append(all, candidate{a.WithZone(""), i.Name})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return a.BitLen() - b.BitLen() })
	return all
}

// usable tells whether others can be told to connect to the address.
func usable(a netip.Addr) bool {
	return a.IsValid() && !a.IsLoopback() && !a.IsUnspecified() && !a.IsLinkLocalUnicast() && !a.IsMulticast()
}

func oneOf(fit []candidate) string {
	if len(fit) == 1 {
		return ""
	}
	return fmt.Sprintf(", the first of %d: %s", len(fit), list(fit))
}

func list(candidates []candidate) string {
	if len(candidates) == 0 {
		return "none"
	}
	words := make([]string, len(candidates))
	for i, c := range candidates {
		words[i] = c.String()
	}
	return strings.Join(words, ", ")
}

// Local returns the interfaces of this host that are up.
func Local() ([]Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	var interfaces []Interface
	for _, i := range all {
		if i.Flags&net.FlagUp == 0 {
			continue
		}
		addresses, err := i.Addrs()
		if err != nil {
			continue // it has just gone
		}
		one := Interface{Name: i.Name}
		for _, a := range addresses {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil {
				one.Addresses = append(one.Addresses, prefix.Addr())
			}
		}
		interfaces = append(interfaces, one)
	}
	return interfaces, nil
}
