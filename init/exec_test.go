package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"remora/internal/consultest"
)

const handOverExec = "REMORA_HAND_OVER=exec"

func TestExecBecomesTheRegisteredApp(t *testing.T) {
	t.Parallel()
	agent := consultest.New(t)
	init := start(t, agent, []string{handOverExec, "REMORA_DRAIN=1h", "REMORA_STOP_TIMEOUT=2h"}, "serve", "42")
	happened(t, agent, "app-started")
	// There is nobody between the app and its signals any more.
	init.Signal(syscall.SIGHUP)
	happened(t, agent, "app-hangup")
	init.Signal(syscall.SIGTERM)
	init.MustExit(42)
	want := []string{"register web-1 critical", "app-started", "app-hangup", "app-terminated"}
	if diff := cmp.Diff(want, agent.Writes()); diff != "" {
		t.Errorf("order of events (-want +got):\n%s", diff)
	}
}

func TestExecPassesArgumentsEnvironmentAndExitCodeOn(t *testing.T) {
	t.Parallel()
	agent := consultest.New(t)
	echo := start(t, agent, []string{handOverExec}, "echo", "-drain", "5", "--")
	echo.MustExit(0)
	echo.Says("app got -drain 5 --")
	start(t, agent, []string{handOverExec}, "exit", "7").MustExit(7)
	start(t, agent, []string{handOverExec}, "die", "9").MustExit(-9)
}

func TestExecOfWhatCannotBeStartedIsDeregistered(t *testing.T) {
	t.Parallel()
	for command, code := range map[string]int{"/no/such/app": 127, "no-such-app": 127, "/etc/passwd": 126, "/etc": 126} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			agent := consultest.New(t)
			init := program.Start(t, environ(agent, handOverExec), "--", command)
			init.MustExit(code)
			if agent.Has("web-1") {
				t.Error("the instance is still registered")
			}
			if n := init.Output().Count("level=ERROR", command, "exit="+strconv.Itoa(code)); n != 1 {
				t.Errorf("%d lines name the command and the code, want 1", n)
			}
		})
	}
	t.Run("not a program", func(t *testing.T) {
		t.Parallel()
		agent, file := consultest.New(t), filepath.Join(t.TempDir(), "app")
		if err := os.WriteFile(file, []byte("neither #! nor ELF"), 0o755); err != nil {
			t.Fatal(err)
		}
		init := program.Start(t, environ(agent, handOverExec), "--", file)
		init.MustExit(126)
		init.Says("start the app: "+file+": exec format error", "exit=126")
	})
}

func TestSignalsBeforeExecAreDroppedAloud(t *testing.T) {
	t.Parallel()
	agent := away(t)
	init := start(t, agent, []string{handOverExec, "REMORA_CONSUL_POLICY=wait"}, "serve", "7")
	init.Says("registration failed; trying again")
	init.Signal(syscall.SIGHUP)
	agent.Start()
	init.Says("signal dropped", "signal=hangup")
	happened(t, agent, "app-started")
	init.Signal(syscall.SIGTERM)
	init.MustExit(7)
}

func TestStopJustBeforeExecDeregisters(t *testing.T) {
	t.Parallel()
	agent := consultest.New(t)
	arrived, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	agent.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet && agent.Has("web-1") {
			once.Do(func() { close(arrived) })
			<-goOn
		}
		return false
	})
	init := start(t, agent, []string{handOverExec}, "serve", "0")
	<-arrived
	init.Signal(syscall.SIGTERM)
	close(goOn)
	init.MustExit(128 + int(syscall.SIGTERM))
	if agent.Has("web-1") || agent.Count("app-started") > 0 {
		t.Errorf("events %q, want no app and no instance", agent.Writes())
	}
}

func TestExecWithConsulAwaySaysThatNobodyRegisters(t *testing.T) {
	t.Parallel()
	init := start(t, away(t), []string{handOverExec, "REMORA_CONSUL_WAIT=100ms"}, "exit", "3")
	init.MustExit(3)
	init.Says("only a sidecar can register it now")
}

func TestInstallCopiesTheProgram(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "bin")
	for range 2 { // also over an earlier copy
		program.Start(t, nil, "install", dir).MustExit(0)
	}
	copied := filepath.Join(dir, "init")
	got, err := os.ReadFile(copied)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(string(program))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Error("the copy differs")
	}
	info, err := os.Stat(copied)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o755 {
		t.Errorf("mode %s, want -rwxr-xr-x", info.Mode())
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("%s has %v, %v; want init alone", dir, entries, err)
	}
}

func TestInstallNamesThePathThatCannotBe(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	init := program.Start(t, nil, "install", file)
	init.MustExit(1)
	if n := init.Output().Count("level=ERROR", file); n != 1 {
		t.Errorf("%d lines name the path, want 1", n)
	}
	for _, args := range [][]string{{"install"}, {"install", "a", "b"}} {
		init := program.Start(t, nil, args...)
		init.MustExit(2)
		init.Says("install takes one argument, the directory to copy to")
	}
	if out := program.Start(t, nil, "instal", "/x"); out.Exit() != 2 || !strings.Contains(out.Output().String(), "did you mean install?") {
		t.Errorf("output %q, want the nearest command", out.Output())
	}
}
