package apply

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestACandidateThatVanishesOrIsEmptyChangesNothing(t *testing.T) {
	for name, spoil := range map[string]func(r *rig) error{
		"vanishes":       func(r *rig) error { return os.RemoveAll(r.dir) },
		"loses its link": func(r *rig) error { return os.Remove(filepath.Join(r.dir, "current")) },
		"points nowhere": func(r *rig) error { return os.RemoveAll(filepath.Join(r.dir, ".generations")) },
		"becomes a file": func(r *rig) error {
			return byHand(r, func(dir string) error { return os.WriteFile(dir, []byte("one"), 0o644) })
		},
		"has no files":    func(r *rig) error { return byHand(r, func(dir string) error { return os.Mkdir(dir, 0o755) }) },
		"has hidden ones": func(r *rig) error { return byHand(r, hidden) },
		"holds a dangling link": func(r *rig) error {
			return byHand(r, func(dir string) error {
				if err := os.Mkdir(dir, 0o755); err != nil {
					return err
				}
				return os.Symlink("nowhere", filepath.Join(dir, "haproxy.cfg"))
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.start()
				defer r.stop()
				r.publish("one")
				r.wait()
				if err := spoil(r); err != nil {
					t.Fatal(err)
				}
				for range 10 {
					r.poke()
					r.pass(5 * time.Second)
				}
				r.must("one", "one", "one")
				r.mustSay(1, "candidate is unusable")
			})
		})
	}
}

// byHand replaces the renderer's link by what write makes.
func byHand(r *rig, write func(dir string) error) error {
	dir := filepath.Join(r.dir, "current")
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return write(dir)
}

func hidden(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, ".haproxy.cfg.swp"), []byte("x"), 0o644)
}

func TestWaitingForACandidateIsSaidOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.start()
		defer r.stop()
		for range 10 {
			r.poke()
			r.pass(5 * time.Second)
		}
		r.mustSay(1, "level=INFO", "waiting for the candidate")
		r.mustSay(0, "level=WARN")
	})
}

func TestFilesWrittenByHandAreTakenWhenTheyRest(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.start()
		defer r.stop()
		dir := filepath.Join(r.dir, "current")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		// A line every 60 ms: no two readings 100 ms apart are the same.
		var text strings.Builder
		for range 20 {
			text.WriteString("line\n")
			if err := os.WriteFile(filepath.Join(dir, "haproxy.cfg"), []byte(text.String()), 0o644); err != nil {
				t.Fatal(err)
			}
			r.poke()
			r.pass(60 * time.Millisecond)
		}
		if len(r.target.validated) > 0 {
			t.Errorf("half written files were tried: %q", r.target.validated)
		}
		r.wait()
		r.must(text.String(), text.String(), text.String())
	})
}

func TestFilesThatNeverRestAreSaidAndNotTaken(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.start()
		defer r.stop()
		dir := filepath.Join(r.dir, "current")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for i := range 200 {
			if err := os.WriteFile(filepath.Join(dir, "haproxy.cfg"), []byte(strings.Repeat("x", i+1)), 0o644); err != nil {
				t.Fatal(err)
			}
			r.poke()
			r.pass(60 * time.Millisecond)
		}
		if len(r.target.validated) > 0 {
			t.Errorf("half written files were tried: %d", len(r.target.validated))
		}
		r.mustSay(1, "candidate is unusable", "it keeps changing")
	})
}
