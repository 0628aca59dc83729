package proc_test

import (
	"os"
	"slices"
	"syscall"
	"testing"

	"remora/internal/proc"
)

// A signal is on its way for a moment between the kernel and the channel.
func TestReleaseLosesNoSignalThatIsOnItsWay(t *testing.T) {
	for range 200 {
		signals := proc.Signals()
		// USR2 would end this process if it were not caught.
		if err := syscall.Kill(os.Getpid(), syscall.SIGUSR2); err != nil {
			t.Fatal(err)
		}
		if got := proc.Release(signals); !slices.Contains(got, os.Signal(syscall.SIGUSR2)) {
			t.Fatalf("released %v, want the signal that was sent before", got)
		}
	}
}
