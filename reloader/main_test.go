package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"remora/internal/await"
	"remora/internal/drive"
	"remora/internal/generation"
	"remora/reloader/internal/fake"
)

var program drive.Binary

func TestMain(m *testing.M) {
	if code, played := fake.Main(); played {
		os.Exit(code)
	}
	// go test takes a result from its cache when this binary is the same as before,
	// so the program has to be a part of it.
	runtime.KeepAlive(main)
	os.Exit(drive.Main(m, &program))
}

// volumes are the candidate and the live directory, and who fills the one.
type volumes struct {
	t     *testing.T
	store *generation.Store
	dir   string // of the candidate
	live  string
	file  string // the one in a set
}

func mustVolumes(t *testing.T, file string) *volumes {
	t.Helper()
	v := &volumes{t: t, dir: t.TempDir(), live: t.TempDir(), file: file}
	store, err := generation.Open(v.dir)
	if err != nil {
		t.Fatal(err)
	}
	v.store = store
	return v
}

// env is the environment of a reloader that works on the volumes.
func (v *volumes) env(more ...string) []string {
	return append([]string{
		"REMORA_CANDIDATE=" + filepath.Join(v.dir, "current"),
		"REMORA_LIVE=" + filepath.Join(v.live, "current"),
		"REMORA_RELOAD_INTERVAL=10ms",
		"TMPDIR=" + v.t.TempDir(),
	}, more...)
}

// path is where the target reads its file.
func (v *volumes) path() string { return filepath.Join(v.live, "current", v.file) }

func (v *volumes) publish(content string) {
	v.t.Helper()
	id, err := v.store.Put(generation.Files{v.file: {Data: []byte(content), Mode: 0o644}})
	if err == nil {
		err = v.store.Point("current", id)
	}
	if err != nil {
		v.t.Fatal(err)
	}
}

// content is what name, current or last-good, holds.
func (v *volumes) content(name string) string {
	text, err := os.ReadFile(filepath.Join(v.live, name, v.file))
	if err != nil {
		return ""
	}
	return string(text)
}

func (v *volumes) must(content string) {
	v.t.Helper()
	for _, name := range []string{"current", "last-good"} {
		await.True(v.t, fmt.Sprintf("%s to be %q", name, content), func() bool { return v.content(name) == content })
	}
}

// says waits until the program has printed count lines with all words.
func says(t *testing.T, p *drive.Program, count int, words ...string) {
	t.Helper()
	await.True(t, fmt.Sprintf("%d lines with %q", count, words), func() bool { return p.Output().Count(words...) >= count })
}

func TestMistakesOnTheCommandLine(t *testing.T) {
	set := func(words ...string) []string { return words }
	for _, test := range []struct {
		name string
		env  []string
		args string
		want []string
	}{
		{"no target", nil, "", set("REMORA_TARGET=haproxy", "--")},
		{"unknown target", set("REMORA_TARGET=httpd"), "", set(`REMORA_TARGET="httpd"`, "haproxy, nginx")},
		{"nginx from outside", set("REMORA_TARGET=nginx"), "", set(`REMORA_TARGET="nginx"`, "reloader -- nginx")},
		{"mistyped command", nil, "healt", set("healt", "did you mean health?")},
		{"forgotten dashes", nil, "haproxy -f /live/current/a", set("haproxy: unknown command", "health", "--")},
		{"flags after health", nil, "health -live /x", set("health", "-live")},
		{"nothing after the dashes", nil, "--", set("-- is not followed by a command")},
		{"unknown program", nil, "-- httpd -f /live/current/a", set("httpd", "haproxy", "nginx", "REMORA_TARGET")},
		{"live is not read", nil, "-- haproxy -f /etc/haproxy.cfg", set(`REMORA_LIVE="/live/current"`)},
		{"master socket on TCP", nil, "-- haproxy -S 127.0.0.1:999 -f /live/current/a", set("127.0.0.1:999")},
		{"mistyped setting", set("REMORA_TARGT=haproxy"), "", set("REMORA_TARGT", "REMORA_TARGET")},
		{"setting without a unit", set("REMORA_TARGET=haproxy", "REMORA_REREAD=5"), "", set(`REMORA_REREAD="5"`, "unit")},
		{"no rereading", set("REMORA_TARGET=haproxy", "REMORA_REREAD=0s"), "", set("REMORA_REREAD")},
		{"no time for a reload", set("REMORA_TARGET=haproxy", "REMORA_RELOAD_TIMEOUT=0s"), "", set("REMORA_RELOAD_TIMEOUT")},
		{"relative live", set("REMORA_TARGET=haproxy", "REMORA_LIVE=live/current"), "", set("REMORA_LIVE", "absolute")},
		{"live is last-good", set("REMORA_TARGET=haproxy", "REMORA_LIVE=/live/last-good"), "", set("REMORA_LIVE", "last-good")},
		{"one directory for both", set("REMORA_TARGET=haproxy", "REMORA_CANDIDATE=/live/candidate"), "", set("REMORA_CANDIDATE", "REMORA_LIVE")},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := program.Start(t, test.env, strings.Fields(test.args)...)
			p.MustExit(2)
			if p.Output().Count(append(test.want, "reloader: ")...) != 1 || strings.Count(p.Output().String(), "\n") != 1 {
				t.Errorf("output is not one line with %q:\n%s", test.want, p.Output())
			}
		})
	}
}

