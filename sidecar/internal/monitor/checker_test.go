package monitor

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"remora/internal/await"
	"remora/internal/drive"
	"remora/internal/proc"
	"remora/internal/service"
)

// at returns an instance at a server's address.
func at(t *testing.T, address net.Addr) service.Instance {
	t.Helper()
	host, port, err := net.SplitHostPort(address.String())
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return service.Instance{Address: host, Port: n}
}

// app answers what a check asks for in its path, /status/429 or /to/PATH, and
// otherwise with what it was asked.
func app(w http.ResponseWriter, r *http.Request) {
	what, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	body, _ := io.ReadAll(r.Body)
	switch what {
	case "status":
		code, _ := strconv.Atoi(rest)
		w.WriteHeader(code)
	case "to":
		http.Redirect(w, r, "/"+rest, http.StatusFound)
	case "hangs":
		<-r.Context().Done()
	case "large":
		fmt.Fprint(w, strings.Repeat("x", 1<<20))
	default:
		fmt.Fprintf(w, "%s %s %s %s %s", r.Method, r.Host, r.Header.Get("User-Agent"), r.Header.Get("X-Probe"), body)
	}
}

func TestHTTPCheck(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(app))
	t.Cleanup(server.Close)
	i := at(t, server.Listener.Addr())
	ranges := []service.StatusRange{{From: 200, To: 302}, {From: 404, To: 404}}
	for _, tc := range []struct {
		name   string
		check  service.Check
		status service.Status
		output string
	}{
		{"2xx", service.Check{Path: "/status/204"}, service.Passing, "204 No Content"},
		{"429", service.Check{Path: "/status/429"}, service.Warning, "429"},
		{"500", service.Check{Path: "/status/500"}, service.Critical, "500"},
		{"404", service.Check{Path: "/status/404"}, service.Critical, "404"},
		{"404 that is declared", service.Check{Path: "/status/404", Statuses: ranges}, service.Passing, "404"},
		{"429 that is not", service.Check{Path: "/status/429", Statuses: ranges}, service.Critical, "429"},
		{"a redirect is followed", service.Check{Path: "/to/status/500"}, service.Critical, "500"},
		{"unless it is good enough", service.Check{Path: "/to/status/500", Statuses: ranges}, service.Passing, "302 Found"},
		{"without end", service.Check{Path: "/to/" + strings.Repeat("to/", 20)}, service.Critical, "more than 10 redirects"},
		{"what is asked", service.Check{Path: "/", Method: "PUT", Body: "payload", Header: map[string]string{"X-Probe": "yes", "Host": "example.org"}},
			service.Passing, "PUT example.org remora-sidecar yes payload"},
		{"a hung app", service.Check{Path: "/hangs", Timeout: 50 * time.Millisecond}, service.Critical, "deadline exceeded"},
		{"another protocol", service.Check{Kind: service.HTTPS, Path: "/"}, service.Critical, "HTTP response to HTTPS client"},
	} {
		if tc.check.Kind == "" {
			tc.check.Kind = service.HTTP
		}
		mustCheck(t, tc.name, NewChecker(i, tc.check, nil), tc.check.Timeout, tc.status, tc.output)
	}
	large := service.Check{Kind: service.HTTP, Path: "/large"}
	if _, output := NewChecker(i, large, nil).Check(t.Context()); len(output) > outputSize+200 {
		t.Errorf("output of %d bytes, want it bounded", len(output))
	}
}

func mustCheck(t *testing.T, name string, c Checker, timeout time.Duration, status service.Status, output string) {
	t.Helper()
	if timeout == 0 {
		timeout = await.Limit
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	got, said := c.Check(ctx)
	if got != status || !strings.Contains(said, output) {
		t.Errorf("%s: %s, %q, want %s with %q", name, got, said, status, output)
	}
}

func TestTLSIsVerifiedUnlessToldOtherwise(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(app))
	server.Config.ErrorLog = quiet // of the handshake that is refused
	server.StartTLS()
	t.Cleanup(server.Close)
	i := at(t, server.Listener.Addr())
	check := service.Check{Kind: service.HTTPS, Path: "/"}
	mustCheck(t, "unknown authority", NewChecker(i, check, nil), 0, service.Critical, "certificate")
	check.TLSSkipVerify = true
	mustCheck(t, "skip verify", NewChecker(i, check, nil), 0, service.Passing, "200 OK")
}

