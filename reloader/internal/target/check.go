package target

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"remora/internal/proc"
	"remora/internal/settings"
)

// runner runs a command to its end, or until ctx is done, and returns the last
// of its output. A command that ended with another code than 0 is a
// *proc.CommandError.
type runner interface {
	Run(ctx context.Context, cmd *exec.Cmd) (string, error)
}

// Check validates files with the binary of the target, where it runs.
type Check struct {
	Command Command
	Runner  runner
	Timeout time.Duration
}

// Validate returns nil if the target's binary accepts the files in dir, a
// *RefusedError if it does not, and another error if it could not be asked.
func (c *Check) Validate(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	argv := c.Command.CheckArgv(dir)
	_, err := c.Runner.Run(ctx, exec.Command(argv[0], argv[1:]...))
	var failed *proc.CommandError
	// From 126 on it is the shell's or the kernel's word, not the target's.
	if !errors.As(err, &failed) || failed.Code >= 126 {
		return err
	}
	said := refused(failed.Output, alarm[c.Command.Kind])
	if strings.Contains(said.Words, c.Command.live+"/") {
		said.Words += fmt.Sprintf(" (a set is validated before it is at %s: its files must name each other by relative paths)", c.Command.live)
	}
	return said
}

// alarm marks the lines in which each target says what is wrong.
var alarm = map[settings.Target]string{
	settings.TargetHAProxy: "[ALERT]",
	settings.TargetNginx:   "[emerg]",
}
