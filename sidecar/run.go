package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sync/errgroup"

	"remora/internal/cmdline"
	"remora/internal/render"
	"remora/internal/service"
	"remora/internal/settings"
)

// run does what is configured, side by side, until a stop signal comes.
func run(ctx context.Context, log *slog.Logger, s settings.Sidecar, _ cmdline.Args) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	signal.Ignore(syscall.SIGHUP) // a closed terminal is no reason to leave the app alone
	stop := make(chan os.Signal, 2)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	again := make(chan struct{}) // closed by the second stop signal
	go func() {
		<-stop
		cancel()
		<-stop
		close(again)
	}()
	var renderer *render.Renderer
	if s.Templates != "" {
		var err error
		renderer, err = render.New(log, render.Set{
			Templates: s.Templates,
			Candidate: s.Candidate,
			Quiet:     s.RenderQuiet,
			Grace:     s.RenderGrace,
			Reread:    s.RenderReread,
		})
		if err != nil {
			return err
		}
	}
	if s.Once {
		return renderer.Once(ctx)
	}
	group, ctx := errgroup.WithContext(ctx)
	if renderer != nil {
		group.Go(func() error { renderer.Run(ctx); return nil })
	}
	if service.Declared(os.Environ()) {
		group.Go(func() error { return keepRegistered(ctx, log, s, again) })
	}
	return group.Wait()
}
