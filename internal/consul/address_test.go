package consul

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"remora/internal/address"
	"remora/internal/service"
)

func mustAgent(t *testing.T, addr string) *Agent {
	t.Helper()
	t.Setenv("CONSUL_HTTP_ADDR", addr)
	a, err := New(time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAddressIsTheRoutesOrTheOnlyOne(t *testing.T) {
	others := mustOwn(t)
	// The route to these tells nothing, so it depends on the machine's addresses.
	for _, addr := range []string{"127.0.0.1:8500", "http://[::1]:8500", "https://localhost", "unix:///run/consul.sock"} {
		got, err := mustAgent(t, addr).ChooseAddress(t.Context())
		if len(others) == 1 {
			if err != nil || got.Address != others[0] {
				t.Errorf("%s: %+v, %v; want the only address %s", addr, got, err, others[0])
			}
			continue
		}
		if !errors.Is(err, ErrNoAddress) || !strings.Contains(err.Error(), addr) {
			t.Errorf("%s: %+v, %v; want ErrNoAddress with the agent's address", addr, got, err)
		}
	}
	// The route to one's own address is over that address.
	for _, own := range others {
		addr := netip.AddrPortFrom(netip.MustParseAddr(own), 8500).String()
		got, err := mustAgent(t, addr).ChooseAddress(t.Context())
		if err != nil || got.Address != own || !strings.HasPrefix(got.Reason, "route to "+addr+", on ") {
			t.Errorf("%s: %+v, %v; want %s for its route", addr, got, err, own)
		}
	}
}

// mustOwn lists the addresses of this machine that could be registered.
func mustOwn(t *testing.T) []string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	var own []string
	for _, one := range all {
		if a := netip.MustParsePrefix(one.String()).Addr(); a.IsGlobalUnicast() {
			own = append(own, a.String())
		}
	}
	return own
}

func TestWishedAddressNeedsNoRoute(t *testing.T) {
	t.Setenv("CONSUL_HTTP_ADDR", "consul.invalid:8500")
	agent, err := NewWith(Options{Timeout: time.Second, Address: address.Wish{From: "203.0.113.9"}})
	if err != nil {
		t.Fatal(err)
	}
	instances := []service.Instance{{ID: "a"}, {ID: "b", Address: "192.0.2.7"}}
	if err := agent.Locate(t.Context(), instances); err != nil {
		t.Fatal(err)
	}
	if instances[0].Address != "203.0.113.9" || instances[1].Address != "192.0.2.7" {
		t.Errorf("%+v, want the wished address, and the declared one, which wins", instances)
	}
}

func TestWhereTheRouteLeads(t *testing.T) {
	for addr, want := range map[string]string{
		"consul:8500":             "consul:8500",
		"consul":                  "consul:80",
		"http://consul":           "consul:80",
		"https://consul":          "consul:443",
		"https://consul/prefix":   "consul:443",
		"http://consul:80/prefix": "consul:80",
		"http://[2001:db8::1]":    "[2001:db8::1]:80",
		"[2001:db8::1]:8500":      "[2001:db8::1]:8500",
		"unix:///run/consul.sock": "",
	} {
		got, ok := mustAgent(t, addr).dialTarget()
		if got != want || ok != (want != "") {
			t.Errorf("%s leads to %q, %v; want %q", addr, got, ok, want)
		}
	}
}

func TestDeclaredAddressesAreKept(t *testing.T) {
	instances := []service.Instance{{ID: "a", Address: "192.0.2.7"}}
	// Neither a route nor a name is looked up.
	if err := mustAgent(t, "consul.invalid:8500").Locate(t.Context(), instances); err != nil {
		t.Fatal(err)
	}
	if got := instances[0].Address; got != "192.0.2.7" {
		t.Errorf("address %s, want the declared one", got)
	}
}

func TestNameThatDoesNotResolveMayDoSoLater(t *testing.T) {
	err := mustAgent(t, "consul.invalid:8500").Locate(t.Context(), []service.Instance{{ID: "a"}})
	if err == nil || errors.Is(err, ErrNoAddress) {
		t.Errorf("error %v, want one that may pass", err)
	}
}
