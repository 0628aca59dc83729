// Package registrar keeps an instance registered: it compares what the agent has
// with what should be there, and acts on a difference.
package registrar

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"remora/internal/consul"
	"remora/internal/service"
	"remora/internal/trouble"
)

// Agent is what a registrar needs of Consul's agent; package consul says what
// each call does and how it fails.
type Agent interface {
	Register(ctx context.Context, i service.Instance) error
	Replace(ctx context.Context, i service.Instance) error
	Registered(ctx context.Context, id, hash string, wait time.Duration) (consul.Registered, error)
}

// Registrar keeps one instance registered.
type Registrar struct {
	Agent Agent
	Log   *slog.Logger
	// Desired returns the instance as it should be registered now, with the
	// statuses that its checks should be born with.
	Desired func() service.Instance
	// OnlyMissing leaves alone a registration that differs: somebody else, with
	// the same definition, keeps it in another form.
	OnlyMissing bool
	// OnRegister, if set, is called after each registration.
	OnRegister func()
}

// pauseMost is the longest pause after an error: an agent that comes back has
// everything again within it.
const pauseMost = time.Second

func newFailures(log *slog.Logger) trouble.Failures {
	return trouble.Failures{
		Log:    log,
		Begins: "registration failed; trying again",
		Ends:   "registration works again",
		Most:   pauseMost,
	}
}

// passInterval bounds how long a difference that the blocking query does not see
// (a missing check) can last.
const passInterval = 30 * time.Second

// Once registers the instance anew, whatever the agent has of an earlier life of
// it, trying until it succeeds, ctx ends, or the agent refuses the registration as
// it is.
func (r *Registrar) Once(ctx context.Context) error {
	return Retry(ctx, r.Log, func() error { return r.register(ctx, r.Agent.Replace) })
}

// Ensure makes the agent agree once: it registers the instance unless the agent
// has it already, and returns as Once does.
func (r *Registrar) Ensure(ctx context.Context) error {
	return Retry(ctx, r.Log, func() error {
		_, err := r.pass(ctx, state{})
		return err
	})
}

// Retry does something that needs Consul until it succeeds, or ctx ends, or its
// error is one that trying again cannot mend. It returns the last error.
func Retry(ctx context.Context, log *slog.Logger, do func() error) error {
	failures := newFailures(log)
	for {
		err := do()
		if errors.Is(err, consul.ErrRefused) || errors.Is(err, consul.ErrNoAddress) {
			return err
		}
		if err == nil {
			failures.Over()
			return nil
		}
		failures.Note(err)
		if !failures.Pause(ctx) {
			return err
		}
	}
}

// Keep keeps the instance registered until ctx ends. It asks the agent by a
// query that blocks until something changes, so that it costs nothing while all
// is well, and a lost registration is noticed at once.
func (r *Registrar) Keep(ctx context.Context) {
	failures := newFailures(r.Log)
	var seen state
	for ctx.Err() == nil {
		next, err := r.pass(ctx, seen)
		seen = next
		switch {
		case err != nil:
			failures.Note(err)
			failures.Pause(ctx)
		case !seen.registered:
			// A registration alone proves nothing: it counts once it is seen.
			failures.Over()
		}
	}
}

// state is what a pass leaves to the next one.
type state struct {
	hash       string // of the registration as it was; none if not known
	registered bool   // this pass registered
	waited     bool   // this pass left a missing registration to others
}

// headStart is how long OnlyMissing leaves a missing registration to somebody who
// may keep it in another form: restored in two forms at the same moment, it would
// be replaced once more. It is as long as the longest pause of the other.
const headStart = pauseMost

var errDiffers = errors.New("the agent has it in another form than it was registered in")

// pass waits for a change after the state seen, and answers it.
func (r *Registrar) pass(ctx context.Context, seen state) (state, error) {
	desired := r.Desired()
	has, err := r.Agent.Registered(ctx, desired.ID, seen.hash, passInterval)
	same := err == nil && has.Is(desired)
	switch {
	case errors.Is(err, consul.ErrNotFound) && r.OnlyMissing && !seen.waited && !seen.registered:
		trouble.Wait(ctx, headStart)
		return state{waited: true}, nil
	case errors.Is(err, consul.ErrNotFound) && !seen.registered:
		err := r.register(ctx, r.Agent.Register)
		return state{registered: err == nil}, err
	case err != nil:
		return state{}, err
	case same && !has.Outdated, !same && r.OnlyMissing:
		return state{hash: has.Hash}, nil
	case seen.registered:
		// Two that own one ID would otherwise register against each other as fast
		// as they can.
		return state{}, fmt.Errorf("keep service %q: %w", desired.ID, errDiffers)
	}
	err = r.register(ctx, r.Agent.Register)
	return state{registered: err == nil}, err
}

func (r *Registrar) register(ctx context.Context, how func(context.Context, service.Instance) error) error {
	i := r.Desired()
	if err := how(ctx, i); err != nil {
		return err
	}
	r.Log.Info("service registered", "service", i.Name, "id", i.ID, "address", i.HostPort())
	if r.OnRegister != nil {
		r.OnRegister()
	}
	return nil
}
