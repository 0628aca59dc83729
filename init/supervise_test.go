package main

import (
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"remora/internal/await"
	"remora/internal/consultest"
	"remora/internal/drive"
)

func TestRegisteredBeforeTheAppStartsAndDrainedBeforeItStops(t *testing.T) {
	t.Parallel()
	agent := consultest.New(t)
	const drain = 300 * time.Millisecond
	init := start(t, agent, []string{"REMORA_DRAIN=" + drain.String()}, "serve", "0")
	happened(t, agent, "app-started")
	stopped := time.Now()
	init.Signal(syscall.SIGTERM)
	init.MustExit(0)
	want := []string{"register web-1 critical", "app-started", "maintain web-1", "app-terminated", "deregister web-1"}
	if diff := cmp.Diff(want, agent.Writes()); diff != "" {
		t.Errorf("order of events (-want +got):\n%s", diff)
	}
	if waited := agent.When("app-terminated").Sub(stopped); waited < drain {
		t.Errorf("the app was told to stop after %s, want at least the drain of %s", waited, drain)
	}
}

func TestExitCodeIsTheApps(t *testing.T) {
	t.Parallel()
	agent := consultest.New(t)
	for _, tc := range []struct {
		app  []string
		want int
	}{
		{[]string{"exit", "0"}, 0},
		{[]string{"exit", "1"}, 1},
		{[]string{"exit", "42"}, 42},
		{[]string{"die", "9"}, 137},
		{[]string{"die", "15"}, 143},
	} {
		t.Run(strings.Join(tc.app, " "), func(t *testing.T) {
			t.Parallel()
			init := start(t, agent, nil, tc.app...)
			init.MustExit(tc.want)
			if n := init.Output().Count("level=ERROR"); n > 0 {
				t.Errorf("%d errors are logged, want none: the exit code says it", n)
			}
		})
	}
}

func TestAppThatCannotBeStartedIsDeregistered(t *testing.T) {
	t.Parallel()
	for command, code := range map[string]int{"/no/such/app": 127, "no-such-app": 127, "/etc/passwd": 126, "/etc": 126} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			agent := consultest.New(t)
			init := program.Start(t, environ(agent), "--", command)
			init.MustExit(code)
			want := []string{"register web-1 critical", "deregister web-1"}
			if diff := cmp.Diff(want, agent.Writes()); diff != "" {
				t.Errorf("order of events (-want +got):\n%s", diff)
			}
			if n := init.Output().Count("level=ERROR", command, "exit="+strconv.Itoa(code)); n != 1 {
				t.Errorf("%d lines name the command and the code, want 1", n)
			}
		})
	}
}

func TestOtherSignalsReachTheApp(t *testing.T) {
	t.Parallel()
	agent := consultest.New(t)
	init := start(t, agent, nil, "serve", "0")
	happened(t, agent, "app-started")
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH} {
		init.Signal(sig)
		happened(t, agent, "app-"+name(sig))
	}
	if n := agent.Count("maintain"); n > 0 {
		t.Errorf("%d drains began, want none", n)
	}
	init.Signal(syscall.SIGTERM)
	init.MustExit(0)
}

// Every stop signal that images declare drains, and is passed on as it came.
func TestStopSignalIsPassedOnAsItCame(t *testing.T) {
	t.Parallel()
	agent := consultest.New(t)
	init := start(t, agent, []string{"REMORA_DRAIN=300ms"}, "serve", "7", strconv.Itoa(int(syscall.SIGINT)))
	happened(t, agent, "app-started")
	init.Signal(syscall.SIGINT)
	init.MustExit(7)
	if n := agent.Count("maintain"); n != 1 {
		t.Errorf("%d drains, want 1", n)
	}
}

func TestSecondStopSignalEndsTheDrain(t *testing.T) {
	t.Parallel()
	agent := consultest.New(t)
	init := start(t, agent, []string{"REMORA_DRAIN=1h", "REMORA_STOP_TIMEOUT=2h"}, "serve", "42")
	happened(t, agent, "app-started")
	init.Signal(syscall.SIGTERM)
	happened(t, agent, "maintain")
	init.Signal(syscall.SIGTERM)
	init.MustExit(42)
}

