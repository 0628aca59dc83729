package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"remora/integration/stack"
	"remora/internal/await"
)

// checkInterval is SERVICE_CHECK_INTERVAL of examples/web.
const checkInterval = time.Second

// web is examples/web on real servers, from a copy whose templates may be edited.
type web struct {
	*stack.Web
	dir string
}

// TestWeb brings examples/web up once and does to it, one after the other, what
// happens to such systems.
func TestWeb(t *testing.T) {
	w := mustWeb(t)
	for _, tc := range []struct {
		name string
		run  func(*testing.T, *web)
	}{
		{"registration appears within 2 s of container start", registersQuickly},
		{"requests are spread over the replicas", spreads},
		{"a graceful stop loses no request", gracefulStop},
		{"a hard kill is out within check interval + 1 s", hardKill},
		{"a broken template leaves files and traffic untouched", brokenTemplate},
		{"a refused configuration leaves files and traffic untouched", refusedConfiguration},
		{"a killed sidecar and reloader converge after restart", killedSidecars},
		{"load balancers come up on live while Consul is away", consulAway},
	} {
		if !t.Run(tc.name, func(t *testing.T) { tc.run(t, w) }) {
			return // what follows would only fail for the same reason
		}
	}
}

func mustWeb(t *testing.T) *web {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(root, "examples/web"))); err != nil {
		t.Fatal(err)
	}
	// The sidecar reads it as another user.
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	w := &web{Web: stack.NewWeb(servers, dir, fmt.Sprintf("remora-test-%d", os.Getpid()), mustPorts(t)), dir: dir}
	cleanup(t, func(ctx context.Context) {
		if t.Failed() {
			text, _ := w.Logs(ctx)
			t.Logf("logs of the containers:\n%s", text)
		}
		if err := w.Down(ctx); err != nil {
			t.Error(err)
		}
	})
	if err := w.Up(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	w.awaitServers(t, 3)
	return w
}

// bounded is the test's context with the longest wait that any step may need.
func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 2*await.Limit)
	t.Cleanup(cancel)
	return ctx
}

func (w *web) awaitServers(t *testing.T, count int) {
	t.Helper()
	if _, err := w.WaitServers(bounded(t), count, time.Now()); err != nil {
		t.Fatal(err)
	}
}

