package proc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// Run runs cmd to its end and returns the last of its output, both streams
// together. If ctx ends first the whole group is killed. The error says how the
// command ended and carries its last lines.
func (r *Reaper) Run(ctx context.Context, cmd *exec.Cmd) (string, error) {
	var tail Tail
	cmd.Stdout, cmd.Stderr = &tail, &tail
	p, err := r.Start(cmd)
	if err != nil {
		return "", err
	}
	select {
	case <-p.Done():
	case <-ctx.Done():
		if err := p.Signal(syscall.SIGKILL); err != nil {
			return "", err
		}
		<-p.Done()
		return tail.String(), fmt.Errorf("%s: killed: %w", cmd.Args[0], context.Cause(ctx))
	}
	if code := ExitCode(p.Status()); code != 0 {
		return tail.String(), &CommandError{Command: cmd.Args[0], Code: code, Output: tail.String()}
	}
	return tail.String(), nil
}

// CommandError says that a command ended with another code than 0.
type CommandError struct {
	Command string
	Code    int    // as ExitCode counts
	Output  string // the last of it
}

func (e *CommandError) Error() string {
	output := strings.TrimSpace(e.Output)
	if output == "" {
		return fmt.Sprintf("%s: exit code %d", e.Command, e.Code)
	}
	return fmt.Sprintf("%s: exit code %d: %s", e.Command, e.Code, output)
}

// StartCode is the exit code by which a shell tells why a command could not be
// started: 127 if it does not exist, 126 for everything else.
func StartCode(err error) int {
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		return 127
	}
	return 126
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Mode()&fs.ModeCharDevice == 0 {
		return false
	}
	_, err = terminalGroup(f)
	return err == nil
}
