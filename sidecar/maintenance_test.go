package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"remora/internal/await"
	"remora/internal/consul"
)

// toldAgent writes down what it is told, and when.
type toldAgent struct {
	started time.Time

	mu   sync.Mutex
	fail error
	told []string
}

func (a *toldAgent) fails(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fail = err
}

func (a *toldAgent) Maintain(_ context.Context, _, reason string) error {
	return a.note("on " + reason)
}
func (a *toldAgent) Resume(context.Context, string) error { return a.note("off") }

func (a *toldAgent) note(what string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.told = append(a.told, fmt.Sprintf("%s at %s", what, time.Since(a.started)))
	return a.fail
}

func TestMaintenanceIsToldUntilItIsKnown(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		steps func(*toldAgent, *maintenance)
		want  []string
	}{
		{"nothing asked: one look at what an earlier life left", func(*toldAgent, *maintenance) {
			time.Sleep(time.Hour)
		}, []string{"off at 0s"}},
		{"on, and seldom again", func(_ *toldAgent, m *maintenance) {
			time.Sleep(time.Second)
			_ = m.set(context.Background(), "disk")
			time.Sleep(45 * time.Second)
		}, []string{"off at 0s", "on disk at 1s", "on disk at 1s", "on disk at 31s"}},
		{"a failure is told again after a pause", func(a *toldAgent, m *maintenance) {
			time.Sleep(time.Second)
			a.fails(errors.New("no leader"))
			if err := m.set(context.Background(), "disk"); err == nil {
				t.Error("set: no error, want the agent's")
			}
			time.Sleep(1500 * time.Millisecond)
			a.fails(nil)
			time.Sleep(time.Second)
		}, []string{"off at 0s", "on disk at 1s", "on disk at 1s", "on disk at 2s", "on disk at 3s"}},
		{"somebody else's maintenance is not fought", func(a *toldAgent, _ *maintenance) {
			a.fails(consul.ErrOthersMaintenance)
			time.Sleep(time.Hour)
		}, []string{"off at 0s"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			agent := &toldAgent{started: time.Now()}
			m := newMaintenance(await.NewLog(t).Logger(), agent, "web-1")
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); m.Run(ctx) }()
			tc.steps(agent, m)
			cancel()
			<-done
			if diff := cmp.Diff(tc.want, agent.told); diff != "" {
				t.Errorf("%s: the agent was told (-want +got):\n%s", tc.name, diff)
			}
		})
	}
}
