package proc

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// signalBuffer holds signals that come while a program is busy with another.
const signalBuffer = 64

// Signals returns a channel of the signals that are meant for the app, from now
// on: all that can be caught, except CHLD, which is the reaper's, URG, which the
// Go runtime sends to itself to preempt goroutines, PIPE, which concerns a write
// of this process, and TTIN and TTOU, by which the terminal stops whoever is in
// the background.
func Signals() chan os.Signal {
	ch := make(chan os.Signal, signalBuffer)
	var wanted []os.Signal
	for n := syscall.Signal(1); n < 32; n++ {
		switch n {
		case syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGCHLD, syscall.SIGURG,
			syscall.SIGPIPE, syscall.SIGTTIN, syscall.SIGTTOU,
			// A fault of our own must stay a crash with a trace.
			syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL, syscall.SIGTRAP:
			continue
		}
		wanted = append(wanted, n)
	}
	signal.Notify(ch, wanted...)
	return ch
}

// Release lets signals do what they do by default again, and returns those that
// came before. Unlike signal.Reset, signal.Stop loses none that are on their way.
func Release(ch chan os.Signal) []os.Signal {
	signal.Stop(ch)
	var rest []os.Signal
	for len(ch) > 0 {
		rest = append(rest, <-ch)
	}
	return rest
}

// IsStop tells whether a signal asks the app to end: TERM, INT and QUIT, the
// stop signals that images declare.
func IsStop(sig os.Signal) bool {
	return sig == syscall.SIGTERM || sig == syscall.SIGINT || sig == syscall.SIGQUIT
}

// terminalGroup returns the foreground process group of the terminal f, or an
// error if f is not the controlling terminal.
func terminalGroup(f *os.File) (int, error) {
	return unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPGRP)
}