func TestNothingIsRegisteredOnceTheStopHasBegun(t *testing.T) {
	t.Parallel()
	agent := consultest.New(t)
	init := start(t, agent, []string{"REMORA_DRAIN=1h", "REMORA_STOP_TIMEOUT=2h"}, "serve", "0")
	happened(t, agent, "app-started")
	init.Signal(syscall.SIGTERM)
	happened(t, agent, "maintain")
	agent.Forget("web-1")
	init.Signal(syscall.SIGTERM)
	init.MustExit(0)
	if n := agent.Count("register"); n != 1 {
		t.Errorf("%d registrations, want the first alone", n)
	}
}

func TestAppThatEndsInTheDrainEndsIt(t *testing.T) {
	t.Parallel()
	agent := consultest.New(t)
	init := start(t, agent, []string{"REMORA_DRAIN=1h", "REMORA_STOP_TIMEOUT=2h"}, "serve", "7", strconv.Itoa(int(syscall.SIGUSR1)))
	happened(t, agent, "app-started")
	init.Signal(syscall.SIGTERM)
	happened(t, agent, "maintain")
	init.Signal(syscall.SIGUSR1)
	init.MustExit(7)
	happened(t, agent, "deregister web-1")
	if n := agent.Count("app-terminated"); n > 0 {
		t.Error("the app was told to stop in the middle of the drain")
	}
}

func TestAppThatIgnoresTheSignalIsKilledWithItsGroup(t *testing.T) {
	t.Parallel()
	agent := consultest.New(t)
	init := start(t, agent, []string{"REMORA_STOP_TIMEOUT=1200ms"}, "stubborn")
	happened(t, agent, "app-started")
	_, child, _ := strings.Cut(init.Output().String(), "child=")
	child, _, _ = strings.Cut(child, "\n")
	if !drive.Running(child) {
		t.Fatalf("the app's child %q does not run", child)
	}
	init.Signal(syscall.SIGTERM)
	init.MustExit(128 + int(syscall.SIGKILL))
	await.True(t, "the end of the app's child", func() bool { return !drive.Running(child) })
	init.Says("app killed")
	if agent.Has("web-1") {
		t.Error("the instance is still registered")
	}
}

// The drain may be over before the agent has answered, and the app may take its
// time: it is said all the same that the instance goes.
func TestMaintenanceIsNotCutOffByAShortDrain(t *testing.T) {
	t.Parallel()
	agent := consultest.New(t)
	init := start(t, agent, []string{"REMORA_DRAIN=0s"}, "serve", "7", strconv.Itoa(int(syscall.SIGUSR1)))
	happened(t, agent, "app-started")
	slow := make(chan struct{})
	agent.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "/maintenance/") {
			<-slow
		}
		return false
	})
	init.Signal(syscall.SIGTERM)
	happened(t, agent, "app-terminated")
	close(slow)
	await.True(t, "maintenance", func() bool { return agent.Status("_service_maintenance:web-1") == "critical" })
	init.Signal(syscall.SIGUSR1)
	init.MustExit(7)
}

func TestStopWithTheAgentAwayStaysInItsBudget(t *testing.T) {
	t.Parallel()
	agent := consultest.New(t)
	init := start(t, agent, nil, "serve", "0")
	happened(t, agent, "app-started")
	agent.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		<-r.Context().Done() // hangs
		return true
	})
	init.Signal(syscall.SIGTERM)
	// The app ends at once; what is left is the reserve for deregistration.
	await.Within(t, 5*time.Second, "the end", func() bool { return init.Output().Count("app ended") > 0 })
	init.MustExit(0)
	init.Says("service not deregistered", "no answer in time")
}

func TestFlagsOfTheAppAreTheApps(t *testing.T) {
	t.Parallel()
	agent := consultest.New(t)
	init := start(t, agent, nil, "echo", "-drain", "5", "-h", "--", "-version", "register")
	init.MustExit(0)
	init.Says("app got -drain 5 -h -- -version register")
}

func TestOurFlagsComeBeforeTheApp(t *testing.T) {
	t.Parallel()
	agent := consultest.New(t)
	init := program.Start(t, environ(agent, "REMORA_DRAIN=1h"), "-drain", "1s", "-log-format=json", "--", "true")
	init.MustExit(0)
	init.Says(`"msg":"app ended"`)
}
