package apply

import (
	"log/slog"
	"time"
)

// trouble logs something that goes on: its beginning, every tenth time, its end.
type trouble struct {
	log          *slog.Logger
	begins, ends string
	times        int
}

// Pauses between attempts while there is trouble: short at first, because most
// of it is a restart; then rare enough to cost nothing, often enough that the
// end is noticed while someone watches.
const (
	firstRetry = 250 * time.Millisecond
	maxRetry   = 5 * time.Second
	often      = 10
)

// again notes another time and returns how long to wait before the next attempt.
func (t *trouble) again(err error) time.Duration {
	if t.times%often == 0 {
		t.log.Warn(t.begins, "error", err, "attempt", t.times+1)
	}
	wait := min(firstRetry<<min(t.times, 16), maxRetry)
	t.times++
	return wait
}

// over notes that it has ended, if there was any.
func (t *trouble) over() {
	if t.times > 0 {
		t.log.Info(t.ends, "attempts", t.times)
	}
	t.times = 0
}
