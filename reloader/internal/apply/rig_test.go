package apply

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"remora/internal/await"
	"remora/internal/generation"
	"remora/reloader/internal/target"
)

const interval = 500 * time.Millisecond

// rig is a loop over a real store and a target that follows words in its files:
// an invalid file is refused by validation, an unbindable one by the reload.
// What goes wrong otherwise, a test switches on. Its methods are for use in a
// synctest bubble.
type rig struct {
	t         *testing.T
	log       *await.Log
	candidate *generation.Store
	dir       string // the candidate's
	live      string
	target    *scripted
	wake      chan struct{}
	end       func()
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, log: await.NewLog(t), dir: t.TempDir(), live: t.TempDir()}
	store, err := generation.Open(r.dir)
	if err != nil {
		t.Fatal(err)
	}
	r.candidate = store
	r.target = &scripted{path: filepath.Join(r.live, "current")}
	return r
}

// loop opens the live store anew, as a start of the program does, and recovers.
func (r *rig) loop() *Loop {
	r.t.Helper()
	store, err := generation.Open(r.live)
	if err != nil {
		r.t.Fatal(err)
	}
	r.wake = make(chan struct{}, 1)
	l := New(Options{
		Store: store, Live: "current", Candidate: filepath.Join(r.dir, "current"),
		Target: r.target, Interval: interval, Wake: r.wake, Log: r.log.Logger(),
	})
	if err := l.Recover(); err != nil {
		r.t.Fatal(err)
	}
	return l
}

// start runs the loop; stop ends it. Either way of ending it is a crash if the
// target panics.
func (r *rig) start() {
	l := r.loop()
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = recover() }()
		if err := l.Run(ctx); err != nil {
			r.t.Error(err)
		}
	}()
	r.end = func() { cancel(); <-done }
}

func (r *rig) stop() { r.end() }

// wait lets time pass: more than any retry or interval.
func (r *rig) wait() { r.pass(30 * time.Second) }

func (r *rig) pass(d time.Duration) {
	r.target.order()
	time.Sleep(d)
	synctest.Wait()
}

func files(content string) generation.Files {
	return generation.Files{"haproxy.cfg": {Data: []byte(content), Mode: 0o644}}
}

// publish makes content the candidate, as the renderer does.
func (r *rig) publish(content string) {
	r.t.Helper()
	id, err := r.candidate.Put(files(content))
	if err == nil {
		err = r.candidate.Point("current", id)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.poke()
}

func (r *rig) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// must compares what is live, what is last-good, and what the target runs; "" is
// nothing.
func (r *rig) must(live, lastGood, runs string) {
	r.t.Helper()
	for _, check := range []struct{ what, got, want string }{
		{"live", r.content("current"), live},
		{"last-good", r.content("last-good"), lastGood},
		{"running", r.target.runs, runs},
	} {
		if check.got != check.want {
			r.t.Errorf("%s: %q, want %q", check.what, check.got, check.want)
		}
	}
}

func (r *rig) content(name string) string { return read1(filepath.Join(r.live, name)) }

func read1(dir string) string {
	text, err := os.ReadFile(filepath.Join(dir, "haproxy.cfg"))
	if err != nil {
		return ""
	}
	return string(text)
}

// mustSay checks how often the log has a line with all words.
func (r *rig) mustSay(times int, words ...string) {
	r.t.Helper()
	if got := r.log.Count(words...); got != times {
		r.t.Errorf("%d lines with %q, want %d", got, words, times)
	}
}

// scripted is a target.
type scripted struct {
	mu        sync.Mutex
	path      string // of the live files
	away      bool
	unchecked bool              // there is no binary to validate with
	reload    func(text string) // called in the middle of a reload
	losing    string            // the content over whose reload it goes away
	unknown   string            // the content over whose reload it says nothing
	runs      string
	reloads   []string      // of what
	validated []string      // what
	cost      time.Duration // of a reload
}

func (s *scripted) Validate(_ context.Context, dir string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	content := read1(dir)
	s.validated = append(s.validated, content)
	switch {
	case s.unchecked && s.away:
		return target.ErrAway
	case s.unchecked:
		return target.ErrUnchecked
	case strings.Contains(content, "invalid"):
		return &target.RefusedError{Words: "invalid word"}
	}
	return nil
}

func (s *scripted) Reload(ctx context.Context) error {
	content := read1(s.path)
	s.mu.Lock()
	away := s.away
	if !away {
		s.reloads = append(s.reloads, content)
	}
	s.mu.Unlock()
	if away {
		return target.ErrAway
	}
	sleep(ctx, s.cost)
	if s.reload != nil {
		s.reload(content)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case content == s.losing:
		return target.ErrLost
	case content == s.unknown:
		return context.DeadlineExceeded
	case strings.Contains(content, "invalid"), strings.Contains(content, "unbindable"):
		return &target.RefusedError{Words: "cannot bind"}
	}
	s.runs = content
	return nil
}

func (s *scripted) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = true
}

// order puts what the test did before what the loop does next: for the race
// detector, the passing of time alone does not.
func (s *scripted) order() {
	s.mu.Lock()
	defer s.mu.Unlock()
}

// comeUp starts the target on the live files, as Docker's restart does.
func (s *scripted) comeUp() {
	s.away = false
	s.runs = read1(s.path)
}

func (s *scripted) times(content string) int {
	return len(slices.DeleteFunc(slices.Clone(s.reloads), func(c string) bool { return c != content }))
}
