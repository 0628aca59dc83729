package main

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"remora/internal/await"
	"remora/internal/consultest"
)

func TestRegisterEndsAndLeavesTheInstance(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"register"}, nil} {
		agent := consultest.New(t)
		program.Start(t, environ(agent), args...).MustExit(0)
		if diff := cmp.Diff([]string{"register web-1 critical"}, agent.Writes()); diff != "" {
			t.Errorf("init %v told the agent (-want +got):\n%s", args, diff)
		}
	}
}

// After a crash the agent still has the instance, and what its check found.
func TestRestartedInstanceIsBornCriticalAgain(t *testing.T) {
	t.Parallel()
	agent := consultest.New(t)
	program.Start(t, environ(agent, "SERVICE_CHECK_INITIAL_STATUS=passing"), "register").MustExit(0)
	program.Start(t, environ(agent), "register").MustExit(0)
	want := []string{
		"register web-1 passing",
		"maintain web-1", "remove service:web-1:tcp", "register web-1 critical", "remove _service_maintenance:web-1",
	}
	if diff := cmp.Diff(want, agent.Writes()); diff != "" {
		t.Errorf("order of events (-want +got):\n%s", diff)
	}
	if got := agent.Status("service:web-1:tcp"); got != "critical" {
		t.Errorf("the check is %q, want critical", got)
	}
}

func TestChecksOfASidecarAreBornAsTTLChecks(t *testing.T) {
	t.Parallel()
	for checks, want := range map[string]string{"agent": "service:web-1:tcp", "sidecar": "service:web-1:tcp:ttl"} {
		agent := consultest.New(t)
		program.Start(t, environ(agent, "REMORA_CHECKS="+checks), "register").MustExit(0)
		if got := agent.Status(want); got != "critical" {
			t.Errorf("REMORA_CHECKS=%s: check %s is %q, want critical", checks, want, got)
		}
	}
}

func TestDeclaredAddressWinsOverTheWishedOne(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ declared, want string }{{"SERVICE_ADDRESS=", "203.0.113.9"}, {"SERVICE_ADDRESS=192.0.2.10", "192.0.2.10"}} {
		agent := consultest.New(t)
		program.Start(t, environ(agent, tc.declared, "REMORA_ADDRESS=203.0.113.9"), "register").MustExit(0)
		body := ""
		for _, r := range agent.Requests() {
			body += r.Body
		}
		if !strings.Contains(body, `"Address":"`+tc.want+`"`) {
			t.Errorf("%s: registered %s, want address %s", tc.declared, body, tc.want)
		}
	}
}

func TestWithConsulAwayPolicyDecides(t *testing.T) {
	t.Parallel()
	t.Run("fail ends with one clear line", func(t *testing.T) {
		t.Parallel()
		agent := away(t)
		init := start(t, agent, []string{"REMORA_CONSUL_POLICY=fail", "REMORA_CONSUL_WAIT=200ms"}, "serve", "0")
		init.MustExit(1)
		if n := init.Output().Count("level=ERROR", "gave up after 200ms", `service \"web-1\" at `+agent.Addr); n != 1 {
			t.Errorf("%d lines say why, want 1", n)
		}
		agent.Start()
		if n := agent.Count("app-started"); n > 0 {
			t.Error("the app was started")
		}
	})
	t.Run("start starts the app and registers later", func(t *testing.T) {
		t.Parallel()
		agent := away(t)
		init := start(t, agent, []string{"REMORA_CONSUL_POLICY=start", "REMORA_CONSUL_WAIT=200ms"}, "serve", "42")
		init.Says("app starts unregistered")
		init.Says("app started")
		agent.Start()
		happened(t, agent, "register web-1 critical")
		init.Says("app listens")
		init.Signal(syscall.SIGTERM)
		init.MustExit(42)
		happened(t, agent, "deregister web-1")
	})
	t.Run("wait waits", func(t *testing.T) {
		t.Parallel()
		agent := away(t)
		init := start(t, agent, []string{"REMORA_CONSUL_POLICY=wait", "REMORA_CONSUL_WAIT=1ms"}, "serve", "0")
		init.Says("registration failed; trying again")
		agent.Start()
		happened(t, agent, "app-started")
		if diff := cmp.Diff([]string{"register web-1 critical", "app-started"}, agent.Writes()); diff != "" {
			t.Errorf("order of events (-want +got):\n%s", diff)
		}
		init.Signal(syscall.SIGTERM)
		init.MustExit(0)
	})
	t.Run("register gives up in any case", func(t *testing.T) {
		t.Parallel()
		init := program.Start(t, environ(away(t), "REMORA_CONSUL_POLICY=wait", "REMORA_CONSUL_WAIT=200ms"), "register")
		init.MustExit(1)
	})
}