func TestTCPCheck(t *testing.T) { // alone: a parallel test could take the closed port
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	i := at(t, listener.Addr())
	c := NewChecker(i, service.Check{Kind: service.TCP}, nil)
	mustCheck(t, "listening", c, 0, service.Passing, "Success")
	listener.Close()
	mustCheck(t, "closed", c, 0, service.Critical, "connection refused")
}

func TestFileCheck(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "alive")
	present := NewChecker(service.Instance{}, service.Check{Kind: service.File, Path: path}, nil)
	recent := NewChecker(service.Instance{}, service.Check{Kind: service.File, Path: path, MaxAge: time.Minute}, nil)
	mustCheck(t, "missing", present, 0, service.Critical, "no such file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	mustCheck(t, "new", recent, 0, service.Passing, "written within 1m0s")
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	mustCheck(t, "old", recent, 0, service.Critical, "more than 1m0s")
	mustCheck(t, "old, of any age", present, 0, service.Passing, "is there")
}

// reaper is one for all tests, as there may be only one in a process.
var reaper *proc.Reaper

func TestMain(m *testing.M) {
	reaper = proc.NewReaper()
	os.Exit(m.Run())
}

func TestScriptCheck(t *testing.T) {
	t.Parallel()
	i := service.Instance{Address: "192.0.2.1", Port: 80}
	for _, tc := range []struct {
		script string
		status service.Status
		output string
	}{
		{"echo $SERVICE_IP:$SERVICE_PORT", service.Passing, "192.0.2.1:80"},
		{"echo hm; exit 1", service.Warning, "hm"},
		{"echo no >&2; exit 2", service.Critical, "exit code 2: no"},
		{"kill -9 $$", service.Critical, "exit code 137"},
		{"head -c 100000 /dev/zero | tr '\\0' x; exit 3", service.Critical, "xxx"},
	} {
		check := service.Check{Kind: service.Script, Args: []string{"/bin/sh", "-c", tc.script}}
		mustCheck(t, tc.script, NewChecker(i, check, reaper), 0, tc.status, tc.output)
	}
	missing := service.Check{Kind: service.Script, Args: []string{"/no/such/command"}}
	mustCheck(t, "missing", NewChecker(i, missing, reaper), 0, service.Critical, "/no/such/command: no such file or directory")
}

func TestHungScriptIsKilledWithItsChildren(t *testing.T) {
	t.Parallel()
	pidFile := filepath.Join(t.TempDir(), "pid")
	check := service.Check{Kind: service.Script, Args: []string{"/bin/sh", "-c", "sleep 1000 & echo $! >" + pidFile + "; echo begun; wait"}}
	c := NewChecker(service.Instance{}, check, reaper)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if status, output := c.Check(ctx); status != service.Critical || !strings.Contains(output, "killed: ") {
			t.Errorf("%s, %q, want it critical and killed", status, output)
		}
	}()
	await.True(t, "the child", func() bool { pid, _ := os.ReadFile(pidFile); return len(pid) > 0 })
	cancel()
	<-done
	pid, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	await.True(t, "the end of the child", func() bool { return !drive.Running(strings.TrimSpace(string(pid))) })
}

// runner fails as it is told.
type runner struct{ err error }

func (r runner) Run(context.Context, *exec.Cmd) (string, error) { return "", r.err }

func TestEveryKindThatTheSidecarRunsHasAChecker(t *testing.T) {
	t.Parallel()
	types := map[string]service.Kind{}
	for _, kind := range []service.Kind{service.TCP, service.GRPC, service.Script, service.File, service.HTTP} {
		types[fmt.Sprintf("%T", NewChecker(service.Instance{}, service.Check{Kind: kind, Args: []string{"x"}}, runner{}))] = kind
		if !service.Sidecar.Runs(kind) {
			t.Errorf("%s: the declaration refuses it", kind)
		}
	}
	if len(types) != 5 {
		t.Errorf("kinds share checkers: %v", types)
	}
	for _, kind := range []service.Kind{service.Docker, service.H2Ping} {
		if service.Sidecar.Runs(kind) {
			t.Errorf("%s: the declaration accepts it, and there is no checker", kind)
		}
	}
}