func (w *web) mustContainers(t *testing.T) []string {
	t.Helper()
	ids, err := w.Containers(t.Context(), "web")
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// mustUp scales the app to so many replicas and waits until all serve.
func (w *web) mustUp(t *testing.T, replicas int) {
	t.Helper()
	if err := w.Up(t.Context(), replicas); err != nil {
		t.Fatal(err)
	}
	w.awaitServers(t, replicas)
}

// underLoad does something with load on both load balancers and returns what
// became of the requests.
func (w *web) underLoad(t *testing.T, do func()) map[string]stack.Counts {
	t.Helper()
	loads := map[string]*stack.Load{}
	for _, lb := range w.LoadBalancers() {
		loads[lb.Name] = stack.StartLoad(t.Context(), stack.URL(lb.Port))
	}
	do()
	counts := map[string]stack.Counts{}
	for name, l := range loads {
		counts[name] = l.Stop()
	}
	return counts
}

func wantNoFailures(t *testing.T, counts map[string]stack.Counts) {
	t.Helper()
	for name, c := range counts {
		if len(c.Failures) > 0 {
			t.Errorf("%s: %d of %d requests failed, the first: %s", name, len(c.Failures), c.Requests, c.Failures[0].What)
		}
		if c.Requests < 100 {
			t.Errorf("%s: only %d requests were sent", name, c.Requests)
		}
		t.Logf("%s: %d requests, %d failed", name, c.Requests, len(c.Failures))
	}
}

// registered returns the hosts of the registered instances.
func (w *web) registered(t *testing.T) map[string]bool {
	t.Helper()
	hosts, err := w.askRegistered()
	if err != nil {
		t.Fatal(err)
	}
	return hosts
}

func (w *web) askRegistered() (map[string]bool, error) {
	response, err := http.Get(stack.URL(w.Ports.Consul) + "/v1/agent/services")
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var services map[string]struct{ Meta map[string]string }
	if err := json.NewDecoder(response.Body).Decode(&services); err != nil {
		return nil, err
	}
	hosts := map[string]bool{}
	for _, s := range services {
		hosts[s.Meta["remora_owner"]] = true
	}
	return hosts, nil
}

func registersQuickly(t *testing.T, w *web) {
	before := w.registered(t)
	up := make(chan error, 1)
	go func() { up <- w.Up(t.Context(), 4) }()
	var host string
	await.True(t, "a fourth registration", func() bool {
		for h := range w.registered(t) {
			if !before[h] {
				host = h
			}
		}
		return host != ""
	})
	seen := time.Now()
	if err := <-up; err != nil {
		t.Fatal(err)
	}
	text := strings.TrimSpace(mustDocker(t, "inspect", "--format", "{{.State.StartedAt}}", host))
	started, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	if took := seen.Sub(started); took > 2*time.Second {
		t.Errorf("registered %s after the container's start, want at most 2 s", took)
	} else {
		t.Logf("registered %s after the container's start", took)
	}
	w.awaitServers(t, 4)
}

func spreads(t *testing.T, w *web) {
	counts := w.underLoad(t, func() {
		for _, lb := range w.LoadBalancers() {
			l := stack.StartLoad(t.Context(), stack.URL(lb.Port))
			await.True(t, "requests", func() bool { return l.Counts().Requests > 400 })
			l.Stop()
		}
	})
	wantNoFailures(t, counts)
	for name, c := range counts {
		for _, id := range w.mustContainers(t) {
			if share := c.Served[stack.Hostname(id)] * 100 / c.Requests; share < 15 || share > 35 {
				t.Errorf("%s: replica %s answered %d %% of the requests, want about a quarter", name, stack.Hostname(id), share)
			}
		}
	}
}

func gracefulStop(t *testing.T, w *web) {
	id := w.mustContainers(t)[3]
	address, err := stack.Address(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var stopped time.Duration
	counts := w.underLoad(t, func() {
		start := time.Now()
		done := make(chan error, 1)
		go func() {
			_, err := stack.Docker(t.Context(), "stop", "--time", "10", id)
			done <- err
		}()
		took, err := w.WaitOut(bounded(t), address, start)
		if err = errors.Join(err, <-done); err != nil {
			t.Error(err)
		}
		stopped = time.Since(start)
		t.Logf("out after %v, container stopped after %s", took, stopped)
	})
	wantNoFailures(t, counts)
	if stopped >= 9*time.Second {
		t.Errorf("the stop took %s, so that Docker had to kill", stopped)
	}
	if w.registered(t)[stack.Hostname(id)] {
		t.Error("the stopped replica is still registered")
	}
}

func hardKill(t *testing.T, w *web) {
	id := w.mustContainers(t)[2]
	address, err := stack.Address(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	mustDocker(t, "kill", id)
	took, err := w.WaitOut(bounded(t), address, start)
	if err != nil {
		t.Fatal(err)
	}
	for name, d := range took {
		if limit := checkInterval + time.Second; d > limit {
			t.Errorf("%s: out after %s, want at most %s", name, d, limit)
		}
		t.Logf("%s: out after %s", name, d)
	}
	wantNoFailures(t, w.underLoad(t, func() {
		w.mustUp(t, 3)
		if err := w.settle(t); err != nil {
			t.Error(err)
		}
	}))
}

// settle waits until the load has seen a second of whatever was done.
func (w *web) settle(t *testing.T) error {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	<-ctx.Done()
	return t.Context().Err()
}

// edit replaces text in a template, in place or by rename as editors do.
func (w *web) edit(t *testing.T, lb, old, new string) {
	t.Helper()
	names := map[string]string{"haproxy": "haproxy/haproxy.cfg.ctmpl", "nginx": "nginx/nginx.conf.ctmpl"}
	path := filepath.Join(w.dir, names[lb])
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), old, new, 1)
	if changed == string(text) {
		t.Fatalf("%s: %q is not in it", path, old)
	}
	if err := os.WriteFile(path+".new", []byte(changed), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func (w *web) live(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, lb := range w.LoadBalancers() {
		config, err := w.Verified(t.Context(), lb)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(config)
	}
	return all.String()
}

func (w *web) awaitLog(t *testing.T, service string, texts ...string) {
	t.Helper()
	await.True(t, fmt.Sprintf("%q in the log of %s", texts, service), func() bool {
		out, err := w.Logs(t.Context(), service)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out) {
			if containsAll(line, texts) {
				return true
			}
		}
		return false
	})
}

func containsAll(line string, texts []string) bool {
	for _, text := range texts {
		if !strings.Contains(line, text) {
			return false
		}
	}
	return true
}

func brokenTemplate(t *testing.T, w *web) {
	before := w.live(t)
	counts := w.underLoad(t, func() {
		for lb, sidecar := range map[string]string{"haproxy": "haproxy-sidecar", "nginx": "nginx-sidecar"} {
			w.edit(t, lb, `range service "web"`, `rnage service "web"`)
			w.awaitLog(t, sidecar, "level=ERROR", "template failed", ".ctmpl", `function \"rnage\" not defined`)
		}
		if after := w.live(t); after != before {
			t.Errorf("live changed:\n%s\nbefore:\n%s", after, before)
		}
		for lb := range map[string]bool{"haproxy": true, "nginx": true} {
			w.edit(t, lb, `rnage service "web"`, `range service "web"`)
		}
	})
	wantNoFailures(t, counts)
	w.awaitLog(t, "haproxy-sidecar", "templates render again")
}

func refusedConfiguration(t *testing.T, w *web) {
	before := w.live(t)
	counts := w.underLoad(t, func() {
		w.edit(t, "haproxy", "balance roundrobin", "balance by-magic")
		w.awaitLog(t, "haproxy-reloader", "level=ERROR", "candidate refused", "balance only supports")
		w.edit(t, "nginx", "access_log off;", "access_log of course;")
		w.awaitLog(t, "nginx", "level=ERROR", "candidate refused", "course")
		if after := w.live(t); after != before {
			t.Errorf("live changed:\n%s\nbefore:\n%s", after, before)
		}
		// The mistakes are undone, and with them comes another change, to be seen.
		w.edit(t, "haproxy", "balance by-magic", "balance roundrobin\n    # mended")
		w.edit(t, "nginx", "access_log of course;", "access_log off; # mended")
		await.True(t, "the mended configurations", func() bool { return strings.Count(w.live(t), "# mended") == 2 })
	})
	wantNoFailures(t, counts)
}

func killedSidecars(t *testing.T, w *web) {
	mustKill := func(service string) {
		id, err := w.Container(t.Context(), service)
		if err != nil {
			t.Fatal(err)
		}
		mustDocker(t, "kill", id)
	}
	var victims []string
	counts := w.underLoad(t, func() {
		for _, service := range []string{"haproxy-sidecar", "nginx-sidecar", "haproxy-reloader"} {
			mustKill(service)
			victims = append(victims, service)
		}
		if err := w.settle(t); err != nil {
			t.Error(err)
		}
	})
	wantNoFailures(t, counts) // nothing depends on them while nothing changes
	if err := w.Up(t.Context(), 4); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Compose(t.Context(), append([]string{"start"}, victims...)...); err != nil {
		t.Fatal(err)
	}
	w.awaitServers(t, 4)
	// In the stock image reloader is process 1: its death is the load balancer's,
	// and what comes back is what ran.
	mustKill("nginx")
	if _, err := w.Compose(t.Context(), "start", "nginx"); err != nil {
		t.Fatal(err)
	}
	w.awaitAnswer(t)
}

func (w *web) awaitAnswer(t *testing.T) {
	t.Helper()
	for _, lb := range w.LoadBalancers() {
		await.True(t, "an answer through "+lb.Name, func() bool {
			response, err := http.Get(stack.URL(lb.Port))
			if err != nil {
				return false
			}
			response.Body.Close()
			return response.StatusCode == http.StatusOK
		})
	}
}

func consulAway(t *testing.T, w *web) {
	before := w.live(t)
	if _, err := w.Compose(t.Context(), "stop", "--timeout", "1", "consul"); err != nil {
		t.Fatal(err)
	}
	w.awaitLog(t, "haproxy-sidecar", "level=WARN", "keeping the last answer")
	wantNoFailures(t, w.underLoad(t, func() {
		if err := w.settle(t); err != nil {
			t.Error(err)
		}
	}))
	if _, err := w.Compose(t.Context(), "restart", "--timeout", "1", "haproxy", "nginx", "haproxy-reloader"); err != nil {
		t.Fatal(err)
	}
	w.awaitAnswer(t)
	if after := w.live(t); after != before {
		t.Errorf("live changed:\n%s\nbefore:\n%s", after, before)
	}
	w.wipedConsul(t)
}

// wipedConsul starts Consul again: a dev agent keeps its state in memory, so it
// comes back with nothing, and that must not empty the load balancers.
func (w *web) wipedConsul(t *testing.T) {
	wantNoFailures(t, w.underLoad(t, func() {
		if _, err := w.Compose(t.Context(), "start", "consul"); err != nil {
			t.Fatal(err)
		}
		await.True(t, "all replicas registered again", func() bool {
			hosts, err := w.askRegistered()
			return err == nil && len(hosts) == 4
		})
		w.awaitServers(t, 4)
	}))
}
