package integration

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"remora/integration/stack"
	"remora/internal/await"
)

// TestReadme does what README says, command by command, exactly as printed: the
// demo first, then a container attached to it with docker run.
func TestReadme(t *testing.T) {
	if out := mustDocker(t, "ps", "--quiet", "--filter", "label=com.docker.compose.project=remora-demo"); out != "" {
		t.Fatal("a demo is running on this machine; make demo-down first")
	}
	cleanup(t, func(ctx context.Context) {
		if out, err := shell(ctx, "docker rm --force --volumes shop remora-init; make demo-down"); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	// make test is this test's own caller, and the last block needs the compose
	// plugin, which a machine may have under another name.
	skip := []string{"make test", "docker compose"}
	after := map[string]func(out string){
		"docker run --detach": func(string) { awaitShopPassing(t) },
		"docker logs": func(out string) {
			if !strings.Contains(out, "service registered") {
				t.Errorf("the log does not say that the service was registered:\n%s", out)
			}
		},
		"docker stop": func(string) {
			if out := mustConsul(t, "/v1/health/service/shop"); strings.TrimSpace(out) != "[]" {
				t.Errorf("the stopped app is still in Consul: %s", out)
			}
		},
	}
	for _, command := range readmeCommands(t) {
		if slices.ContainsFunc(skip, func(prefix string) bool { return strings.HasPrefix(command, prefix) }) {
			continue
		}
		out, err := shell(t.Context(), command)
		if err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
		t.Logf("$ %s\n%s", command, out)
		for prefix, look := range after {
			if strings.HasPrefix(command, prefix) {
				look(out)
			}
		}
	}
}

// readmeCommands returns the commands of README's sh blocks; a backslash at the
// end of a line continues a command.
func readmeCommands(tb testing.TB) []string {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		tb.Fatal(err)
	}
	var commands []string
	blocks := strings.Split(string(text), "\n```")
	for _, block := range blocks {
		code, ok := strings.CutPrefix(block, "sh\n")
		if !ok {
			continue
		}
		code = strings.ReplaceAll(code, "\\\n", "")
		for line := range strings.Lines(code) {
			if line = strings.TrimSpace(line); line != "" {
				commands = append(commands, line)
			}
		}
	}
	if len(commands) < 8 {
		tb.Fatalf("README has only %d commands: %q", len(commands), commands)
	}
	return commands
}

func shell(ctx context.Context, command string) (string, error) {
	cmd := exec.CommandContext(ctx, "bash", "-c", command)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func mustConsul(tb testing.TB, path string) string {
	tb.Helper()
	out, err := shell(tb.Context(), "curl --silent --fail "+stack.URL(8500)+path)
	if err != nil {
		tb.Fatalf("%s: %v\n%s", path, err, out)
	}
	return out
}

func awaitShopPassing(tb testing.TB) {
	tb.Helper()
	await.True(tb, "shop to be healthy", func() bool {
		return strings.Contains(mustConsul(tb, "/v1/health/service/shop?passing"), "shop")
	})
}
