package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"remora/internal/consul"
	"remora/internal/registrar"
	"remora/internal/service"
)

// observed passes a registrar's calls on and remembers what came of them.
type observed struct {
	registrar.Agent

	mu   sync.Mutex
	last seen
}

// seen is what the agent said last.
type seen struct {
	registered  bool
	maintenance string
	err         error // of the last call, if it was not answered
}

func (o *observed) now() seen {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.last
}

// Register is the agent's.
func (o *observed) Register(ctx context.Context, i service.Instance) error {
	return o.registered(o.Agent.Register(ctx, i))
}

// Replace is the agent's.
func (o *observed) Replace(ctx context.Context, i service.Instance) error {
	return o.registered(o.Agent.Replace(ctx, i))
}

func (o *observed) registered(err error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last.err = err
	if err == nil {
		o.last.registered = true
	}
	return err
}

// Registered is the agent's.
func (o *observed) Registered(ctx context.Context, id, hash string, wait time.Duration) (consul.Registered, error) {
	has, err := o.Agent.Registered(ctx, id, hash, wait)
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case err == nil:
		o.last = seen{registered: true, maintenance: has.Maintenance()}
	case errors.Is(err, consul.ErrNotFound):
		o.last = seen{}
	default:
		o.last.err = err
	}
	return has, err
}
