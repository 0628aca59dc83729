// Package consultest is a Consul agent for tests: it keeps what it is told as a
// real one does, writes down what it was asked, and fails where a test wants it to.
// The tests of package consul hold it against a real agent.
package consultest

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

// Agent is an http.Handler, and listens on a unix socket, which can go away and
// come back under the same address.
type Agent struct {
	// Addr is for CONSUL_HTTP_ADDR.
	Addr string

	tb   testing.TB
	mux  *http.ServeMux
	stop func()

	mu        sync.Mutex
	changed   chan struct{} // closed, and replaced, by every change
	intercept func(http.ResponseWriter, *http.Request) bool
	requests  []Request
	services  map[string]*api.AgentService
	checks    map[string]*api.AgentCheck
	index     uint64 // of the catalog
	catalog   map[string][]Instance
	keys      map[string]string
}

// New returns an agent that listens until the test ends.
func New(tb testing.TB) *Agent {
	tb.Helper()
	// Not tb.TempDir: a socket's path must be short.
	dir, err := os.MkdirTemp("", "agent")
	if err != nil {
		tb.Fatal(err)
	}
	a := &Agent{
		Addr:     "unix://" + filepath.Join(dir, "sock"),
		tb:       tb,
		mux:      http.NewServeMux(),
		changed:  make(chan struct{}),
		services: map[string]*api.AgentService{},
		checks:   map[string]*api.AgentCheck{},
		index:    1,
		catalog:  map[string][]Instance{},
		keys:     map[string]string{},
	}
	a.agentRoutes()
	a.catalogRoutes()
	a.Start()
	tb.Cleanup(func() {
		a.Stop()
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	return a
}

// Start makes an agent that was stopped listen again.
func (a *Agent) Start() {
	a.tb.Helper()
	listener, err := net.Listen("unix", strings.TrimPrefix(a.Addr, "unix://"))
	if err != nil {
		a.tb.Fatal(err)
	}
	server, served := &http.Server{Handler: a}, make(chan struct{})
	go func() { defer close(served); _ = server.Serve(listener) }()
	a.stop = func() { _ = server.Close(); <-served }
}

// Stop closes every connection and listens no more.
func (a *Agent) Stop() { a.stop() }

// Request is one that the agent got.
type Request struct {
	At     time.Time
	Method string
	URI    string
	Body   string
}

// ServeHTTP writes the request down and answers it.
func (a *Agent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // whoever asked is gone
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	a.mu.Lock()
	a.requests = append(a.requests, Request{time.Now(), r.Method, r.URL.RequestURI(), string(body)})
	intercept := a.intercept
	a.mu.Unlock()
	if intercept != nil && !strings.HasPrefix(r.URL.Path, notePath) && intercept(w, r) {
		return
	}
	a.mux.ServeHTTP(w, r)
}

// Intercept makes f answer the requests for which it returns true, notes apart; nil
// ends that.
func (a *Agent) Intercept(f func(http.ResponseWriter, *http.Request) bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.intercept = f
}

// Requests lists everything that the agent was asked, in order of arrival.
func (a *Agent) Requests() []Request {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]Request{}, a.requests...)
}

// Writes lists what the agent was told, in order of arrival, each in a few words:
// the last part of the path and the status, as in "register web:1 critical".
func (a *Agent) Writes() []string {
	var writes []string
	for _, r := range a.Requests() {
		if what := r.What(); what != "" {
			writes = append(writes, what)
		}
	}
	return writes
}

// Count tells how many of Writes begin with prefix.
func (a *Agent) Count(prefix string) int {
	count := 0
	for _, what := range a.Writes() {
		if strings.HasPrefix(what, prefix) {
			count++
		}
	}
	return count
}

// When tells when the first of Writes that begins with prefix arrived.
func (a *Agent) When(prefix string) time.Time {
	for _, r := range a.Requests() {
		if what := r.What(); what != "" && strings.HasPrefix(what, prefix) {
			return r.At
		}
	}
	return time.Time{}
}

// wake tells those who wait that something changed. The caller holds a.mu.
func (a *Agent) wake() {
	close(a.changed)
	a.changed = make(chan struct{})
}

// block calls look, which is given the lock, until it returns true, the wait is
// over, or the request is.
func (a *Agent) block(r *http.Request, wait time.Duration, look func() bool) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		a.mu.Lock()
		done, changed := look(), a.changed
		a.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			return
		case <-r.Context().Done():
			return
		}
	}
}
