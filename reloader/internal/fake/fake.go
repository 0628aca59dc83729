// Package fake is an HAProxy and an nginx for tests: real processes that read
// real files, but do at once, and on demand, what the real ones do rarely. A test
// binary becomes one of them when it is started under their name. What they do
// with a file follows from words in it:
//
//	invalid     validation and everything else refuses it
//	unbindable  it validates, but a start or a reload refuses it
//	slow        a reload takes until the process is killed
//	mute        a reload does nothing, without a word
//	deadly      a reload kills the process
package fake

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Main plays the part that the process was started for and returns its exit code;
// false means that it was started for none. It is for TestMain.
func Main() (int, bool) {
	name := os.Args[0]
	switch {
	case filepath.Base(name) == "haproxy":
		return haproxy(os.Args[1:]), true
	case filepath.Base(name) == "nginx":
		return nginx(os.Args[1:]), true
	case name == masterTitle:
		return nginxMaster(os.Args[1:]), true
	case name == workerTitle, name == oldWorkerTitle:
		return nginxWorker(name), true
	default:
		return 0, false
	}
}

// endWithParent ends the process soon after its parent: a test that fails must
// not leave anything running.
func endWithParent() {
	parent := os.Getppid()
	go func() {
		for os.Getppid() == parent {
			time.Sleep(50 * time.Millisecond)
		}
		die()
	}()
}

// die is what a bug in a reload does.
func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// Install makes name, haproxy or nginx, available in a directory of its own and
// returns its path.
func Install(tb testing.TB, name string) string {
	tb.Helper()
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	path := filepath.Join(tb.TempDir(), name)
	if err := os.Symlink(self, path); err != nil {
		tb.Fatal(err)
	}
	return path
}

// option returns the value of the option name in args.
func option(args []string, name string) string {
	for i, arg := range args {
		if arg == name && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}

var errRefused = errors.New("refused")

// load reads the file and says what a target would say of it: before is true for
// a validation, where only an invalid file is refused.
func load(path string, before bool) (string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("cannot open %s", path)
	}
	if err != nil {
		return "", err
	}
	content := strings.TrimSpace(string(text))
	if strings.Contains(content, "invalid") {
		return content, fmt.Errorf("%w: invalid word in %s", errRefused, path)
	}
	if !before && strings.Contains(content, "unbindable") {
		return content, fmt.Errorf("%w: cannot bind in %s", errRefused, path)
	}
	return content, nil
}
