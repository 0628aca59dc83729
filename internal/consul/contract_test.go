package consul_test

import (
	"errors"
	"flag"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"remora/internal/consul"
	"remora/internal/consultest"
	"remora/internal/service"
)

// The same tests run against the tests' agent, which all other tests rely on, and
// against a real one: consul agent -dev, go test ./internal/consul -agent 127.0.0.1:8500
var realAgent = flag.String("agent", "", "address of a real Consul agent to run the tests against too")

// place is an agent as the tests see it: through package consul, and from outside.
type place struct {
	agent   *consul.Agent
	outside *api.Agent
}

func forEachAgent(t *testing.T, test func(t *testing.T, p place)) {
	t.Run("tests' agent", func(t *testing.T) {
		test(t, mustPlace(t, consultest.New(t).Addr))
	})
	if *realAgent != "" {
		t.Run("real agent", func(t *testing.T) { test(t, mustPlace(t, *realAgent)) })
	}
}

func mustPlace(t *testing.T, addr string) place {
	t.Helper()
	agent := mustAgent(t, addr, 5*time.Second)
	client, err := api.NewClient(api.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	return place{agent, client.Agent()}
}

func mustAgent(t *testing.T, addr string, timeout time.Duration) *consul.Agent {
	t.Helper()
	t.Setenv("CONSUL_HTTP_ADDR", addr)
	agent, err := consul.New(timeout)
	if err != nil {
		t.Fatal(err)
	}
	return agent
}

func web() service.Instance {
	return service.Instance{
		ID: "web-1", Name: "web", Address: "192.0.2.1", Port: 80,
		Tags: []string{"b", "a"}, Meta: map[string]string{"remora_owner": "box"},
		Checks: []service.Check{{
			ID: "service:web-1:http", Kind: service.HTTP, Path: "/health?full=1", Method: "GET",
			Interval: 10 * time.Second, Timeout: 5 * time.Second,
			Initial: service.Critical, DeregisterAfter: 10 * time.Minute,
		}},
	}
}

// ttlCheck is the ID of the check of web, reported.
const ttlCheck = "service:web-1:http:ttl"

func (p place) mustRegister(t *testing.T, i service.Instance) {
	t.Helper()
	if err := p.agent.Register(t.Context(), i); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.outside.ServiceDeregister(i.ID) })
}

