package catalog

import (
	"log/slog"
	"reflect"
	"time"
)

// doubt guards against answers that are true of Consul and not of the world: an
// agent or cluster that has just lost its state knows nothing until everybody has
// registered again. After trouble, an answer with fewer entries than the last one
// is held back until it is complete, or until grace is over.
type doubt struct {
	log     *slog.Logger
	query   string
	grace   time.Duration
	raised  bool
	since   time.Time // of the first answer after the trouble; zero before it
	holding bool
}

// raise says that there was trouble.
func (d *doubt) raise() { d.raised, d.since = true, time.Time{} }

// holds tells whether the answer now is to be held back in favour of the one
// before.
func (d *doubt) holds(before, now any) bool {
	if !d.raised {
		return false
	}
	if d.since.IsZero() {
		d.since = time.Now()
	}
	had, has := entries(before), entries(now)
	switch {
	case has >= had:
		if d.holding {
			d.log.Info("held answer is complete", "query", d.query, "entries", has)
		}
	case d.left() > 0:
		if !d.holding {
			d.log.Warn("answer held back: it has fewer entries than before the trouble",
				"query", d.query, "entries", has, "before", had, "grace", d.grace)
		}
		d.holding = true
		return true
	default:
		d.log.Warn("held answer accepted: grace is over", "query", d.query, "entries", has, "before", had)
	}
	d.raised, d.holding = false, false
	return false
}

// left is how long an answer can still be held back.
func (d *doubt) left() time.Duration { return d.grace - time.Since(d.since) }

// wait is how long to wait for a change before the answer is looked at again.
func (d *doubt) wait() time.Duration {
	if !d.holding {
		return waitTime
	}
	return min(waitTime, max(d.left(), time.Millisecond))
}

// entries counts what an answer lists; an answer that is no list has one.
func entries(answer any) int {
	if v := reflect.ValueOf(answer); v.Kind() == reflect.Slice || v.Kind() == reflect.Map {
		return v.Len()
	}
	return 1
}
