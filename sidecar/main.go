// Command sidecar keeps true, beside an app or a load balancer, what was declared
// about it:
//
//   - the service that SERVICE_* variables declare (package service) stays
//     registered in Consul, and its checks, which sidecar runs itself, stay current;
//   - the files that the templates in REMORA_TEMPLATES make stay current, as one
//     set, in REMORA_CANDIDATE, where reloader picks them up.
//
// Either may be left out. A sidecar that runs answers status, health, drain and
// maintenance on a socket (REMORA_ADMIN). Consul is found by its own CONSUL_*
// variables, and -h lists sidecar's settings. Nothing that Consul or a template does
// ends it. On a stop signal it takes its instances out of traffic, waits for load
// balancers to notice, deregisters, and exits 0; files stay.
package main

import (
	"errors"
	"fmt"
	"os"

	"remora/internal/cmdline"
	"remora/internal/declared"
	"remora/internal/explain"
	"remora/internal/service"
	"remora/internal/settings"
	"remora/sidecar/internal/admin"
)

const usage = `sidecar [flags]                                do what the settings say, until a stop signal
sidecar [flags] explain [-json]                print what would be registered, and why
sidecar [flags] lint                           print what looks wrong about it; exit 1 if anything does
sidecar [flags] status [-json]                 how the sidecar that runs here is
sidecar [flags] health                         exit 0 if it is well, else 1
sidecar [flags] drain                          take its instances out of traffic, and wait until that is noticed
sidecar [flags] maintenance on [REASON] | off  take them out, or end what this and drain began`

func main() {
	cmdline.Main(cmdline.Program[settings.Sidecar]{
		Name:     "sidecar",
		Summary:  "keeps registrations, checks and rendered files current",
		Usage:    usage,
		Siblings: settings.Names(),
		Check:    check,
		Run:      run,
	})
}

func check(s settings.Sidecar, args cmdline.Args) error {
	if _, err := admin.Address(s.Admin); err != nil {
		return fmt.Errorf("REMORA_ADMIN=%q: %w", s.Admin, err)
	}
	switch {
	case declared.Asked(args):
		return errors.Join(explain.CheckWords(args.Words), settings.CheckConsul(s.Consul), s.Wish().Check())
	case isAttend(args):
		return checkAttend(s, args)
	case len(args.Words) > 0:
		return unknownWord(args.Words[0])
	}
	some := service.Declared(os.Environ())
	switch {
	case s.Once && s.Templates == "":
		return errors.New("REMORA_ONCE: needs REMORA_TEMPLATES, the templates to render")
	case !some && s.Templates == "":
		return errors.New("nothing to do: neither a service (SERVICE_NAME, SERVICE_PORT) nor REMORA_TEMPLATES is set")
	case s.RenderReread <= 0:
		return fmt.Errorf("REMORA_RENDER_REREAD=%q: is not longer than 0", s.RenderReread)
	case some && s.TTL < minTTL:
		return fmt.Errorf("REMORA_TTL=%q: is shorter than %s", s.TTL, minTTL)
	}
	if err := errors.Join(settings.CheckConsul(s.Consul), s.Wish().Check()); err != nil {
		return err
	}
	if err := checkTemplates(s.Templates); err != nil || !some {
		return err
	}
	r, err := declared.Check(s.Checks)
	if err == nil && len(r.Instances) == 0 && s.Templates == "" {
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