func (p place) mustLookUp(t *testing.T, id, hash string, wait time.Duration) consul.Registered {
	t.Helper()
	r, err := p.agent.Registered(t.Context(), id, hash, wait)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// check looks at a check from outside.
func (p place) check(t *testing.T, id string) api.AgentCheck {
	t.Helper()
	checks, err := p.outside.Checks()
	if err != nil {
		t.Fatal(err)
	}
	if c := checks[id]; c != nil {
		return *c
	}
	return api.AgentCheck{}
}

func TestWhatIsRegisteredIsFound(t *testing.T) {
	several := web()
	several.Checks = append(several.Checks, service.Check{ID: "second", Kind: service.TCP, Interval: time.Minute, Timeout: time.Second, Initial: service.Passing})
	bare := service.Instance{ID: "bare", Name: "bare", Address: "2001:db8::1", Port: 1}
	odd := web()
	odd.ID = `a b/c%20d?e#f"g\ü`
	odd.Checks[0].ID = "service:" + odd.ID + ":http"
	forEachAgent(t, func(t *testing.T, p place) {
		for _, i := range []service.Instance{web(), web().Reported(time.Minute), several, bare, odd} {
			p.mustRegister(t, i)
			if got := p.mustLookUp(t, i.ID, "", 0); !got.Is(i) {
				t.Errorf("registered %+v, and the agent has %+v", i, got)
			}
			if err := p.agent.Deregister(t.Context(), i.ID); err != nil {
				t.Fatal(err)
			}
			if _, err := p.agent.Registered(t.Context(), i.ID, "", 0); !errors.Is(err, consul.ErrNotFound) {
				t.Errorf("%s: error %v after it was deregistered, want ErrNotFound", i.ID, err)
			}
		}
	})
}

func TestUnknownInstancesAndChecks(t *testing.T) {
	forEachAgent(t, func(t *testing.T, p place) {
		ctx := t.Context()
		if err := p.agent.Deregister(ctx, "nobody"); err != nil {
			t.Errorf("Deregister: %v, want nil", err)
		}
		_, lookUp := p.agent.Registered(ctx, "nobody", "", 0)
		for what, err := range map[string]error{
			"Registered": lookUp,
			"Maintain":   p.agent.Maintain(ctx, "nobody", "stop"),
			"Report":     p.agent.Report(ctx, "nobody", service.Passing, ""),
		} {
			if !errors.Is(err, consul.ErrNotFound) {
				t.Errorf("%s: %v, want ErrNotFound", what, err)
			}
		}
	})
}

func TestRegisterRemovesStrayChecks(t *testing.T) {
	forEachAgent(t, func(t *testing.T, p place) {
		before := web()
		before.Checks = append(before.Checks, service.Check{ID: "stray", Kind: service.TCP, Interval: time.Minute, Timeout: time.Second})
		p.mustRegister(t, before)
		p.mustRegister(t, web())
		if c := p.check(t, "stray"); c.CheckID != "" {
			t.Errorf("the stray check is still there: %+v", c)
		}
		if got := p.mustLookUp(t, "web-1", "", 0); !got.Is(web()) {
			t.Errorf("the agent has %+v", got)
		}
	})
}

func TestRegisterEndsOurMaintenanceButNotAnOperators(t *testing.T) {
	const id = "_service_maintenance:web-1"
	forEachAgent(t, func(t *testing.T, p place) {
		p.mustRegister(t, web())
		if err := p.agent.Maintain(t.Context(), "web-1", "draining"); err != nil {
			t.Fatal(err)
		}
		if got, want := p.check(t, id).Notes, "remora: draining"; got != want {
			t.Errorf("reason %q, want %q", got, want)
		}
		p.mustRegister(t, web())
		if c := p.check(t, id); c.CheckID != "" {
			t.Errorf("our maintenance goes on: %+v", c)
		}
		if err := p.outside.EnableServiceMaintenance("web-1", "disk full"); err != nil {
			t.Fatal(err)
		}
		if err := p.agent.Maintain(t.Context(), "web-1", "draining"); err != nil {
			t.Fatal(err)
		}
		p.mustRegister(t, web())
		if got, want := p.check(t, id).Notes, "disk full"; got != want {
			t.Errorf("reason %q after Maintain and Register, want the operator's %q", got, want)
		}
		if got := p.mustLookUp(t, "web-1", "", 0); !got.Is(web()) {
			t.Error("maintenance makes the registration another")
		}
	})
}

func TestReportsArrive(t *testing.T) {
	forEachAgent(t, func(t *testing.T, p place) {
		p.mustRegister(t, web().Reported(time.Minute))
		if got := p.check(t, ttlCheck).Status; got != "critical" {
			t.Errorf("born %s, want critical", got)
		}
		for _, status := range []service.Status{service.Passing, service.Warning, service.Critical} {
			if err := p.agent.Report(t.Context(), ttlCheck, status, "seen "+string(status)); err != nil {
				t.Fatal(err)
			}
			if c := p.check(t, ttlCheck); c.Status != string(status) || c.Output != "seen "+string(status) {
				t.Errorf("the agent has %s %q, want %s", c.Status, c.Output, status)
			}
		}
		p.mustRegister(t, web()) // the agent runs the check now
		err := p.agent.Report(t.Context(), "service:web-1:http", service.Passing, "")
		if err == nil || errors.Is(err, consul.ErrNotFound) || errors.Is(err, consul.ErrRefused) {
			t.Errorf("Report of a check that the agent runs: %v, want an error that may pass", err)
		}
	})
}

// The agent itself keeps what a check of the same ID found before.
func TestReplaceForgetsTheLifeBefore(t *testing.T) {
	forEachAgent(t, func(t *testing.T, p place) {
		for _, i := range []service.Instance{web(), web().Reported(time.Minute)} {
			i.Checks[0].Initial = service.Passing
			p.mustRegister(t, i)
			for _, status := range []service.Status{service.Critical, service.Warning, service.Passing} {
				i.Checks[0].Initial = status
				if err := p.agent.Replace(t.Context(), i); err != nil {
					t.Fatal(err)
				}
				if got := p.check(t, i.Checks[0].ID).Status; got != string(status) {
					t.Errorf("born %s, want %s", got, status)
				}
			}
			if got := p.mustLookUp(t, "web-1", "", 0); !got.Is(i) {
				t.Errorf("the agent has %+v", got)
			}
		}
	})
}

func TestReplaceKeepsAnOperatorsMaintenance(t *testing.T) {
	forEachAgent(t, func(t *testing.T, p place) {
		p.mustRegister(t, web())
		if err := p.outside.EnableServiceMaintenance("web-1", "disk full"); err != nil {
			t.Fatal(err)
		}
		if err := p.agent.Replace(t.Context(), web()); err != nil {
			t.Fatal(err)
		}
		if got, want := p.check(t, "_service_maintenance:web-1").Notes, "disk full"; got != want {
			t.Errorf("reason %q, want the operator's %q", got, want)
		}
	})
}

// A check that changes hands must not go on being run by the agent: it would set
// the status that somebody else reports.
func TestAgentStopsACheckThatIsReportedNow(t *testing.T) {
	forEachAgent(t, func(t *testing.T, p place) {
		i := web()
		i.Checks[0].Initial = service.Passing
		p.mustRegister(t, i)
		p.mustRegister(t, i.Reported(time.Minute))
		checks, err := p.outside.Checks()
		if err != nil {
			t.Fatal(err)
		}
		for id, c := range checks {
			if c.ServiceID == "web-1" && id != ttlCheck {
				t.Errorf("check %s (%s) is still there", id, c.Type)
			}
		}
		if got := checks[ttlCheck]; got == nil || got.Status != "passing" {
			t.Errorf("the reported check is %+v, want it passing", got)
		}
	})
}

func TestLookUpBlocksUntilTheRegistrationChanges(t *testing.T) {
	forEachAgent(t, func(t *testing.T, p place) {
		p.mustRegister(t, web())
		hash := p.mustLookUp(t, "web-1", "", 0).Hash
		if hash == "" {
			t.Fatal("no hash")
		}
		start := time.Now()
		if again := p.mustLookUp(t, "web-1", hash, 200*time.Millisecond); again.Hash != hash {
			t.Errorf("hash %s without a change, %s before", again.Hash, hash)
		}
		if took := time.Since(start); took < 200*time.Millisecond {
			t.Errorf("answered after %s although nothing changed, want 200ms or more", took)
		}
		changed := make(chan error, 1)
		go func() {
			other := web()
			other.Tags = nil
			changed <- p.agent.Register(t.Context(), other)
		}()
		if got := p.mustLookUp(t, "web-1", hash, time.Minute); got.Hash == hash {
			t.Error("the hash is the same after a change")
		} else {
			hash = got.Hash
		}
		if err := <-changed; err != nil {
			t.Fatal(err)
		}
		go func() { changed <- p.agent.Deregister(t.Context(), "web-1") }()
		if _, err := p.agent.Registered(t.Context(), "web-1", hash, time.Minute); !errors.Is(err, consul.ErrNotFound) {
			t.Errorf("error %v when it was deregistered, want ErrNotFound", err)
		}
		if err := <-changed; err != nil {
			t.Fatal(err)
		}
	})
}

func TestRefusedRegistration(t *testing.T) {
	forEachAgent(t, func(t *testing.T, p place) {
		i := web()
		i.Name = ""
		if err := p.agent.Register(t.Context(), i); !errors.Is(err, consul.ErrRefused) {
			t.Errorf("error %v, want ErrRefused", err)
		}
	})
}
