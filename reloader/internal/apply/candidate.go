package apply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"remora/internal/generation"
)

// look reads the candidate and says whether it is something new: neither what
// is live nor what was refused with this very content. A candidate that cannot
// be used is said once and changes nothing.
func (l *Loop) look(ctx context.Context) (generation.Files, bool) {
	files, err := settled(ctx, l.Candidate, l.known)
	if ctx.Err() != nil {
		return nil, false
	}
	if err != nil {
		l.sayUnusable(err)
		return nil, false
	}
	l.said = ""
	id := files.ID()
	if id != l.seen {
		l.seen = id
		l.lost = ""
		clear(l.refused)
	}
	return files, !l.known(id)
}

func (l *Loop) known(id generation.ID) bool { return id == l.live || l.refused[id] }

// waiting stands for every reason why there has not been a candidate yet.
const waiting = "waiting"

func (l *Loop) sayUnusable(err error) {
	text := err.Error()
	first := l.seen == "" && (errors.Is(err, errMissing) || errors.Is(err, errEmpty))
	if first {
		text = waiting
	}
	if text == l.said {
		return
	}
	l.said = text
	if first {
		l.Log.Info("waiting for the candidate", "path", l.Candidate)
	} else {
		l.Log.Warn("candidate is unusable", "path", l.Candidate, "error", err, "live", l.live)
	}
}

var (
	errMissing   = errors.New("it does not exist")
	errEmpty     = errors.New("it holds no files")
	errUnsettled = errors.New("it keeps changing")
)

// A set that someone writes file by file is taken when two readings, settle
// apart, are the same: longer than the pauses inside one save, shorter than
// anyone waits for. After maxReadings the next wake-up tries again.
const (
	settle      = 100 * time.Millisecond
	maxReadings = 20
)

// settled reads the set in dir. One reading is enough for what is known already
// and for an immutable generation, whose directory is named by its content;
// anything else, no files and errors included, may be the middle of a change.
func settled(ctx context.Context, dir string, known func(generation.ID) bool) (generation.Files, error) {
	last := ""
	for range maxReadings {
		files, resolved, err := read(dir)
		id := files.ID()
		if err == nil && (known(id) || string(id) == filepath.Base(resolved)) {
			return files, nil
		}
		found := string(id)
		if err != nil {
			found = err.Error()
		}
		if found == last {
			return files, err
		}
		last = found
		sleep(ctx, settle)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return nil, errUnsettled
}

// read reads the set in dir and returns the directory where it is. A set
// without files is an error.
func read(dir string) (generation.Files, string, error) {
	resolved, err := filepath.EvalSymlinks(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", errMissing
	}
	if err != nil {
		return nil, "", err
	}
	files, err := generation.Read(resolved)
	if err != nil {
		return nil, "", fmt.Errorf("read: %w", err)
	}
	if len(files) == 0 {
		return nil, "", errEmpty
	}
	return files, resolved, nil
}
