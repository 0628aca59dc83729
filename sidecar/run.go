package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sync/errgroup"

	"remora/internal/cmdline"
	"remora/internal/declared"
	"remora/internal/render"
	"remora/internal/service"
	"remora/internal/settings"
	"remora/sidecar/internal/admin"
)

// run does what is configured, side by side, until a stop signal comes; or it
// asks the sidecar that runs already.
func run(ctx context.Context, log *slog.Logger, s settings.Sidecar, args cmdline.Args) error {
	if declared.Asked(args) {
		return declared.Tell(ctx, declared.Options{Timeout: s.ConsulTimeout, Address: s.Wish(), Checks: s.Checks}, args)
	}
	if isAttend(args) {
		return attend(ctx, s, args)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	again := onStop(cancel)
	renderer, err := newRenderer(log, s)
	if err != nil {
		return err
	}
	if s.Once {
		return renderer.Once(ctx)
	}
	var registration *registration
	if service.Declared(os.Environ()) {
		if registration, err = newRegistration(log, s, again); err != nil {
			return err
		}
	}
	listener, err := listen(log, s.Admin)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	if renderer != nil {
		group.Go(func() error { renderer.Run(ctx); return nil })
	}
	if registration != nil {
		group.Go(func() error { return registration.Run(ctx) })
	}
	if listener != nil {
		server := admin.Server{Sidecar: attended{registration, renderer}, Log: log, Listener: listener}
		group.Go(func() error { server.Run(ctx); return nil })
	}
	return group.Wait()
}

// onStop calls cancel at the first stop signal, and closes what it returns at the
// second.
func onStop(cancel context.CancelFunc) <-chan struct{} {
	signal.Ignore(syscall.SIGHUP) // a closed terminal is no reason to leave the app alone
	stop := make(chan os.Signal, 2)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	again := make(chan struct{})
	go func() {
		<-stop
		cancel()
		<-stop
		close(again)
	}()
	return again
}

// newRenderer returns nil where there are no templates.
func newRenderer(log *slog.Logger, s settings.Sidecar) (*render.Renderer, error) {
	if s.Templates == "" {
		return nil, nil
	}
	return render.New(log, render.Set{
		Templates: s.Templates,
		Candidate: s.Candidate,
		Quiet:     s.RenderQuiet,
		Grace:     s.RenderGrace,
		Reread:    s.RenderReread,
	})
}

// listen opens the admin socket; it returns nil where there is to be none, or where
// there can be none and nobody asked for it.
func listen(log *slog.Logger, setting string) (net.Listener, error) {
	address, err := admin.Address(setting)
	if err != nil || address == "" {
		return nil, err
	}
	listener, err := admin.Listen(address)
	if err == nil {
		return listener, nil
	}
	if setting == admin.Auto {
		log.Warn("admin socket not opened; status and health will not be answered", "error", err)
		return nil, nil
	}
	return nil, fmt.Errorf("REMORA_ADMIN=%q: %w", setting, err)
}
