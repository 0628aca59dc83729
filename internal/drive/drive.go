// Package drive builds the programs and drives them in tests: real processes,
// looked at from outside.
package drive

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"remora/internal/await"
)

// Binary is the path of a compiled program.
type Binary string

// Main compiles the program of the package in the working directory, says where
// it is, and runs the tests. It is for TestMain, and returns the exit code.
func Main(m *testing.M, to *Binary) int {
	dir, err := os.MkdirTemp("", "drive")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "program")
	build := exec.Command("go", "build", "-o", binary)
	if race {
		build.Args = append(build.Args, "-race")
	}
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "go build:", err)
		return 1
	}
	*to = Binary(binary)
	return m.Run()
}

// Program is a running program.
type Program struct {
	tb   testing.TB
	cmd  *exec.Cmd
	out  *await.Log
	done chan struct{}
}

// Start starts the program with environment env and nothing else but PATH. It is
// killed when the test ends, and its output, both streams together, is printed if
// the test has failed.
func (b Binary) Start(tb testing.TB, env []string, args ...string) *Program {
	tb.Helper()
	p := &Program{tb: tb, out: await.NewLog(tb), done: make(chan struct{})}
	p.cmd = exec.Command(string(b), args...)
	// The race detector's programs would sleep a second before they end.
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0"}, env...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	// Processes of an app that outlive their parent keep the output open.
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	go func() { defer close(p.done); _ = p.cmd.Wait() }()
	tb.Cleanup(func() {
		_ = p.cmd.Process.Kill() // it has ended, unless the test failed
		<-p.done
	})
	return p
}

// Signal sends a signal to the program alone.
func (p *Program) Signal(sig syscall.Signal) {
	p.tb.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.tb.Fatal(err)
	}
}

// Exit waits for the program's end and returns its exit code, or minus the number
// of the signal that ended it.
func (p *Program) Exit() int {
	p.tb.Helper()
	select {
	case <-p.done:
	case <-time.After(await.Limit):
		p.tb.Fatalf("the program runs on after %s", await.Limit)
	}
	status, _ := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return -int(status.Signal())
	}
	return status.ExitStatus()
}

// MustExit fails the test unless the program ends with code.
func (p *Program) MustExit(code int) {
	p.tb.Helper()
	if got := p.Exit(); got != code {
		p.tb.Fatalf("exit code %d, want %d", got, code)
	}
}

// Output is what the program has printed so far.
func (p *Program) Output() *await.Log { return p.out }

// Says waits until the program has printed a line that contains all words.
func (p *Program) Says(words ...string) {
	p.tb.Helper()
	await.True(p.tb, "a line with "+strings.Join(words, " … "), func() bool { return p.out.Count(words...) > 0 })
}

// Running tells whether a process exists and is not just waiting to be reaped.
func Running(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}
