// Package cmdline is what the three programs have in common on the command
// line: one table of settings that is environment, flag, help and documentation
// at once, the exit codes, and the log.
package cmdline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
)

// Version is the version that -version prints; the build sets it with -ldflags.
var Version = "dev"

// Exit codes that every program uses; besides them a program passes on the exit
// code of the app that it ran, 128+n for an app that ended by signal n.
const (
	ExitRuntime       = 1   // something that was needed could not be done
	ExitUsage         = 2   // flag, setting or file that cannot be right
	ExitNotExecutable = 126 // the app's command cannot be executed
	ExitNotFound      = 127 // the app's command does not exist
)

// ExitError ends a program with Code. Err may be nil when there is nothing to
// say, as when the app's own exit code is passed on.
type ExitError struct {
	Code int
	Err  error
}

func (e *ExitError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

func (e *ExitError) Unwrap() error { return e.Err }

// Usage marks err as a mistake in flags or settings: exit code 2. It returns
// nil for nil.
func Usage(err error) error {
	if err == nil {
		return nil
	}
	return &ExitError{Code: ExitUsage, Err: err}
}

// Args are what the command line holds after our own flags.
type Args struct {
	Words []string
	// Command is true when Words follow "--": they are the app's command line.
	Command bool
}

// Program describes a program to Main. S is its settings struct: every field
// has an env tag (see Table).
type Program[S Logged] struct {
	Name    string
	Summary string // what it does, in one sentence
	Usage   string // the forms of its command line, a line each
	// Siblings are the settings of the other programs: accepted in the
	// environment, and ignored, because people share one environment among them.
	Siblings []string
	// Check says what is wrong with settings and arguments that parse; -check-config
	// ends after it.
	Check func(settings S, args Args) error
	// Run is the program. It returns when it is done or has been told to stop by
	// a signal, which it handles itself.
	Run func(ctx context.Context, log *slog.Logger, settings S, args Args) error
}

// Logged is implemented by settings that say how to log.
type Logged interface {
	Logger(w io.Writer) *slog.Logger
}

// Main runs the program and ends the process with its exit code.
func Main[S Logged](p Program[S]) {
	os.Exit(p.main(os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

func (p Program[S]) main(argv, environ []string, stdout, stderr io.Writer) int {
	var s S
	parsed, err := Load(&s, argv, environ, p.Siblings)
	switch {
	case errors.Is(err, errHelp):
		printHelp(stdout, p.Name, p.Summary, p.Usage, Table[S]())
		return 0
	case err != nil:
		fmt.Fprintf(stderr, "%s: %v\n", p.Name, err)
		return ExitUsage
	case parsed.Version:
		fmt.Fprintf(stdout, "%s %s\n", p.Name, Version)
		return 0
	}
	if err := p.Check(s, parsed.Args); err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", p.Name, err)
		return ExitUsage
	}
	if parsed.CheckConfig {
		fmt.Fprintf(stdout, "%s: configuration is valid\n", p.Name)
		return 0
	}
	log := s.Logger(stderr).With("program", p.Name)
	return exitCode(log, p.Run(context.Background(), log, s, parsed.Args))
}

func exitCode(log *slog.Logger, err error) int {
	if err == nil {
		return 0
	}
	var exit *ExitError
	if !errors.As(err, &exit) {
		exit = &ExitError{Code: ExitRuntime, Err: err}
	}
	if exit.Err != nil {
		log.Error("stopped by an error", "error", err, "exit", exit.Code)
	}
	return exit.Code
}
