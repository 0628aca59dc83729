package proc_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"remora/internal/await"
	"remora/internal/proc"
)

func mustReaper(tb testing.TB) *proc.Reaper {
	tb.Helper()
	r := proc.NewReaper()
	tb.Cleanup(r.Close)
	return r
}

func TestExitCodeOfEveryChildArrives(t *testing.T) {
	r := mustReaper(t)
	var group sync.WaitGroup
	for i := range 100 {
		group.Go(func() {
			p, err := r.Start(exec.Command("sh", "-c", "exit "+strconv.Itoa(i)))
			if err != nil {
				t.Error(err)
				return
			}
			<-p.Done()
			if got := proc.ExitCode(p.Status()); got != i {
				t.Errorf("exit code %d, want %d", got, i)
			}
		})
	}
	group.Wait()
}

func TestDeathBySignalIs128PlusN(t *testing.T) {
	r := mustReaper(t)
	p, err := r.Start(exec.Command("sh", "-c", "kill -USR1 $$"))
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if got, want := proc.ExitCode(p.Status()), 128+int(syscall.SIGUSR1); got != want {
		t.Errorf("exit code %d, want %d", got, want)
	}
}

func TestRunReturnsOutputAndError(t *testing.T) {
	r := mustReaper(t)
	out, err := r.Run(t.Context(), exec.Command("sh", "-c", "echo fine; echo oops >&2; exit 3"))
	var failed *proc.CommandError
	if !errors.As(err, &failed) || failed.Code != 3 || !strings.Contains(err.Error(), "oops") {
		t.Errorf("error %v, want exit code 3 with the output", err)
	}
	if !strings.Contains(out, "fine") || !strings.Contains(out, "oops") {
		t.Errorf("output %q, want both streams", out)
	}
}

func TestRunKillsTheWholeGroupAtTheDeadline(t *testing.T) {
	r := mustReaper(t)
	pidFile := t.TempDir() + "/pid"
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		await.True(t, "the grandchild's pid", func() bool { b, _ := os.ReadFile(pidFile); return len(b) > 1 })
		cancel()
	}()
	_, err := r.Run(ctx, exec.Command("sh", "-c", "sleep 1000 & echo $! > "+pidFile+".tmp; mv "+pidFile+".tmp "+pidFile+"; wait"))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the context's", err)
	}
	text, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	await.True(t, "the grandchild's end", func() bool { return !running(pid) })
}

func TestStopKillsWhatIgnoresTheSignal(t *testing.T) {
	r := mustReaper(t)
	cmd := exec.Command("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done")
	var out proc.Tail
	cmd.Stdout = &out
	p, err := r.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	await.True(t, "the trap", func() bool { return strings.Contains(out.String(), "ready") })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := p.Stop(ctx, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got, want := proc.ExitCode(p.Status()), 128+int(syscall.SIGKILL); got != want {
		t.Errorf("exit code %d, want %d", got, want)
	}
}

func TestStartCode(t *testing.T) {
	r := mustReaper(t)
	plain := t.TempDir() + "/plain"
	if err := os.WriteFile(plain, []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"/no/such/file": 127, "no-such-command": 127, plain: 126} {
		_, err := r.Start(exec.Command(name))
		if err == nil {
			t.Errorf("%s: started", name)
			continue
		}
		if got := proc.StartCode(err); got != want {
			t.Errorf("%s: code %d for %v, want %d", name, got, err, want)
		}
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var tail proc.Tail
	for i := range 1000 {
		if _, err := tail.Write([]byte("line " + strconv.Itoa(i) + "\n")); err != nil {
			t.Fatal(err)
		}
	}
	got := tail.String()
	if len(got) > 2048 || !strings.HasSuffix(got, "line 999\n") {
		t.Errorf("kept %d bytes ending in %q", len(got), got[len(got)-20:])
	}
}

// running tells whether a process exists and is not just waiting to be reaped by
// somebody else: an orphan of a test goes to the machine's process 1.
func running(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	return fields[0] != "Z"
}
