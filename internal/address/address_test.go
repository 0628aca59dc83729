package address_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"remora/internal/address"
)

func on(name string, addresses ...string) address.Interface {
	i := address.Interface{Name: name}
	for _, a := range addresses {
		i.Addresses = append(i.Addresses, netip.MustParseAddr(a))
	}
	return i
}

var (
	lo    = on("lo", "127.0.0.1", "::1")
	front = on("eth0", "2001:db8::2", "192.0.2.2", "192.0.2.200", "fe80::1")
	back  = on("eth1", "10.0.0.2", "fd00::2")
	dual  = []address.Interface{lo, front, back}
)

func TestChoice(t *testing.T) {
	for _, tc := range []struct {
		name         string
		from, family string
		route        string
		has          []address.Interface
		want, reason string
	}{
		{"route", "", "", "10.0.0.2", dual, "10.0.0.2", "route to consul:8500, on eth1"},
		{"route by name", "route", "any", "192.0.2.2", dual, "192.0.2.2", "route to consul:8500, on eth0"},
		{"route over IPv6", "route", "any", "fd00::2", dual, "fd00::2", "route to consul:8500, on eth1"},
		{"route from an address nobody lists", "route", "", "192.0.2.77", nil, "192.0.2.77", "route to consul:8500"},
		{"route of the other family", "route", "6", "192.0.2.2", dual, "2001:db8::2", "IPv6 address on eth0, the interface of the route to consul:8500"},
		{"route of the other family, IPv4", "route", "4", "fd00::2", dual, "10.0.0.2", "IPv4 address on eth1, the interface of the route to consul:8500"},
		{"route of the other family, two", "route", "4", "2001:db8::2", dual, "192.0.2.2",
			"IPv4 address on eth0, the interface of the route to consul:8500, the first of 2: 192.0.2.2 (eth0), 192.0.2.200 (eth0)"},
		{"route of the other family, one elsewhere", "route", "6", "192.0.2.2", []address.Interface{on("a", "192.0.2.2"), on("b", "fd00::9")},
			"fd00::9", "the only IPv6 address, on b"},
		{"loopback route, one address", "route", "", "127.0.0.1", []address.Interface{lo, on("eth0", "192.0.2.2", "fe80::1")},
			"192.0.2.2", "the only address, on eth0"},
		{"no route, one of the family", "route", "4", "", []address.Interface{lo, on("eth0", "192.0.2.2", "fd00::2")},
			"192.0.2.2", "the only IPv4 address, on eth0"},
		{"interface", "eth1", "", "192.0.2.2", dual, "10.0.0.2", "REMORA_ADDRESS=eth1, on eth1, the first of 2: 10.0.0.2 (eth1), fd00::2 (eth1)"},
		{"interface, IPv6", "eth1", "6", "192.0.2.2", dual, "fd00::2", "REMORA_ADDRESS=eth1, on eth1"},
		{"network", "10.0.0.0/8", "", "192.0.2.2", dual, "10.0.0.2", "REMORA_ADDRESS=10.0.0.0/8, on eth1"},
		{"network over two interfaces", "0.0.0.0/0", "", "", dual, "192.0.2.2",
			"REMORA_ADDRESS=0.0.0.0/0, on eth0, the first of 3: 192.0.2.2 (eth0), 192.0.2.200 (eth0), 10.0.0.2 (eth1)"},
		{"network, IPv6", "fd00::/8", "", "", dual, "fd00::2", "REMORA_ADDRESS=fd00::/8, on eth1"},
		{"address", "203.0.113.9", "", "10.0.0.2", dual, "203.0.113.9", "REMORA_ADDRESS"},
		{"address in IPv6's form", "192.0.2.5", "4", "", []address.Interface{on("eth0", "::ffff:192.0.2.5")}, "192.0.2.5", "REMORA_ADDRESS"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := wish(t, tc.from, tc.family).Choose(facts(tc.route, tc.has))
			if want := (address.Choice{Address: tc.want, Reason: tc.reason}); err != nil || got != want {
				t.Errorf("%+v, %v; want %+v", got, err, want)
			}
		})
	}
}