func away(t *testing.T) *consultest.Agent {
	agent := consultest.New(t)
	agent.Stop()
	return agent
}

func TestStopBeforeTheAppStarts(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		agent := away(t)
		init := start(t, agent, []string{"REMORA_CONSUL_POLICY=wait"}, "serve", "0")
		init.Says("registration failed; trying again")
		init.Signal(sig)
		init.MustExit(128 + int(sig))
		if n := init.Output().Count("app started"); n > 0 {
			t.Errorf("%s: the app was started", sig)
		}
	}
}

// The instance is there, but init does not know it yet, when the stop comes.
func TestStopInTheMiddleOfTheRegistrationLeavesNothing(t *testing.T) {
	t.Parallel()
	agent := consultest.New(t)
	arrived, once := make(chan struct{}), sync.Once{}
	agent.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet && agent.Has("web-1") {
			once.Do(func() {
				close(arrived)
				<-r.Context().Done()
			})
		}
		return false
	})
	init := start(t, agent, nil, "serve", "0")
	<-arrived
	init.Signal(syscall.SIGTERM)
	init.MustExit(128 + int(syscall.SIGTERM))
	if agent.Has("web-1") {
		t.Error("the instance is still registered")
	}
	if n := agent.Count("app-started"); n > 0 {
		t.Error("the app was started")
	}
}

func TestSignalsBeforeTheAppStartsAreKeptForIt(t *testing.T) {
	t.Parallel()
	agent := away(t)
	init := program.Start(t, environ(agent, "REMORA_CONSUL_POLICY=wait"), "--", "sleep", "1000")
	init.Says("registration failed; trying again")
	init.Signal(syscall.SIGHUP)
	agent.Start()
	init.MustExit(128 + int(syscall.SIGHUP))
}

func TestAgentThatForgotTheInstanceGetsItBack(t *testing.T) {
	t.Parallel()
	agent := consultest.New(t)
	init := start(t, agent, nil, "serve", "0")
	happened(t, agent, "app-started")
	for n := 2; n < 4; n++ {
		agent.Forget("web-1")
		await.True(t, "another registration", func() bool { return agent.Count("register") == n })
	}
	init.Signal(syscall.SIGTERM)
	init.MustExit(0)
	// Once the stop has begun nothing is registered again.
	writes := agent.Writes()
	if i := slices.Index(writes, "maintain web-1"); i < 0 || slices.Contains(writes[i:], "register web-1 critical") {
		t.Errorf("order of events %q, want no registration after the drain began", writes)
	}
}

func TestFormOfASidecarIsLeftAlone(t *testing.T) {
	t.Parallel()
	agent := consultest.New(t)
	init := start(t, agent, nil, "serve", "0")
	happened(t, agent, "app-started")
	// A sidecar with the same declaration registers its TTL check.
	program.Start(t, environ(agent, "REMORA_CHECKS=sidecar", "SERVICE_TAGS=sidecar"), "register").MustExit(0)
	await.True(t, "init's look at the other form", func() bool {
		forms := map[string]bool{}
		for _, r := range agent.Requests() {
			if _, query, ok := strings.Cut(r.URI, "/agent/service/web-1?hash="); ok {
				forms[query] = true
			}
		}
		return len(forms) == 2
	})
	init.Signal(syscall.SIGTERM)
	init.MustExit(0)
	if n := agent.Count("register"); n != 2 {
		t.Errorf("%d registrations, want 2", n)
	}
}

func TestRefusedRegistrationIsAMistakeInTheSettings(t *testing.T) {
	t.Parallel()
	agent := consultest.New(t)
	agent.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		http.Error(w, "Invalid service address", http.StatusBadRequest)
		return true
	})
	init := start(t, agent, []string{"REMORA_CONSUL_POLICY=wait"}, "serve", "0")
	init.MustExit(2)
	if n := init.Output().Count("level=ERROR", "refused by the agent: Invalid service address"); n != 1 {
		t.Errorf("%d lines say why, want 1", n)
	}
}

