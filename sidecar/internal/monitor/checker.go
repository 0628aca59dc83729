package monitor

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"time"

	"remora/internal/service"
)

// Checker finds out once whether an instance can serve. It returns when ctx ends
// at the latest, and says what it saw.
type Checker interface {
	Check(ctx context.Context) (service.Status, string)
}

// Runner runs a command to its end, which is that of ctx at the latest, and
// returns the last of its output; package proc says how it fails.
type Runner interface {
	Run(ctx context.Context, cmd *exec.Cmd) (string, error)
}

// NewChecker returns the checker for check c, of a kind that service.Sidecar runs,
// of instance i. Only a Script check needs the runner.
func NewChecker(i service.Instance, c service.Check, run Runner) Checker {
	switch c.Kind {
	case service.TCP:
		return tcpChecker{address: i.HostPort()}
	case service.GRPC:
		return newGRPCChecker(i, c)
	case service.Script:
		return scriptChecker{command: i.Command(c), run: run}
	case service.File:
		return fileChecker{path: c.Path, maxAge: c.MaxAge}
	}
	return newHTTPChecker(i, c)
}

type tcpChecker struct{ address string }

func (t tcpChecker) Check(ctx context.Context) (service.Status, string) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", t.address)
	if err != nil {
		return service.Critical, err.Error()
	}
	conn.Close()
	return service.Passing, fmt.Sprintf("TCP connect %s: Success", t.address)
}

// fileChecker looks for a sign of life that the app leaves.
type fileChecker struct {
	path   string
	maxAge time.Duration // 0: any
}

func (f fileChecker) Check(context.Context) (service.Status, string) {
	info, err := os.Stat(f.path)
	if err != nil {
		return service.Critical, err.Error()
	}
	age := time.Since(info.ModTime()).Round(time.Millisecond)
	switch {
	case f.maxAge == 0:
		return service.Passing, fmt.Sprintf("file %s is there", f.path)
	case age > f.maxAge:
		return service.Critical, fmt.Sprintf("file %s was written %s ago, more than %s", f.path, age, f.maxAge)
	}
	return service.Passing, fmt.Sprintf("file %s was written within %s", f.path, f.maxAge)
}
