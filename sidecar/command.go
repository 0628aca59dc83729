package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"remora/internal/cmdline"
	"remora/internal/explain"
	"remora/internal/nearest"
	"remora/internal/settings"
	"remora/sidecar/internal/admin"
)

// Commands that ask a sidecar that runs already.
const (
	cmdStatus      = "status"
	cmdHealth      = "health"
	cmdDrain       = "drain"
	cmdMaintenance = "maintenance"
)

var attendCommands = []string{cmdStatus, cmdHealth, cmdDrain, cmdMaintenance}

// isAttend tells whether the arguments ask a sidecar that runs already.
func isAttend(args cmdline.Args) bool {
	return !args.Command && len(args.Words) > 0 && slices.Contains(attendCommands, args.Words[0])
}

// checkAttend says what is wrong with such a command.
func checkAttend(s settings.Sidecar, args cmdline.Args) error {
	word, rest := args.Words[0], args.Words[1:]
	if s.Admin == admin.Off {
		return fmt.Errorf("%s: REMORA_ADMIN=off leaves nothing to ask", word)
	}
	switch {
	case word == cmdMaintenance && (len(rest) == 0 || rest[0] != "on" && rest[0] != "off"):
		return errors.New("maintenance: say maintenance on [REASON] or maintenance off")
	case word == cmdMaintenance && (rest[0] == "on" || len(rest) == 1):
		return nil
	case word == cmdStatus && len(rest) == 1 && (rest[0] == "-json" || rest[0] == "--json"):
		return nil
	case len(rest) > 0:
		return fmt.Errorf("%q: is too much after %s", rest[len(rest)-1], word)
	}
	return nil
}

// unknownWord says what there is instead of a word.
func unknownWord(word string) error {
	if near, ok := nearest.Name(word, append(explain.Commands(), attendCommands...)); ok {
		return fmt.Errorf("%q: unknown command; did you mean %s?", word, near)
	}
	return fmt.Errorf("%q: unknown command; there are %s, and without one sidecar runs", word, strings.Join(append(explain.Commands(), attendCommands...), ", "))
}

// askLimit bounds a command, a drain apart: Docker gives its health check less.
const askLimit = 10 * time.Second

// attend asks the sidecar. What goes wrong is one line.
func attend(ctx context.Context, s settings.Sidecar, args cmdline.Args) error {
	address, err := admin.Address(s.Admin)
	if err != nil {
		return cmdline.Usage(err)
	}
	ctx, cancel := context.WithTimeout(ctx, askLimit+s.Drain)
	defer cancel()
	client := admin.NewClient(address)
	switch word := args.Words[0]; word {
	case cmdStatus:
		err = printStatus(ctx, client, len(args.Words) > 1)
	case cmdHealth:
		err = client.Health(ctx)
	case cmdDrain:
		err = client.Drain(ctx)
	case cmdMaintenance:
		err = client.Maintenance(ctx, args.Words[1] == "on", strings.Join(args.Words[2:], " "))
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "sidecar: %v\n", err)
		return &cmdline.ExitError{Code: cmdline.ExitRuntime}
	}
	return nil
}

func printStatus(ctx context.Context, client *admin.Client, asJSON bool) error {
	status, body, err := client.Status(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		_, err := os.Stdout.Write(body)
		return err
	}
	return status.Text(os.Stdout)
}
