package main

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"remora/internal/await"
	"remora/internal/consultest"
	"remora/sidecar/internal/admin"
)

// attendable returns the environment of a sidecar with an admin socket of its own.
func attendable(t *testing.T, agent *consultest.Agent, app *app, settings ...string) []string {
	t.Helper()
	socket := "REMORA_ADMIN=unix://" + filepath.Join(t.TempDir(), "s")
	return app.environ(agent, append(settings, socket)...)
}

// maintained is the check that keeps the instance in maintenance.
func maintained(agent *consultest.Agent) (string, bool) {
	c, ok := agent.Checks("web-1")["_service_maintenance:web-1"]
	return c.Notes, ok
}

func mustRun(t *testing.T, env []string, args ...string) string {
	t.Helper()
	p := program.Start(t, env, args...)
	p.MustExit(0)
	return p.Output().String()
}

func TestNobodyAnswersIsOneLineAndExitCode1(t *testing.T) {
	t.Parallel()
	env := []string{"REMORA_ADMIN=unix:///no/such/socket"}
	for _, args := range [][]string{{"status"}, {"health"}, {"drain"}, {"maintenance", "on"}} {
		p := program.Start(t, env, args...)
		p.MustExit(1)
		mustBeOneLine(t, p, "sidecar: no sidecar answers at unix:///no/such/socket: no such file or directory")
	}
}

func TestStatusTellsOfInstancesAndChecks(t *testing.T) {
	t.Parallel()
	agent, app := consultest.New(t), newApp(t)
	env := attendable(t, agent, app)
	program.Start(t, env)
	becomes(t, agent, "passing")
	var status admin.Status
	if err := json.Unmarshal([]byte(mustRun(t, env, "status", "-json")), &status); err != nil {
		t.Fatal(err)
	}
	if len(status.Instances) != 1 || len(status.Instances[0].Checks) != 1 {
		t.Fatalf("status %+v, want one instance with one check", status)
	}
	i, c := status.Instances[0], status.Instances[0].Checks[0]
	if i.ID != "web-1" || i.Service != "web" || i.Address != "127.0.0.1:"+app.port || !i.Registered {
		t.Errorf("instance %+v, want web-1 registered", i)
	}
	if c.Status != "passing" || !strings.Contains(c.Output, "200 OK") || time.Since(c.Since) > await.Limit {
		t.Errorf("check %+v, want it passing since a moment", c)
	}
	text := mustRun(t, env, "status")
	if want := "web (web-1, 127.0.0.1:" + app.port + "): registered\n  http: passing since "; !strings.HasPrefix(text, want) {
		t.Errorf("status %q, want it to begin with %q", text, want)
	}
}

func TestHealthFollowsTheRegistrationAndOutlivesConsul(t *testing.T) {
	t.Parallel()
	agent, app := consultest.New(t), newApp(t)
	env := attendable(t, agent, app)
	agent.Stop()
	sidecar := program.Start(t, env)
	sidecar.Says("registration failed")
	ill := program.Start(t, env, "health")
	ill.MustExit(1)
	mustBeOneLine(t, ill, "service web (web-1) is not registered")
	agent.Start()
	becomes(t, agent, "passing")
	mustRun(t, env, "health")
	agent.Stop()
	await.True(t, "the trouble in the status", func() bool {
		return strings.Contains(mustRun(t, env, "status"), "registered; ")
	})
	mustRun(t, env, "health")
	agent.Start()
}

func TestHealthAndStatusOfTemplatesAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mustWrite(t, dir, "f.ctmpl", "{{ nonsense }}")
	settings, _ := rendering(t, consultest.New(t), dir)
	settings = append(settings, "REMORA_ADMIN=unix://"+filepath.Join(t.TempDir(), "s"))
	program.Start(t, settings).Says("template failed")
	mustRun(t, settings, "health")
	if got := mustRun(t, settings, "status"); !strings.HasPrefix(got, "templates: generation none yet; ") || !strings.Contains(got, "nonsense") {
		t.Errorf("status %q, want the template's error", got)
	}
	mustWrite(t, dir, "f.ctmpl", "text")
	await.True(t, "the generation", func() bool {
		got := mustRun(t, settings, "status")
		return strings.HasPrefix(got, "templates: generation ") && !strings.Contains(got, "none yet")
	})
	p := program.Start(t, settings, "drain")
	p.MustExit(1)
	mustBeOneLine(t, p, "no instance to take out of traffic")
}

