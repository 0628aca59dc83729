// Command sidecar keeps true, beside an app or a load balancer, what was declared
// about it:
//
//   - the service that SERVICE_* variables declare (package service) stays
//     registered in Consul, and its checks, which sidecar runs itself, stay current;
//   - the files that the templates in REMORA_TEMPLATES make stay current, as one
//     set, in REMORA_CANDIDATE, where reloader picks them up.
//
// Either may be left out. Consul is found by its own CONSUL_* variables, and -h
// lists sidecar's settings. Nothing that Consul or a template does ends it. On a
// stop signal it takes its instances out of traffic, waits for load balancers to
// notice, deregisters, and exits 0; files stay.
package main

import (
	"errors"
	"fmt"
	"os"

	"remora/internal/cmdline"
	"remora/internal/service"
	"remora/internal/settings"
)

func main() {
	cmdline.Main(cmdline.Program[settings.Sidecar]{
		Name:     "sidecar",
		Summary:  "keeps registrations, checks and rendered files current",
		Usage:    "sidecar [flags]",
		Siblings: settings.Names(),
		Check:    check,
		Run:      run,
	})
}

func check(s settings.Sidecar, args cmdline.Args) error {
	if len(args.Words) > 0 {
		return fmt.Errorf("%q: sidecar takes no arguments, only flags", args.Words[0])
	}
	declared := service.Declared(os.Environ())
	switch {
	case s.Once && s.Templates == "":
		return errors.New("REMORA_ONCE: needs REMORA_TEMPLATES, the templates to render")
	case !declared && s.Templates == "":
		return errors.New("nothing to do: neither a service (SERVICE_NAME, SERVICE_PORT) nor REMORA_TEMPLATES is set")
	case s.RenderReread <= 0:
		return fmt.Errorf("REMORA_RENDER_REREAD=%q: is not longer than 0", s.RenderReread)
	case declared && s.TTL < minTTL:
		return fmt.Errorf("REMORA_TTL=%q: is shorter than %s", s.TTL, minTTL)
	}
	if err := settings.CheckConsul(s.Consul); err != nil {
		return err
	}
	if err := checkTemplates(s.Templates); err != nil || !declared {
		return err
	}
	all, _, err := instances()
	if err == nil && len(all) == 0 && s.Templates == "" {
		return errors.New("nothing to do: SERVICE_IGNORE leaves out every port, and REMORA_TEMPLATES is not set")
	}
	return err
}

func checkTemplates(dir string) error {
	if dir == "" {
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("REMORA_TEMPLATES=%q: %w", dir, err)
	}
	if !info.IsDir() {
		return fmt.Errorf("REMORA_TEMPLATES=%q: is not a directory", dir)
	}
	return nil
}

func instances() ([]service.Instance, []error, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, nil, fmt.Errorf("host name: %w", err)
	}
	return service.FromEnviron(os.Environ(), host)
}
