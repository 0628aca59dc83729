package integration

import (
	"os/exec"
	"strings"
	"testing"
)

// Whatever is wrong, a container says so in one clear line and ends with the
// documented exit code.
func TestBadInputGivesOneClearLine(t *testing.T) {
	service := []string{"--env", "SERVICE_NAME=app", "--env", "SERVICE_PORT=80"}
	for _, tc := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"no Consul", words(service, "--env REMORA_CONSUL_WAIT=200ms --env CONSUL_HTTP_ADDR=192.0.2.1:8500 --env SERVICE_ADDRESS=192.0.2.2 remora/init register"),
			1, "192.0.2.1:8500"},
		{"no name for Consul", words(service, "--env REMORA_CONSUL_WAIT=200ms --env CONSUL_HTTP_ADDR=nowhere.invalid:8500 remora/init register"),
			1, "nowhere.invalid"},
		{"wrong port", words(nil, "--env SERVICE_NAME=app --env SERVICE_PORT=http remora/init register"), 2, `SERVICE_PORT="http"`},
		{"no port", words(nil, "--env SERVICE_NAME=app remora/init register"), 2, "SERVICE_PORT"},
		{"unknown setting", words(service, "--env REMORA_DRIAN=5s remora/init register"), 2, "did you mean REMORA_DRAIN?"},
		{"duration without unit", words(service, "--env SERVICE_CHECK_INTERVAL=5 remora/init register"), 2, `SERVICE_CHECK_INTERVAL="5": missing unit (for example 5s)`},
		{"unknown command", words(service, "remora/init regsiter"), 2, "did you mean register?"},
		{"no app", words(service, "--env REMORA_CONSUL_WAIT=10ms --env CONSUL_HTTP_ADDR=192.0.2.1:8500 --env SERVICE_ADDRESS=192.0.2.2 remora/init -- /no/such/app"),
			127, "/no/such/app"},
		{"nothing to do", words(nil, "remora/sidecar"), 2, "nothing to do"},
		{"missing templates", words(nil, "--env REMORA_TEMPLATES=/nowhere remora/sidecar"), 2, `REMORA_TEMPLATES="/nowhere"`},
		{"unwritable candidate", words(nil, "--env REMORA_TEMPLATES=/etc --env REMORA_CANDIDATE=/etc/current remora/sidecar"), 1, "/etc"},
		{"no target", words(nil, "remora/reloader"), 2, "REMORA_TARGET"},
		{"unknown target", words(nil, "--env REMORA_TARGET=apache remora/reloader"), 2, `REMORA_TARGET="apache"`},
		{"target not found", words(nil, "remora/reloader -- haproxy -f /live/current/haproxy.cfg"), 127, "haproxy"},
		{"target that is neither", words(nil, "remora/reloader -- httpd -f /live/current/httpd.conf"), 2, "neither haproxy nor nginx"},
		{"unwritable live", words(nil, "--env REMORA_TARGET=haproxy --env REMORA_LIVE=/etc/current remora/reloader"), 1, "/etc"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"run", "--rm", "--network", "none"}, tc.args...)
			out, err := exec.CommandContext(t.Context(), "docker", args...).CombinedOutput()
			code := 0
			if exit, ok := err.(*exec.ExitError); ok {
				code = exit.ExitCode()
			}
			if code != tc.code {
				t.Errorf("exit code %d, want %d", code, tc.code)
			}
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			if last := lines[len(lines)-1]; !strings.Contains(last, tc.want) {
				t.Errorf("last line %q, want %q in it", last, tc.want)
			}
			if tc.code == 2 && len(lines) != 1 {
				t.Errorf("%d lines, want one", len(lines))
			}
			if t.Failed() {
				t.Logf("docker %s\n%s", strings.Join(args, " "), out)
			}
		})
	}
}

func words(before []string, text string) []string {
	return append(append([]string{}, before...), strings.Fields(text)...)
}
