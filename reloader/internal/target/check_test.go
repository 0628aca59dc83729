package target

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"remora/internal/proc"
)

// answer is a runner whose every command ends like this.
type answer struct {
	err error
}

func (a answer) Run(ctx context.Context, _ *exec.Cmd) (string, error) {
	if errors.Is(a.err, context.DeadlineExceeded) {
		<-ctx.Done()
		return "", ctx.Err()
	}
	return "", a.err
}

func TestValidateTellsANoFromNoAnswer(t *testing.T) {
	said := func(code int, output string) error {
		return &proc.CommandError{Command: "haproxy", Code: code, Output: output}
	}
	for name, test := range map[string]struct {
		err     error
		refused string
	}{
		"accepted": {nil, ""},
		"refused": {
			said(1, "[NOTICE]   (7) : haproxy version is 2.6.12\n[ALERT]    (7) : config : unknown keyword 'bnd'\n"),
			"[ALERT]    (7) : config : unknown keyword 'bnd'",
		},
		"refused without the usual mark": {said(1, "out of luck\n"), "out of luck"},
		"refused without a word":         {said(1, ""), "its own log says why"},
		"a path that is not live yet": {
			said(1, "[ALERT] (7) : unable to open '/live/current/hosts.map'"),
			"relative paths",
		},
		"killed":         {said(128+9, ""), ""},
		"not executable": {said(126, "cannot execute"), ""},
		"too slow":       {context.DeadlineExceeded, ""},
	} {
		check := Check{Command: mustParse(t, "haproxy -f /live/current/a.cfg"), Runner: answer{test.err}, Timeout: 10 * time.Millisecond}
		err := check.Validate(t.Context(), next)
		var refused *RefusedError
		if is := errors.As(err, &refused); is != (test.refused != "") || (err == nil) != (test.err == nil) {
			t.Errorf("%s: %v", name, err)
		} else if is && !strings.Contains(refused.Words, test.refused) {
			t.Errorf("%s: words %q, want %q", name, refused.Words, test.refused)
		}
	}
}
