// Package monitor runs the checks of an instance and tells Consul what they
// find: bad news at once with the check's words, good news when it is news and
// otherwise just often enough to stay alive there.
package monitor

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"remora/internal/consul"
	"remora/internal/service"
)

// Reporter takes the results of checks; package consul says how it fails.
type Reporter interface {
	Report(ctx context.Context, checkID string, status service.Status, output string) error
}

// Monitor runs one check.
type Monitor struct {
	check    service.Check
	checker  Checker
	reporter Reporter
	log      *slog.Logger
	// missing is called when Consul does not know the check.
	missing func(ctx context.Context)

	mu    sync.Mutex
	last  result
	first chan struct{} // closed when there is a result
	news  chan struct{} // holds one wake-up

	missed time.Time // when missing was called last
}

type result struct {
	status service.Status
	output string
}

// New returns a monitor for a check with a TTL.
func New(log *slog.Logger, check service.Check, checker Checker, reporter Reporter, missing func(context.Context)) *Monitor {
	return &Monitor{
		check:    check,
		checker:  checker,
		reporter: reporter,
		log:      log,
		missing:  missing,
		first:    make(chan struct{}),
		news:     make(chan struct{}, 1),
	}
}

// Known is closed when the check has run once.
func (m *Monitor) Known() <-chan struct{} { return m.first }

// Status is the latest result's, or the check's initial one before there is any.
func (m *Monitor) Status() service.Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.last.status == "" {
		return m.check.Initial
	}
	return m.last.status
}

// Refresh makes the latest result be reported again, because Consul may have
// forgotten it.
func (m *Monitor) Refresh() { wake(m.news) }

func wake(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// startInterval is the longest interval while the check has never passed: an app
// that has just become ready should not wait ten seconds for its first traffic.
const startInterval = time.Second

// Run runs the check until ctx ends.
func (m *Monitor) Run(ctx context.Context) {
	passed := false
	for {
		status := m.once(ctx)
		passed = passed || status == service.Passing
		interval := m.check.Interval
		if !passed {
			interval = min(interval, startInterval)
		}
		// Up to a tenth earlier, so that many checks do not stay in step.
		timer := time.NewTimer(interval - rand.N(interval/10+1))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

func (m *Monitor) once(ctx context.Context) service.Status {
	checkCtx, cancel := context.WithTimeout(ctx, m.check.Timeout)
	defer cancel()
	status, output := m.checker.Check(checkCtx)
	if ctx.Err() != nil {
		return status // stopped in the middle: that says nothing about the app
	}
	m.mu.Lock()
	before := m.last
	m.last = result{status, output}
	m.mu.Unlock()
	if before.status == "" {
		close(m.first)
	}
	if before.status != status {
		m.log.Info("check turned "+string(status), "check", m.check.ID, "output", brief(output))
	}
	if before.status != status || status != service.Passing && before.output != output {
		wake(m.news)
	}
	return status
}

// brief cuts output for a log line.
func brief(output string) string {
	const limit = 200
	if len(output) > limit {
		return strings.ToValidUTF8(output[:limit], "") + "…"
	}
	return output
}

// retryPause is how long a report that failed waits before it is tried again.
const retryPause = time.Second

// Report reports until ctx ends: news at once, and the same again before half of
// the TTL is over.
func (m *Monitor) Report(ctx context.Context) {
	renewal := time.NewTimer(m.check.TTL / 2)
	defer renewal.Stop()
	failed := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.news:
		case <-renewal.C:
		}
		err := m.send(ctx)
		switch {
		case err != nil && !failed && ctx.Err() == nil:
			m.log.Warn("check not reported; trying again", "check", m.check.ID, "error", err)
		case err == nil && failed:
			m.log.Info("check reported again", "check", m.check.ID)
		}
		failed = err != nil
		if failed {
			renewal.Reset(min(retryPause, m.check.TTL/2))
		} else {
			renewal.Reset(m.check.TTL / 2)
		}
	}
}

func (m *Monitor) send(ctx context.Context) error {
	m.mu.Lock()
	now := m.last
	m.mu.Unlock()
	if now.status == "" {
		return nil
	}
	err := m.reporter.Report(ctx, m.check.ID, now.status, now.output)
	if errors.Is(err, consul.ErrNotFound) && time.Since(m.missed) >= retryPause {
		m.missed = time.Now()
		m.missing(ctx)
		return nil
	}
	return err
}