func TestDrainLastsAndSurvivesAWipedAgent(t *testing.T) {
	t.Parallel()
	agent, app := consultest.New(t), newApp(t)
	const drain = 200 * time.Millisecond
	env := attendable(t, agent, app, "REMORA_DRAIN="+drain.String())
	program.Start(t, env)
	becomes(t, agent, "passing")
	began := time.Now()
	mustRun(t, env, "drain")
	if took := time.Since(began); took < drain {
		t.Errorf("drain took %s, want at least %s", took, drain)
	}
	if reason, _ := maintained(agent); reason != "remora: drained by hand" {
		t.Errorf("maintenance with the reason %q, want our own", reason)
	}
	agent.Forget("web-1")
	await.True(t, "maintenance after the agent forgot it", func() bool { _, is := maintained(agent); return is })
	if n := agent.Count("register web-1 critical"); n != 1 {
		t.Errorf("%d registrations as critical, want the one while it is drained", n)
	}
	mustRun(t, env, "maintenance", "off")
	if _, is := maintained(agent); is {
		t.Error("still in maintenance")
	}
}

func TestMaintenanceOffEndsOnlyOurs(t *testing.T) {
	t.Parallel()
	agent, app := consultest.New(t), newApp(t)
	env := attendable(t, agent, app)
	program.Start(t, env)
	becomes(t, agent, "passing")
	mustRun(t, env, "maintenance", "on", "new", "disk")
	if reason, _ := maintained(agent); reason != "remora: new disk" {
		t.Errorf("maintenance with the reason %q, want ours", reason)
	}
	if got := mustRun(t, env, "status"); !strings.Contains(got, "in maintenance: new disk") {
		t.Errorf("status %q, want the reason in it", got)
	}
	mustRun(t, env, "maintenance", "off")
	agent.Maintain("web-1", "by an operator")
	p := program.Start(t, env, "maintenance", "off")
	p.MustExit(1)
	mustBeOneLine(t, p, "in maintenance that somebody else began: by an operator")
	if _, is := maintained(agent); !is {
		t.Error("the operator's maintenance is over")
	}
}

func TestStartEndsMaintenanceOfAnEarlierLife(t *testing.T) {
	t.Parallel()
	agent, app := consultest.New(t), newApp(t)
	env := attendable(t, agent, app)
	first := program.Start(t, env)
	becomes(t, agent, "passing")
	mustRun(t, env, "maintenance", "on")
	first.Signal(syscall.SIGKILL)
	first.MustExit(-int(syscall.SIGKILL))
	program.Start(t, env) // on the socket's file that the first one left
	await.True(t, "the end of maintenance", func() bool { _, is := maintained(agent); return !is })
	mustRun(t, env, "health")
}

func TestMaintenanceThatConsulDoesNotKnowYetIsTriedAgain(t *testing.T) {
	t.Parallel()
	agent, app := consultest.New(t), newApp(t)
	env := attendable(t, agent, app)
	program.Start(t, env)
	becomes(t, agent, "passing")
	agent.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		refused := strings.Contains(r.URL.Path, "/maintenance/")
		if refused {
			http.Error(w, "no leader", http.StatusInternalServerError)
		}
		return refused
	})
	p := program.Start(t, env, "maintenance", "on")
	p.MustExit(1)
	mustBeOneLine(t, p, "noted, and tried again until Consul knows it: ")
	agent.Intercept(nil)
	await.True(t, "maintenance", func() bool { _, is := maintained(agent); return is })
}

func TestSocketThatIsTakenIsAnError(t *testing.T) {
	t.Parallel()
	agent, app := consultest.New(t), newApp(t)
	env := attendable(t, agent, app)
	program.Start(t, env)
	becomes(t, agent, "passing")
	second := program.Start(t, env)
	second.MustExit(1)
	mustBeOneLine(t, second, "another process answers there")
}
