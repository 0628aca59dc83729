package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"remora/internal/await"
	"remora/internal/consultest"
	"remora/internal/drive"
)

var program drive.Binary

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "app" {
		os.Exit(app(os.Args[2], os.Args[3:]))
	}
	// go test takes a result from its cache when this binary is the same as before,
	// so the program has to be a part of it.
	runtime.KeepAlive(main)
	os.Exit(drive.Main(m, &program))
}

// web is what the tests declare: the instance has the ID web-1.
var web = []string{"SERVICE_NAME=web", "SERVICE_ID=web-1", "SERVICE_PORT=8080", "SERVICE_ADDRESS=192.0.2.10"}

// start starts init with the settings, before an app that is this test binary and
// does what app says.
func start(t *testing.T, agent *consultest.Agent, settings []string, app ...string) *drive.Program {
	t.Helper()
	args := append([]string{"--", os.Args[0], "app"}, app...)
	return program.Start(t, environ(agent, settings...), args...)
}

func environ(agent *consultest.Agent, settings ...string) []string {
	env := append([]string{"CONSUL_HTTP_ADDR=" + agent.Addr, "REMORA_DRAIN=0s"}, web...)
	return append(env, settings...)
}

// app is the app that init runs. It writes itself into the agent's order of
// events: app-started when it is ready, app-SIGNAL for each signal.
func app(does string, args []string) int {
	number := func() int { n, _ := strconv.Atoi(args[0]); return n }
	signals := make(chan os.Signal, 64)
	if does != "die" {
		signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH)
	}
	switch does {
	case "echo": // prints its arguments
		fmt.Println("app got", strings.Join(args, " "))
		return 0
	case "exit": // ends at once
		return number()
	case "die": // ends by a signal
		_ = syscall.Kill(os.Getpid(), syscall.Signal(number()))
		select {}
	case "serve": // ends with an exit code, on TERM or on the signal given
		fmt.Println("app listens")
		note("app-started")
		last := syscall.SIGTERM
		if len(args) > 1 {
			n, _ := strconv.Atoi(args[1])
			last = syscall.Signal(n)
		}
		for sig := range signals {
			note("app-" + name(sig))
			if sig == last {
				return number()
			}
		}
	case "stubborn": // ignores everything, and so does its child
		child := exec.Command(os.Args[0], "app", "deaf")
		if err := child.Start(); err != nil {
			return 1
		}
		fmt.Printf("child=%d\n", child.Process.Pid)
		note("app-started")
		select {}
	case "deaf":
		select {}
	}
	return 99
}

func name(sig os.Signal) string {
	return strings.ReplaceAll(sig.String(), " ", "-")
}

func note(text string) {
	socket := strings.TrimPrefix(os.Getenv("CONSUL_HTTP_ADDR"), "unix://")
	client := http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
	request, err := http.NewRequest(http.MethodPut, "http://agent/note/"+text, nil)
	if err != nil {
		fmt.Println("app:", err)
		return
	}
	response, err := client.Do(request)
	if err != nil {
		fmt.Println("app:", err) // the agent of the test is away
		return
	}
	response.Body.Close()
}

// happened waits until the agent was told what begins with prefix.
func happened(t *testing.T, agent *consultest.Agent, prefix string) {
	t.Helper()
	await.True(t, prefix, func() bool { return agent.Count(prefix) > 0 })
}
