package target

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"remora/internal/await"
	"remora/internal/proc"
	"remora/reloader/internal/fake"
)

func TestMain(m *testing.M) {
	if code, played := fake.Main(); played {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// mustNginx starts nginx on a file with the content, from a shell that stays its
// parent if asked to.
func mustNginx(t *testing.T, content string, shell bool) (*Nginx, func(content string)) {
	t.Helper()
	config := filepath.Join(t.TempDir(), "nginx.conf")
	write := func(content string) {
		if err := os.WriteFile(config, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(content)
	n := &Nginx{Timeout: 2 * time.Second, Said: &proc.Tail{}, patience: 5 * time.Second}
	cmd := exec.Command(fake.Install(t, "nginx"), "-c", config)
	if shell {
		cmd = exec.Command("sh", "-c", `"$@"; exit`, "sh", cmd.Path, "-c", config)
	}
	cmd.Stderr = n.Said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // it may have ended
		_ = cmd.Wait()
	})
	n.Pid = func() int { return cmd.Process.Pid }
	return n, write
}

func TestNginxReload(t *testing.T) {
	for name, test := range map[string]struct {
		content string
		want    error
		message string
		shell   bool
	}{
		"new workers":         {"two", nil, "", false},
		"under a shell":       {"two", nil, "", true},
		"refused":             {"unbindable", &RefusedError{}, "[emerg] 1#1: refused: cannot bind", false},
		"nothing happens":     {"mute", errors.New("any"), "old workers still serve 2s after HUP", false},
		"the master is ended": {"deadly", ErrLost, "the master ended", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, write := mustNginx(t, "one", test.shell)
			// The first one also waits for the start.
			expect(t, n.Reload(t.Context()), nil, "")
			write(test.content)
			if _, err := n.Said.Write([]byte("[emerg] 1#1: an old story\n")); err != nil {
				t.Fatal(err)
			}
			expect(t, n.Reload(t.Context()), test.want, test.message)
		})
	}
}

func TestNginxThatIsAway(t *testing.T) {
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	for name, pid := range map[string]int{"not started": 0, "ended": ended.Process.Pid, "no master process": os.Getpid()} {
		n := &Nginx{Timeout: time.Second, Said: &proc.Tail{}, patience: 20 * time.Millisecond, Pid: func() int { return pid }}
		expect(t, n.Reload(t.Context()), ErrAway, name)
	}
}

func TestNginxWaitsForTheEndOfBindRetries(t *testing.T) {
	const (
		inUse  = "2026/11/23 05:44:47 [emerg] 7#7: bind() to 127.0.0.1:18099 failed (98: Address already in use)\n"
		giveUp = "2026/11/23 05:44:47 [emerg] 7#7: still could not bind()\n"
	)
	for said, want := range map[string]bool{
		"":                     false,
		"[notice] 7#7: hello ": false,
		inUse:                  false,
		inUse + inUse + inUse:  false,
		inUse + giveUp:         true,
		"[emerg] 7#7: bind() to 10.9.9.9:80 failed (99: Cannot assign requested address)\n": true,
		"[emerg] 7#7: unexpected \"}\" in /live/current/nginx.conf:6\n":                     true,
		"[emerg] 7#7: unexpec": false,
	} {
		if got := final(said); got != want {
			t.Errorf("%q: final %t, want %t", said, got, want)
		}
	}
}

func TestProcessesAreReadFromProc(t *testing.T) {
	root := procFS(t.TempDir())
	write := func(name, text string) {
		path := filepath.Join(string(root), name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const rest = " 1 1 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 "
	write("7/stat", "7 (nginx) S 1"+rest+"4711 1")
	write("8/stat", "8 (odd ) (name) S 7"+rest+"4712 1")
	write("9/stat", "9 (nginx) Z 7"+rest+"4713 1")
	write("8/cmdline", "nginx: worker process\x00\x00\x00")
	write("self/stat", "not a pid")
	children, err := root.children(7)
	if err != nil || len(children) != 1 || children[0] != (process{pid: 8, started: "4712"}) {
		t.Errorf("children %v, %v; want 8, but no zombie", children, err)
	}
	if got := root.title(8); got != workerTitle {
		t.Errorf("title %q, want %q", got, workerTitle)
	}
}

func TestNginxReloadWaitsForAStart(t *testing.T) {
	n, _ := mustNginx(t, "one", false)
	started := n.Pid
	asked := make(chan struct{}, 100)
	n.Pid = func() int { // not started, the first three times
		asked <- struct{}{}
		if len(asked) <= 3 {
			return 0
		}
		return started()
	}
	expect(t, n.Reload(t.Context()), nil, "")
	await.True(t, "several looks", func() bool { return len(asked) > 3 })
}
