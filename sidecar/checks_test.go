package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"remora/internal/await"
	"remora/internal/consultest"
)

// checked declares the instance web-1 with checks of its own.
func checked(agent *consultest.Agent, settings ...string) []string {
	return append([]string{
		"CONSUL_HTTP_ADDR=" + agent.Addr, "REMORA_DRAIN=0s", "REMORA_ADMIN=off",
		"SERVICE_NAME=web", "SERVICE_ID=web-1", "SERVICE_PORT=1", "SERVICE_ADDRESS=127.0.0.1",
		"SERVICE_CHECK_INTERVAL=100ms",
	}, settings...)
}

func TestScriptAndFileChecksOfOneInstance(t *testing.T) {
	t.Parallel()
	agent, dir := consultest.New(t), t.TempDir()
	sign, code := filepath.Join(dir, "sign"), filepath.Join(dir, "code")
	mustWrite(t, dir, "code", "0")
	program.Start(t, checked(agent,
		`SERVICE_CHECK_SCRIPT=sh -c 'echo port $SERVICE_PORT; exit $(cat `+code+`)'`,
		"SERVICE_CHECK_2_FILE="+sign, "SERVICE_CHECK_2_INTERVAL=100ms"))
	const script, file = "service:web-1:script:ttl", "service:web-1:file:2:ttl"
	are := func(scriptIs, fileIs string) {
		t.Helper()
		await.True(t, "script as "+scriptIs+" and file as "+fileIs, func() bool {
			return agent.Status(script) == scriptIs && agent.Status(file) == fileIs
		})
	}
	are("passing", "critical")
	if err := os.WriteFile(sign, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	are("passing", "passing")
	mustWrite(t, dir, "code", "1")
	are("warning", "passing")
	if output := agent.Checks("web-1")[script].Output; !strings.Contains(output, "port 1") {
		t.Errorf("output %q, want the script's", output)
	}
	mustWrite(t, dir, "code", "2")
	are("critical", "passing")
}

func TestThresholdsHoldTheStatusAndSayWhy(t *testing.T) {
	t.Parallel()
	agent, app := consultest.New(t), newApp(t)
	app.health.Store(500)
	program.Start(t, app.environ(agent, "SERVICE_CHECK_START_PERIOD=1h", "SERVICE_CHECK_INITIAL_STATUS=warning",
		"SERVICE_CHECK_SUCCESS_BEFORE_PASSING=3"))
	becomes(t, agent, "warning")
	await.True(t, "the output", func() bool {
		return strings.HasPrefix(agent.Checks("web-1")["service:web-1:http:ttl"].Output, "starting: HTTP GET")
	})
	app.health.Store(200)
	becomes(t, agent, "passing")
	app.health.Store(500)
	becomes(t, agent, "critical")
}

func TestKindThatTheSidecarDoesNotRunIsRefused(t *testing.T) {
	t.Parallel()
	sidecar := program.Start(t, checked(consultest.New(t), "SERVICE_CHECK_H2PING=true"))
	sidecar.MustExit(2)
	mustBeOneLine(t, sidecar, "SERVICE_CHECK_H2PING: the sidecar cannot run a h2ping check yet")
}

// TestHungCheckAndHungAgentCallDelayNoOther: 200 instances, one whose check hangs,
// and one for which the agent does not answer.
func TestHungCheckAndHungAgentCallDelayNoOther(t *testing.T) {
	t.Parallel()
	agent, dir := consultest.New(t), t.TempDir()
	mustWrite(t, dir, "sign", "")
	const stuck, unanswered, count = 1, 2, 200
	agent.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		hangs := strings.Contains(r.URL.String(), fmt.Sprintf("web-%d:", unanswered))
		if hangs {
			<-r.Context().Done()
		}
		return hangs
	})
	env := []string{
		"CONSUL_HTTP_ADDR=" + agent.Addr, "REMORA_DRAIN=0s", "REMORA_ADMIN=off", "REMORA_CONSUL_TIMEOUT=1h",
		"SERVICE_NAME=web", "SERVICE_ADDRESS=127.0.0.1", "SERVICE_CHECK_INTERVAL=200ms",
		fmt.Sprintf("SERVICE_%d_CHECK_SCRIPT=sleep 1000", stuck),
		fmt.Sprintf("SERVICE_%d_CHECK_INTERVAL=1h", stuck), fmt.Sprintf("SERVICE_%d_CHECK_TIMEOUT=50m", stuck),
	}
	for port := 1; port <= count; port++ {
		if port != stuck {
			env = append(env, fmt.Sprintf("SERVICE_%d_CHECK_FILE=%s", port, filepath.Join(dir, "sign")))
		}
	}
	program.Start(t, env)
	are := func(status string) {
		t.Helper()
		await.True(t, "all but two as "+status, func() bool {
			n := 0
			for _, c := range agent.Checks("") {
				if c.Status == status {
					n++
				}
			}
			return n == count-2
		})
	}
	are("passing")
	if err := os.Remove(filepath.Join(dir, "sign")); err != nil {
		t.Fatal(err)
	}
	are("critical")
}
