package dirwatch_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"remora/internal/dirwatch"
	"remora/internal/generation"
)

// never is a period of reading that no test lives to see.
const never = time.Hour

func mustWake(tb testing.TB, wake <-chan struct{}, what string) {
	tb.Helper()
	select {
	case <-wake:
	case <-time.After(10 * time.Second):
		tb.Fatalf("no wake-up in 10s after %s", what)
	}
}

func TestWakesForEveryKindOfChange(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "candidate")
	wake := dirwatch.Watch(t.Context(), slog.New(slog.DiscardHandler), path, never)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	steps := []struct {
		what string
		do   func() error
	}{
		{"the directory is made", func() error { return os.Mkdir(path, 0o755) }},
		{"a file is written", func() error { return os.WriteFile(path+"/a", []byte("1"), 0o644) }},
		{"a file is renamed over it", func() error {
			must(os.WriteFile(dir+"/tmp", []byte("2"), 0o644))
			return os.Rename(dir+"/tmp", path+"/a")
		}},
		{"a subdirectory is made", func() error { return os.Mkdir(path+"/maps", 0o755) }},
		{"a file in it is written", func() error { return os.WriteFile(path+"/maps/m", []byte("1"), 0o644) }},
		{"the directory is replaced", func() error {
			must(os.Rename(path, dir+"/old"))
			return os.Mkdir(path, 0o755)
		}},
		{"a file is written in the new one", func() error { return os.WriteFile(path+"/a", []byte("3"), 0o644) }},
	}
	for _, step := range steps {
		must(step.do())
		mustWake(t, wake, step.what)
		drain(wake)
	}
}

// drain waits until the events of one step have all been seen.
func drain(wake <-chan struct{}) {
	for {
		select {
		case <-wake:
		case <-time.After(50 * time.Millisecond):
			return
		}
	}
}

func TestWakesForTheFlipOfASymlink(t *testing.T) {
	dir := t.TempDir()
	store, err := generation.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	wake := dirwatch.Watch(t.Context(), slog.New(slog.DiscardHandler), filepath.Join(dir, "current"), never)
	for _, content := range []string{"first", "second", "third"} {
		id, err := store.Put(generation.Files{"f": {Data: []byte(content), Mode: 0o644}})
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Point("current", id); err != nil {
			t.Fatal(err)
		}
		mustWake(t, wake, "the flip to "+content)
		drain(wake)
	}
}

func TestReadsPeriodicallyWithoutEvents(t *testing.T) {
	wake := dirwatch.Watch(t.Context(), slog.New(slog.DiscardHandler), "/no/such/place", 10*time.Millisecond)
	mustWake(t, wake, "the period")
	mustWake(t, wake, "the next period")
}