func TestSettingsAreCheckedWithoutARun(t *testing.T) {
	program.Start(t, nil, "-check-config", "-target", "haproxy").MustExit(0)
	program.Start(t, nil, "-check-config", "--", "haproxy", "-f", "/live/current/haproxy.cfg").MustExit(0)
	program.Start(t, nil, "-check-config", "--", "haproxy", "-f", "/etc/haproxy.cfg").MustExit(2)
}

func TestWhatIsMissingAtTheStart(t *testing.T) {
	v := mustVolumes(t, "haproxy.cfg")
	plain := filepath.Join(t.TempDir(), "haproxy")
	inTheWay := filepath.Join(t.TempDir(), "live")
	for _, path := range []string{plain, filepath.Join(inTheWay, ".generations")} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	notALink := t.TempDir()
	if err := os.Mkdir(filepath.Join(notALink, "current"), 0o755); err != nil {
		t.Fatal(err)
	}
	live := func(dir string) []string { return v.env("REMORA_TARGET=haproxy", "REMORA_LIVE="+dir+"/current") }
	for _, test := range []struct {
		name string
		env  []string
		args []string
		code int
		want string
	}{
		{"no live directory", live("/no/such/dir"), nil, 1, "/no/such/dir"},
		// As root, permissions are no obstacle; a file in the way is.
		{"live directory that cannot be written", live(inTheWay), nil, 1, inTheWay},
		{"live is a directory", live(notALink), nil, 1, "is not a symlink"},
		{"no such command", v.env(), []string{"--", "/no/such/haproxy", "-f", v.path()}, 127, "/no/such/haproxy"},
		{"no such command in PATH", v.env("PATH=/nowhere"), []string{"--", "haproxy", "-f", v.path()}, 127, "haproxy"},
		{"command that is no program", v.env(), []string{"--", plain, "-f", v.path()}, 126, plain},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := program.Start(t, test.env, test.args...)
			p.MustExit(test.code)
			if p.Output().Count("level=ERROR", test.want) != 1 {
				t.Errorf("no line about %q:\n%s", test.want, p.Output())
			}
		})
	}
}

func TestHealth(t *testing.T) {
	v := mustVolumes(t, "haproxy.cfg")
	p := program.Start(t, v.env(), "health")
	p.MustExit(1)
	if p.Output().Count("no live files") != 1 {
		t.Errorf("not one line that says why:\n%s", p.Output())
	}
	if err := os.MkdirAll(filepath.Join(v.live, ".generations/1"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(".generations/1", filepath.Join(v.live, "current")); err != nil {
		t.Fatal(err)
	}
	program.Start(t, v.env(), "health").MustExit(0)
}

// TestBesideHAProxy is the form with a container of its own.
func TestBesideHAProxy(t *testing.T) {
	v := mustVolumes(t, "haproxy.cfg")
	socket := filepath.Join(t.TempDir(), "m.sock")
	env := v.env("REMORA_TARGET=haproxy", "REMORA_MASTER_SOCKET="+socket)
	reloader := program.Start(t, env)
	reloader.Says("validation is left to the reload")
	reloader.Says("waiting for the candidate")
	v.publish("one")
	reloader.Says("target away")
	await.True(t, "the first candidate to be live", func() bool { return v.content("current") == "one" })

	haproxy := drive.Binary(fake.Install(t, "haproxy")).Start(t, nil, "-S", socket+",mode,600", "-f", v.path())
	haproxy.Says("haproxy serves one")
	reloader.Says("target is back")
	v.must("one")

	v.publish("two")
	haproxy.Says("haproxy serves two")
	v.must("two")
	v.publish("unbindable")
	reloader.Says("level=ERROR", "candidate refused", "stage=reload", "cannot bind")
	v.must("two")

	// Killed in the middle of a reload, with the new files live and no verdict.
	v.publish("slow")
	await.True(t, "the attempt", func() bool { return v.content("current") == "slow" })
	reloader.Signal(syscall.SIGKILL)
	reloader.Exit()
	haproxy.Signal(syscall.SIGTERM) // it hangs in that reload for ever
	haproxy.Exit()
	v.publish("three")
	again := program.Start(t, env)
	again.Says("rolled back")
	haproxy = drive.Binary(fake.Install(t, "haproxy")).Start(t, nil, "-S", socket+",mode,600", "-f", v.path())
	haproxy.Says("haproxy serves three")
	v.must("three")

	again.Signal(syscall.SIGTERM)
	again.MustExit(0)
}
