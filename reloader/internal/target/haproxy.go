package target

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"remora/internal/proc"
	"remora/internal/settings"
)

// HAProxy is an HAProxy in master-worker mode, reached by its master socket.
type HAProxy struct {
	Socket  string
	Timeout time.Duration // for a reload, verdict included
	// Check validates with HAProxy's own binary; nil where there is none.
	Check *Check
	// Said holds the last of what HAProxy wrote to stderr; nil if that goes
	// elsewhere. It is the only place where 2.6 says why it refused.
	Said *proc.Tail

	patience time.Duration // 0: defaultPatience
}

// Validate asks the binary if there is one here. Otherwise it returns
// ErrUnchecked if HAProxy is there, to be asked by a reload, and ErrAway if not.
func (h *HAProxy) Validate(ctx context.Context, dir string) error {
	if h.Check != nil {
		return h.Check.Validate(ctx, dir)
	}
	ctx, cancel := context.WithTimeout(ctx, h.Timeout)
	defer cancel()
	// Without patience: a target that is away at a first start waits for its files.
	if _, err := masterCLI(h.Socket).showProc(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrAway, err)
	}
	return ErrUnchecked
}

// Reload makes HAProxy read its files anew and returns nil once a worker that
// has read them serves. It returns a *RefusedError if HAProxy says no, ErrAway
// if there was nothing to ask, ErrLost if HAProxy went away over it, and another
// error if there was no verdict in time.
func (h *HAProxy) Reload(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, h.Timeout)
	defer cancel()
	before, err := h.present(ctx)
	if err != nil {
		return err
	}
	if h.Said != nil {
		h.Said.Reset()
	}
	pause := pauses(ctx)
	for {
		answer, err := masterCLI(h.Socket).ask(ctx, "reload")
		if !strings.Contains(answer, "Another reload is still in progress") { // said since 3.1
			return h.conclude(ctx, before, answer, err)
		}
		if !pause() {
			return h.noVerdict(ctx, errors.New("another reload is still in progress"))
		}
	}
}

// conclude draws the verdict out of the answer to "reload".
func (h *HAProxy) conclude(ctx context.Context, before processes, answer string, err error) error {
	var dial dialError
	switch {
	case errors.As(err, &dial):
		return fmt.Errorf("%w: %w", ErrAway, err)
	case ctx.Err() != nil:
		return h.noVerdict(ctx, err)
	case strings.HasPrefix(answer, "Success=1"):
		return nil
	case strings.HasPrefix(answer, "Success=0"):
		_, log, _ := strings.Cut(answer, "--\n")
		return refused(log, alarm[settings.TargetHAProxy])
	case answer != "":
		return fmt.Errorf("unexpected answer to reload: %q", answer)
	case before.answersReload():
		return fmt.Errorf("%w: no answer", ErrLost)
	default:
		return h.watch(ctx, before)
	}
}

// present waits until HAProxy answers, for as long as patience.
func (h *HAProxy) present(ctx context.Context) (processes, error) {
	patience := h.patience
	if patience == 0 {
		patience = defaultPatience
	}
	short, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	pause := pauses(short)
	for {
		// With the whole time for an answer: a busy master is not an absent one.
		p, err := masterCLI(h.Socket).showProc(ctx)
		if err == nil {
			return p, nil
		}
		if !pause() {
			return p, fmt.Errorf("%w: %w", ErrAway, err)
		}
	}
}

// watch finds the verdict of a version that gives none: the master counts its
// reloads and those that failed.
func (h *HAProxy) watch(ctx context.Context, before processes) error {
	pause := pauses(ctx)
	for {
		now, err := masterCLI(h.Socket).showProc(ctx)
		if err == nil {
			switch verdict(before, now) {
			case serves:
				return nil
			case restarted:
				return ErrLost
			case failed:
				return h.refused()
			}
		}
		if pause() {
			continue
		}
		var dial dialError
		if errors.As(err, &dial) {
			return fmt.Errorf("%w: %w", ErrLost, err)
		}
		if err == nil {
			err = errors.New("no new worker")
		}
		return h.noVerdict(ctx, err)
	}
}

type outcome int

const (
	pending outcome = iota
	serves
	failed
	restarted
)

func verdict(before, now processes) outcome {
	switch {
	case now.master != before.master, now.reloads < before.reloads, now.age() < before.age():
		return restarted
	case now.reloads == before.reloads:
		return pending
	case now.failed > 0:
		return failed
	}
	for pid := range now.current {
		if !before.all[pid] {
			return serves
		}
	}
	return pending
}

func (h *HAProxy) refused() error {
	if h.Said == nil {
		return refused("", "")
	}
	return refused(h.Said.String(), alarm[settings.TargetHAProxy])
}

func (h *HAProxy) noVerdict(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return fmt.Errorf("no verdict on the reload within %s: %w", h.Timeout, err)
}
