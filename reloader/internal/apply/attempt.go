package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"remora/internal/generation"
	"remora/reloader/internal/target"
)

// Stages of an attempt, for the log.
const (
	stageValidate = "validate"
	stageReload   = "reload"
)

// apply tries new files. It returns an error when they are to be tried again,
// because the target was away or the disk failed, and nil after a verdict.
func (l *Loop) apply(ctx context.Context, files generation.Files) error {
	start := time.Now()
	id, err := l.Store.Put(files)
	if err != nil {
		return fmt.Errorf("write generation: %w", err)
	}
	err = l.Target.Validate(ctx, l.Store.Path(id))
	validated := err == nil
	away := errors.Is(err, target.ErrAway)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case validated, errors.Is(err, target.ErrUnchecked):
	case away && l.lastGood == "":
		// Nothing can be known to be good before a target has run on it, and
		// without any files it will never come up.
	case away:
		l.verified = "" // whatever comes up is asked for what it runs
		return err
	default:
		l.refuse(stageValidate, id, err)
		return nil
	}
	fallback := l.lastGood
	if fallback == "" {
		fallback = l.live
	}
	before := l.verified
	l.verified = ""
	if err := l.point(id); err != nil {
		return err
	}
	if away {
		return err
	}
	return l.reload(ctx, attempt{id: id, fallback: fallback, before: before, validated: validated, start: start})
}

// confirm makes sure that the target runs what is live.
func (l *Loop) confirm(ctx context.Context) error {
	if l.verified == l.live {
		return l.keep()
	}
	// It stays live while the target is away: it is last-good, or validated, or
	// all there is.
	return l.reload(ctx, attempt{id: l.live, fallback: l.lastGood, validated: true, start: time.Now()})
}

// attempt is a generation that is live and not verified yet.
type attempt struct {
	id        generation.ID
	fallback  generation.ID // what is live if it fails; "" if there is nothing
	before    generation.ID // what the target was known to run
	validated bool          // by the target's own binary
	start     time.Time
}

// reload asks the target for its verdict and draws the conclusions.
func (l *Loop) reload(ctx context.Context, a attempt) error {
	err := l.Target.Reload(ctx)
	if !errors.Is(err, target.ErrAway) {
		l.reloaded = time.Now()
	}
	if err == nil {
		l.verified = a.id
		l.away.over()
		l.Log.Info("reload verified", "generation", a.id, "took", time.Since(a.start).Round(time.Millisecond))
		return l.keep()
	}
	gone := l.gone(a.id, err)
	stopped := ctx.Err() != nil
	var rollback error
	if a.fallback != "" && a.fallback != a.id && !(gone && a.validated) {
		rollback = l.point(a.fallback)
	}
	if gone || stopped {
		return errors.Join(err, rollback)
	}
	var refused *target.RefusedError
	if errors.As(err, &refused) {
		l.away.over()
		if a.before == l.live {
			l.verified = a.before
		}
	}
	l.refuse(stageReload, a.id, err)
	return rollback
}

// gone says whether err is the target's absence and not the verdict on id. A
// target that went away over a reload may have been stopped by someone; if it
// happens again with the same files, they are the reason.
func (l *Loop) gone(id generation.ID, err error) bool {
	if errors.Is(err, target.ErrLost) {
		again := l.lost == id
		l.lost = id
		return !again
	}
	return errors.Is(err, target.ErrAway)
}

// keep makes what is live and verified the new last-good.
func (l *Loop) keep() error {
	if l.lastGood != l.live {
		if err := l.Store.Point(LastGood, l.live); err != nil {
			return fmt.Errorf("keep as last-good: %w", err)
		}
		l.lastGood = l.live
	}
	l.lost = ""
	if err := l.Store.Prune(); err != nil {
		return fmt.Errorf("remove old generations: %w", err)
	}
	return nil
}

// refuse puts a generation aside until the candidate's content changes.
func (l *Loop) refuse(stage string, id generation.ID, err error) {
	l.refused[id] = true
	message := "candidate refused"
	if id == l.lastGood {
		message = "last-good refused" // something outside the files has changed
	}
	l.Log.Error(message, "stage", stage, "generation", id, "live", l.live, "error", err)
}

// point makes id live.
func (l *Loop) point(id generation.ID) error {
	if err := l.Store.Point(l.Live, id); err != nil {
		return fmt.Errorf("bring generation %s live: %w", id, err)
	}
	l.live = id
	return nil
}

// after returns how long to wait after a step that ended with err.
func (l *Loop) after(ctx context.Context, err error) time.Duration {
	switch {
	case ctx.Err() != nil:
		return -1
	case err == nil:
		l.broken.over()
		return 0 // there may be more to do
	case errors.Is(err, target.ErrAway), errors.Is(err, target.ErrLost):
		l.broken.over()
		return l.away.again(err)
	default:
		// Half done may be done or not: the symlinks know.
		if loadErr := l.load(); loadErr != nil {
			err = errors.Join(err, loadErr)
		}
		return l.broken.again(err)
	}
}
