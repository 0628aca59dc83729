package consul

import (
	"errors"
	"net/netip"
	"testing"
	"time"

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
	others, err := candidates()
	if err != nil {
		t.Fatal(err)
	}
	// The route to these tells nothing, so it depends on the machine's addresses.
	for _, addr := range []string{"127.0.0.1:8500", "http://[::1]:8500", "https://localhost", "unix:///run/consul.sock"} {
		got, err := mustAgent(t, addr).LocalAddress(t.Context())
		if len(others) == 1 {
			if err != nil || got != others[0] {
				t.Errorf("%s: %q, %v; want the only address %s", addr, got, err, others[0])
			}
			continue
		}
		if !errors.Is(err, ErrNoAddress) {
			t.Errorf("%s: %q, %v; want ErrNoAddress with %d candidates", addr, got, err, len(others))
		}
	}
	// The route to one's own address is over that address.
	for _, own := range others {
		addr := netip.AddrPortFrom(netip.MustParseAddr(own), 8500).String()
		got, err := mustAgent(t, addr).LocalAddress(t.Context())
		if err != nil || got != own {
			t.Errorf("%s: %q, %v; want %s", addr, got, err, own)
		}
	}
}

func TestOnlyCandidateIsTaken(t *testing.T) {
	a := mustAgent(t, "unix:///run/consul.sock")
	const head = "SERVICE_ADDRESS: is not set, and the route to consul at unix:///run/consul.sock does not tell it: no address to register; candidates: "
	for _, tc := range []struct {
		candidates []string
		want       string
		wantErr    string
	}{
		{[]string{"192.0.2.1"}, "192.0.2.1", ""},
		{[]string{"192.0.2.1", "2001:db8::1"}, "", head + "192.0.2.1, 2001:db8::1"},
		{nil, "", head + "none"},
	} {
		got, err := a.only(tc.candidates)
		if got != tc.want || err != nil != (tc.wantErr != "") || err != nil && err.Error() != tc.wantErr {
			t.Errorf("of %q %q is taken, error %v; want %q, error %q", tc.candidates, got, err, tc.want, tc.wantErr)
		}
		if err != nil && !errors.Is(err, ErrNoAddress) {
			t.Errorf("error %v, want ErrNoAddress", err)
		}
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

func TestUsableAddresses(t *testing.T) {
	for text, want := range map[string]bool{
		"192.0.2.1": true, "10.0.0.1": true, "2001:db8::1": true, "fd00::1": true,
		"127.0.0.1": false, "127.1.2.3": false, "::1": false, "0.0.0.0": false, "::": false,
		"169.254.1.1": false, "fe80::1": false, "224.0.0.1": false, "ff02::1": false,
	} {
		if got := usable(netip.MustParseAddr(text)); got != want {
			t.Errorf("usable(%s) = %v, want %v", text, got, want)
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
