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
	last  State
	first chan struct{} // closed when there is a status that can be told
	known bool          // first is closed
	news  chan struct{} // holds one wake-up

	missed time.Time // when missing was called last
}

// State is what a monitor knows.
type State struct {
	Status service.Status // none before the first result
	Output string
	Since  time.Time // when the status became what it is
	Ran    time.Time // when the check ran last
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

// Known is closed when the check has run, so often that its status can be told.
func (m *Monitor) Known() <-chan struct{} { return m.first }

// Status is the latest result's, or the check's initial one before there is any.
func (m *Monitor) Status() service.Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.last.Status == "" {
		return m.initial()
	}
	return m.last.Status
}

func (m *Monitor) initial() service.Status {
	if m.check.Initial == "" {
		return service.Critical
	}
	return m.check.Initial
}

// State returns what is known now.
func (m *Monitor) State() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last
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

const (
	// startInterval is the longest interval while the check has never passed: an
	// app that has just become ready should not wait ten seconds for its first
	// traffic.
	startInterval = time.Second
	// startSpread is the time over which first checks are spread: 200 instances
	// that start together begin two in a millisecond, and one hardly waits.
	startSpread = 100 * time.Millisecond
)

// Run runs the check until ctx ends.
func (m *Monitor) Run(ctx context.Context) {
	v := &verdict{check: m.check, started: time.Now()}
	pause := rand.N(min(startSpread, m.check.Interval/10) + 1)
	spread := false
	for {
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		settled := m.once(ctx, v)
		switch {
		case !v.passed || !settled:
			interval := min(m.check.Interval, startInterval)
			pause = interval - rand.N(interval/10+1)
		case !spread:
			// Once, anywhere in the interval: those that became ready together do
			// not stay in step.
			spread, pause = true, rand.N(m.check.Interval)+1
		default:
			// Up to a tenth earlier, so that they do not fall into step again.
			pause = m.check.Interval - rand.N(m.check.Interval/10+1)
		}
	}
}

// once runs the check once, and tells whether its status is settled.
func (m *Monitor) once(ctx context.Context, v *verdict) bool {
	checkCtx, cancel := context.WithTimeout(ctx, m.check.Timeout)
	defer cancel()
	found, output := m.checker.Check(checkCtx)
	if ctx.Err() != nil {
		return false // stopped in the middle: that says nothing about the app
	}
	now := time.Now()
	status, output, settled := v.next(m.Status(), found, output, now)
	m.mu.Lock()
	before := m.last
	m.last = State{Status: status, Output: output, Since: before.Since, Ran: now}
	if before.Status != status {
		m.last.Since = now
	}
	if settled && !m.known {
		m.known = true
		close(m.first)
	}
	m.mu.Unlock()
	if before.Status != status {
		m.log.Info("check turned "+string(status), "check", m.check.ID, "output", brief(output))
	}
	if before.Status != status || status != service.Passing && before.Output != output {
		wake(m.news)
	}
	return settled
}

// Stuck tells whether the check should have run again by now and has not.
func (m *Monitor) Stuck() bool {
	ran := m.State().Ran
	return !ran.IsZero() && time.Since(ran) > 2*m.check.Interval+m.check.Timeout+slack
}

// slack is what a busy machine may be late.
const slack = 10 * time.Second

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
			pause := min(retryPause, m.check.TTL/2)
			renewal.Reset(pause/2 + rand.N(pause/2+1)) // not everybody at once when the agent is back
		} else {
			renewal.Reset(m.check.TTL / 2)
		}
	}
}

func (m *Monitor) send(ctx context.Context) error {
	m.mu.Lock()
	now := m.last
	m.mu.Unlock()
	if now.Status == "" {
		return nil
	}
	err := m.reporter.Report(ctx, m.check.ID, now.Status, now.Output)
	if errors.Is(err, consul.ErrNotFound) && time.Since(m.missed) >= retryPause {
		m.missed = time.Now()
		m.missing(ctx)
		return nil
	}
	return err
}
