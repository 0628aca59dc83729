package main

import (
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"remora/internal/await"
	"remora/internal/consultest"
)

func TestRegisteredOnceWithWhatTheCheckSaw(t *testing.T) {
	t.Parallel()
	agent, app := consultest.New(t), newApp(t)
	program.Start(t, app.environ(agent))
	await.True(t, "a report", func() bool { return agent.Count("report") > 0 })
	want := []string{"register web-1 passing", "report service:web-1:http:ttl passing"}
	if diff := cmp.Diff(want, agent.Writes()); diff != "" {
		t.Errorf("the agent was told (-want +got):\n%s", diff)
	}
	c := agent.Checks("web-1")["service:web-1:http:ttl"]
	if c.Type != "ttl" || !strings.Contains(c.Output, "200 OK") {
		t.Errorf("the agent has check %+v, want a TTL check with the answer of the app", c)
	}
}

func TestBadNewsAndGoodNewsArrive(t *testing.T) {
	t.Parallel()
	agent, app := consultest.New(t), newApp(t)
	program.Start(t, app.environ(agent))
	for _, step := range []struct {
		health int32
		status string
	}{{200, "passing"}, {500, "critical"}, {429, "warning"}, {204, "passing"}} {
		app.health.Store(step.health)
		becomes(t, agent, step.status)
	}
	if n := agent.Count("register"); n != 1 {
		t.Errorf("%d registrations, want 1", n)
	}
}

func TestStopDrainsAndNeverReportsPassingAfterwards(t *testing.T) {
	t.Parallel()
	agent, app := consultest.New(t), newApp(t)
	const drain = 300 * time.Millisecond
	sidecar := program.Start(t, app.environ(agent, "REMORA_DRAIN="+drain.String()))
	becomes(t, agent, "passing")
	stopped := time.Now()
	sidecar.Signal(syscall.SIGTERM)
	sidecar.MustExit(0)
	writes := agent.Writes()
	end := writes[max(0, slices.Index(writes, "maintain web-1")):]
	if diff := cmp.Diff([]string{"maintain web-1", "deregister web-1"}, end); diff != "" {
		t.Errorf("the stop (-want +got):\n%s", diff)
	}
	if waited := agent.When("deregister").Sub(stopped); waited < drain {
		t.Errorf("deregistered after %s, want at least the drain of %s", waited, drain)
	}
}

func TestSecondStopSignalEndsTheDrain(t *testing.T) {
	t.Parallel()
	agent, app := consultest.New(t), newApp(t)
	sidecar := program.Start(t, app.environ(agent, "REMORA_DRAIN=1h"))
	becomes(t, agent, "passing")
	sidecar.Signal(syscall.SIGTERM)
	await.True(t, "the drain", func() bool { return agent.Count("maintain") > 0 })
	sidecar.Signal(syscall.SIGTERM)
	sidecar.MustExit(0)
	if agent.Has("web-1") {
		t.Error("the instance is still registered")
	}
}

func TestDeregisterNeverLeavesTheInstanceAsItIs(t *testing.T) {
	t.Parallel()
	agent, app := consultest.New(t), newApp(t)
	sidecar := program.Start(t, app.environ(agent, "REMORA_DEREGISTER=never"))
	becomes(t, agent, "passing")
	sidecar.Signal(syscall.SIGTERM)
	sidecar.MustExit(0)
	if !agent.Has("web-1") || agent.Count("maintain") > 0 {
		t.Errorf("the agent was told %q, want the instance left alone", agent.Writes())
	}
}

func TestHangupIsIgnored(t *testing.T) {
	t.Parallel()
	agent, app := consultest.New(t), newApp(t)
	sidecar := program.Start(t, app.environ(agent))
	becomes(t, agent, "passing")
	sidecar.Signal(syscall.SIGHUP)
	app.health.Store(500)
	becomes(t, agent, "critical")
	sidecar.Signal(syscall.SIGTERM)
	sidecar.MustExit(0)
}

