package integration

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"remora/integration/stack"
	"remora/internal/await"
)

// startUnderInit starts a shell script as the app of init, process 1 of its
// container, with no Consul to be found, and returns the container.
func startUnderInit(tb testing.TB, script string, flags ...string) string {
	tb.Helper()
	holder := strings.TrimSpace(mustDocker(tb, "create", "remora/init"))
	args := append([]string{"run", "--detach", "--network", "none", "--stop-signal", "TERM", "--volumes-from", holder,
		"--env", "SERVICE_NAME=app", "--env", "SERVICE_PORT=80", "--env", "SERVICE_ADDRESS=192.0.2.1",
		"--env", "REMORA_CONSUL_POLICY=start", "--env", "REMORA_CONSUL_WAIT=10ms", "--env", "REMORA_DRAIN=200ms",
		"--entrypoint", "/remora/init"}, flags...)
	args = append(args, servers.Image("NGINX"), "--", "sh", "-c", script)
	id := strings.TrimSpace(mustDocker(tb, args...))
	cleanup(tb, func(ctx context.Context) {
		if _, err := stack.Docker(ctx, "rm", "--force", "--volumes", id, holder); err != nil {
			tb.Error(err)
		}
	})
	return id
}

func logs(tb testing.TB, id string) string {
	tb.Helper()
	out, err := exec.Command("docker", "logs", id).CombinedOutput()
	if err != nil {
		tb.Fatalf("docker logs: %v: %s", err, out)
	}
	return string(out)
}

func awaitLog(tb testing.TB, id, text string) {
	tb.Helper()
	await.True(tb, fmt.Sprintf("%q in the log", text), func() bool { return strings.Contains(logs(tb, id), text) })
}

func TestInitPassesOnTheExitCode(t *testing.T) {
	for script, want := range map[string]string{
		"exit 0": "0", "exit 1": "1", "exit 42": "42", "kill -KILL $$": "137", "kill -USR1 $$": "138",
	} {
		id := startUnderInit(t, script)
		if got := strings.TrimSpace(mustDocker(t, "wait", id)); got != want {
			t.Errorf("%s: container ended with %s, want %s\n%s", script, got, want, logs(t, id))
		}
	}
}

func TestInitReapsOrphansAndLosesNoExitStatus(t *testing.T) {
	// Each inner shell leaves a child behind that ends later, as an orphan of init's.
	id := startUnderInit(t, `i=0; while [ $i -lt 200 ]; do sh -c 'sh -c "exit 3" & exit 0'; i=$((i+1)); done
		echo orphans made; while :; do sleep 1; done`)
	awaitLog(t, id, "orphans made")
	await.True(t, "no zombie left", func() bool {
		states := mustDocker(t, "exec", id, "sh", "-c", "cat /proc/[0-9]*/stat 2>/dev/null || :")
		return !strings.Contains(states, ") Z ")
	})
	mustDocker(t, "stop", id)
	if got := strings.TrimSpace(mustDocker(t, "wait", id)); got != "143" {
		t.Errorf("container ended with %s, want 143 (the app's TERM)\n%s", got, logs(t, id))
	}
}

func TestInitForwardsSignals(t *testing.T) {
	id := startUnderInit(t, `for s in HUP USR1 USR2 WINCH; do trap "echo got $s" $s; done; trap 'echo got TERM; exit 7' TERM
		echo ready; while :; do sleep 0.05; done`)
	awaitLog(t, id, "ready")
	for _, sig := range []string{"HUP", "USR1", "USR2", "WINCH"} {
		mustDocker(t, "kill", "--signal", sig, id)
		awaitLog(t, id, "got "+sig)
	}
	mustDocker(t, "stop", id)
	awaitLog(t, id, "got TERM")
	if got := strings.TrimSpace(mustDocker(t, "wait", id)); got != "7" {
		t.Errorf("container ended with %s, want the 7 of the app's trap\n%s", got, logs(t, id))
	}
}

// nginx's image, like others, asks for another stop signal than TERM.
func TestInitDrainsOnTheImagesStopSignalAndPassesItOn(t *testing.T) {
	id := startUnderInit(t, `trap 'echo got QUIT; exit 5' QUIT; echo ready; while :; do sleep 0.05; done`, "--stop-signal", "QUIT")
	awaitLog(t, id, "ready")
	mustDocker(t, "stop", id)
	if got := strings.TrimSpace(mustDocker(t, "wait", id)); got != "5" {
		t.Errorf("container ended with %s, want the 5 of the app's trap", got)
	}
	text := logs(t, id)
	if drained, got := strings.Index(text, "drained"), strings.Index(text, "got QUIT"); drained < 0 || got < drained {
		t.Errorf("the app's signal did not follow the drain:\n%s", text)
	}
}

func TestInitKillsAnAppThatIgnoresTermBelowDockersLimit(t *testing.T) {
	id := startUnderInit(t, `trap '' TERM; echo ready; while :; do sleep 1; done`, "--env", "REMORA_STOP_TIMEOUT=3s")
	awaitLog(t, id, "ready")
	mustDocker(t, "stop", "--time", "10", id)
	if got := strings.TrimSpace(mustDocker(t, "wait", id)); got != "137" {
		t.Errorf("container ended with %s, want 137 (the app's KILL)", got)
	}
	if text := logs(t, id); !strings.Contains(text, "app killed") || !strings.Contains(text, "app ended") {
		t.Errorf("init did not see it through:\n%s", text)
	}
}
