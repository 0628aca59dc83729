// Package await lets tests wait for what other processes do, by looking and
// never by guessing how long it takes.
package await

import (
	"testing"
	"time"
)

// Limit is how long True waits: far beyond what any condition in the tests needs
// on a busy machine, short enough to see a hang.
const Limit = 30 * time.Second

// pause between two looks.
const pause = 5 * time.Millisecond

// True waits until cond holds, and fails the test, naming what it waited for,
// when it does not within Limit.
func True(tb testing.TB, what string, cond func() bool) {
	tb.Helper()
	Within(tb, Limit, what, cond)
}

// Within is True with a limit of its own, and returns how long it took.
func Within(tb testing.TB, limit time.Duration, what string, cond func() bool) time.Duration {
	tb.Helper()
	start := time.Now()
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for !cond() {
		if waited := (<-ticker.C).Sub(start); waited > limit {
			tb.Fatalf("waited %s in vain for %s", limit, what)
		}
	}
	return time.Since(start)
}
