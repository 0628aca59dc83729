// Package apply brings candidate files live and keeps what is live good. The
// candidate's content decides, events only wake. A candidate goes through
// validate → swap → reload → verify, and is the new last-good only after that;
// if it fails, live goes back to last-good and the same content is not tried
// again. At every moment, also after a crash, live is one whole generation that
// the target can start on.
package apply

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"remora/internal/generation"
)

// Target is what runs on the live files.
type Target interface {
	// Validate returns nil if the target's own binary accepts the files in dir.
	// target.ErrUnchecked means that there is no binary to ask but a target to
	// reload, target.ErrAway that there is neither; any other error is a no.
	Validate(ctx context.Context, dir string) error
	// Reload returns nil only if the target is known to run the live files. It
	// returns a *target.RefusedError if the target goes on with the former ones,
	// target.ErrAway if there is no target, target.ErrLost if it went away over
	// the reload; after any other error it is not known what runs. It blocks
	// until the verdict, for a bounded time.
	Reload(ctx context.Context) error
}

// Options are what a Loop works with.
type Options struct {
	Store     *generation.Store
	Live      string // the symlink in Store that the target reads
	Candidate string // the directory of the files to bring live
	Target    Target
	Interval  time.Duration   // least time between two reloads
	Wake      <-chan struct{} // says that the candidate may have changed
	Log       *slog.Logger
}

// LastGood is the symlink in the store to the generation that was last verified.
const LastGood = "last-good"

// Loop compares the candidate with what is live and acts. Its methods are called
// one after the other: Recover, First where the target is not to be started
// without files, Run.
type Loop struct {
	Options
	live     generation.ID // what the symlinks say
	lastGood generation.ID
	verified generation.ID          // what the target is known to run; "" if unknown
	seen     generation.ID          // the candidate's content when last looked at
	refused  map[generation.ID]bool // failed since the candidate last changed
	lost     generation.ID          // the target went away over its reload
	reloaded time.Time              // end of the last reload
	said     string                 // what was last said about an unusable candidate
	away     trouble
	broken   trouble
}

// New returns a Loop that has not looked at anything yet.
func New(o Options) *Loop {
	return &Loop{
		Options: o,
		refused: map[generation.ID]bool{},
		away:    trouble{log: o.Log, begins: "target away", ends: "target is back"},
		broken:  trouble{log: o.Log, begins: "live cannot be written", ends: "live can be written again"},
	}
}

// Recover undoes what a crash left unfinished: what is live without a verdict
// goes back to last-good, and is tried again if it is still the candidate.
func (l *Loop) Recover() error {
	if err := l.load(); err != nil {
		return err
	}
	if unfinished := l.live; l.lastGood != "" && unfinished != l.lastGood {
		if err := l.point(l.lastGood); err != nil {
			return err
		}
		l.Log.Warn("rolled back", "generation", l.lastGood, "unfinished", unfinished)
	}
	return l.Store.Prune()
}

// load reads what the symlinks point to.
func (l *Loop) load() error {
	live, err := l.Store.Pointed(l.Live)
	if err != nil {
		return err
	}
	lastGood, err := l.Store.Pointed(LastGood)
	if err != nil {
		return err
	}
	l.live, l.lastGood = live, lastGood
	return nil
}

// First returns when there are live files that a target can be started on: at
// once if there is a last-good set, else with the first set that validates.
func (l *Loop) First(ctx context.Context) error {
	if l.lastGood != "" {
		return nil
	}
	// A first start may have been cut short before its verdict.
	if l.live != "" && l.Target.Validate(ctx, l.Store.Path(l.live)) == nil {
		return nil
	}
	l.Log.Info("waiting for the first candidate that validates", "path", l.Candidate)
	l.said = waiting
	for ctx.Err() == nil {
		ready, err := l.first(ctx)
		if ready {
			return nil
		}
		// Refused content is asked about again, unlike in Run: nothing runs yet
		// that a wrong answer could hurt, and the commonest reason here is a name
		// that does not resolve yet.
		again := maxRetry
		if err != nil {
			again = l.broken.again(err)
		}
		l.wait(ctx, again)
	}
	return ctx.Err()
}

// first brings the candidate live if it validates, and says whether it did.
func (l *Loop) first(ctx context.Context) (bool, error) {
	files, _ := l.look(ctx)
	if files == nil {
		return false, nil
	}
	id, err := l.Store.Put(files)
	if err != nil {
		return false, fmt.Errorf("write generation: %w", err)
	}
	if err := l.Target.Validate(ctx, l.Store.Path(id)); err != nil {
		if ctx.Err() == nil && !l.refused[id] {
			l.refuse(stageValidate, id, err)
		}
		return false, nil
	}
	if err := l.point(id); err != nil {
		return false, err
	}
	l.broken.over()
	return true, nil
}

// Run works until ctx is done. An attempt that is under way then is ended, and
// undone.
func (l *Loop) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		again := l.step(ctx)
		if rest := time.Until(l.reloaded.Add(l.Interval)); rest > 0 {
			sleep(ctx, rest)
		}
		l.wait(ctx, again)
	}
	return nil
}

// step does the one thing that is most wanted now and returns how long to wait
// before the next look; less than 0 means until woken.
func (l *Loop) step(ctx context.Context) time.Duration {
	files, news := l.look(ctx)
	var err error
	switch {
	case news:
		err = l.apply(ctx, files)
	case l.refused[l.live] && l.lastGood != "" && l.live != l.lastGood:
		err = l.point(l.lastGood) // could not be written when it was refused
	case l.live != "" && !l.refused[l.live] && (l.verified != l.live || l.lastGood != l.live):
		err = l.confirm(ctx)
	default:
		return -1
	}
	return l.after(ctx, err)
}

// wait returns when it is time for the next look.
func (l *Loop) wait(ctx context.Context, again time.Duration) {
	var timer <-chan time.Time
	if again >= 0 {
		timer = time.After(again)
	}
	select {
	case <-timer:
	case <-l.Wake:
	case <-ctx.Done():
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
