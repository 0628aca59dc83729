package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"remora/internal/cmdline"
	"remora/internal/proc"
	"remora/internal/settings"
	"remora/reloader/internal/apply"
	"remora/reloader/internal/target"
)

// parseCommand reads the command line after "--".
func parseCommand(s settings.Reloader, argv []string) (target.Command, error) {
	if len(argv) == 0 {
		return target.Command{}, errors.New("-- is not followed by a command")
	}
	command, err := target.ParseCommand(argv, s.Target, s.Live)
	if err != nil {
		return command, err
	}
	_, err = command.MasterSocket()
	return command, err
}

// supervisor starts the target, passes signals on to it, and keeps its files
// current while it runs.
type supervisor struct {
	log     *slog.Logger
	set     settings.Reloader
	command target.Command
	reaper  *proc.Reaper
	signals <-chan os.Signal
	said    proc.Tail
	pid     atomic.Int64 // 0 until the target is started
}

func supervise(ctx context.Context, log *slog.Logger, s settings.Reloader, argv []string) error {
	command, err := parseCommand(s, argv)
	if err != nil {
		return cmdline.Usage(err)
	}
	for _, program := range command.Programs() {
		if _, err := exec.LookPath(program); err != nil {
			return &cmdline.ExitError{Code: proc.StartCode(err), Err: fmt.Errorf("start the target: %w", err)}
		}
	}
	socket, err := command.MasterSocket()
	if err != nil {
		return cmdline.Usage(err)
	}
	if command.Kind == settings.TargetHAProxy && socket == "" {
		dir, err := socketDir()
		if err != nil {
			return fmt.Errorf("make a place for the master socket: %w", err)
		}
		defer os.RemoveAll(dir)
		socket = filepath.Join(dir, "master.sock")
	}
	v := &supervisor{log: log, set: s, command: command, reaper: proc.NewReaper(), signals: proc.Signals()}
	defer v.reaper.Close()
	return v.run(ctx, socket)
}

// socketDir makes a private directory for the master socket where one can be
// made: a read-only container still has Docker's /dev/shm.
func socketDir() (string, error) {
	var all error
	for _, parent := range []string{os.TempDir(), "/run", "/dev/shm"} {
		dir, err := os.MkdirTemp(parent, "remora-")
		if err == nil {
			return dir, nil
		}
		all = errors.Join(all, err)
	}
	return "", all
}

func (v *supervisor) run(ctx context.Context, socket string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	loop, err := newLoop(ctx, v.log, v.set, v.target(socket))
	if err != nil {
		return err
	}
	ready, err := v.waitFirst(ctx, loop)
	if !ready {
		return err
	}
	p, err := v.start(socket)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- loop.Run(ctx) }()
	code := v.attend(p)
	cancel()
	return errors.Join(<-done, exitWith(code))
}

func exitWith(code int) error {
	if code == 0 {
		return nil
	}
	return &cmdline.ExitError{Code: code}
}

func (v *supervisor) target(socket string) apply.Target {
	check := &target.Check{Command: v.command, Runner: v.reaper, Timeout: v.set.ReloadTimeout}
	if v.command.Kind == settings.TargetNginx {
		return &target.Nginx{
			Timeout: v.set.ReloadTimeout,
			Check:   check,
			Pid:     func() int { return int(v.pid.Load()) },
			Said:    &v.said,
		}
	}
	return &target.HAProxy{Socket: socket, Timeout: v.set.ReloadTimeout, Check: check, Said: &v.said}
}

// waitFirst waits for files to start on. It returns false if it was told to stop
// before there were any, or cannot go on.
func (v *supervisor) waitFirst(ctx context.Context, loop *apply.Loop) (bool, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	found := make(chan error, 1)
	go func() { found <- loop.First(ctx) }()
	for {
		select {
		case err := <-found:
			return err == nil, err
		case sig := <-v.signals:
			if v.stops(sig) {
				v.log.Info("stopping before the target was started", "signal", sig)
				cancel()
				<-found
				return false, nil
			}
		}
	}
}

func (v *supervisor) start(socket string) (*proc.Process, error) {
	argv := v.command.StartArgv(socket)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin = os.Stdin
	cmd.Stdout = os.Stdout
	cmd.Stderr = io.MultiWriter(os.Stderr, &v.said)
	p, err := v.reaper.Start(cmd)
	if err != nil {
		return nil, &cmdline.ExitError{Code: proc.StartCode(err), Err: fmt.Errorf("start the target: %w", err)}
	}
	v.pid.Store(int64(p.Pid()))
	v.log.Info("target started", "target", v.command.Kind, "pid", p.Pid())
	return p, nil
}

// attend passes signals on until the target has ended and returns its exit code.
// A stop signal sets the time after which what is left of it is killed.
func (v *supervisor) attend(p *proc.Process) int {
	var deadline <-chan time.Time
	for {
		select {
		case sig := <-v.signals:
			if deadline == nil && v.stops(sig) {
				v.log.Info("stopping", "signal", sig)
				deadline = time.After(v.set.StopTimeout)
			}
			v.forward(p, sig)
		case <-deadline:
			v.log.Warn("target killed: it did not end in time", "after", v.set.StopTimeout)
			v.kill(p)
		case <-p.Done():
			v.kill(p) // children of it that are left
			code := proc.ExitCode(p.Status())
			if deadline == nil {
				v.log.Warn("target ended by itself", "target", v.command.Kind, "exit", code)
			}
			return code
		}
	}
}

// stops says whether sig asks the target to end. HAProxy's soft stop is USR1,
// the stop signal of its image; at a QUIT it only dumps its memory pools.
func (v *supervisor) stops(sig os.Signal) bool {
	if v.command.Kind == settings.TargetHAProxy {
		return sig == syscall.SIGUSR1 || sig != syscall.SIGQUIT && proc.IsStop(sig)
	}
	return proc.IsStop(sig)
}

// forward sends sig to the target alone, as Docker would without us: its workers
// are its own business, and some signals mean something else to them.
func (v *supervisor) forward(p *proc.Process, sig os.Signal) {
	number, ok := sig.(syscall.Signal)
	if !ok {
		return
	}
	if err := syscall.Kill(p.Pid(), number); err != nil && !errors.Is(err, syscall.ESRCH) {
		v.log.Warn("signal not passed on", "signal", sig, "error", err)
	}
}

func (v *supervisor) kill(p *proc.Process) {
	if err := p.Signal(syscall.SIGKILL); err != nil {
		v.log.Warn("target not killed", "error", err)
	}
}
