package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"

	"remora/internal/cmdline"
	"remora/internal/proc"
	"remora/internal/settings"
)

// become makes this process the app, which from then on is on its own: nobody
// drains, and nobody restores or removes the registration. held are signals that
// came before, which the app does not get. It returns only if the app cannot be started, or a stop signal has
// come before it.
func (e *enrolment) become(ctx context.Context, s settings.Init, command []string, held []os.Signal, signals chan os.Signal) error {
	path, err := exec.LookPath(command[0])
	if err == nil {
		e.Log.Info("app takes over", "command", command[0])
		held = append(held, proc.Release(signals)...)
		if n := slices.IndexFunc(held, proc.IsStop); n >= 0 {
			return e.stoppedBefore(s, held[n])
		}
		for _, sig := range held {
			// There is nobody left to deliver it, and process 1 would not get it
			// before it handles it.
			e.Log.Warn("signal dropped; it came before the app", "signal", sig.String())
		}
		err = fmt.Errorf("%s: %w", path, syscall.Exec(path, command, os.Environ()))
	}
	e.depart(ctx, s, false, "the app could not be started")
	return &cmdline.ExitError{Code: proc.StartCode(err), Err: fmt.Errorf("start the app: %w", err)}
}
