package admin

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAddress(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ setting, want, problem string }{
		{"off", "", ""},
		{"unix:///run/x/s", "/run/x/s", ""},
		{"unix://@name", "@name", ""},
		{"unix://@", "", "is not one of"},
		{"unix://name", "", "is not one of"},
		{"/run/s", "", "is not one of"},
		{"tcp://127.0.0.1:80", "", "is not one of"},
		{"", "", "is not one of"},
		{"unix:///" + strings.Repeat("x", 106), "/" + strings.Repeat("x", 106), ""},
		{"unix:///" + strings.Repeat("x", 107), "", "longer than the 107 bytes"},
	} {
		got, err := Address(tc.setting)
		if got != tc.want || (err == nil) != (tc.problem == "") || err != nil && !strings.Contains(err.Error(), tc.problem) {
			t.Errorf("Address(%q) = %q, %v, want %q, %q", tc.setting, got, err, tc.want, tc.problem)
		}
	}
	if got, err := Address(Auto); err != nil || !strings.HasPrefix(got, "@remora-sidecar-") {
		t.Errorf("Address(auto) = %q, %v, want a name with the mount namespace", got, err)
	}
}

func TestFileOfADeadSidecarIsReplacedAndOnlyItsOwnerMayOpenTheNewOne(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	dead, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	dead.Close()
	alive, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket is %v, %v, want mode 0600", info.Mode(), err)
	}
	if _, err := Listen(path); err == nil || !strings.Contains(err.Error(), "another process answers there") {
		t.Errorf("second Listen: %v, want an error", err)
	}
}

func TestFileThatIsNoSocketStays(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := Listen(path); err == nil {
		l.Close()
		t.Error("listens on a file that is no socket")
	}
	if data, err := os.ReadFile(path); string(data) != "precious" {
		t.Errorf("the file holds %q, %v", data, err)
	}
}

func TestOnlyRootAndTheSameUserMayAsk(t *testing.T) {
	t.Parallel()
	us := uint32(os.Geteuid())
	for uid, want := range map[any]bool{uint32(0): true, us: true, us + 1: false, nil: false} {
		if got := allowed(context.WithValue(context.Background(), peerKey{}, uid)); got != want {
			t.Errorf("uid %v: allowed %t, want %t", uid, got, want)
		}
	}
}
