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
	"remora/internal/declared"
	"remora/internal/proc"
	"remora/internal/registrar"
	"remora/internal/service"
	"remora/internal/settings"
)

// run registers the instances, then supervises or becomes the app if there is one.
func run(ctx context.Context, log *slog.Logger, s settings.Init, args cmdline.Args) error {
	if declared.Asked(args) {
		return declared.Tell(ctx, declared.Options{Timeout: s.ConsulTimeout, Address: s.Wish(), Checks: s.Checks}, args)
	}
	if installs(args) {
		return install(log, args.Words[1])
	}
	signals := proc.Signals()
	resolution, err := declared.Resolve()
	if err != nil {
		return cmdline.Usage(err)
	}
	for _, w := range resolution.Warnings {
		log.Warn("setting left out", "error", w)
	}
	instances := resolution.Bare()
	if s.Checks == settings.ChecksSidecar {
		for n := range instances {
			instances[n] = instances[n].Reported(birthTTL)
		}
	}
	agent, err := consul.NewWith(options(s))
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
	if s.HandOver == settings.HandOverExec {
		return e.become(ctx, s, args.Words, held, signals)
	}
	app := &supervisor{log: log, settings: s, enrolment: e, signals: signals}
	return app.run(ctx, args.Words, held)
}

// options say how to deal with Consul.
func options(s settings.Init) consul.Options {
	return consul.Options{
		Timeout: s.ConsulTimeout,
		Address: s.Wish(),
		Login:   consul.Login{Method: s.AuthMethod, BearerFile: s.AuthBearer, Meta: s.AuthMeta.Map()},
	}
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
		return e.stoppedBefore(s, stopped.signal)
	case err == nil:
		return nil
	case errors.Is(err, consul.ErrNoAddress), errors.Is(err, consul.ErrRefused):
		return cmdline.Usage(err)
	case s.ConsulPolicy == settings.PolicyStart && s.HandOver == settings.HandOverExec:
		e.Log.Warn("app starts unregistered; only a sidecar can register it now", "error", err, "waited", s.ConsulWait)
		return nil
	case s.ConsulPolicy == settings.PolicyStart:
		e.Log.Warn("app starts unregistered; registration goes on", "error", err, "waited", s.ConsulWait)
		return nil
	}
	return fmt.Errorf("gave up after %s: %w", s.ConsulWait, err)
}

// stoppedBefore ends init for a stop signal that came before the app was started.
func (e *enrolment) stoppedBefore(s settings.Init, sig os.Signal) error {
	e.depart(context.Background(), s, true, "stopped before the app was started")
	number, _ := sig.(syscall.Signal)
	return &cmdline.ExitError{Code: 128 + int(number), Err: fmt.Errorf("before the app was started: %w", &stoppedError{sig})}
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
