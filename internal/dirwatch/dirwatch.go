// Package dirwatch says that something in a directory may have changed. It only
// wakes: whoever is woken reads the files and compares.
package dirwatch

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Watch sends on the returned channel, which holds one wake-up, after anything
// in or below the directory path may have changed, and every reread in any case:
// that covers file systems without events and everything that inotify misses. If
// path is a symlink, or does not exist yet, its parent is watched too, so that a
// flip or its creation is seen. The watch ends with ctx; the channel is never
// closed.
func Watch(ctx context.Context, log *slog.Logger, path string, reread time.Duration) <-chan struct{} {
	w := &watch{log: log, path: path, wake: make(chan struct{}, 1)}
	events, err := fsnotify.NewWatcher()
	if err != nil {
		log.Warn("no file events; reading periodically", "path", path, "every", reread, "error", err)
		go w.poll(ctx, reread)
		return w.wake
	}
	w.events = events
	w.add()
	go w.run(ctx, reread)
	return w.wake
}

type watch struct {
	log    *slog.Logger
	path   string
	events *fsnotify.Watcher
	wake   chan struct{}
	failed bool
}

func (w *watch) run(ctx context.Context, reread time.Duration) {
	defer w.events.Close()
	ticker := time.NewTicker(reread)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case event := <-w.events.Events:
			if event.Op == fsnotify.Chmod {
				continue // reading a file changes its times, and we read
			}
		case err := <-w.events.Errors:
			// An overflow lost events: the wake-up below makes up for it.
			w.log.Debug("file events were lost", "path", w.path, "error", err)
		}
		w.add()
		w.signal()
	}
}

func (w *watch) poll(ctx context.Context, reread time.Duration) {
	ticker := time.NewTicker(reread)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			w.signal()
		}
	}
}

func (w *watch) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// add watches every directory that matters now. Adding a watched one again is
// cheap, and it is what finds a directory that was replaced: inotify stays with
// the old inode.
func (w *watch) add() {
	err := w.events.Add(filepath.Dir(w.path))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // nothing to watch yet; whoever asks says that it waits
	}
	if root, resolveErr := filepath.EvalSymlinks(w.path); resolveErr == nil {
		err = filepath.WalkDir(root, func(dir string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.IsDir() {
				return nil // gone again: its parent's event wakes us
			}
			return w.events.Add(dir)
		})
	}
	if err != nil && !w.failed {
		w.log.Warn("cannot watch all directories; relying on periodic reading", "path", w.path, "error", err)
	}
	w.failed = err != nil
}
