package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"remora/internal/cmdline"
	"remora/internal/consul"
	"remora/internal/render"
	"remora/sidecar/internal/admin"
)

// attended is the sidecar as its admin socket shows it. Either part may be nil.
type attended struct {
	registration *registration
	renderer     *render.Renderer
}

// Status implements admin.Sidecar.
func (a attended) Status() admin.Status {
	status := admin.Status{Version: cmdline.Version, Instances: []admin.Instance{}}
	if a.registration != nil {
		status.Instances = a.registration.status()
	}
	if a.renderer != nil {
		now := a.renderer.State()
		status.Renderer = &admin.Renderer{Generation: string(now.Generation), Waiting: now.Waiting}
		if now.Err != nil {
			status.Renderer.Error = now.Err.Error()
		}
	}
	return status
}

func (r *registration) known() []*keeper {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.keepers
}

func (r *registration) status() []admin.Instance {
	var all []admin.Instance
	for _, k := range r.known() {
		all = append(all, k.status())
	}
	if len(all) == 0 {
		for _, i := range r.declared {
			all = append(all, admin.Instance{ID: i.ID, Service: i.Name, Checks: []admin.Check{}, Error: "address not known yet"})
		}
	}
	return all
}

func (k *keeper) status() admin.Instance {
	now := k.agent.now()
	out := admin.Instance{
		ID: k.instance.ID, Service: k.instance.Name, Address: k.instance.HostPort(),
		Registered: now.registered, Maintenance: now.maintenance, Checks: []admin.Check{},
	}
	if reason := k.maintenance.wanted(); reason != "" {
		out.Maintenance = reason
	}
	if now.err != nil {
		out.Error = now.err.Error()
	}
	for _, c := range k.instance.Checks {
		check := admin.Check{ID: c.ID, Kind: string(c.Kind)}
		if m := k.monitors[c.ID]; m != nil {
			state := m.State()
			check.Status, check.Output, check.Since = string(m.Status()), state.Output, state.Since
		}
		out.Checks = append(out.Checks, check)
	}
	return out
}

// Health implements admin.Sidecar. A Consul that is away does not make a sidecar
// ill: a restart would not mend it.
func (a attended) Health() error {
	if a.registration == nil {
		return nil
	}
	var problems []error
	for _, i := range a.registration.status() {
		if !i.Registered {
			problems = append(problems, fmt.Errorf("service %s (%s) is not registered: %s", i.Service, i.ID, i.Error))
		}
	}
	for _, k := range a.registration.known() {
		for id, m := range k.monitors {
			if m.Stuck() {
				problems = append(problems, fmt.Errorf("check %s has not run for too long", id))
			}
		}
	}
	return errors.Join(problems...)
}

// Drain implements admin.Sidecar.
func (a attended) Drain(ctx context.Context, reason string) error {
	if err := a.Maintain(ctx, reason); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(a.registration.settings.Drain):
		return nil
	}
}

// Maintain implements admin.Sidecar.
func (a attended) Maintain(ctx context.Context, reason string) error {
	return a.each(func(m *maintenance) error { return m.set(ctx, reason) })
}

// Resume implements admin.Sidecar.
func (a attended) Resume(ctx context.Context) error {
	return a.each(func(m *maintenance) error { return m.set(ctx, "") })
}

func (a attended) each(do func(*maintenance) error) error {
	var keepers []*keeper
	if a.registration != nil {
		keepers = a.registration.known()
	}
	if len(keepers) == 0 {
		return fmt.Errorf("no instance to take out of traffic or back: %w", admin.ErrConflict)
	}
	problems := make([]error, len(keepers))
	var group sync.WaitGroup
	for n, k := range keepers {
		group.Go(func() { problems[n] = asked(do(k.maintenance)) })
	}
	group.Wait()
	return errors.Join(slices.DeleteFunc(problems, func(err error) bool { return err == nil })...)
}

// asked says what becomes of what was asked for, if Consul does not know it yet.
func asked(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, consul.ErrOthersMaintenance):
		return fmt.Errorf("%w: %w", admin.ErrConflict, err)
	}
	return fmt.Errorf("noted, and tried again until Consul knows it: %w", err)
}