func TestForgottenInstanceComesBackWithItsCurrentStatus(t *testing.T) {
	t.Parallel()
	agent, app := consultest.New(t), newApp(t)
	program.Start(t, app.environ(agent))
	becomes(t, agent, "passing")
	agent.Forget("web-1")
	await.True(t, "the healthy instance", func() bool { return agent.Count("register web-1 passing") > 1 })
	app.health.Store(429)
	becomes(t, agent, "warning")
	agent.Forget("web-1")
	await.True(t, "the instance with a warning", func() bool { return agent.Count("register web-1 warning") > 0 })
}

func TestForgottenCheckComesBackWithItsCurrentStatus(t *testing.T) {
	t.Parallel()
	agent, app := consultest.New(t), newApp(t)
	program.Start(t, app.environ(agent, "REMORA_TTL=2s"))
	becomes(t, agent, "passing")
	agent.ForgetCheck("service:web-1:http:ttl")
	becomes(t, agent, "passing")
	if n := agent.Count("register web-1 critical"); n > 0 {
		t.Errorf("%d registrations as critical of an instance that is well, want none", n)
	}
}

func TestAgentThatComesBackGetsTheInstance(t *testing.T) {
	t.Parallel()
	agent, app := consultest.New(t), newApp(t)
	agent.Stop()
	sidecar := program.Start(t, app.environ(agent))
	sidecar.Says("registration failed; trying again", agent.Addr)
	agent.Start()
	becomes(t, agent, "passing")
	agent.Stop()
	agent.Forget("web-1") // a wiped agent
	agent.Start()
	becomes(t, agent, "passing")
}

func TestRefusalsAreTriedAgainWithPauses(t *testing.T) {
	t.Parallel()
	agent, app := consultest.New(t), newApp(t)
	agent.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			http.Error(w, "Permission denied", http.StatusForbidden)
		}
		return r.Method == http.MethodPut
	})
	sidecar := program.Start(t, app.environ(agent))
	sidecar.Says("registration failed; trying again", "the agent answers 403: Permission denied", "failures=1")
	agent.Intercept(nil) // the token got its rights
	becomes(t, agent, "passing")
}

// keepsAs runs a sidecar until the instance is as it wants it, and returns how
// often it registered.
func keepsAs(t *testing.T, agent *consultest.Agent, app *app, settings ...string) int {
	t.Helper()
	before := agent.Count("register")
	reports := agent.Count("report")
	sidecar := program.Start(t, app.environ(agent, append(settings, "REMORA_DEREGISTER=never")...))
	await.True(t, "a report, or a registration with the agent's check", func() bool {
		return agent.Count("report") > reports || agent.Count("register web-1 critical") > before
	})
	sidecar.Says("level=INFO") // a report may still be its predecessor's
	sidecar.Signal(syscall.SIGTERM)
	sidecar.MustExit(0)
	return agent.Count("register") - before
}

func TestHealthyInstanceChangesHandsWithoutAGap(t *testing.T) {
	t.Parallel()
	agent, app := consultest.New(t), newApp(t)
	for _, step := range []struct {
		name     string
		settings []string
		want     int // registrations
	}{
		{"as init does: the agent's check, born critical", []string{"REMORA_CHECKS=agent"}, 1},
		{"a sidecar takes the check over", nil, 1},
		{"the next one finds all as it should be", nil, 0},
		{"another TTL is another check", []string{"REMORA_TTL=5m"}, 1},
		{"another path is another check", []string{"REMORA_TTL=5m", "SERVICE_CHECK_HTTP=/other"}, 1},
	} {
		if got := keepsAs(t, agent, app, step.settings...); got != step.want {
			t.Errorf("%s: %d registrations, want %d", step.name, got, step.want)
		}
	}
	if n := agent.Count("register web-1 critical"); n != 1 {
		t.Errorf("%d registrations as critical, want the first alone", n)
	}
}
