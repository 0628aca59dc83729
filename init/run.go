package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"syscall"

	"golang.org/x/sync/errgroup"

	"remora/internal/cmdline"
	"remora/internal/consul"
	"remora/internal/proc"
	"remora/internal/registrar"
	"remora/internal/service"
	"remora/internal/settings"
)

// run registers the instances, then supervises the app if there is one.
func run(ctx context.Context, log *slog.Logger, s settings.Init, args cmdline.Args) error {
	signals := proc.Signals()
	instances, warnings, err := declared()
	if err != nil {
		return cmdline.Usage(err)
	}
	for _, w := range warnings {
		log.Warn("setting left out", "error", w)
	}
	if s.Checks == settings.ChecksSidecar {
		for n := range instances {
			instances[n] = instances[n].Reported(birthTTL)
		}
	}
	agent, err := consul.New(s.ConsulTimeout)
	if err != nil {
		return cmdline.Usage(err)
	}
	e := &enrolment{registrar.Group{Agent: agent, Log: log, Instances: instances}}
	if !args.Command {
		s.ConsulPolicy = settings.PolicyFail // there is nothing to start without Consul
	}
	held, err := e.begin(ctx, s, signals)
	if err != nil || !args.Command {
		return err
	}
	app := &supervisor{log: log, settings: s, enrolment: e, signals: signals}
	return app.run(ctx, args.Words, held)
}

// enrolment is this container's part in Consul.
type enrolment struct {
	registrar.Group
}

// begin registers the instances as the policy says. It returns the signals that
// came meanwhile and are meant for the app. A stop signal ends it.
func (e *enrolment) begin(ctx context.Context, s settings.Init, signals <-chan os.Signal) ([]os.Signal, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if s.ConsulPolicy != settings.PolicyWait {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, s.ConsulWait, errWaited)
		defer stop()
	}
	result := make(chan error, 1)
	go func() { result <- e.register(ctx) }()
	var held []os.Signal
	for {
		select {
		case err := <-result:
			return held, e.decide(ctx, s, err)
		case sig := <-signals:
			if proc.IsStop(sig) {
				cancel(&stoppedError{sig})
				continue
			}
			held = append(held, sig)
		}
	}
}

var errWaited = errors.New("REMORA_CONSUL_WAIT is over")

// stoppedError says that a stop signal came before the app was started.
type stoppedError struct{ signal os.Signal }

func (e *stoppedError) Error() string { return "stopped by " + e.signal.String() }

// decide turns the result of a first registration into that of init.
func (e *enrolment) decide(ctx context.Context, s settings.Init, err error) error {
	var stopped *stoppedError
	switch {
	case errors.As(context.Cause(ctx), &stopped):
		e.Deregister(context.Background(), stopReserve)
		number, _ := stopped.signal.(syscall.Signal)
		return &cmdline.ExitError{Code: 128 + int(number), Err: fmt.Errorf("before the app was started: %w", stopped)}
	case err == nil:
		return nil
	case errors.Is(err, consul.ErrNoAddress), errors.Is(err, consul.ErrRefused):
		return cmdline.Usage(err)
	case s.ConsulPolicy == settings.PolicyStart:
		e.Log.Warn("app starts unregistered; registration goes on", "error", err, "waited", s.ConsulWait)
		return nil
	}
	return fmt.Errorf("gave up after %s: %w", s.ConsulWait, err)
}

// register finds the address and registers all instances. It returns when they
// are registered, or ctx ends, or trying again cannot help.
func (e *enrolment) register(ctx context.Context) error {
	if err := e.Locate(ctx); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, i := range e.Instances {
		group.Go(func() error { return e.registrar(i).Once(ctx) })
	}
	return group.Wait()
}

// keep keeps the instances registered until ctx ends: an agent that lost them
// gets them back. Another form of the same registration is left alone, since a
// sidecar with the same definition may have taken the checks over.
func (e *enrolment) keep(ctx context.Context) {
	if err := e.Locate(ctx); err != nil {
		if ctx.Err() == nil { // begin ends init for this, unless REMORA_CONSUL_WAIT was over first
			e.Log.Error("service not registered", "error", err)
		}
		return
	}
	e.Each(func(i service.Instance) { e.registrar(i).Keep(ctx) })
}

func (e *enrolment) registrar(i service.Instance) *registrar.Registrar {
	return &registrar.Registrar{
		Agent:       e.Agent,
		Log:         e.Log,
		Desired:     func() service.Instance { return i },
		OnlyMissing: true,
	}
}
