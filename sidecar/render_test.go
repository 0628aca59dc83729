package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"remora/internal/await"
	"remora/internal/consultest"
)

// rendering returns settings for the templates in dir, and the candidate.
func rendering(t *testing.T, agent *consultest.Agent, dir string) ([]string, string) {
	t.Helper()
	candidate := filepath.Join(t.TempDir(), "current")
	return []string{"CONSUL_HTTP_ADDR=" + agent.Addr, "REMORA_TEMPLATES=" + dir, "REMORA_CANDIDATE=" + candidate}, candidate
}

func content(path string) string {
	data, _ := os.ReadFile(path)
	return string(data)
}

const servers = `{{range service "web"}}server {{.ID}} {{.Address}}:{{.Port}}
{{end}}`

func TestOnceRendersAndRegistersNothing(t *testing.T) {
	t.Parallel()
	agent, app := consultest.New(t), newApp(t)
	agent.SetService("web", consultest.Instance{ID: "a", Address: "192.0.2.1", Port: 80})
	dir := t.TempDir()
	mustWrite(t, dir, "haproxy.cfg.ctmpl", servers)
	settings, candidate := rendering(t, agent, dir)
	program.Start(t, append(app.environ(agent), settings...), "-once").MustExit(0)
	if got, want := content(candidate+"/haproxy.cfg"), "server a 192.0.2.1:80\n"; got != want {
		t.Errorf("rendered %q, want %q", got, want)
	}
	if writes := agent.Writes(); len(writes) > 0 {
		t.Errorf("the agent was told %q, want nothing", writes)
	}
}

func TestOnceWithABrokenTemplateNamesIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mustWrite(t, dir, "haproxy.cfg.ctmpl", "{{range}}")
	settings, candidate := rendering(t, consultest.New(t), dir)
	sidecar := program.Start(t, settings, "-once")
	sidecar.MustExit(1)
	mustBeOneLine(t, sidecar, dir+"/haproxy.cfg.ctmpl: ")
	if _, err := os.Lstat(candidate); err == nil {
		t.Error("a candidate was made")
	}
}

func TestKilledSidecarConvergesAfterItsRestart(t *testing.T) {
	t.Parallel()
	agent := consultest.New(t)
	agent.SetService("web", consultest.Instance{ID: "a", Address: "192.0.2.1", Port: 80})
	dir := t.TempDir()
	mustWrite(t, dir, "f.ctmpl", servers)
	settings, candidate := rendering(t, agent, dir)
	sidecar := program.Start(t, settings)
	await.True(t, "the first set", func() bool { return content(candidate+"/f") == "server a 192.0.2.1:80\n" })
	sidecar.Signal(syscall.SIGKILL)
	sidecar.MustExit(-int(syscall.SIGKILL))
	agent.SetService("web", consultest.Instance{ID: "b", Address: "192.0.2.2", Port: 80})
	again := program.Start(t, settings)
	await.True(t, "the second set", func() bool { return content(candidate+"/f") == "server b 192.0.2.2:80\n" })
	again.Signal(syscall.SIGTERM)
	again.MustExit(0)
	if content(candidate+"/f") == "" {
		t.Error("the files are gone after the stop")
	}
}

func TestBrokenTemplateDoesNotTouchTheRegistration(t *testing.T) {
	t.Parallel()
	agent, app := consultest.New(t), newApp(t)
	dir := t.TempDir()
	mustWrite(t, dir, "f.ctmpl", "{{ nonsense }}")
	settings, _ := rendering(t, agent, dir)
	sidecar := program.Start(t, append(app.environ(agent), settings...))
	sidecar.Says("level=ERROR", "template failed; files stay as they are", "f.ctmpl")
	becomes(t, agent, "passing")
	sidecar.Signal(syscall.SIGTERM)
	sidecar.MustExit(0)
}
