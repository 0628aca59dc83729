package registrar

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"remora/internal/consul"
	"remora/internal/service"
)

// Group is everything that one program registers on one agent.
type Group struct {
	Agent     *consul.Agent
	Log       *slog.Logger
	Instances []service.Instance

	located bool
}

// Locate gives the instances that do not declare an address this host's address
// on the route to Consul. It tries until it succeeds, ctx ends, or the error is
// consul.ErrNoAddress.
func (g *Group) Locate(ctx context.Context) error {
	if g.located {
		return nil
	}
	err := Retry(ctx, g.Log, func() error { return g.Agent.Locate(ctx, g.Instances) })
	g.located = err == nil
	return err
}

// Each does something for every instance, side by side, and waits.
func (g *Group) Each(do func(service.Instance)) {
	var group sync.WaitGroup
	for _, i := range g.Instances {
		group.Go(func() { do(i) })
	}
	group.Wait()
}

// Maintain shows the instances as critical, for load balancers to look away. What
// fails is logged: the stop that calls it goes on in any case.
func (g *Group) Maintain(ctx context.Context) {
	g.Each(func(i service.Instance) {
		err := g.Agent.Maintain(ctx, i.ID, "draining before a stop")
		if errors.Is(err, context.Canceled) {
			return // the stop was over before the agent answered
		}
		if err != nil {
			g.Log.Warn("service not drained", "service", i.Name, "id", i.ID, "error", err)
			return
		}
		g.Log.Info("service draining", "service", i.Name, "id", i.ID)
	})
}

// Deregister removes the instances, within limit. What fails is logged.
func (g *Group) Deregister(ctx context.Context, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	g.Each(func(i service.Instance) {
		if err := g.Agent.Deregister(ctx, i.ID); err != nil {
			g.Log.Warn("service not deregistered", "service", i.Name, "id", i.ID, "error", err)
			return
		}
		g.Log.Info("service deregistered", "service", i.Name, "id", i.ID)
	})
}
