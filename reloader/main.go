// Reloader brings files live and reloads the HAProxy or nginx that runs on them,
// so that a changed file becomes a verified reload, or nothing happens.
//
// It takes whole sets of files from a candidate directory (REMORA_CANDIDATE),
// which others write, to a live directory (REMORA_LIVE), which it alone writes
// and the target reads:
//
//	candidate changed → validate → swap → reload → verify → last-good
//	                        │                 │
//	                        └── refused       └── refused: swap back to last-good
//
// What it holds to:
//   - Live is a symlink to one whole generation and flips atomically. A target
//     that restarts at any moment comes up on live, which is last-good except
//     during an attempt.
//   - A reload counts as done when the target is known to run the new files:
//     HAProxy by its answer or its new worker, nginx by its new workers.
//   - What failed is put aside until the candidate's content changes. A missing
//     or empty candidate is never brought live.
//   - One attempt at a time, with the newest content, the first at once, and
//     then at most one per REMORA_RELOAD_INTERVAL.
//
// There are two ways to a target. As a container of its own it reloads HAProxy
// through the master socket on a shared volume; HAProxy's verdict on the reload
// is all there is then. As the entrypoint inside the target's image
// (reloader -- haproxy -f /live/current/haproxy.cfg) it starts and supervises
// the target, and validates with its very binary. Files of a set should name
// each other by relative paths (default-path config in HAProxy; nginx does it
// for include), because a set is validated before it is live.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"remora/internal/cmdline"
	"remora/internal/dirwatch"
	"remora/internal/generation"
	"remora/internal/nearest"
	"remora/internal/settings"
	"remora/reloader/internal/apply"
	"remora/reloader/internal/target"
)

const usage = `reloader [flags]                  reload a HAProxy through REMORA_MASTER_SOCKET
reloader [flags] -- COMMAND…      start and supervise haproxy or nginx, and reload it
reloader [flags] health           exit 0 if there are live files, else 1`

func main() {
	cmdline.Main(cmdline.Program[settings.Reloader]{
		Name:     "reloader",
		Summary:  "bring changed files live, reload HAProxy or nginx, verify, or roll back",
		Usage:    usage,
		Siblings: settings.Names(),
		Check:    check,
		Run:      run,
	})
}

const wordHealth = "health"

func check(s settings.Reloader, args cmdline.Args) error {
	if isHealth(args) {
		return nil
	}
	if err := checkSettings(s); err != nil {
		return err
	}
	if args.Command {
		_, err := parseCommand(s, args.Words)
		return err
	}
	if len(args.Words) > 0 {
		return unknownWord(args.Words)
	}
	switch s.Target {
	case settings.TargetHAProxy:
		return nil
	case settings.TargetNginx:
		return errors.New(`REMORA_TARGET="nginx": is reloaded only as reloader -- nginx … inside its own container, for now`)
	default:
		return errors.New("no target: set REMORA_TARGET=haproxy, or give the command of haproxy or nginx after --")
	}
}

func isHealth(args cmdline.Args) bool {
	return !args.Command && len(args.Words) == 1 && args.Words[0] == wordHealth
}

func unknownWord(words []string) error {
	word := words[0]
	if word == wordHealth {
		return fmt.Errorf("health: takes no arguments, but flags before it; got %q", words[1:])
	}
	if near, ok := nearest.Name(word, []string{wordHealth}); ok {
		return fmt.Errorf("%s: unknown command; did you mean %s?", word, near)
	}
	return fmt.Errorf("%s: unknown command; there is health, and a target's command comes after --", word)
}

func checkSettings(s settings.Reloader) error {
	name := filepath.Base(s.Live)
	switch {
	case !filepath.IsAbs(s.Live) || filepath.Dir(s.Live) == s.Live:
		return fmt.Errorf("REMORA_LIVE=%q: is not the absolute path of a symlink", s.Live)
	case s.Live != filepath.Clean(s.Live):
		return fmt.Errorf("REMORA_LIVE=%q: write it as %q, as the target does", s.Live, filepath.Clean(s.Live))
	case name == apply.LastGood || name[0] == '.':
		return fmt.Errorf("REMORA_LIVE=%q: the name %s is taken", s.Live, name)
	case filepath.Dir(s.Live) == filepath.Dir(filepath.Clean(s.Candidate)):
		return fmt.Errorf("REMORA_CANDIDATE=%q: is in the same directory as REMORA_LIVE=%q; each needs its own, because each has one writer", s.Candidate, s.Live)
	case s.ReloadTimeout == 0:
		return errors.New(`REMORA_RELOAD_TIMEOUT="0s": leaves no time for a reload`)
	case s.Reread == 0:
		return errors.New(`REMORA_REREAD="0s": must be more than that; file events alone are not reliable`)
	}
	return nil
}

func run(ctx context.Context, log *slog.Logger, s settings.Reloader, args cmdline.Args) error {
	switch {
	case isHealth(args):
		return health(s)
	case args.Command:
		return supervise(ctx, log, s, args.Words)
	default:
		return follow(ctx, log, s)
	}
}

// health says whether there are files to run on. It looks at nothing else, so
// that it works beside a target of any kind and needs no rights.
func health(s settings.Reloader) error {
	info, err := os.Stat(s.Live)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is not a directory", s.Live)
	}
	if err != nil {
		return fmt.Errorf("no live files: %w", err)
	}
	return nil
}

// follow reloads a HAProxy that runs elsewhere, until a signal asks to stop.
func follow(ctx context.Context, log *slog.Logger, s settings.Reloader) error {
	// Process 1 of a container gets no default action for a signal.
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	defer stop()
	log.Info("validation is left to the reload: HAProxy's binary is not here",
		"target", settings.TargetHAProxy, "path", s.MasterSocket)
	loop, err := newLoop(ctx, log, s, &target.HAProxy{Socket: s.MasterSocket, Timeout: s.ReloadTimeout})
	if err != nil {
		return err
	}
	return loop.Run(ctx)
}

// newLoop opens the live directory and puts it in order.
func newLoop(ctx context.Context, log *slog.Logger, s settings.Reloader, t apply.Target) (*apply.Loop, error) {
	dir := filepath.Dir(s.Live)
	store, err := generation.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("open the live directory: %w", err)
	}
	loop := apply.New(apply.Options{
		Store:     store,
		Live:      filepath.Base(s.Live),
		Candidate: s.Candidate,
		Target:    t,
		Interval:  s.ReloadInterval,
		Wake:      dirwatch.Watch(ctx, log, s.Candidate, s.Reread),
		Log:       log,
	})
	if err := loop.Recover(); err != nil {
		return nil, fmt.Errorf("put the live directory in order: %w", err)
	}
	return loop, nil
}
