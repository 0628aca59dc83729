// Package trouble is how a loop copes with something that goes on failing: it
// waits, longer each time, and logs the first failure, every tenth, and the end.
package trouble

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"
)

// Failures counts the failures of one thing in a row. It belongs to one goroutine.
type Failures struct {
	Log    *slog.Logger
	Begins string        // logged as a warning
	Ends   string        // logged when it works again
	Most   time.Duration // longest pause

	count int
	pause time.Duration
}

// first is the first pause: most trouble is a restart, and over soon.
const first = 100 * time.Millisecond

// often is how many failures there are from one warning to the next.
const often = 10

// Note counts a failure. That the caller was told to stop is none. The error is
// logged as text: some libraries' errors would print a stack trace.
func (f *Failures) Note(err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	if f.count%often == 0 {
		f.Log.Warn(f.Begins, "error", err.Error(), "failures", f.count+1)
	}
	f.count++
}

// Over says that it works.
func (f *Failures) Over() {
	if f.count > 0 {
		f.Log.Info(f.Ends, "failures", f.count)
	}
	f.count, f.pause = 0, 0
}

// Pause waits, twice as long from call to call up to Most, and tells whether ctx
// is still alive. It takes between half of that time and the whole, at random, so
// that what comes back does not meet everybody at once.
func (f *Failures) Pause(ctx context.Context) bool {
	f.pause = min(max(2*f.pause, first), f.Most)
	return Wait(ctx, f.pause/2+rand.N(f.pause/2))
}

// Wait waits and tells whether ctx is still alive.
func Wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
