package monitor

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"remora/internal/proc"
	"remora/internal/service"
)

type scriptChecker struct {
	command []string
	run     Runner
}

// Check reads an exit code as Consul does (agent/checks, CheckMonitor): 0 passes, 1
// warns, anything else is critical, and so is a command that does not end in time:
// it is killed with its children.
func (s scriptChecker) Check(ctx context.Context) (service.Status, string) {
	output, err := s.run.Run(ctx, exec.Command(s.command[0], s.command[1:]...))
	output = strings.TrimSpace(output)
	var ended *proc.CommandError
	switch {
	case err == nil:
		return service.Passing, output
	case errors.As(err, &ended) && ended.Code == 1:
		return service.Warning, output
	case errors.As(err, &ended):
		return service.Critical, fmt.Sprintf("exit code %d: %s", ended.Code, output)
	case output != "":
		return service.Critical, fmt.Sprintf("%v: %s", err, output)
	}
	return service.Critical, err.Error()
}
