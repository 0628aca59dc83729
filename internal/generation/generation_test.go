package generation_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"remora/internal/generation"
)

func mustOpen(tb testing.TB) (*generation.Store, string) {
	tb.Helper()
	dir := tb.TempDir()
	s, err := generation.Open(dir)
	if err != nil {
		tb.Fatal(err)
	}
	return s, dir
}

func mustPut(tb testing.TB, s *generation.Store, files generation.Files) generation.ID {
	tb.Helper()
	id, err := s.Put(files)
	if err != nil {
		tb.Fatal(err)
	}
	return id
}

func mustPoint(tb testing.TB, s *generation.Store, name string, id generation.ID) {
	tb.Helper()
	if err := s.Point(name, id); err != nil {
		tb.Fatal(err)
	}
}

func one(content string) generation.Files {
	return generation.Files{"haproxy.cfg": {Data: []byte(content), Mode: 0o644}}
}

func TestWhatIsPutIsRead(t *testing.T) {
	s, dir := mustOpen(t)
	want := generation.Files{
		"haproxy.cfg":    {Data: []byte("global\n"), Mode: 0o644},
		"maps/hosts.map": {Data: []byte("a b\n"), Mode: 0o644},
		"certs/site.pem": {Data: []byte("key"), Mode: 0o600},
		"empty":          {Data: []byte{}, Mode: 0o640},
	}
	id := mustPut(t, s, want)
	mustPoint(t, s, "current", id)
	got, err := generation.Read(filepath.Join(dir, "current"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("set differs (-put +read):\n%s", diff)
	}
	if got.ID() != id {
		t.Errorf("ID %s after reading, %s before", got.ID(), id)
	}
	if again := mustPut(t, s, want); again != id {
		t.Errorf("the same set was put as %s and as %s", id, again)
	}
}

func TestIDCoversNamesModesAndContent(t *testing.T) {
	sets := []generation.Files{
		one("a"), one("b"), {},
		{"haproxy.cfg": {Data: []byte("a"), Mode: 0o600}},
		{"other.cfg": {Data: []byte("a"), Mode: 0o644}},
		{"haproxy.cf": {Data: []byte("ga"), Mode: 0o644}},
	}
	seen := map[generation.ID]int{}
	for i, files := range sets {
		if other, ok := seen[files.ID()]; ok {
			t.Errorf("sets %d and %d have the same ID", i, other)
		}
		seen[files.ID()] = i
	}
}

func TestReadLeavesOutHiddenNamesAndFollowsLinks(t *testing.T) {
	dir := t.TempDir()
	// The shape of a Kubernetes ConfigMap volume.
	mustWrite(t, filepath.Join(dir, "..2026/haproxy.cfg"), "global\n")
	mustWrite(t, filepath.Join(dir, ".haproxy.cfg.swp"), "junk")
	for link, to := range map[string]string{"..data": "..2026", "haproxy.cfg": "..data/haproxy.cfg"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := generation.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(one("global\n"), got); diff != "" {
		t.Errorf("set differs (-want +got):\n%s", diff)
	}
}

func TestNamesThatLeaveTheSetAreRefused(t *testing.T) {
	s, _ := mustOpen(t)
	for _, name := range []string{"../outside", "/etc/passwd", "a/../../b", ""} {
		if _, err := s.Put(generation.Files{name: {Mode: 0o644}}); err == nil {
			t.Errorf("%q: was put", name)
		}
	}
}

func TestPruneKeepsWhatIsPointedTo(t *testing.T) {
	s, dir := mustOpen(t)
	lastGood := mustPut(t, s, one("last-good"))
	mustPoint(t, s, "last-good", lastGood)
	var current generation.ID
	for i := range 10 {
		current = mustPut(t, s, one(fmt.Sprint(i)))
		mustPoint(t, s, "current", current)
	}
	// What a crash in the middle of Put leaves.
	mustWrite(t, filepath.Join(dir, ".generations/.new-123/haproxy.cfg"), "ha")
	if err := s.Prune(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]generation.ID{"current": current, "last-good": lastGood, "none": ""} {
		got, err := s.Pointed(name)
		if err != nil || got != want {
			t.Errorf("%s points to %q, %v; want %q", name, got, err, want)
		}
	}
	entries, err := os.ReadDir(filepath.Join(dir, ".generations"))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 4 { // two pointed to, two spare
		t.Errorf("%d generations are left, want 4", len(entries))
	}
}

func TestOpenSaysWhatCannotBeWritten(t *testing.T) {
	if os.Getuid() == 0 {
		// Permissions do not bind root; a file in the way does.
		dir := t.TempDir()
		mustWrite(t, filepath.Join(dir, ".generations"), "")
		if _, err := generation.Open(dir); err == nil {
			t.Error("a store was opened over a file")
		}
	}
	if _, err := generation.Open("/no/such/dir"); err == nil {
		t.Error("a store was opened in a directory that does not exist")
	}
}

func mustWrite(tb testing.TB, path, content string) {
	tb.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		tb.Fatal(err)
	}
}
