package trouble_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"remora/internal/await"
	"remora/internal/trouble"
)

func TestFirstAndEveryTenthFailureAndTheEndAreLogged(t *testing.T) {
	log := await.NewLog(t)
	f := trouble.Failures{Log: log.Logger(), Begins: "it fails", Ends: "it works", Most: time.Second}
	for range 2 {
		f.Over() // no trouble, no words
		for range 21 {
			f.Note(errors.New("refused"))
		}
		f.Note(context.Canceled)
		f.Over()
	}
	for line, want := range map[string]int{"failures=1\n": 2, "failures=11\n": 2, "failures=21\n": 4} {
		if got := log.Count(line); got != want {
			t.Errorf("%d lines with %q, want %d", got, line, want)
		}
	}
	if begins, ends := log.Count("level=WARN", "it fails", "refused"), log.Count("level=INFO", "it works"); begins != 6 || ends != 2 {
		t.Errorf("%d warnings and %d ends, want 6 and 2", begins, ends)
	}
}

func TestPausesGrowUpToMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := trouble.Failures{Log: await.NewLog(t).Logger(), Most: time.Second}
		for n, most := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
			most *= time.Millisecond
			start := time.Now()
			if !f.Pause(t.Context()) {
				t.Fatal("the context is said to have ended")
			}
			if took := time.Since(start); took < most/2 || took > most {
				t.Errorf("pause %d took %s, want %s to %s", n, took, most/2, most)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		start := time.Now()
		if f.Pause(ctx) || time.Since(start) > 0 {
			t.Error("an ended context did not end the pause")
		}
	})
}
