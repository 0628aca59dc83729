package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"remora/internal/consul"
)

// maintainer is Consul's agent; package consul says what each call does.
type maintainer interface {
	Maintain(ctx context.Context, id, reason string) error
	Resume(ctx context.Context, id string) error
}

// maintenance keeps one instance in maintenance, or out of it, as was asked last.
type maintenance struct {
	agent maintainer
	log   *slog.Logger
	id    string
	wake  chan struct{} // holds one wake-up

	mu     sync.Mutex
	reason string // "" when the instance should serve

	telling sync.Mutex // one call at a time, so that the last word is the newest
}

func newMaintenance(log *slog.Logger, agent maintainer, id string) *maintenance {
	return &maintenance{agent: agent, log: log, id: id, wake: make(chan struct{}, 1)}
}

// wanted is the reason for which the instance should be in maintenance.
func (m *maintenance) wanted() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.reason
}

// set asks for maintenance, or with no reason for its end, and tells Consul. If
// that fails it is tried again by Run.
func (m *maintenance) set(ctx context.Context, reason string) error {
	m.mu.Lock()
	m.reason = reason
	m.mu.Unlock()
	err := m.tell(ctx)
	m.again()
	return err
}

// again makes Run tell Consul again, which may have forgotten it.
func (m *maintenance) again() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

func (m *maintenance) tell(ctx context.Context) error {
	m.telling.Lock()
	defer m.telling.Unlock()
	if reason := m.wanted(); reason != "" {
		return m.agent.Maintain(ctx, m.id, reason)
	}
	return m.agent.Resume(ctx, m.id)
}

const (
	// tellPause is the time until Consul is told again after an error.
	tellPause = time.Second
	// tellInterval is how often Consul is told what it should know already: an
	// operator who ends maintenance of their own does not end ours.
	tellInterval = 30 * time.Second
)

// Run makes Consul agree until ctx ends. At its start that ends maintenance in
// which an earlier life left the instance.
func (m *maintenance) Run(ctx context.Context) {
	failed := false
	for {
		var pause <-chan time.Time
		err := m.tell(ctx)
		switch {
		case err == nil || errors.Is(err, consul.ErrOthersMaintenance) || errors.Is(err, consul.ErrNotFound):
			failed = false // ErrNotFound: a registration wakes this loop
			if m.wanted() != "" {
				pause = time.After(tellInterval)
			}
		default:
			if !failed && ctx.Err() == nil {
				m.log.Warn("maintenance not told; trying again", "id", m.id, "error", err)
			}
			failed, pause = true, time.After(tellPause)
		}
		select {
		case <-ctx.Done():
			return
		case <-m.wake:
		case <-pause:
		}
	}
}
