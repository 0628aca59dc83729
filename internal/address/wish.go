package address

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Wish says which address is wanted. The zero value is the one of the route to
// the agent, of any family.
type Wish struct {
	From   From
	Family Family
}

// From is route (or nothing), the name of an interface, a CIDR or an address.
type From string

// Family is any (or nothing), 4 or 6.
type Family string

// The values of Family, and the one of From that is a word.
const (
	Route From   = "route"
	Any   Family = "any"
	IPv4  Family = "4"
	IPv6  Family = "6"
)

func (f From) route() bool { return f == "" || f == Route }

// ByRoute tells whether the wish is for the address of the route to the agent.
func (w Wish) ByRoute() bool { return w.From.route() }

// UnmarshalText refuses what can be neither of the four.
func (f *From) UnmarshalText(text []byte) error {
	*f = From(text)
	if f.route() {
		return nil
	}
	if a, err := netip.ParseAddr(string(text)); err == nil {
		if !usable(a) {
			return errors.New("is an address that others cannot connect to")
		}
		return nil
	}
	if strings.Contains(string(text), "/") {
		if _, err := netip.ParsePrefix(string(text)); err != nil {
			return errors.New("is not a network such as 10.0.0.0/8")
		}
		return nil
	}
	// Linux: no slash, no space, and 15 bytes at most (IFNAMSIZ); a colon is an
	// address that was mistyped.
	if len(text) > 15 || strings.ContainsAny(string(text), " \t:") {
		return errors.New("is neither route nor an interface, a network such as 10.0.0.0/8 or an address")
	}
	return nil
}

// UnmarshalText accepts the values of Family.
func (f *Family) UnmarshalText(text []byte) error {
	switch *f = Family(text); *f {
	case "", Any, IPv4, IPv6:
		return nil
	}
	return errors.New("is not one of any, 4, 6")
}

func (f Family) has(a netip.Addr) bool {
	switch f {
	case IPv4:
		return a.Unmap().Is4()
	case IPv6:
		return a.Is6() && !a.Is4In6()
	}
	return true
}

func (f Family) noun() string {
	if f == IPv4 || f == IPv6 {
		return "IPv" + string(f) + " address"
	}
	return "address"
}

// Check says what contradicts itself in w.
func (w Wish) Check() error {
	if a, err := netip.ParseAddr(string(w.From)); err == nil && !w.Family.has(a) {
		return fmt.Errorf("REMORA_ADDRESS=%q: is not an %s, as REMORA_IP_FAMILY wants", string(w.From), w.Family.noun())
	}
	return nil
}
