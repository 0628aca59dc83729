// Package declared is the service that this process's own environment declares,
// as init and sidecar both see it: what it resolves to, what is wrong with it, and
// the commands explain and lint.
package declared

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"remora/internal/address"
	"remora/internal/cmdline"
	"remora/internal/consul"
	"remora/internal/explain"
	"remora/internal/service"
	"remora/internal/settings"
)

// Where Consul's client looks.
const (
	envNamespace = "CONSUL_NAMESPACE"
	envPartition = "CONSUL_PARTITION"
)

// Resolve reads SERVICE_* in the environment for the host of this name.
func Resolve() (service.Resolution, error) {
	host, err := os.Hostname()
	if err != nil {
		return service.Resolution{}, fmt.Errorf("host name: %w", err)
	}
	return service.Resolve(service.Pairs(os.Environ()), host)
}

// Check resolves, and says what is wrong with the result, and with who is to run
// its checks.
func Check(checks settings.Checks) (service.Resolution, error) {
	r, err := Resolve()
	if err != nil {
		return r, err
	}
	return r, errors.Join(r.RunBy(service.Runner(checks)), r.Within(os.Getenv(envNamespace), os.Getenv(envPartition)))
}

// Asked tells whether the command line is explain or lint.
func Asked(args cmdline.Args) bool { return !args.Command && explain.IsCommand(args.Words) }

// Options are the settings that explain and lint need.
type Options struct {
	Timeout time.Duration // for a look at the route to Consul, which need not be there
	Address address.Wish
	Checks  settings.Checks
}

// Tell answers explain and lint on standard output. It returns an ExitError where
// something is wrong with the declaration: exit code 1 for lint, whose purpose it
// is, and 2 for explain.
func Tell(ctx context.Context, o Options, args cmdline.Args) error {
	host, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("host name: %w", err)
	}
	agent, err := consul.NewWith(consul.Options{Timeout: o.Timeout, Address: o.Address})
	if err != nil {
		return cmdline.Usage(err)
	}
	d := explain.Declaration{
		Pairs:     service.Pairs(os.Environ()),
		Host:      host,
		Runner:    service.Runner(o.Checks),
		Namespace: os.Getenv(envNamespace),
		Partition: os.Getenv(envPartition),
		Locate: func() (string, string, error) {
			choice, err := agent.ChooseAddress(ctx)
			return choice.Address, choice.Reason, err
		},
	}
	good, err := d.Run(os.Stdout, args.Words)
	if err != nil || good {
		return err
	}
	code := cmdline.ExitUsage
	if args.Words[0] == explain.CmdLint {
		code = cmdline.ExitRuntime
	}
	return &cmdline.ExitError{Code: code}
}
