package consul_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"

	"remora/internal/consul"
	"remora/internal/consultest"
	"remora/internal/service"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestRegisterSendsWhatWasDeclared(t *testing.T) {
	tcp := web()
	tcp.Address, tcp.Tags = "2001:db8::1", nil
	tcp.Checks = []service.Check{{
		ID: "service:web-1:tcp", Kind: service.TCP, Interval: 2 * time.Second, Timeout: time.Second, Initial: service.Passing,
	}}
	for golden, i := range map[string]service.Instance{"http": web(), "tcp": tcp, "ttl": web().Reported(30 * time.Second)} {
		t.Run(golden, func(t *testing.T) {
			fake := consultest.New(t)
			if err := mustAgent(t, fake.Addr, time.Second).Register(t.Context(), i); err != nil {
				t.Fatal(err)
			}
			requests := fake.Requests()
			sent := requests[0]
			if got, want := sent.Method+" "+sent.URI, "PUT /v1/agent/service/register"; got != want {
				t.Errorf("asked %s, want %s", got, want)
			}
			if len(fake.Writes()) != 1 {
				t.Errorf("the agent was told %q, want the registration alone", fake.Writes())
			}
			mustBeGolden(t, filepath.Join("testdata", "register_"+golden+".json"), sent.Body)
		})
	}
}

func mustBeGolden(t *testing.T, path, got string) {
	t.Helper()
	var indented bytes.Buffer
	if err := json.Indent(&indented, []byte(got), "", "  "); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, indented.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), indented.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestAgentOfABadAddressOrToken(t *testing.T) {
	for name, value := range map[string]string{
		"CONSUL_HTTP_ADDR": "ftp://consul:21", "CONSUL_HTTP_TOKEN_FILE": "/no/such/token", "CONSUL_CACERT": "/no/such/ca.pem",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, value)
			if _, err := consul.New(time.Second); err == nil {
				t.Errorf("%s=%s: no error", name, value)
			}
		})
	}
}

func TestAddressIsAsItWasGiven(t *testing.T) {
	for _, addr := range []string{"consul:8500", "https://consul:8501", "unix:///run/consul.sock"} {
		if got := mustAgent(t, addr, time.Second).Address(); got != addr {
			t.Errorf("address %s, want %s", got, addr)
		}
	}
}

func TestErrorsAreOneClearLine(t *testing.T) {
	answering := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, body, code) }
	}
	for _, tc := range []struct {
		name   string
		answer http.HandlerFunc
		is     error // nil: neither ErrNotFound nor ErrRefused
		want   string
	}{
		{"bad request", answering(400, "Invalid service address"), consul.ErrRefused, `register service "web-1": refused by the agent: Invalid service address`},
		{"too large", answering(413, "Request body too large"), consul.ErrRefused, `register service "web-1": refused by the agent: Request body too large`},
		{"no right", answering(403, "Permission denied: lacks permission 'service:write'"), nil, `register service "web-1": the agent answers 403: Permission denied: lacks permission 'service:write'`},
		{"no leader", answering(500, "No cluster leader"), nil, `register service "web-1": the agent answers 500: No cluster leader`},
		{"hung", hang, nil, `register service "web-1" at ADDR: no answer in time`},
		{"cut off", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nil, `register service "web-1" at ADDR: EOF`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server := httptest.NewServer(tc.answer)
			defer server.Close()
			addr := server.Listener.Addr().String()
			err := mustAgent(t, addr, 200*time.Millisecond).Register(t.Context(), web())
			mustBeError(t, err, tc.is, strings.ReplaceAll(tc.want, "ADDR", addr))
		})
	}
}

func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // or the server would not see that the client is gone
	<-r.Context().Done()
}

func mustBeError(t *testing.T, err, is error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	for _, sentinel := range []error{consul.ErrNotFound, consul.ErrRefused, consul.ErrNoAddress} {
		if got := errors.Is(err, sentinel); got != (sentinel == is) {
			t.Errorf("error %q is %q: %v, want %v", err, sentinel, got, !got)
		}
	}
}

