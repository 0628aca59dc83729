package main

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"remora/internal/cmdline"
	"remora/internal/consul"
	"remora/internal/declared"
	"remora/internal/proc"
	"remora/internal/registrar"
	"remora/internal/service"
	"remora/internal/settings"
	"remora/sidecar/internal/monitor"
)

// minTTL keeps a busy moment from looking like a dead sidecar.
const minTTL = 2 * time.Second

// leaveLimit bounds the calls to Consul that a stop waits for.
const leaveLimit = time.Second

// registration keeps the declared instances registered and checked.
type registration struct {
	log      *slog.Logger
	settings settings.Sidecar
	agent    *consul.Agent
	declared []service.Instance
	again    <-chan struct{} // closed by what shortens the drain

	mu      sync.Mutex
	keepers []*keeper // none as long as the addresses are not known
}

func newRegistration(log *slog.Logger, s settings.Sidecar, again <-chan struct{}) (*registration, error) {
	resolution, err := declared.Resolve()
	if err != nil {
		return nil, cmdline.Usage(err)
	}
	for _, w := range resolution.Warnings {
		log.Warn("setting left out", "error", w)
	}
	agent, err := consul.NewWith(consul.Options{
		Timeout: s.ConsulTimeout,
		Address: s.Wish(),
		Login:   consul.Login{Method: s.AuthMethod, BearerFile: s.AuthBearer, Meta: s.AuthMeta.Map()},
	})
	if err != nil {
		return nil, cmdline.Usage(err)
	}
	return &registration{log: log, settings: s, agent: agent, declared: resolution.Bare(), again: again}, nil
}

// Run keeps the instances until ctx ends, and then takes them out of Consul.
func (r *registration) Run(ctx context.Context) error {
	group := &registrar.Group{Agent: r.agent, Log: r.log, Instances: slices.Clone(r.declared)}
	if err := group.Locate(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return cmdline.Usage(err)
	}
	// Started for commands alone: it would collect the children of others, too.
	var run monitor.Runner
	if commands(group.Instances) {
		reaper := proc.NewReaper()
		defer reaper.Close()
		run = reaper
	}
	var keepers []*keeper
	for _, i := range group.Instances {
		if r.settings.Checks == settings.ChecksSidecar {
			i = i.Reported(r.settings.TTL)
		}
		keepers = append(keepers, newKeeper(r.log, r.agent, i, run))
	}
	r.mu.Lock()
	r.keepers = keepers
	r.mu.Unlock()
	var running sync.WaitGroup
	for _, k := range keepers {
		running.Go(func() { k.Run(ctx) })
	}
	running.Wait()
	if r.settings.Deregister != settings.DeregisterNever {
		leave(r.log, group, r.settings.Drain, r.again)
	}
	return nil
}

// commands tells whether a check of the instances is a command.
func commands(instances []service.Instance) bool {
	return slices.ContainsFunc(instances, func(i service.Instance) bool {
		return slices.ContainsFunc(i.Checks, func(c service.Check) bool { return c.Kind == service.Script })
	})
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
