package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"remora/integration/stack"
	"remora/internal/await"
)

// writes counts what a program changes in Consul, by standing between the two.
type writes struct {
	mu     sync.Mutex
	counts map[string]int // by the path's first words
}

func (w *writes) note(path string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	kind := strings.Join(strings.Split(path, "/")[2:5], "/") // v1/agent/check/update/ID
	w.counts[kind]++
}

func (w *writes) reset() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	counts := w.counts
	w.counts = map[string]int{}
	return counts
}

// mustCountingProxy returns the address of a proxy before Consul that counts writes.
func mustCountingProxy(t *testing.T, consul string) (string, *writes) {
	t.Helper()
	target, err := url.Parse(consul)
	if err != nil {
		t.Fatal(err)
	}
	w := &writes{counts: map[string]int{}}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorHandler = func(rw http.ResponseWriter, _ *http.Request, _ error) { rw.WriteHeader(http.StatusBadGateway) }
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			w.note(r.URL.Path)
		}
		proxy.ServeHTTP(rw, r)
	})}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return listener.Addr().String(), w
}

// mustConsulAgent starts an agent of its own and returns its container and URL.
func mustConsulAgent(tb testing.TB) (container, address string) {
	tb.Helper()
	port, err := stack.FreePort()
	if err != nil {
		tb.Fatal(err)
	}
	id := strings.TrimSpace(mustDocker(tb, "run", "--detach", "--publish", fmt.Sprintf("127.0.0.1:%d:8500", port),
		servers.Image("CONSUL"), "agent", "-dev", "-client", "0.0.0.0", "-log-level", "warn"))
	cleanup(tb, func(ctx context.Context) {
		if _, err := stack.Docker(ctx, "rm", "--force", "--volumes", id); err != nil {
			tb.Error(err)
		}
	})
	return id, stack.URL(port)
}

// passing counts the services of which an agent says that they pass.
func passing(consul string) int {
	response, err := http.Get(consul + "/v1/agent/checks")
	if err != nil {
		return -1
	}
	defer response.Body.Close()
	var checks map[string]struct{ Status string }
	if json.NewDecoder(response.Body).Decode(&checks) != nil {
		return -1
	}
	count := 0
	for _, c := range checks {
		if c.Status == "passing" {
			count++
		}
	}
	return count
}

// TestFiftyInstances keeps fifty instances by one sidecar: nothing is written while
// nothing changes, renewals apart, and a wiped agent has them all back at once.
func TestFiftyInstances(t *testing.T) {
	const instances, ttl, quiet = 50, 20 * time.Second, time.Minute
	container, consul := mustConsulAgent(t)
	proxy, counted := mustCountingProxy(t, consul)
	env := []string{"CONSUL_HTTP_ADDR=" + proxy, "SERVICE_NAME=many", "SERVICE_ADDRESS=127.0.0.1",
		"REMORA_TTL=" + ttl.String(), "REMORA_DRAIN=100ms", "SERVICE_CHECK_INTERVAL=1s"}
	for range instances {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		env = append(env, fmt.Sprintf("SERVICE_%d_CHECK_TCP=true", l.Addr().(*net.TCPAddr).Port))
	}
	await.True(t, "Consul", func() bool { return passing(consul) >= 0 })
	mustProcess(t, "sidecar", env)
	await.True(t, "all instances to pass", func() bool { return passing(consul) == instances })

	t.Run("nothing but renewals is written at steady state", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), quiet)
		defer cancel()
		counted.reset()
		<-ctx.Done()
		counts := counted.reset()
		renewals := counts["agent/check/update"]
		delete(counts, "agent/check/update")
		if len(counts) > 0 {
			t.Errorf("writes besides renewals: %v", counts)
		}
		if most := instances * (int(quiet/(ttl/2)) + 1); renewals > most {
			t.Errorf("%d renewals in %s, want at most one per half TTL and instance, %d", renewals, quiet, most)
		}
		t.Logf("%d renewals in %s", renewals, quiet)
	})
	t.Run("a wiped agent has everything back within 2 s", func(t *testing.T) {
		mustDocker(t, "restart", "--time", "1", container)
		await.True(t, "an answer", func() bool { return passing(consul) >= 0 })
		took := await.Within(t, await.Limit, "all instances to pass again", func() bool { return passing(consul) == instances })
		if took > 2*time.Second {
			t.Errorf("took %s", took)
		}
		t.Logf("took %s", took)
	})
}
