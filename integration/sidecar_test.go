package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"remora/integration/stack"
	"remora/internal/await"
)

// pair is an app with init inside and a sidecar attached to its network, on a
// Consul of its own.
type pair struct {
	consul   string // URL
	network  string
	app      string // container
	sidecar  string // container
	id       string // of the instance
	holder   string
	consulID string
}

// declaration is what both init and sidecar are told.
var declaration = []string{
	"--env", "CONSUL_HTTP_ADDR=consul:8500", "--env", "SERVICE_NAME=app", "--env", "SERVICE_PORT=8080",
	"--env", "SERVICE_CHECK_HTTP=/health", "--env", "SERVICE_CHECK_INTERVAL=1s",
}

func mustPair(t *testing.T) *pair {
	t.Helper()
	port, err := stack.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	p := &pair{consul: stack.URL(port), network: fmt.Sprintf("remora-pair-%d", os.Getpid())}
	run := func(args ...string) string {
		t.Helper()
		return strings.TrimSpace(mustDocker(t, append([]string{"run", "--detach"}, args...)...))
	}
	cleanup(t, func(ctx context.Context) {
		for _, id := range []string{p.sidecar, p.app, p.holder, p.consulID} {
			if t.Failed() && id != "" && id != p.holder {
				t.Logf("log of %s:\n%s", id, logs(t, id))
			}
			if id == "" {
				continue
			}
			if _, err := stack.Docker(ctx, "rm", "--force", "--volumes", id); err != nil {
				t.Error(err)
			}
		}
		if _, err := stack.Docker(ctx, "network", "rm", p.network); err != nil {
			t.Error(err)
		}
	})
	mustDocker(t, "network", "create", p.network)
	p.consulID = run("--network", p.network, "--network-alias", "consul", "--publish", "127.0.0.1:"+strconv.Itoa(port)+":8500",
		servers.Image("CONSUL"), "agent", "-dev", "-client", "0.0.0.0", "-log-level", "warn")
	p.holder = strings.TrimSpace(mustDocker(t, "create", "remora/init"))
	p.app = run(append(declaration, "--network", p.network, "--volumes-from", p.holder,
		"--entrypoint", "/remora/init", "remora/demo", "--", "/demo")...)
	p.id = stack.Hostname(p.app) + ":app:8080"
	return p
}

// attach starts the sidecar in the app's network.
func (p *pair) attach(t *testing.T, flags ...string) {
	t.Helper()
	args := append([]string{"run", "--detach", "--network", "container:" + p.app, "--env", "REMORA_TTL=3s"}, declaration...)
	args = append(append(args, flags...), "remora/sidecar")
	p.sidecar = strings.TrimSpace(mustDocker(t, args...))
}

// check is one check of the instance as the catalog shows it.
type check struct{ CheckID, Type, Status, Output string }

// checks returns the instance's checks; none if it is not there.
func (p *pair) checks() []check {
	response, err := http.Get(p.consul + "/v1/health/checks/app")
	if err != nil {
		return nil
	}
	defer response.Body.Close()
	var checks []check
	if json.NewDecoder(response.Body).Decode(&checks) != nil {
		return nil
	}
	return checks
}

func (p *pair) awaitCheck(t *testing.T, kind, status, output string) time.Duration {
	t.Helper()
	return await.Within(t, await.Limit, fmt.Sprintf("one %s check, %s with %q", kind, status, output), func() bool {
		c := p.checks()
		return len(c) == 1 && c[0].Type == kind && c[0].Status == status && strings.Contains(c[0].Output, output)
	})
}

// do calls Consul's agent as an operator would.
func (p *pair) do(t *testing.T, path string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, p.consul+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", path, response.Status)
	}
}

