package render_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"remora/internal/await"
	"remora/internal/consultest"
	"remora/internal/generation"
	"remora/internal/render"
)

// stage is a renderer with a Consul, a directory of templates, and a candidate.
type stage struct {
	consul    *consultest.Agent
	templates string
	candidate string
	log       *await.Log
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{consultest.New(t), t.TempDir(), filepath.Join(t.TempDir(), "current"), await.NewLog(t)}
	t.Setenv("CONSUL_HTTP_ADDR", s.consul.Addr)
	return s
}

func (s *stage) mustNew(t *testing.T) *render.Renderer {
	t.Helper()
	r, err := render.New(s.log.Logger(), render.Set{
		Templates: s.templates, Candidate: s.candidate, Quiet: 10 * time.Millisecond, Reread: 20 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// run runs the renderer until the end of the test.
func (s *stage) run(t *testing.T) {
	t.Helper()
	r := s.mustNew(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

func (s *stage) template(t *testing.T, name, content string) {
	t.Helper()
	path := filepath.Join(s.templates, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	// Renamed into place: a half-written template would be rendered too.
	fresh := filepath.Join(s.templates, ".new")
	if err := os.WriteFile(fresh, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(fresh, path); err != nil {
		t.Fatal(err)
	}
}

// file is what the candidate has under name; "" if it has not.
func (s *stage) file(name string) string {
	data, _ := os.ReadFile(filepath.Join(s.candidate, name))
	return string(data)
}

// becomes waits until the candidate has content under name.
func (s *stage) becomes(t *testing.T, name, content string) {
	t.Helper()
	await.True(t, name+" with "+content, func() bool { return s.file(name) == content })
}

func (s *stage) logs(t *testing.T, words ...string) {
	t.Helper()
	await.True(t, "a line with "+strings.Join(words, " … "), func() bool { return s.log.Count(words...) > 0 })
}

// flips is how often the candidate has become another.
func (s *stage) flips() int { return s.log.Count("files rendered") }

func web(n string) consultest.Instance {
	return consultest.Instance{ID: "web-" + n, Address: "192.0.2." + n, Port: 80, Tags: []string{"tag" + n}}
}

const servers = `{{range service "web"}}{{.ID}}={{.Address}}:{{.Port}} {{end}}`

func TestRendersAndFollowsEveryChange(t *testing.T) {
	s := newStage(t)
	s.consul.SetService("web", web("1"), web("2"))
	s.consul.SetKey("title", "hello")
	s.template(t, "servers.ctmpl", servers)
	s.template(t, "sub/title.tmpl", `{{key "title"}}`)
	s.template(t, "names.ctmpl", `{{range services}}{{.Name}}:{{range .Tags}}{{.}},{{end}} {{end}}`)
	s.template(t, "static.map", "a b\n")
	s.run(t)
	s.becomes(t, "servers", "web-1=192.0.2.1:80 web-2=192.0.2.2:80 ")
	for name, want := range map[string]string{"sub/title": "hello", "names": "web:tag1,tag2, ", "static.map": "a b\n"} {
		if got := s.file(name); got != want {
			t.Errorf("%s holds %q, want %q: a set becomes visible at once", name, got, want)
		}
	}
	s.consul.SetService("web", web("2"))
	s.becomes(t, "servers", "web-2=192.0.2.2:80 ")
	sick := web("2")
	sick.Status = "critical"
	s.consul.SetService("web", sick, web("3"))
	s.becomes(t, "servers", "web-3=192.0.2.3:80 ")
	s.consul.SetKey("title", "bye")
	s.becomes(t, "sub/title", "bye")
	s.consul.SetService("api", web("9"))
	s.becomes(t, "names", "api:tag9, web:tag2,tag3, ")
	s.template(t, "static.map", "c d\n")
	s.becomes(t, "static.map", "c d\n")
	s.template(t, "servers.ctmpl", "now "+servers)
	s.becomes(t, "servers", "now web-3=192.0.2.3:80 ")
}

func TestTemplatesThatAskForWhatOthersAnswered(t *testing.T) {
	s := newStage(t)
	s.consul.SetService("web", web("1"))
	s.template(t, "f.ctmpl", `{{range services}}{{range service .Name}}{{.ID}} {{end}}{{end}}`)
	s.run(t)
	s.becomes(t, "f", "web-1 ")
	s.consul.SetService("api", consultest.Instance{ID: "api-1", Address: "192.0.2.8"})
	s.becomes(t, "f", "api-1 web-1 ")
}

func TestEqualOutputIsNotPublishedAgain(t *testing.T) {
	s := newStage(t)
	s.consul.SetService("web", web("1"))
	s.template(t, "f.ctmpl", servers)
	s.run(t)
	s.becomes(t, "f", "web-1=192.0.2.1:80 ")
	s.consul.SetService("web", web("1")) // a new index, the same answer
	s.consul.SetService("other", web("9"))
	s.template(t, "f.ctmpl", servers+"{{/* nothing */}}")
	s.template(t, "probe", "probe")
	s.logs(t, "files rendered", "files=2") // by a pass after all of that
	if got := s.flips(); got != 2 {
		t.Errorf("%d flips, want the first and the probe's", got)
	}
}

func TestRestartWithEqualOutputDoesNotFlip(t *testing.T) {
	s := newStage(t)
	s.consul.SetService("web", web("1"))
	s.template(t, "f.ctmpl", servers)
	for range 2 {
		if err := s.mustNew(t).Once(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.flips(); got != 1 {
		t.Errorf("%d flips, want 1", got)
	}
}

func TestBrokenTemplateKeepsAllFilesAndIsNamedOnce(t *testing.T) {
	for name, broken := range map[string]string{
		"syntax":    `{{range}}`,
		"function":  `{{nonsense}}`,
		"execution": servers + `{{index (service "web") 5}}`,
		"secret":    `{{with secret "kv/data/x"}}{{.}}{{end}}`,
		"plugin":    `{{plugin "/bin/sh" "-c" "id"}}`,
		"write":     `{{"x" | writeToFile "/tmp/x" "" "" "0644"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.consul.SetService("web", web("1"))
			s.template(t, "bad.ctmpl", servers)
			s.template(t, "good.ctmpl", servers)
			s.run(t)
			s.becomes(t, "bad", "web-1=192.0.2.1:80 ")
			s.template(t, "bad.ctmpl", broken)
			s.logs(t, "level=ERROR", "template failed; files stay as they are", filepath.Join(s.templates, "bad.ctmpl"))
			s.consul.SetService("web", web("2")) // sets are whole: the good one waits too
			s.template(t, "also.ctmpl", "{{nonsense}}")
			s.logs(t, "level=ERROR", "bad.ctmpl", "also.ctmpl")
			if got := s.file("good"); got != "web-1=192.0.2.1:80 " {
				t.Errorf("good holds %q, want it as it was", got)
			}
			s.template(t, "bad.ctmpl", "fixed "+servers)
			s.template(t, "also.ctmpl", "")
			s.becomes(t, "bad", "fixed web-2=192.0.2.2:80 ")
			s.becomes(t, "good", "web-2=192.0.2.2:80 ")
			s.logs(t, "level=INFO", "templates render again")
			if n := s.log.Count("level=ERROR"); n > 4 { // bad; both, in the order of the edits; also
				t.Errorf("%d errors, want one for each state of the templates", n)
			}
		})
	}
}

func TestMissingAnswersAreWaitedForAndNamed(t *testing.T) {
	s := newStage(t)
	s.consul.SetService("web", web("1"))
	s.template(t, "f.ctmpl", servers+`{{key "title"}}`)
	s.run(t)
	s.logs(t, "level=INFO", "waiting for consul", "missing=", "kv.block(title)")
	if _, err := os.Lstat(s.candidate); err == nil {
		t.Error("there is a candidate although answers are missing")
	}
	s.consul.SetKey("title", "hello")
	s.becomes(t, "f", "web-1=192.0.2.1:80 hello")
	if n := s.log.Count("level=ERROR"); n > 0 {
		t.Errorf("%d errors, want none", n)
	}
	s.consul.DeleteKey("title") // is not an empty key
	s.consul.SetService("web", web("2"))
	s.becomes(t, "f", "web-2=192.0.2.2:80 hello")
}

func TestConsulsErrorsKeepTheFiles(t *testing.T) {
	s := newStage(t)
	s.consul.SetService("web", web("1"))
	s.template(t, "f.ctmpl", servers)
	s.run(t)
	s.becomes(t, "f", "web-1=192.0.2.1:80 ")
	s.consul.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, "No cluster leader", http.StatusInternalServerError)
		return true
	})
	s.consul.SetService("web", web("1")) // ends the query that blocks
	s.logs(t, "level=WARN", "consul query failed; keeping the last answer", "health.service(web|passing)", "No cluster leader")
	if n := s.log.Count("goroutine") + s.log.Count(".go:"); n > 0 {
		t.Errorf("%d lines hold a stack trace, want none", n)
	}
	if got := s.file("f"); got == "" {
		t.Error("the file was emptied")
	}
	s.consul.SetService("web", web("2"))
	s.consul.Intercept(nil)
	s.becomes(t, "f", "web-2=192.0.2.2:80 ")
	s.logs(t, "consul answers again")
}

func TestRestartedConsulIsFollowed(t *testing.T) {
	s := newStage(t)
	s.consul.SetService("web", web("1"))
	s.template(t, "f.ctmpl", servers)
	s.run(t)
	s.becomes(t, "f", "web-1=192.0.2.1:80 ")
	s.consul.Stop()
	s.logs(t, "level=WARN", "consul query failed")
	s.consul.Restore("web", web("2")) // it counts from the beginning
	s.consul.Start()
	s.becomes(t, "f", "web-2=192.0.2.2:80 ")
	s.consul.SetService("web", web("3"))
	s.becomes(t, "f", "web-3=192.0.2.3:80 ")
	s.consul.Restore("web", web("4")) // and again, while a query blocks
	s.becomes(t, "f", "web-4=192.0.2.4:80 ")
}

func TestCandidateThatWasRemovedComesBack(t *testing.T) {
	s := newStage(t)
	s.template(t, "f", "text")
	s.run(t)
	s.becomes(t, "f", "text")
	if err := os.Remove(s.candidate); err != nil {
		t.Fatal(err)
	}
	s.becomes(t, "f", "text")
}

func TestTemplatesThatVanishLeaveTheFiles(t *testing.T) {
	s := newStage(t)
	s.template(t, "f", "text")
	s.run(t)
	s.becomes(t, "f", "text")
	if err := os.Remove(filepath.Join(s.templates, "f")); err != nil {
		t.Fatal(err)
	}
	s.logs(t, "level=ERROR", s.templates+" holds no files")
	if err := os.Remove(s.templates); err != nil {
		t.Fatal(err)
	}
	s.logs(t, "level=ERROR", "read templates", "no such file or directory")
	if got := s.file("f"); got != "text" {
		t.Errorf("the file holds %q, want it as it was", got)
	}
	s.template(t, "f", "back")
	s.becomes(t, "f", "back")
}

func TestModesAreKept(t *testing.T) {
	s := newStage(t)
	s.template(t, "secret.pem.ctmpl", "key")
	if err := os.Chmod(filepath.Join(s.templates, "secret.pem.ctmpl"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.mustNew(t).Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	files, err := generation.Read(s.candidate)
	if err != nil {
		t.Fatal(err)
	}
	if got := files["secret.pem"].Mode; got != 0o600 {
		t.Errorf("mode %o, want 600", got)
	}
}

func TestOnceEndsWithItsContext(t *testing.T) {
	s := newStage(t)
	s.template(t, "f.ctmpl", `{{key "missing"}}`)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.mustNew(t).Once(ctx) }()
	s.logs(t, "waiting for consul", "kv.block(missing)")
	cancel()
	if err := <-done; err == nil || !strings.Contains(err.Error(), "consul has not answered") {
		t.Errorf("error %v, want what it waited for", err)
	}
}

func TestEndLeavesNoGoroutine(t *testing.T) {
	s := newStage(t)
	s.consul.SetService("web", web("1"))
	s.template(t, "f.ctmpl", servers+`{{key "missing"}}`)
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	r := s.mustNew(t)
	go func() { defer close(done); r.Run(ctx) }()
	s.logs(t, "waiting for consul", "kv.block(missing)")
	cancel()
	<-done
	s.consul.Stop() // ends the library's queries, which cannot be cancelled
	await.True(t, "the end of all goroutines", func() bool { return runtime.NumGoroutine() <= before })
	s.consul.Start()
}
