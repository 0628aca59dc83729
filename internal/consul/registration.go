package consul

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/consul/api"

	"remora/internal/service"
)

func registration(i service.Instance) *api.AgentServiceRegistration {
	r := &api.AgentServiceRegistration{
		ID:      i.ID,
		Name:    i.Name,
		Address: i.Address,
		Port:    i.Port,
		Tags:    i.Tags,
		Meta:    i.Meta,

		EnableTagOverride: i.TagOverride,
		Namespace:         i.Namespace,
		Partition:         i.Partition,
	}
	if i.Weights != nil {
		r.Weights = &api.AgentWeights{Passing: i.Weights.Passing, Warning: i.Weights.Warning}
	}
	for name, e := range i.TaggedAddresses {
		if r.TaggedAddresses == nil {
			r.TaggedAddresses = map[string]api.ServiceAddress{}
		}
		r.TaggedAddresses[name] = api.ServiceAddress{Address: e.Address, Port: e.Port}
	}
	for _, c := range i.Checks {
		r.Checks = append(r.Checks, check(i, c))
	}
	return r
}

func check(i service.Instance, c service.Check) *api.AgentServiceCheck {
	out := &api.AgentServiceCheck{
		CheckID: c.ID,
		Name:    fmt.Sprintf("%s %s", c.Kind, question(i, c)),
		Notes:   notes(c),
		Status:  string(c.Initial),
	}
	if c.DeregisterAfter > 0 {
		out.DeregisterCriticalServiceAfter = c.DeregisterAfter.String()
	}
	if c.TTL > 0 {
		out.TTL = c.TTL.String()
		return out
	}
	if c.Kind == service.Alias {
		out.AliasService = c.Service
		return out
	}
	out.Interval, out.Timeout = c.Interval.String(), c.Timeout.String()
	ask(out, i, c)
	return out
}

// notes say when a check is asked and what follows: for people, and because the
// agent tells of a check nothing else that would show it (see Is).
func notes(c service.Check) string {
	text := fmt.Sprintf("every %s, timeout %s%s", c.Interval, c.Timeout, hidden(c))
	switch {
	case c.TTL > 0:
		text = fmt.Sprintf("reported at least every %s", c.TTL)
	case c.Kind == service.Alias:
		text = "as the other's"
	}
	if c.DeregisterAfter > 0 {
		text += fmt.Sprintf("; deregistered after %s in critical", c.DeregisterAfter)
	}
	return text
}

// Registered is what an agent has under an ID.
type Registered struct {
	Service api.AgentService
	Checks  map[string]*api.AgentCheck // by ID
	// Hash stands for the registration, checks apart; see Registered.
	Hash string
	// Outdated tells that the registration goes by a token that is no longer ours,
	// and should be made again.
	Outdated bool
}

// Registered returns what the agent has under id, or ErrNotFound. With the hash
// of an earlier answer it waits until the registration is another, or gone, or
// wait is over: Consul's hash-based blocking query.
func (a *Agent) Registered(ctx context.Context, id, hash string, wait time.Duration) (Registered, error) {
	var s *api.AgentService
	var meta *api.QueryMeta
	outdated := false
	// The agent waits up to a sixteenth longer, at random (agent/agent_endpoint.go,
	// agentLocalBlockingQuery).
	err := a.call(ctx, a.timeout+wait+wait/16, func(q *api.QueryOptions) (err error) {
		if outdated = a.outdated(id, q.Token); !outdated && hash != "" {
			waiting, cancel := a.tokens.while(q.Context(), q.Token)
			defer cancel()
			blocking := &api.QueryOptions{Token: q.Token, WaitHash: hash, WaitTime: wait}
			s, meta, err = a.client.Agent().Service(id, blocking.WithContext(waiting))
			if waiting.Err() == nil || q.Context().Err() != nil {
				return err
			}
			outdated = true // another call got a new token meanwhile
		}
		s, meta, err = a.client.Agent().Service(id, q)
		return err
	})
	if err != nil {
		return Registered{}, a.explain("look up service", id, err)
	}
	checks, err := a.checks(ctx, id)
	if err != nil {
		return Registered{}, err
	}
	return Registered{Service: *s, Checks: checks, Hash: meta.LastContentHash, Outdated: outdated}, nil
}

func (a *Agent) checks(ctx context.Context, id string) (map[string]*api.AgentCheck, error) {
	checks, err := a.listChecks(ctx, id)
	return checks, a.explain("look up checks of service", id, err)
}

func (a *Agent) listChecks(ctx context.Context, id string) (checks map[string]*api.AgentCheck, err error) {
	filter := "ServiceID == `" + id + "`" // in double quotes, escaped ones are an error
	err = a.call(ctx, a.timeout, func(q *api.QueryOptions) (err error) {
		checks, err = a.client.Agent().ChecksWithFilterOpts(filter, q)
		return err
	})
	return checks, err
}