// health switches the demo app's health by hand, from the app's own network.
func (p *pair) health(t *testing.T, to string) {
	t.Helper()
	address, err := stack.Address(t.Context(), p.app)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Post("http://"+address+":8080/health/"+to, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
}

// TestSidecarBesideAnApp follows one instance through everything that init and
// sidecar promise about it together.
func TestSidecarBesideAnApp(t *testing.T) {
	p := mustPair(t)
	p.awaitCheck(t, "http", "passing", "200 OK") // init alone: the agent runs the check

	t.Run("a healthy instance changes hands without a gap", func(t *testing.T) {
		stop := make(chan struct{})
		gaps := make(chan []string, 1)
		go func() { gaps <- p.watchGaps(stop) }()
		p.attach(t)
		p.awaitCheck(t, "ttl", "passing", "")
		close(stop)
		if seen := <-gaps; len(seen) > 0 {
			t.Errorf("the instance was seen %q on the way", seen)
		}
	})
	t.Run("a failure is in Consul within an interval, with its output", func(t *testing.T) {
		p.health(t, "fail")
		if took := p.awaitCheck(t, "ttl", "critical", "503"); took > 1500*time.Millisecond {
			t.Errorf("took %s, want at most the interval and a look", took)
		}
		p.health(t, "ok")
		p.awaitCheck(t, "ttl", "passing", "200 OK")
	})
	// A new registration's output, unlike its status, may stay in the agent for
	// minutes before the catalog has it (check_update_interval), so it is not asked for.
	t.Run("what somebody deletes is back", func(t *testing.T) {
		// The agent is asked, because the catalog is a moment behind it.
		p.do(t, "/v1/agent/service/deregister/"+p.id)
		await.True(t, "the instance to be back", func() bool { return passing(p.consul) == 1 })
		p.do(t, "/v1/agent/check/deregister/service:"+p.id+":http:ttl")
		await.True(t, "the check to be back", func() bool { return passing(p.consul) == 1 })
		p.awaitCheck(t, "ttl", "passing", "")
	})
	t.Run("a wiped agent gets everything back", func(t *testing.T) {
		mustDocker(t, "restart", "--time", "1", p.consulID)
		p.awaitCheck(t, "ttl", "passing", "")
	})
	t.Run("a killed sidecar is critical within the TTL, and converges after restart", func(t *testing.T) {
		mustDocker(t, "kill", p.sidecar)
		p.awaitCheck(t, "ttl", "critical", "TTL expired")
		mustDocker(t, "start", p.sidecar)
		p.awaitCheck(t, "ttl", "passing", "")
	})
	t.Run("an operator's maintenance survives a restart of both", func(t *testing.T) {
		p.do(t, "/v1/agent/service/maintenance/"+p.id+"?enable=true&reason=by+hand")
		mustDocker(t, "kill", p.sidecar, p.app)
		mustDocker(t, "start", p.app, p.sidecar)
		await.True(t, "both checks, the operator's still critical", func() bool {
			c := p.checks()
			return len(c) == 2 && strings.Contains(fmt.Sprint(c), "passing") && strings.Contains(fmt.Sprint(c), "critical")
		})
		p.do(t, "/v1/agent/service/maintenance/"+p.id+"?enable=false")
		p.awaitCheck(t, "ttl", "passing", "")
	})
	t.Run("a stop leaves nothing behind", func(t *testing.T) {
		mustDocker(t, "stop", p.sidecar)
		mustDocker(t, "stop", p.app)
		if c := p.checks(); len(c) > 0 {
			t.Errorf("still in Consul: %+v", c)
		}
	})
}

// watchGaps looks at the instance until stop is closed and returns what it saw
// that a load balancer would not have sent traffic to.
func (p *pair) watchGaps(stop <-chan struct{}) []string {
	var seen []string
	for {
		select {
		case <-stop:
			return seen
		default:
		}
		checks := p.checks()
		if len(checks) == 0 {
			seen = append(seen, "gone")
		}
		for _, c := range checks {
			if c.Status != "passing" {
				seen = append(seen, c.CheckID+" "+c.Status)
			}
		}
	}
}
