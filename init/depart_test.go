package main

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"syscall"
	"testing"

	"remora/internal/consultest"
)

const maintenanceOfWeb = "_service_maintenance:web-1"

// reason is why the instance is in maintenance; "" if it is not.
func reason(agent *consultest.Agent) string { return agent.Checks("web-1")[maintenanceOfWeb].Notes }

func TestWhatStaysInConsulWhenTheAppHasEnded(t *testing.T) {
	t.Parallel()
	const code = "remora: the app ended with exit code "
	for _, tc := range []struct {
		policy string
		app    []string
		want   string // the reason that the instance stays with; "" if it goes
	}{
		{"always", []string{"exit", "3"}, ""},
		{"on-success", []string{"exit", "0"}, ""},
		{"on-success", []string{"die", "9"}, ""},
		{"on-success", []string{"exit", "3"}, code + "3"},
		{"on-success", []string{"exit", "143"}, code + "143"},
		{"never", []string{"exit", "0"}, code + "0"},
		{"never", []string{"die", "9"}, code + "137"},
	} {
		agent := consultest.New(t)
		init := start(t, agent, []string{"REMORA_DEREGISTER=" + tc.policy}, tc.app...)
		init.Exit()
		if got := reason(agent); got != tc.want || agent.Has("web-1") != (tc.want != "") {
			t.Errorf("%s after %v: registered %v, maintenance %q; want %q", tc.policy, tc.app, agent.Has("web-1"), got, tc.want)
		}
	}
}

func TestWhatStaysInConsulAfterAStop(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		policy string
		exit   int
		stays  bool
	}{{"on-success", 0, false}, {"on-success", 143, false}, {"on-success", 3, true}, {"never", 0, true}, {"always", 3, false}} {
		agent := consultest.New(t)
		init := start(t, agent, []string{"REMORA_DEREGISTER=" + tc.policy}, "serve", strconv.Itoa(tc.exit))
		happened(t, agent, "app-started")
		init.Signal(syscall.SIGTERM)
		init.MustExit(tc.exit)
		if agent.Has("web-1") != tc.stays || tc.stays && agent.Status(maintenanceOfWeb) != "critical" {
			t.Errorf("%s after %d: registered %v, maintenance %q; want it to stay: %v", tc.policy, tc.exit, agent.Has("web-1"), reason(agent), tc.stays)
		}
	}
}

func TestAppThatCannotBeStartedStaysForPeopleToSee(t *testing.T) {
	t.Parallel()
	for _, settings := range [][]string{{"REMORA_DEREGISTER=on-success"}, {"REMORA_DEREGISTER=on-success", handOverExec}} {
		agent := consultest.New(t)
		program.Start(t, environ(agent, settings...), "--", "/no/such/app").MustExit(127)
		if got, want := reason(agent), "remora: the app could not be started"; got != want {
			t.Errorf("%v: maintenance %q, want %q", settings, got, want)
		}
	}
}

func TestOurMaintenanceEndsWithTheNextStart(t *testing.T) {
	t.Parallel()
	agent := consultest.New(t)
	start(t, agent, []string{"REMORA_DEREGISTER=never"}, "exit", "1").MustExit(1)
	if got := agent.Status(maintenanceOfWeb); got != "critical" {
		t.Fatalf("maintenance is %q, want critical", got)
	}
	init := start(t, agent, nil, "serve", "0")
	happened(t, agent, "app-started")
	if got := reason(agent); got != "" {
		t.Errorf("maintenance %q, want none", got)
	}
	init.Signal(syscall.SIGTERM)
	init.MustExit(0)
}

// An operator's maintenance belongs to the operator, whatever the container does
// meanwhile: stop, start again, crash.
func TestOperatorsMaintenanceSurvivesRestarts(t *testing.T) {
	t.Parallel()
	agent := consultest.New(t)
	first := start(t, agent, nil, "serve", "0")
	happened(t, agent, "app-started")
	agent.Maintain("web-1", "disk full")
	stillOn := func(when string) {
		if got := reason(agent); got != "disk full" {
			t.Errorf("%s: maintenance %q, want the operator's", when, got)
		}
	}
	first.Signal(syscall.SIGTERM)
	first.MustExit(0)
	first.Says("service left in its operator's maintenance")
	stillOn("after a stop")
	start(t, agent, nil, "exit", "3").MustExit(3)
	stillOn("after a start and a crash")
	start(t, agent, []string{"REMORA_DEREGISTER=never"}, "exit", "0").MustExit(0)
	stillOn("after a start and an end that leaves the instance")
	last := start(t, agent, nil, "serve", "0")
	last.Says("app listens")
	stillOn("after another start")
	put(agent, "/v1/agent/service/maintenance/web-1?enable=false")
	last.Signal(syscall.SIGTERM)
	last.MustExit(0)
	if agent.Has("web-1") {
		t.Error("the instance is still registered after the operator ended the maintenance")
	}
}

// While an instance is in maintenance, Consul takes another one for done: the
// operator's leaves no trace, and goes with ours.
func TestOperatorsMaintenanceDuringOursIsNotSeenByConsul(t *testing.T) {
	t.Parallel()
	agent := consultest.New(t)
	init := start(t, agent, []string{"REMORA_DRAIN=1h", "REMORA_STOP_TIMEOUT=2h"}, "serve", "0")
	happened(t, agent, "app-started")
	init.Signal(syscall.SIGTERM)
	happened(t, agent, "maintain")
	put(agent, "/v1/agent/service/maintenance/web-1?enable=true&reason=disk+full")
	if got, want := reason(agent), "remora: draining before a stop"; got != want {
		t.Errorf("maintenance %q, want %q", got, want)
	}
	init.Signal(syscall.SIGTERM)
	init.MustExit(0)
	if agent.Has("web-1") {
		t.Error("the instance is still registered")
	}
}

// put is what somebody else tells the agent.
func put(agent *consultest.Agent, path string) {
	agent.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPut, path, nil))
}
