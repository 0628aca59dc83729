package target

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"remora/internal/proc"
	"remora/internal/settings"
)

// Nginx is an nginx that this process started, reloaded by SIGHUP.
type Nginx struct {
	Timeout time.Duration // for a reload, verdict included
	Check   *Check
	// Pid is the process that was started: nginx's master, or what became or
	// started it. It is 0 before the start.
	Pid func() int
	// Said holds the last of what nginx wrote to stderr.
	Said *proc.Tail

	patience time.Duration // 0: defaultPatience
	procFS   procFS        // "": /proc
}

// Validate asks nginx's binary.
func (n *Nginx) Validate(ctx context.Context, dir string) error {
	return n.Check.Validate(ctx, dir)
}

// Reload makes nginx read its files anew and returns nil once all its workers
// are new ones: the master starts workers only with files that it accepted. It
// returns a *RefusedError if nginx says no, ErrAway if there is no nginx with
// workers, ErrLost if nginx ended over it, and another error if the old workers
// were still there in the end.
func (n *Nginx) Reload(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, n.Timeout)
	defer cancel()
	master, before, err := n.present(ctx)
	if err != nil {
		return err
	}
	n.Said.Reset()
	if err := syscall.Kill(master.pid, syscall.SIGHUP); err != nil {
		return fmt.Errorf("%w: send HUP: %w", ErrAway, err)
	}
	pause := pauses(ctx)
	for {
		now, err := n.workers(master)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrLost, err)
		}
		if len(now) > 0 && !slices.ContainsFunc(now, func(p process) bool { return slices.Contains(before, p) }) {
			return nil
		}
		if final(n.Said.String()) {
			pause() // for lines that are still on their way here
			return refused(n.Said.String(), alarm[settings.TargetNginx])
		}
		if !pause() {
			return n.noVerdict(ctx)
		}
	}
}

func (n *Nginx) noVerdict(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	if said := n.Said.String(); strings.Contains(said, alarm[settings.TargetNginx]) {
		return refused(said, alarm[settings.TargetNginx])
	}
	return fmt.Errorf("old workers still serve %s after HUP", n.Timeout)
}

// final says whether nginx has given up on a reload. An address in use is tried
// five times, half a second apart, each time with a line of its own
// (ngx_open_listening_sockets); every other emergency is the end.
func final(said string) bool {
	for line := range strings.Lines(said) {
		retried := strings.Contains(line, "bind() to") && strings.Contains(line, fmt.Sprintf("(%d:", syscall.EADDRINUSE))
		if strings.Contains(line, alarm[settings.TargetNginx]) && strings.HasSuffix(line, "\n") && !retried {
			return true
		}
	}
	return false
}

const (
	masterTitle = "nginx: master process"
	workerTitle = "nginx: worker process" // and nothing after it, while it serves
)

// present waits until there is a master with workers, for as long as patience.
// Before it has workers, a master may not catch HUP yet and would die of it.
func (n *Nginx) present(ctx context.Context) (process, []process, error) {
	patience := n.patience
	if patience == 0 {
		patience = defaultPatience
	}
	short, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	pause := pauses(short)
	for {
		master, err := n.master()
		var workers []process
		if err == nil {
			workers, err = n.workers(master)
		}
		if err == nil && len(workers) > 0 {
			return master, workers, nil
		}
		if err == nil {
			err = errors.New("the master has no workers")
		}
		if !pause() {
			return master, nil, fmt.Errorf("%w: %w", ErrAway, err)
		}
	}
}

func (n *Nginx) proc() procFS {
	if n.procFS == "" {
		return "/proc"
	}
	return n.procFS
}

// master finds nginx's master: the process that was started, or a child of it
// where a script did not exec nginx.
func (n *Nginx) master() (process, error) {
	pid := n.Pid()
	if pid == 0 {
		return process{}, errors.New("not started")
	}
	started, _, ok := n.proc().find(pid)
	if !ok {
		return process{}, errors.New("ended")
	}
	children, err := n.proc().children(pid)
	if err != nil {
		return process{}, err
	}
	for _, p := range append([]process{started}, children...) {
		if strings.HasPrefix(n.proc().title(p.pid), masterTitle) {
			return p, nil
		}
	}
	return process{}, errors.New("no master process")
}

// workers lists the workers of master that serve; those that finish their last
// requests call themselves "shutting down".
func (n *Nginx) workers(master process) ([]process, error) {
	if p, _, ok := n.proc().find(master.pid); !ok || p != master {
		return nil, errors.New("the master ended")
	}
	children, err := n.proc().children(master.pid)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(children, func(p process) bool {
		return n.proc().title(p.pid) != workerTitle
	}), nil
}
