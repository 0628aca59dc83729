package consul

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
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

// Registered is what an agent has under an ID.
type Registered struct {
	service api.AgentService
	checks  map[string]*api.AgentCheck
	// Hash stands for the registration, checks apart; see Registered.
	Hash string
}

// Registered returns what the agent has under id, or ErrNotFound. With the hash
// of an earlier answer it waits until the registration is another, or gone, or
// wait is over: Consul's hash-based blocking query.
func (a *Agent) Registered(ctx context.Context, id, hash string, wait time.Duration) (Registered, error) {
	queryCtx, cancel := context.WithTimeout(ctx, a.timeout+wait)
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
	return Registered{service: *s, checks: checks, Hash: meta.LastContentHash}, nil
}

func (a *Agent) checks(ctx context.Context, id string) (map[string]*api.AgentCheck, error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	filter := "ServiceID == " + strconv.Quote(id)
	checks, err := a.client.Agent().ChecksWithFilterOpts(filter, (&api.QueryOptions{}).WithContext(ctx))
	return checks, a.explain("look up checks of service", id, err)
}

// Is tells whether the agent has what the instance wants to be. Statuses do not
// count: they are what checks are for.
func (r Registered) Is(i service.Instance) bool {
	same := r.service.Service == i.Name &&
		r.service.Address == i.Address &&
		r.service.Port == i.Port &&
		slices.Equal(r.service.Tags, i.Tags) &&
		maps.Equal(r.service.Meta, i.Meta)
	if !same {
		return false
	}
	checks := 0
	for id := range r.checks {
		if id != maintenanceCheck+i.ID {
			checks++
		}
	}
	for _, c := range i.Checks {
		if has := r.checks[c.ID]; has == nil || has.Type != checkType(c) {
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

// Status returns the worst status among the instance's checks, maintenance
// included, with the output of that check.
func (r Registered) Status() (service.Status, string) {
	worst, output := service.Passing, ""
	for _, c := range r.checks {
		status := service.Status(c.Status)
		if status == service.Critical && worst != service.Critical || status == service.Warning && worst == service.Passing {
			worst, output = status, c.Output
		}
	}
	return worst, output
}
