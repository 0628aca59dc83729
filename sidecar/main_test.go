package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"remora/internal/await"
	"remora/internal/consultest"
	"remora/internal/drive"
)

var program drive.Binary

func TestMain(m *testing.M) {
	// go test takes a result from its cache when this binary is the same as before,
	// so the program has to be a part of it.
	runtime.KeepAlive(main)
	os.Exit(drive.Main(m, &program))
}

// app is an app whose health answers with a status code that can be set.
type app struct {
	health atomic.Int32
	port   string
}

func newApp(t *testing.T) *app {
	t.Helper()
	a := &app{}
	a.health.Store(http.StatusOK)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(int(a.health.Load()))
	}))
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	a.port = port
	return a
}

// environ declares the app as the instance web-1 with an HTTP check.
func (a *app) environ(agent *consultest.Agent, settings ...string) []string {
	return append([]string{
		"CONSUL_HTTP_ADDR=" + agent.Addr, "REMORA_DRAIN=0s",
		"SERVICE_NAME=web", "SERVICE_ID=web-1", "SERVICE_PORT=" + a.port, "SERVICE_ADDRESS=127.0.0.1",
		"SERVICE_CHECK_HTTP=/health", "SERVICE_CHECK_INTERVAL=100ms",
	}, settings...)
}

func mustWrite(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func becomes(t *testing.T, agent *consultest.Agent, status string) {
	t.Helper()
	await.True(t, "the check as "+status, func() bool { return agent.Status("service:web-1:http:ttl") == status })
}

func TestBadInputIsOneLineThatNamesIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mustWrite(t, dir, "file", "")
	service := []string{"SERVICE_NAME=web", "SERVICE_PORT=80", "SERVICE_ADDRESS=192.0.2.1"}
	for _, tc := range []struct {
		name     string
		settings []string
		args     []string
		want     string
	}{
		{"nothing to do", nil, nil, "nothing to do"},
		{"all is ignored", append(service, "SERVICE_IGNORE=true"), nil, "nothing to do: SERVICE_IGNORE"},
		{"missing template directory", []string{"REMORA_TEMPLATES=/no/such/dir"}, nil, `REMORA_TEMPLATES="/no/such/dir": stat /no/such/dir: no such file or directory`},
		{"file for a directory", []string{"REMORA_TEMPLATES=" + dir + "/file"}, nil, `/file": is not a directory`},
		{"once without templates", append(service, "REMORA_ONCE=true"), nil, "REMORA_ONCE: needs REMORA_TEMPLATES"},
		{"neither true nor false", append(service, "REMORA_ONCE=perhaps"), nil, `REMORA_ONCE="perhaps": is neither true nor false`},
		{"short TTL", append(service, "REMORA_TTL=1s"), nil, `REMORA_TTL="1s": is shorter than 2s`},
		{"no reading", append(service, "REMORA_RENDER_REREAD=0s"), nil, `REMORA_RENDER_REREAD="0s"`},
		{"no time for Consul", append(service, "REMORA_CONSUL_TIMEOUT=0s"), nil, `REMORA_CONSUL_TIMEOUT="0s"`},
		{"unknown setting", append(service, "REMORA_TEMPLATE=x"), nil, "did you mean REMORA_TEMPLATES?"},
		{"unknown command", service, []string{"run"}, `"run": unknown command; there are `},
		{"near command", service, []string{"helth"}, `did you mean health?`},
		{"maintenance what", nil, []string{"maintenance"}, "say maintenance on [REASON] or maintenance off"},
		{"maintenance off with a reason", nil, []string{"maintenance", "off", "why"}, `"why": is too much after maintenance`},
		{"health of what", nil, []string{"health", "web"}, `"web": is too much after health`},
		{"admin socket", append(service, "REMORA_ADMIN=tcp://:80"), nil, `REMORA_ADMIN="tcp://:80": is not one of auto, off, unix:///path or unix://@name`},
		{"no admin socket", []string{"REMORA_ADMIN=off"}, []string{"health"}, "REMORA_ADMIN=off leaves nothing to ask"},
		{"no port", []string{"SERVICE_NAME=web"}, nil, "SERVICE_PORT: is not set"},
		{"bad port", []string{"SERVICE_NAME=web", "SERVICE_PORT=0"}, nil, `SERVICE_PORT="0": is not a port`},
		{"Consul's address", append(service, "CONSUL_HTTP_ADDR=ftp://consul"), nil, "ftp"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			sidecar := program.Start(t, tc.settings, tc.args...)
			sidecar.MustExit(2)
			mustBeOneLine(t, sidecar, tc.want)
		})
	}
}

func mustBeOneLine(t *testing.T, p *drive.Program, want string) {
	t.Helper()
	out := strings.TrimSpace(p.Output().String())
	if !strings.Contains(out, want) || strings.Contains(out, "\n") {
		t.Errorf("output %q, want one line with %q", out, want)
	}
}

func TestCandidateThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	templates := t.TempDir()
	mustWrite(t, templates, "file", "text")
	occupied := t.TempDir()
	if err := os.Mkdir(occupied+"/current", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, candidate, want string }{
		{"missing parent", "/no/such/dir/current", "candidate /no/such/dir/current: stat /no/such/dir: no such file or directory"},
		{"parent is a file", templates + "/file/current", templates + "/file"},
		{"a directory in its place", occupied + "/current", "candidate " + occupied + "/current: is not a symlink"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			sidecar := program.Start(t, []string{"REMORA_TEMPLATES=" + templates, "REMORA_CANDIDATE=" + tc.candidate})
			sidecar.MustExit(1)
			mustBeOneLine(t, sidecar, tc.want)
		})
	}
}
