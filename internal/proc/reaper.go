// Package proc starts processes, each in a process group of its own, signals
// and ends whole groups, and does what process 1 of a container has to do.
package proc

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// Reaper starts processes and collects every child of this one, those that it
// started and, in process 1, the orphans that the kernel hands over. There must
// be one Reaper in a process, and nothing else there may wait for children: a
// second waiter would take exit statuses away from the first.
type Reaper struct {
	mu      sync.Mutex
	waiting map[int]*Process
	closed  chan struct{}
	done    chan struct{}
	wake    chan os.Signal
}

// NewReaper starts reaping. Close ends it.
func NewReaper() *Reaper {
	r := &Reaper{
		waiting: map[int]*Process{},
		closed:  make(chan struct{}),
		done:    make(chan struct{}),
		wake:    make(chan os.Signal, 1),
	}
	signal.Notify(r.wake, syscall.SIGCHLD)
	go r.run()
	return r
}

// Close stops reaping. Processes that still run are left alone and their
// Done channels never close.
func (r *Reaper) Close() {
	signal.Stop(r.wake)
	close(r.closed)
	<-r.done
}

func (r *Reaper) run() {
	defer close(r.done)
	for {
		select {
		case <-r.wake:
			r.reap()
		case <-r.closed:
			return
		}
	}
}

// reap collects all children that have ended. One SIGCHLD may stand for several.
func (r *Reaper) reap() {
	// Held over the whole loop, so that a child cannot be collected between its
	// start and its entry into waiting.
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || pid == 0 {
			return
		}
		if p, ours := r.waiting[pid]; ours {
			delete(r.waiting, pid)
			p.ended(status)
		}
	}
}

// Process is a started process and its group.
type Process struct {
	cmd    *exec.Cmd
	status syscall.WaitStatus
	done   chan struct{}
}

// outputDelay is how long the output of an ended process is read on when one of
// its own children keeps the pipe open.
const outputDelay = time.Second

// Start starts cmd in a process group of its own. If cmd's input is a terminal,
// the group becomes its foreground, as a shell would do: otherwise the first
// read would stop it (SIGTTIN).
func (r *Reaper) Start(cmd *exec.Cmd) (*Process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	if f, ok := cmd.Stdin.(*os.File); ok && isTerminal(f) {
		cmd.SysProcAttr.Foreground = true
		cmd.SysProcAttr.Ctty = int(f.Fd())
	}
	cmd.WaitDelay = outputDelay
	p := &Process{cmd: cmd, done: make(chan struct{})}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	r.waiting[cmd.Process.Pid] = p
	return p, nil
}

func (p *Process) ended(status syscall.WaitStatus) {
	p.status = status
	go func() {
		defer close(p.done)
		// The status is already taken, so this fails with ECHILD; it is called
		// because it waits for the output and closes the pipes.
		_ = p.cmd.Wait()
	}()
}

// Pid is the process id, which is also the id of the process group.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended and its output has been read.
func (p *Process) Done() <-chan struct{} { return p.done }

// Status tells how the process ended. Call it after Done.
func (p *Process) Status() syscall.WaitStatus { return p.status }

// Signal sends sig to the process and its whole group. A group that is gone is
// no error.
func (p *Process) Signal(sig os.Signal) error {
	number, ok := sig.(syscall.Signal)
	if !ok {
		return errors.New("not a signal number: " + sig.String())
	}
	if err := syscall.Kill(-p.Pid(), number); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

// Stop sends sig to the group, waits for the process until ctx is done, and then
// kills the group, which also ends children that outlived the process. It
// returns when the process has ended.
func (p *Process) Stop(ctx context.Context, sig os.Signal) error {
	if err := p.Signal(sig); err != nil {
		return err
	}
	select {
	case <-p.done:
	case <-ctx.Done():
	}
	err := p.Signal(syscall.SIGKILL)
	<-p.done
	return err
}

// ExitCode is the shell's code for status: the process's own, or 128+n when
// signal n ended it.
func ExitCode(status syscall.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}