func TestBadInputIsOneLineThatNamesIt(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		settings []string
		args     []string
		want     string
	}{
		{"no port", []string{"SERVICE_PORT="}, nil, "SERVICE_PORT: is not set"},
		{"bad port", []string{"SERVICE_PORT=http"}, nil, `SERVICE_PORT="http": is not a port`},
		{"port beyond the last", []string{"SERVICE_PORT=65536"}, nil, `SERVICE_PORT="65536"`},
		{"no name", []string{"SERVICE_NAME="}, nil, "SERVICE_NAME: is not set"},
		{"unknown setting", []string{"REMORA_DRIAN=1s"}, nil, "REMORA_DRIAN: unknown setting; did you mean REMORA_DRAIN?"},
		{"unknown flag", nil, []string{"-drian=1s"}, "-drian: unknown flag; did you mean -drain?"},
		{"interval without unit", []string{"SERVICE_CHECK_INTERVAL=5"}, nil, `SERVICE_CHECK_INTERVAL="5": missing unit (for example 5s)`},
		{"unknown check", []string{"SERVICE_CHECK_HTPP=/"}, nil, "SERVICE_CHECK_HTPP: is not a check setting; did you mean SERVICE_CHECK_HTTP?"},
		{"unknown policy", []string{"REMORA_CONSUL_POLICY=hope"}, nil, `REMORA_CONSUL_POLICY="hope": is not one of wait, start, fail`},
		{"no time for Consul", []string{"REMORA_CONSUL_TIMEOUT=0s"}, nil, `REMORA_CONSUL_TIMEOUT="0s": is not longer than 0`},
		{"address nobody can reach", []string{"REMORA_ADDRESS=127.0.0.1"}, nil, `REMORA_ADDRESS="127.0.0.1": is an address that others cannot connect to`},
		{"address of the other family", []string{"REMORA_ADDRESS=192.0.2.1", "REMORA_IP_FAMILY=6"}, nil, `REMORA_ADDRESS="192.0.2.1": is not an IPv6 address`},
		{"no such interface", []string{"SERVICE_ADDRESS=", "REMORA_ADDRESS=nosuch9"}, nil, `REMORA_ADDRESS=\"nosuch9\": address on interface nosuch9: no address to register; candidates: `},
		{"drain beyond the stop", []string{"REMORA_DRAIN=9s"}, nil, `REMORA_STOP_TIMEOUT="9s"`},
		{"mistyped command", nil, []string{"regster"}, `"regster": unknown command; did you mean register?`},
		{"command without --", nil, []string{"nginx", "-g"}, `"nginx": unknown command; to run an app: init -- nginx -g`},
		{"flags behind the command", nil, []string{"register", "-drain=1s"}, `"-drain=1s": register takes no arguments`},
		{"-- without a command", nil, []string{"--"}, "--: no command follows"},
		{"Consul's address", []string{"CONSUL_HTTP_ADDR=ftp://consul"}, nil, "ftp"},
		{"login without its token", []string{"REMORA_CONSUL_AUTH_METHOD=jwt"}, nil, "needs REMORA_CONSUL_AUTH_BEARER_FILE"},
		{"token without its login", []string{"REMORA_CONSUL_AUTH_BEARER_FILE=/jwt"}, nil, "needs REMORA_CONSUL_AUTH_METHOD"},
		{"meta without a login", []string{"REMORA_CONSUL_AUTH_META=a=b"}, nil, "needs REMORA_CONSUL_AUTH_METHOD"},
		{"meta that is none", []string{"REMORA_CONSUL_AUTH_META=a=b,c"}, nil, `REMORA_CONSUL_AUTH_META="a=b,c": is not key=value`},
		{"unknown hand-over", []string{"REMORA_HAND_OVER=fork"}, nil, `REMORA_HAND_OVER="fork": is not one of supervise, exec`},
		{"unknown deregistration", []string{"REMORA_DEREGISTER=maybe"}, nil, `REMORA_DEREGISTER="maybe": is not one of always, on-success, never`},
		{"Consul's token", []string{"CONSUL_HTTP_TOKEN_FILE=/no/such/token"}, nil, "/no/such/token"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			init := program.Start(t, environ(away(t), tc.settings...), tc.args...)
			init.MustExit(2)
			out := strings.TrimSpace(init.Output().String())
			if !strings.Contains(out, tc.want) || strings.Contains(out, "\n") {
				t.Errorf("output %q, want one line with %q", out, tc.want)
			}
		})
	}
}