func TestAgentThatIsAway(t *testing.T) {
	closed := httptest.NewServer(nil)
	tcp := closed.Listener.Addr().String()
	closed.Close()
	away := consultest.New(t)
	away.Stop()
	for addr, want := range map[string]string{
		tcp:       `deregister service "web-1" at ` + tcp + `: connect: connection refused`,
		away.Addr: `deregister service "web-1" at ` + away.Addr + `: connect: no such file or directory`,
	} {
		err := mustAgent(t, addr, 5*time.Second).Deregister(t.Context(), "web-1")
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %q, want %q", err, want)
		}
	}
}

func TestRegistrationThatDiffers(t *testing.T) {
	ttl := web().Reported(time.Minute)
	for name, change := range map[string]func(*service.Instance){
		"name":               func(i *service.Instance) { i.Name = "other" },
		"address":            func(i *service.Instance) { i.Address = "192.0.2.2" },
		"port":               func(i *service.Instance) { i.Port = 81 },
		"tags":               func(i *service.Instance) { i.Tags = []string{"a", "b"} },
		"fewer tags":         func(i *service.Instance) { i.Tags = nil },
		"meta":               func(i *service.Instance) { i.Meta = map[string]string{"remora_owner": "other"} },
		"more meta":          func(i *service.Instance) { i.Meta = map[string]string{"remora_owner": "box", "a": "b"} },
		"no check":           func(i *service.Instance) { i.Checks = nil },
		"a check more":       func(i *service.Instance) { i.Checks = append(i.Checks, service.Check{ID: "second", Kind: service.TCP}) },
		"another check":      func(i *service.Instance) { i.Checks = []service.Check{{ID: "second", Kind: service.TCP}} },
		"the check's kind":   func(i *service.Instance) { i.Checks[0].TTL = 0 },
		"the check's TTL":    func(i *service.Instance) { i.Checks[0].TTL = time.Hour },
		"the check's path":   func(i *service.Instance) { i.Checks[0].Path = "/other" },
		"the check's method": func(i *service.Instance) { i.Checks[0].Method = "HEAD" },
		"its deregistration": func(i *service.Instance) { i.Checks[0].DeregisterAfter = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			p := mustPlace(t, consultest.New(t).Addr)
			p.mustRegister(t, ttl)
			other := web().Reported(time.Minute)
			change(&other)
			if got := p.mustLookUp(t, ttl.ID, "", 0); got.Is(other) || !got.Is(ttl) {
				t.Errorf("Is the other: %v, want false; is the same: %v, want true", got.Is(other), got.Is(ttl))
			}
		})
	}
}

func TestAgentsOwnCheckThatDiffers(t *testing.T) {
	p := mustPlace(t, consultest.New(t).Addr)
	p.mustRegister(t, web())
	got := p.mustLookUp(t, "web-1", "", 0)
	for name, change := range map[string]func(*service.Check){
		"interval": func(c *service.Check) { c.Interval = time.Minute },
		"timeout":  func(c *service.Check) { c.Timeout = time.Second },
		"scheme":   func(c *service.Check) { c.Kind = service.HTTPS },
	} {
		other := web()
		change(&other.Checks[0])
		if got.Is(other) {
			t.Errorf("another %s is not seen", name)
		}
	}
	initial := web()
	initial.Checks[0].Initial = service.Passing
	if !got.Is(initial) {
		t.Error("another status to be born with makes another registration, want none")
	}
}

// A token for writing alone may not list checks: the agent then shows none.
func TestRegistrationWithHiddenChecksDiffers(t *testing.T) {
	r := consul.Registered{Service: api.AgentService{Service: "web"}}
	if r.Is(web()) {
		t.Error("an instance without its checks passes for one with them")
	}
}
