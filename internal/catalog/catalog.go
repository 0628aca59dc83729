// Package catalog watches what templates ask Consul for: one watch per thing
// asked for, however many templates ask, and what was learnt last stays when
// Consul is away.
package catalog

import (
	"context"
	"io"
	stdlog "log"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/consul-template/dependency"

	"remora/internal/trouble"
)

// Memory keeps the latest answer for each dependency; consul-template's Brain
// is one.
type Memory interface {
	Remember(d dependency.Dependency, data any)
	Forget(d dependency.Dependency)
}

// Watches are the running watches. They belong to one goroutine, which calls
// Want and waits for Changed.
type Watches struct {
	clients *dependency.ClientSet
	memory  Memory
	log     *slog.Logger
	grace   time.Duration
	changed chan struct{}
	running map[string]*watch
	group   sync.WaitGroup
}

// Timeouts of the connections to Consul. A blocking query is bounded by waitTime
// and the sixteenth of it that Consul adds at random.
const (
	dialTimeout     = 5 * time.Second
	keepAlive       = 30 * time.Second
	idleConnections = 100
	idleTimeout     = 90 * time.Second
	waitTime        = time.Minute
)

// New returns watches that ask the Consul agent that Consul's own environment
// variables name and store answers in memory. It does not connect. For grace after
// trouble with Consul, answers with fewer entries than before are held back.
func New(log *slog.Logger, memory Memory, grace time.Duration) (*Watches, error) {
	// The library traces every query with its answer, secrets included, to the
	// standard logger, which nothing else here uses.
	stdlog.SetOutput(io.Discard)
	clients := dependency.NewClientSet()
	err := clients.CreateConsulClient(&dependency.CreateConsulClientInput{
		TransportDialTimeout:         dialTimeout,
		TransportDialKeepAlive:       keepAlive,
		TransportIdleConnTimeout:     idleTimeout,
		TransportMaxIdleConns:        idleConnections,
		TransportMaxIdleConnsPerHost: idleConnections,
		TransportTLSHandshakeTimeout: dialTimeout,
	})
	if err != nil {
		return nil, err
	}
	return &Watches{
		clients: clients,
		memory:  memory,
		log:     log,
		grace:   grace,
		changed: make(chan struct{}, 1),
		running: map[string]*watch{},
	}, nil
}

// Changed holds one wake-up after anything watched has changed.
func (w *Watches) Changed() <-chan struct{} { return w.changed }

// Want makes the set of running watches equal to deps. What is no longer wanted
// is forgotten.
func (w *Watches) Want(ctx context.Context, deps []dependency.Dependency) {
	wanted := map[string]bool{}
	for _, d := range deps {
		wanted[d.String()] = true
		if w.running[d.String()] != nil {
			continue
		}
		watchCtx, cancel := context.WithCancel(ctx)
		one := &watch{
			Watches:    w,
			dependency: d,
			cancel:     cancel,
			doubt:      doubt{log: w.log, query: d.String(), grace: w.grace},
		}
		w.running[d.String()] = one
		w.group.Go(func() { one.run(watchCtx) })
	}
	for name, one := range w.running {
		if !wanted[name] {
			one.cancel()
			delete(w.running, name)
			w.memory.Forget(one.dependency)
		}
	}
}

// Waiting lists the watches that have no answer yet.
func (w *Watches) Waiting() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(w.running)) {
		if !w.running[name].answered() {
			names = append(names, name)
		}
	}
	return names
}

// Wait waits until the watches have ended, after their context has.
func (w *Watches) Wait() { w.group.Wait() }

// watch asks for one dependency, time and again.
type watch struct {
	*Watches
	dependency dependency.Dependency
	cancel     context.CancelFunc
	index      uint64
	data       any
	doubt      doubt

	mu    sync.Mutex
	known bool
}

func (w *watch) answered() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.known
}

// pauseMost is the longest pause after an error.
const pauseMost = 2 * time.Second

func (w *watch) run(ctx context.Context) {
	failures := trouble.Failures{
		Log:    w.log.With("query", w.dependency.String()),
		Begins: "consul query failed; keeping the last answer",
		Ends:   "consul answers again",
		Most:   pauseMost,
	}
	for ctx.Err() == nil {
		data, meta, err := w.fetch(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			failures.Over()
			w.take(data, meta)
			continue
		}
		failures.Note(err)
		// An agent that comes back after a restart counts from the beginning.
		w.index = 0
		w.doubt.raise()
		failures.Pause(ctx)
	}
}

type answer struct {
	data any
	meta *dependency.ResponseMetadata
	err  error
}

// fetch asks once, and blocks until there is something newer than the index. The
// library's call cannot be cancelled; when ctx ends it is left to run out, which
// waitTime bounds.
func (w *watch) fetch(ctx context.Context) (any, *dependency.ResponseMetadata, error) {
	result := make(chan answer, 1)
	go func() {
		data, meta, err := w.dependency.Fetch(w.clients, &dependency.QueryOptions{WaitIndex: w.index, WaitTime: w.doubt.wait()})
		result <- answer{data, meta, err}
	}()
	select {
	case <-ctx.Done():
		w.dependency.Stop()
		return nil, nil, ctx.Err()
	case a := <-result:
		return a.data, a.meta, a.err
	}
}

// take remembers an answer and says so if it is new.
func (w *watch) take(data any, meta *dependency.ResponseMetadata) {
	// An answer without an index would make the next question one that does not
	// block (Consul's documentation, "Blocking Queries": implementation details).
	index := max(meta.LastIndex, 1)
	switch {
	case index < w.index:
		w.index = 0 // Consul lost its state; ask for whatever there is
		w.doubt.raise()
		return
	case index == w.index && w.answered() && !w.doubt.holding:
		return
	}
	w.index = index
	if data == nil && meta.BlockOnNil {
		return // a key that does not exist: "key" waits for it
	}
	if w.answered() && (w.doubt.holds(w.data, data) || reflect.DeepEqual(data, w.data)) {
		return
	}
	w.data = data
	w.memory.Remember(w.dependency, data)
	w.mu.Lock()
	w.known = true
	w.mu.Unlock()
	select {
	case w.changed <- struct{}{}:
	default:
	}
}
