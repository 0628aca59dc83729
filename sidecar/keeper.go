package main

import (
	"context"
	"log/slog"
	"slices"
	"sync"

	"remora/internal/consul"
	"remora/internal/registrar"
	"remora/internal/service"
	"remora/sidecar/internal/monitor"
)

// keeper keeps one instance: its checks run, Consul has it, and Consul knows what
// the checks find.
type keeper struct {
	instance     service.Instance
	agent        *observed
	registration *registrar.Registrar
	monitors     map[string]*monitor.Monitor // by the check's ID
	maintenance  *maintenance
}

func newKeeper(log *slog.Logger, agent *consul.Agent, i service.Instance, run monitor.Runner) *keeper {
	k := &keeper{
		instance:    i,
		agent:       &observed{Agent: agent},
		monitors:    map[string]*monitor.Monitor{},
		maintenance: newMaintenance(log, agent, i.ID),
	}
	k.registration = &registrar.Registrar{
		Agent:      k.agent,
		Log:        log,
		Desired:    k.desired,
		OnRegister: k.registered,
	}
	for _, c := range i.Checks {
		if c.Ours() {
			k.monitors[c.ID] = monitor.New(log, c, monitor.NewChecker(i, c, run), agent, k.ensure)
		}
	}
	return k
}

// Run keeps the instance until ctx ends.
func (k *keeper) Run(ctx context.Context) {
	var group sync.WaitGroup
	defer group.Wait()
	for _, m := range k.monitors {
		group.Go(func() { m.Run(ctx) })
	}
	// Registered with what is known, a healthy instance that init or an earlier
	// sidecar registered stays healthy while it changes hands.
	for _, m := range k.monitors {
		select {
		case <-m.Known():
		case <-ctx.Done():
			return
		}
	}
	k.ensure(ctx) // before the reports, which would find their check missing
	group.Go(func() { k.maintenance.Run(ctx) })
	for _, m := range k.monitors {
		group.Go(func() { m.Report(ctx) })
	}
	k.registration.Keep(ctx)
}

// ensure registers the instance unless it is. If this fails, the registrar's own
// loop sees the same trouble and copes.
func (k *keeper) ensure(ctx context.Context) { _ = k.registration.Ensure(ctx) }

// desired is the instance with checks that are born with the status that their
// monitors know. A registration ends maintenance of ours until it is told again;
// the checks keep the instance out of traffic for that moment.
func (k *keeper) desired() service.Instance {
	i := k.instance
	i.Checks = slices.Clone(i.Checks)
	for n, c := range i.Checks {
		if m := k.monitors[c.ID]; m != nil {
			i.Checks[n].Initial = m.Status()
		}
		if k.maintenance.wanted() != "" {
			i.Checks[n].Initial = service.Critical
		}
	}
	return i
}

func (k *keeper) registered() {
	k.maintenance.again()
	for _, m := range k.monitors {
		m.Refresh()
	}
}
