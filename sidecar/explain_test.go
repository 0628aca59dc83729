package main

import (
	"strings"
	"testing"
)

// Consul is never there in these.
func TestExplain(t *testing.T) {
	t.Parallel()
	base := []string{"CONSUL_HTTP_ADDR=127.0.0.1:1", "SERVICE_NAME=web", "SERVICE_PORT=80", "SERVICE_ADDRESS=192.0.2.1"}
	for _, tc := range []struct {
		name     string
		declared string
		args     string
		code     int
		want     string
	}{
		{"as text", "SERVICE_TAGS=a,b", "explain", 0, "SERVICE_TAGS"},
		{"as JSON", "SERVICE_TAGS=a,b", "explain -json", 0, `"key": "SERVICE_TAGS"`},
		{"a check that it cannot run", "SERVICE_CHECK_H2PING=true", "explain", 2, "error: SERVICE_CHECK_H2PING: the sidecar cannot run a h2ping check yet"},
		{"a near miss", "SERVICE_TAG=a", "lint", 1, "did you mean SERVICE_TAGS?"},
		{"nothing to find", "SERVICE_TAGS=a", "lint", 0, "nothing found"},
		{"too many words", "SERVICE_TAGS=a", "explain all", 2, `"all": is too much after explain`},
		{"no explanation", "SERVICE_CHECK_H2PING=true", "", 2, "the sidecar cannot run a h2ping check yet"},
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
