package registrar

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
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
	g.maintain(ctx, "draining before a stop", "service draining")
}

// Leave leaves the instances registered for people to see, critical for the reason
// given, or for the one that they are in maintenance for already. It takes no
// longer than limit; what fails is logged. The next life of an instance ends it.
func (g *Group) Leave(ctx context.Context, limit time.Duration, reason string) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	g.maintain(ctx, reason, "service left registered, in maintenance")
}

func (g *Group) maintain(ctx context.Context, reason, done string) {
	g.Each(func(i service.Instance) {
		err := g.Agent.Maintain(ctx, i.ID, reason)
		if errors.Is(err, context.Canceled) {
			return // the stop was over before the agent answered
		}
		if err != nil {
			g.Log.Warn("service not drained", "service", i.Name, "id", i.ID, "error", err)
			return
		}
		g.Log.Info(done, "service", i.Name, "id", i.ID)
	})
}

// Deregister removes the instances, within limit, and gives the token of a login
// back once there is none left. What fails is logged.
func (g *Group) Deregister(ctx context.Context, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var left atomic.Bool
	g.Each(func(i service.Instance) {
		err := g.Agent.Deregister(ctx, i.ID)
		switch {
		case err == nil:
			g.Log.Info("service deregistered", "service", i.Name, "id", i.ID)
			return
		case errors.Is(err, consul.ErrOthersMaintenance):
			g.Log.Info("service left in its operator's maintenance", "service", i.Name, "id", i.ID)
		default:
			g.Log.Warn("service not deregistered", "service", i.Name, "id", i.ID, "error", err)
		}
		left.Store(true)
	})
	if left.Load() {
		return // what is left needs the token; see consul.Logout
	}
	if err := g.Agent.Logout(ctx); err != nil {
		g.Log.Warn("token of the login not given back", "error", err)
	}
}
