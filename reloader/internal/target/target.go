// Package target knows the programs that reloader reloads: how to validate files
// with the program's own binary, how to make it reload, and how to tell whether
// it really runs the new files. A signal that was delivered proves nothing.
package target

import (
	"context"
	"errors"
	"strings"
	"time"
)

var (
	// ErrAway says that there is no target to talk to. It says nothing about the
	// files, and nothing was asked of the target.
	ErrAway = errors.New("target is away")
	// ErrLost says that the target went away while it was reloading.
	ErrLost = errors.New("target went away during the reload")
	// ErrUnchecked says that there is nothing here to validate files with.
	ErrUnchecked = errors.New("no binary to validate with")
)

// RefusedError says that the target does not accept the files. It goes on
// running what it ran before.
type RefusedError struct {
	Words string // the target's own
}

func (e *RefusedError) Error() string { return "refused by the target: " + e.Words }

// refused makes the error out of what the target printed: the lines that bear
// mark, which say what is wrong, or everything if none does.
func refused(output, mark string) *RefusedError {
	var marked []string
	for line := range strings.Lines(output) {
		if strings.Contains(line, mark) {
			marked = append(marked, strings.TrimSpace(line))
		}
	}
	words := strings.Join(marked, "\n")
	if words == "" {
		words = strings.TrimSpace(output)
	}
	if words == "" {
		words = "its own log says why"
	}
	return &RefusedError{Words: words}
}

// defaultPatience is how long an absent target is looked for before it counts as
// away: HAProxy's master socket is gone for a moment in every reload, and a
// target that was just started needs a moment to be there.
const defaultPatience = 2 * time.Second

// Pauses between two looks at what a target is doing: a reload takes 20 to 500
// ms, so the first looks are quick, and a long one is not worth a busy core.
const (
	firstPause = 5 * time.Millisecond
	maxPause   = 100 * time.Millisecond
)

// pauses returns a function that waits, longer from call to call, and says
// whether ctx still runs.
func pauses(ctx context.Context) func() bool {
	wait := firstPause
	return func() bool {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		wait = min(2*wait, maxPause)
		select {
		case <-timer.C:
			return true
		case <-ctx.Done():
			return false
		}
	}
}
