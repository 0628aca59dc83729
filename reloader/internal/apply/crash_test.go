package apply

import (
	"os"
	"path/filepath"
	"testing"

	"remora/internal/generation"
)

// step is one of those that bring "two" live, done as far as a crash lets it.
type step struct {
	name string
	do   func(r *rig, s *generation.Store) error
}

func point(name, content string) func(*rig, *generation.Store) error {
	return func(_ *rig, s *generation.Store) error { return s.Point(name, files(content).ID()) }
}

var steps = []step{
	{"writing the generation", func(r *rig, _ *generation.Store) error {
		half := filepath.Join(r.live, ".generations/.new-1/haproxy.cfg")
		if err := os.MkdirAll(filepath.Dir(half), 0o700); err != nil {
			return err
		}
		return os.WriteFile(half, []byte("tw"), 0o600)
	}},
	{"generation written", func(_ *rig, s *generation.Store) error {
		_, err := s.Put(files("two"))
		return err
	}},
	{"making the link", func(r *rig, _ *generation.Store) error {
		return os.Symlink(".generations/x", filepath.Join(r.live, ".generations/.link-current"))
	}},
	{"swapped", point("current", "two")},
	{"reloaded", func(r *rig, _ *generation.Store) error { r.target.runs = "two"; return nil }},
	{"kept as last-good", point(LastGood, "two")},
}

// TestCrashBetweenSteps leaves live as a crash after each step leaves it, and
// starts anew: with "two" as the candidate still, and with another one that the
// target refuses.
func TestCrashBetweenSteps(t *testing.T) {
	for last := range steps {
		for _, candidate := range []string{"two", "unbindable"} {
			t.Run(steps[last].name+", then "+candidate, func(t *testing.T) {
				want := "one"
				if candidate == "two" || last == len(steps)-1 {
					want = "two"
				}
				inBubble(t, func(t *testing.T, r *rig) { crashAfter(r, last, candidate, want) })
			})
		}
	}
}

func crashAfter(r *rig, last int, candidate, want string) {
	r.start()
	r.publish("one")
	r.wait()
	r.stop()
	store, err := generation.Open(r.live)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, step := range steps[:last+1] {
		if err := step.do(r, store); err != nil {
			r.t.Fatal(err)
		}
	}
	r.publish(candidate)
	r.start()
	r.wait()
	r.must(want, want, want)
	r.stop()
	for _, left := range []string{".new-1", ".link-current"} {
		if _, err := os.Lstat(filepath.Join(r.live, ".generations", left)); err == nil {
			r.t.Errorf("%s is left", left)
		}
	}
}

// TestCrashInsideTheTargetsVerdict ends the program while the target is reading
// files, before and after it has taken them.
func TestCrashInsideTheTargetsVerdict(t *testing.T) {
	for name, taken := range map[string]bool{"before": false, "after": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.start()
				r.publish("one")
				r.wait()
				r.target.reload = func(content string) {
					if taken {
						r.target.runs = content
					}
					panic("crash")
				}
				r.publish("unbindable after all")
				r.wait()
				r.stop()
				r.must("unbindable after all", "one", r.target.runs)

				r.target.reload = nil
				r.start()
				defer r.stop()
				r.wait()
				r.must("one", "one", "one")
				r.mustSay(1, "level=WARN", "rolled back")
				r.mustSay(1, "candidate refused")
			})
		})
	}
}

func TestStartMakesTheTargetRunWhatIsLive(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.start()
		r.publish("one")
		r.wait()
		r.stop()
		r.target.runs = "something else"
		r.start()
		defer r.stop()
		r.wait()
		r.must("one", "one", "one")
	})
}

func TestALastGoodSetThatIsRefusedStaysAndIsSaidOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.start()
		r.publish("one")
		r.wait()
		r.stop()
		r.target.unknown = "one" // its address is taken now, say
		r.start()
		defer r.stop()
		r.wait()
		r.must("one", "one", "one")
		r.mustSay(1, "level=ERROR", "last-good refused")
		if got := r.target.times("one"); got != 2 {
			t.Errorf("%d reloads, want 2: each may cost connections", got)
		}
		r.publish("two")
		r.wait()
		r.must("two", "two", "two")
	})
}
