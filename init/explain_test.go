package main

import (
	"strings"
	"testing"
)

// Consul is never there in these.
func TestExplain(t *testing.T) {
	t.Parallel()
	base := append([]string{"CONSUL_HTTP_ADDR=127.0.0.1:1"}, web...)
	for _, tc := range []struct {
		name     string
		declared string
		args     string
		code     int
		want     string
	}{
		{"as text", "SERVICE_TAGS=a,b", "explain", 0, "SERVICE_TAGS"},
		{"as JSON", "SERVICE_TAGS=a,b", "explain -json", 0, `"key": "SERVICE_TAGS"`},
		{"a mistake", "SERVICE_CHECK_INTERVAL=5", "explain", 2, `error: SERVICE_CHECK_INTERVAL="5": missing unit`},
		{"a check that the agent cannot run", "SERVICE_CHECK_FILE=/ready", "explain", 2, "error: SERVICE_CHECK_FILE: the Consul agent cannot run a file check"},
		{"nothing to find", "SERVICE_TAGS=a", "lint", 0, "nothing found"},
		{"a near miss", "SERVICE_TAG=a", "lint", 1, "did you mean SERVICE_TAGS?"},
		{"a mistake to find", "SERVICE_CHECK_HTPP=/", "lint", 1, "did you mean SERVICE_CHECK_HTTP?"},
		{"too many words", "SERVICE_TAGS=a", "lint all", 2, `"all": is too much after lint`},
		{"a near command", "SERVICE_TAGS=a", "explian", 2, "did you mean explain?"},
		{"no explanation", "SERVICE_CHECK_FILE=/ready", "register", 2, "the Consul agent cannot run a file check"},
		{"another namespace", "SERVICE_NAMESPACE=team", "register", 2, `SERVICE_NAMESPACE="team": is not what CONSUL_NAMESPACE says`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := program.Start(t, append(base, tc.declared), strings.Fields(tc.args)...)
			p.MustExit(tc.code)
			if out := p.Output().String(); !strings.Contains(out, tc.want) {
				t.Errorf("output %q, want %q in it", out, tc.want)
			}
		})
	}
}
