// Command init registers the service of the container that it runs in, and then
// runs the app:
//
//	init -- CMD ARG...   registers, runs CMD as its child and passes everything on
//	init register        registers and exits 0
//	init explain, lint   prints what would be registered and why, or what looks wrong
//	init install DIR     copies the programs to DIR and exits 0
//
// As the container's entrypoint it is process 1: it forwards signals to the app's
// process group, collects orphans, and ends with the app's exit code. On a stop
// signal it takes the instance out of traffic first (maintenance in Consul), gives
// load balancers time to notice, then passes the signal on, kills what ignores it,
// and deregisters; all within one budget below Docker's 10 seconds. With
// REMORA_HAND_OVER=exec it becomes the app instead, and does none of that.
//
// The service is declared by SERVICE_* variables (package service), Consul is
// found by its own CONSUL_* variables, and -h lists init's settings.
package main

import (
	"errors"
	"fmt"
	"strings"

	"remora/internal/cmdline"
	"remora/internal/declared"
	"remora/internal/explain"
	"remora/internal/nearest"
	"remora/internal/settings"
)

const usage = `init [flags] -- CMD [ARG...]   register, then run CMD
init [flags] [register]        register, then exit 0
init [flags] explain [-json]   print what would be registered, and why
init [flags] lint              print what looks wrong about it; exit 1 if anything does
init [flags] install DIR       copy init, and sidecar and reloader if attached, to DIR`

func main() {
	cmdline.Main(cmdline.Program[settings.Init]{
		Name:     "init",
		Summary:  "registers the app in Consul before it starts, and takes it out before it stops",
		Usage:    usage,
		Siblings: settings.Names(),
		Check:    check,
		Run:      run,
	})
}

const (
	cmdRegister = "register"
	cmdInstall  = "install"
)

// installs tells whether the command line asks for nothing but copies.
func installs(args cmdline.Args) bool {
	return !args.Command && len(args.Words) > 0 && args.Words[0] == cmdInstall
}

func check(s settings.Init, args cmdline.Args) error {
	if err := checkArgs(args); err != nil || installs(args) {
		return err
	}
	if declared.Asked(args) {
		return errors.Join(settings.CheckConsul(s.Consul), s.Wish().Check())
	}
	if err := errors.Join(settings.CheckStop(s.Drain, s.StopTimeout, stopReserve), settings.CheckConsul(s.Consul), s.Wish().Check()); err != nil {
		return err
	}
	_, err := declared.Check(s.Checks)
	return err
}

func checkArgs(args cmdline.Args) error {
	switch {
	case args.Command && len(args.Words) == 0:
		return errors.New("--: no command follows")
	case args.Command || len(args.Words) == 0:
		return nil
	case len(args.Words) == 1 && args.Words[0] == cmdRegister:
		return nil
	case declared.Asked(args):
		return explain.CheckWords(args.Words)
	case installs(args) && len(args.Words) == 2:
		return nil
	case installs(args):
		return fmt.Errorf("%s takes one argument, the directory to copy to; flags come before it", cmdInstall)
	case args.Words[0] == cmdRegister:
		return fmt.Errorf("%q: %s takes no arguments; flags come before it", args.Words[1], cmdRegister)
	}
	word := args.Words[0]
	if near, ok := nearest.Name(word, append(explain.Commands(), cmdRegister, cmdInstall)); ok {
		return fmt.Errorf("%q: unknown command; did you mean %s?", word, near)
	}
	return fmt.Errorf("%q: unknown command; to run an app: init -- %s", word, strings.Join(args.Words, " "))
}
