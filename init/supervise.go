package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"remora/internal/cmdline"
	"remora/internal/proc"
	"remora/internal/settings"
)

// stopReserve is what a stop keeps for deregistration, after the app has ended.
const stopReserve = time.Second

// birthTTL is the TTL of checks that a sidecar is to report, until it registers
// them with its own.
const birthTTL = 30 * time.Second

// supervisor runs the app and takes it down.
type supervisor struct {
	log       *slog.Logger
	settings  settings.Init
	enrolment *enrolment
	signals   <-chan os.Signal

	stopped os.Signal // the stop signal that ended it, if one did
}

// run runs the app to its end and returns its exit code as an ExitError. held are
// signals that came before the app was there.
func (s *supervisor) run(ctx context.Context, command []string, held []os.Signal) error {
	reaper := proc.NewReaper()
	defer reaper.Close()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	app, err := reaper.Start(cmd)
	if err != nil {
		s.enrolment.depart(ctx, s.settings, false, "the app could not be started")
		return &cmdline.ExitError{Code: proc.StartCode(err), Err: fmt.Errorf("start the app: %w", err)}
	}
	s.log.Info("app started", "pid", app.Pid(), "command", command[0])
	for _, sig := range held {
		s.forward(app, sig)
	}
	stopKeeping := s.keep(ctx)
	s.serve(app, stopKeeping)
	stopKeeping()
	// Children that the app left behind in its group.
	s.forward(app, syscall.SIGKILL)
	code := proc.ExitCode(app.Status())
	s.enrolment.depart(ctx, s.settings, s.success(app.Status()), fmt.Sprintf("the app ended with exit code %d", code))
	s.log.Info("app ended", "exit", code)
	return &cmdline.ExitError{Code: code}
}

// keep keeps the registration in the background. The function that it returns
// ends that and waits for the end: nothing may register what is being taken down.
func (s *supervisor) keep(ctx context.Context) func() {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() { s.enrolment.keep(ctx) })
	return func() { cancel(); group.Wait() }
}

// serve forwards signals until the app has ended, by itself or because a stop
// signal came.
func (s *supervisor) serve(app *proc.Process, stopKeeping func()) {
	for {
		select {
		case <-app.Done():
			return
		case sig := <-s.signals:
			if proc.IsStop(sig) {
				stopKeeping()
				s.stopped = sig
				s.stop(app, sig)
				return
			}
			s.forward(app, sig)
		}
	}
}

// stop drains, passes sig on to the app, and kills it when the budget is used up.
func (s *supervisor) stop(app *proc.Process, sig os.Signal) {
	deadline := time.Now().Add(s.settings.StopTimeout - stopReserve)
	s.log.Info("stopping", "signal", sig.String(), "drain", s.settings.Drain, "deadline", s.settings.StopTimeout)
	// Not bounded by the drain: as long as the app runs, it is worth saying that it
	// goes.
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	maintained := make(chan struct{})
	go func() { defer close(maintained); s.enrolment.Maintain(ctx) }()
	defer func() { cancel(); <-maintained }()
	start := time.Now()
	// The app goes on serving, out of traffic, until the drain is over or another
	// stop signal shortens it.
	s.wait(app, s.settings.Drain, proc.IsStop)
	s.log.Info("drained", "took", time.Since(start).Round(time.Millisecond))
	s.forward(app, sig)
	s.wait(app, time.Until(deadline), nil)
	select {
	case <-app.Done():
	default:
		s.log.Warn("app killed; it did not end in time", "signal", sig.String())
		s.forward(app, syscall.SIGKILL)
		<-app.Done()
	}
}

// wait forwards signals until the app ends, the time is over, or a signal comes
// for which enough is true.
func (s *supervisor) wait(app *proc.Process, limit time.Duration, enough func(os.Signal) bool) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for {
		select {
		case <-app.Done():
			return
		case <-timer.C:
			return
		case sig := <-s.signals:
			if enough != nil && enough(sig) {
				return
			}
			s.forward(app, sig)
		}
	}
}

func (s *supervisor) forward(app *proc.Process, sig os.Signal) {
	if err := app.Signal(sig); err != nil {
		s.log.Warn("signal not delivered", "signal", sig.String(), "error", err)
	}
}
