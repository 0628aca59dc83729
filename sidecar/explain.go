package main

import (
	"context"
	"errors"
	"os"

	"remora/internal/cmdline"
	"remora/internal/consul"
	"remora/internal/explain"
	"remora/internal/service"
	"remora/internal/settings"
)

// explains tells whether the command line asks what would be registered.
func explains(args cmdline.Args) bool { return !args.Command && explain.IsCommand(args.Words) }

// tell answers that. Consul need not be there.
func tell(ctx context.Context, s settings.Sidecar, args cmdline.Args) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	agent, err := consul.NewWith(consul.Options{Timeout: s.ConsulTimeout, Address: s.Wish()})
	if err != nil {
		return cmdline.Usage(err)
	}
	d := explain.Declaration{
		Pairs:     service.Pairs(os.Environ()),
		Host:      host,
		Runner:    service.Runner(s.Checks),
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

// Where Consul's client looks.
const (
	envNamespace = "CONSUL_NAMESPACE"
	envPartition = "CONSUL_PARTITION"
)

// checkDeclared says what is wrong with what is declared, and with who is to run
// its checks.
func checkDeclared(s settings.Sidecar) error {
	r, err := resolved()
	if err != nil {
		return err
	}
	if len(r.Instances) == 0 && s.Templates == "" {
		return errors.New("nothing to do: SERVICE_IGNORE leaves out every port, and REMORA_TEMPLATES is not set")
	}
	return errors.Join(r.RunBy(service.Runner(s.Checks)), r.Within(os.Getenv(envNamespace), os.Getenv(envPartition)))
}
