package consul

import (
	"context"
	"fmt"
	"maps"
	"slices"
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
	out.Interval, out.Timeout = c.Interval.String(), c.Timeout.String()
	switch c.Kind {
	case service.TCP:
		out.TCP = i.HostPort()
	case service.HTTP, service.HTTPS:
		out.HTTP, out.Method = i.URL(c), c.Method
	}
	return out
}

// question is what a check asks, for people who look at it in Consul.
func question(i service.Instance, c service.Check) string {
	if c.Kind == service.TCP {
		return i.HostPort()
	}
	return c.Method + " " + i.URL(c)
}

// notes say when a check is asked and what follows: for people, and because the
// agent tells of a check nothing else that would show it (see Is).
func notes(c service.Check) string {
	text := fmt.Sprintf("every %s, timeout %s", c.Interval, c.Timeout)
	if c.TTL > 0 {
		text = fmt.Sprintf("reported at least every %s", c.TTL)
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
}

// Registered returns what the agent has under id, or ErrNotFound. With the hash
// of an earlier answer it waits until the registration is another, or gone, or
// wait is over: Consul's hash-based blocking query.
func (a *Agent) Registered(ctx context.Context, id, hash string, wait time.Duration) (Registered, error) {
	// The agent waits up to a sixteenth longer, at random (agent/agent_endpoint.go,
	// agentLocalBlockingQuery).
	queryCtx, cancel := context.WithTimeout(ctx, a.timeout+wait+wait/16)
	defer cancel()
	q := &api.QueryOptions{WaitHash: hash, WaitTime: wait}
	s, meta, err := a.client.Agent().Service(id, q.WithContext(queryCtx))
	if err != nil {
		return Registered{}, a.explain("look up service", id, err)
	}
	checks, err := a.checks(ctx, id)
	if err != nil {
		return Registered{}, err
	}
	return Registered{Service: *s, Checks: checks, Hash: meta.LastContentHash}, nil
}

func (a *Agent) checks(ctx context.Context, id string) (map[string]*api.AgentCheck, error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	filter := "ServiceID == `" + id + "`" // in double quotes, escaped ones are an error
	checks, err := a.client.Agent().ChecksWithFilterOpts(filter, (&api.QueryOptions{}).WithContext(ctx))
	return checks, a.explain("look up checks of service", id, err)
}

// Is tells whether the agent has what the instance wants to be. Statuses do not
// count: they are what checks are for.
func (r Registered) Is(i service.Instance) bool {
	same := r.Service.Service == i.Name &&
		r.Service.Address == i.Address &&
		r.Service.Port == i.Port &&
		slices.Equal(r.Service.Tags, i.Tags) &&
		maps.Equal(r.Service.Meta, i.Meta)
	if !same {
		return false
	}
	checks := 0
	for id := range r.Checks {
		if id != maintenanceCheck+i.ID {
			checks++
		}
	}
	for _, c := range i.Checks {
		has, wants := r.Checks[c.ID], check(i, c)
		if has == nil || has.Type != checkType(c) || has.Name != wants.Name || has.Notes != wants.Notes {
			return false
		}
	}
	return checks == len(i.Checks)
}

// checkType is the agent's word for a check's kind (agent/structs, CheckType.Type).
func checkType(c service.Check) string {
	switch {
	case c.TTL > 0:
		return "ttl"
	case c.Kind == service.HTTPS:
		return "http"
	}
	return string(c.Kind)
}
