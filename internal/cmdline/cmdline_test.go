package cmdline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// painter returns a program whose Check and Run return these errors.
func painter(check, run error) Program[paint] {
	return Program[paint]{
		Name:     "painter",
		Summary:  "paints",
		Usage:    "painter [flags]\npainter wash",
		Siblings: siblings,
		Check:    func(paint, Args) error { return check },
		Run:      func(context.Context, *slog.Logger, paint, Args) error { return run },
	}
}

func TestExitCodeAndWhatIsPrinted(t *testing.T) {
	broken := errors.New("the brush is broken")
	for _, tc := range []struct {
		name           string
		argv, environ  []string
		check, run     error
		code           int
		stdout, stderr string // words of the one line; empty for nothing
	}{
		{name: "done", code: 0},
		{name: "version", argv: []string{"-version"}, run: broken, code: 0, stdout: "painter dev"},
		{name: "version with a mistake", argv: []string{"-version"}, environ: []string{"REMORA_WAIT=5"}, code: 0, stdout: "painter dev"},
		{name: "configuration", argv: []string{"-check-config"}, run: broken, code: 0, stdout: "painter: configuration is valid"},
		{name: "bad configuration", argv: []string{"-check-config"}, check: broken, code: 2, stderr: "painter: the brush is broken"},
		{name: "bad value", environ: []string{"REMORA_WAIT=5"}, code: 2, stderr: `painter: REMORA_WAIT="5":`},
		{name: "bad flag", argv: []string{"-wiat=5s"}, code: 2, stderr: "did you mean -wait?"},
		{name: "check", check: broken, code: 2, stderr: "painter: the brush is broken"},
		{name: "run", run: broken, code: 1, stderr: `level=ERROR msg="stopped by an error" program=painter error="the brush is broken" exit=1`},
		{name: "usage found by run", run: Usage(broken), code: 2, stderr: "exit=2"},
		{name: "a code with a reason", run: &ExitError{Code: 127, Err: broken}, code: 127, stderr: "exit=127"},
		{name: "a wrapped code", run: fmt.Errorf("wall: %w", &ExitError{Code: 126, Err: broken}), code: 126, stderr: `error="wall: the brush is broken" exit=126`},
		{name: "the app's code", run: &ExitError{Code: 42}, code: 42},
		{name: "the app's success", run: &ExitError{}, code: 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := painter(tc.check, tc.run).main(tc.argv, tc.environ, &stdout, &stderr)
			if code != tc.code {
				t.Errorf("exit code %d, want %d", code, tc.code)
			}
			mustBeLine(t, "stdout", stdout.String(), tc.stdout)
			mustBeLine(t, "stderr", stderr.String(), tc.stderr)
		})
	}
}

func mustBeLine(t *testing.T, stream, got, want string) {
	t.Helper()
	if (want == "") != (got == "") || !strings.Contains(got, want) || strings.Count(got, "\n") > 1 {
		t.Errorf("%s is %q, want one line with %q", stream, got, want)
	}
}

// Whoever has a mistake in the environment is sent to -h, which must then work.
func TestHelpListsEverythingWhateverElseIsWrong(t *testing.T) {
	for _, environ := range [][]string{nil, {"REMORA_COLOUR=red"}, {"REMORA_WAIT=5"}} {
		var stdout, stderr bytes.Buffer
		if code := painter(nil, nil).main([]string{"-h"}, environ, &stdout, &stderr); code != 0 || stderr.Len() > 0 {
			t.Errorf("exit code %d and %q, want 0 and nothing", code, &stderr)
		}
		for _, want := range []string{
			"painter: paints", "  painter [flags]\n  painter wash\n",
			"-color", "REMORA_COLOR", "which color", "-wait", "5s", "-check-config", "-version",
		} {
			if !strings.Contains(stdout.String(), want) {
				t.Errorf("help does not contain %q:\n%s", want, &stdout)
			}
		}
	}
}

func TestUsageOfNothingIsNothing(t *testing.T) {
	if err := Usage(nil); err != nil {
		t.Errorf("Usage(nil) = %v, want nil", err)
	}
}
