package main

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"remora/internal/cmdline"
	"remora/internal/consul"
	"remora/internal/registrar"
	"remora/internal/service"
	"remora/internal/settings"
	"remora/sidecar/internal/monitor"
)

// minTTL keeps a busy moment from looking like a dead sidecar.
const minTTL = 2 * time.Second

// leaveLimit bounds the calls to Consul that a stop waits for.
const leaveLimit = time.Second

// keepRegistered keeps the declared instances registered and checked until ctx
// ends, and then takes them out of Consul. again shortens the drain.
func keepRegistered(ctx context.Context, log *slog.Logger, s settings.Sidecar, again <-chan struct{}) error {
	declared, warnings, err := instances()
	if err != nil {
		return cmdline.Usage(err)
	}
	for _, w := range warnings {
		log.Warn("setting left out", "error", w)
	}
	agent, err := consul.New(s.ConsulTimeout)
	if err != nil {
		return cmdline.Usage(err)
	}
	group := &registrar.Group{Agent: agent, Log: log, Instances: declared}
	if err := group.Locate(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return cmdline.Usage(err)
	}
	group.Each(func(i service.Instance) {
		if s.Checks == settings.ChecksSidecar {
			i = i.Reported(s.TTL)
		}
		keep(ctx, log, agent, i)
	})
	if s.Deregister == settings.DeregisterAlways {
		leave(log, group, s.Drain, again)
	}
	return nil
}

// keep keeps one instance until ctx ends: its checks run, Consul has it, and
// Consul knows what the checks find.
func keep(ctx context.Context, log *slog.Logger, agent *consul.Agent, i service.Instance) {
	var monitors []*monitor.Monitor
	registration := &registrar.Registrar{
		Agent:   agent,
		Log:     log,
		Desired: func() service.Instance { return withStatus(i, monitors) },
		OnRegister: func() {
			for _, m := range monitors {
				m.Refresh()
			}
		},
	}
	// If this fails, the registrar's own loop sees the same trouble and copes.
	ensure := func(ctx context.Context) { _ = registration.Ensure(ctx) }
	for _, c := range i.Checks {
		if c.TTL > 0 {
			monitors = append(monitors, monitor.New(log, c, monitor.NewChecker(i, c), agent, ensure))
		}
	}
	var group sync.WaitGroup
	defer group.Wait()
	for _, m := range monitors {
		group.Go(func() { m.Run(ctx) })
	}
	// Registered with what is known, a healthy instance that init or an earlier
	// sidecar registered stays healthy while it changes hands.
	for _, m := range monitors {
		select {
		case <-m.Known():
		case <-ctx.Done():
			return
		}
	}
	ensure(ctx) // before the reports, which would find their check missing
	for _, m := range monitors {
		group.Go(func() { m.Report(ctx) })
	}
	registration.Keep(ctx)
}

// withStatus returns i with checks that are born with the status that their
// monitors know.
func withStatus(i service.Instance, monitors []*monitor.Monitor) service.Instance {
	i.Checks = slices.Clone(i.Checks)
	for n, m := range monitors {
		i.Checks[n].Initial = m.Status()
	}
	return i
}

// leave takes the instances out of traffic, waits for load balancers to notice,
// and deregisters.
func leave(log *slog.Logger, group *registrar.Group, drain time.Duration, again <-chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), leaveLimit)
	group.Maintain(ctx)
	cancel()
	select {
	case <-time.After(drain):
	case <-again:
		log.Info("drain shortened by a second signal")
	}
	group.Deregister(context.Background(), leaveLimit)
}