func TestNoChoiceListsTheCandidates(t *testing.T) {
	const open = "SERVICE_ADDRESS: is not set, nor does REMORA_ADDRESS say which, and the route to consul at consul:8500 does not tell it: no address to register; candidates: "
	const all = "192.0.2.2 (eth0), 192.0.2.200 (eth0), 10.0.0.2 (eth1), 2001:db8::2 (eth0), fd00::2 (eth1)"
	for _, tc := range []struct {
		name         string
		from, family string
		route        string
		has          []address.Interface
		want         string
	}{
		{"several", "", "", "127.0.0.1", dual, open + all},
		{"several of the family", "", "6", "::1", dual, open + "2001:db8::2 (eth0), fd00::2 (eth1)"},
		{"loopback only", "", "", "127.0.0.1", []address.Interface{lo}, open + "none"},
		{"link-local only", "", "", "fe80::1", []address.Interface{on("eth0", "fe80::1", "169.254.3.4")}, open + "none"},
		{"nothing at all", "", "", "", nil, open + "none"},
		{"no such interface", "eth9", "", "10.0.0.2", dual, `REMORA_ADDRESS="eth9": address on interface eth9: no address to register; candidates: ` + all},
		{"interface without the family", "eth0", "6", "", []address.Interface{on("eth0", "192.0.2.2")},
			`REMORA_ADDRESS="eth0": IPv6 address on interface eth0: no address to register; candidates: 192.0.2.2 (eth0)`},
		{"interface of loopback", "lo", "", "", dual, `REMORA_ADDRESS="lo": address on interface lo: no address to register; candidates: ` + all},
		{"network without an address", "172.16.0.0/12", "", "", dual, `REMORA_ADDRESS="172.16.0.0/12": address in 172.16.0.0/12: no address to register; candidates: ` + all},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := wish(t, tc.from, tc.family).Choose(facts(tc.route, tc.has))
			if !errors.Is(err, address.ErrNone) || err.Error() != tc.want {
				t.Errorf("%+v, error %v; want %s", got, err, tc.want)
			}
		})
	}
}

func facts(route string, has []address.Interface) address.Facts {
	f := address.Facts{Agent: "consul:8500", Interfaces: has}
	if route != "" {
		f.Route = netip.MustParseAddr(route)
	}
	return f
}

func wish(t *testing.T, from, family string) address.Wish {
	t.Helper()
	var w address.Wish
	if err := errors.Join(w.From.UnmarshalText([]byte(from)), w.Family.UnmarshalText([]byte(family)), w.Check()); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestWishThatCannotBe(t *testing.T) {
	for text, want := range map[string]string{
		"127.0.0.1": "others cannot connect", "0.0.0.0": "others cannot connect", "::": "others cannot connect", "fe80::1": "others cannot connect",
		"10.0.0.0/99": "not a network", "/8": "not a network", "eth0/24": "not a network",
		"averylonginterface": "is neither", "10.0.0.1:80": "is neither", "eth 0": "is neither",
	} {
		var from address.From
		if err := from.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
	var family address.Family
	if err := family.UnmarshalText([]byte("5")); err == nil {
		t.Error("family 5: no error")
	}
	for from, family := range map[address.From]address.Family{"192.0.2.1": address.IPv6, "2001:db8::1": address.IPv4} {
		if err := (address.Wish{From: from, Family: family}).Check(); err == nil {
			t.Errorf("%s of family %s: no error", from, family)
		}
	}
}

func TestLocalInterfacesAreListed(t *testing.T) {
	all, err := address.Local()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		if i.Name == "" {
			t.Errorf("%+v has no name", i)
		}
	}
}
