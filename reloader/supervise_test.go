package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"remora/internal/await"
	"remora/internal/drive"
	"remora/reloader/internal/fake"
)

// TestInsideTheTargetsImage is the entrypoint form, for both targets.
func TestInsideTheTargetsImage(t *testing.T) {
	for _, target := range []struct{ name, option, refusal string }{
		{"haproxy", "-f", "[ALERT]"},
		{"nginx", "-c", "[emerg]"},
	} {
		t.Run(target.name, func(t *testing.T) {
			v := mustVolumes(t, target.name+".conf")
			p := program.Start(t, v.env(), "--", fake.Install(t, target.name), target.option, v.path())
			p.Says("waiting for the first candidate that validates")
			v.publish("invalid")
			p.Says("candidate refused", "stage=validate", target.refusal)
			v.publish("one")
			p.Says("target started")
			v.must("one")
			v.publish("two")
			p.Says(target.name + " serves two")
			v.must("two")
			v.publish("invalid")
			says(t, p, 2, "level=ERROR", "candidate refused", "stage=validate", target.refusal)
			v.must("two")
			v.publish("unbindable")
			says(t, p, 1, "level=ERROR", "candidate refused", "stage=reload", target.refusal)
			v.must("two")
			v.publish("three")
			p.Says(target.name + " serves three")
			v.must("three")
			for i := range 200 {
				v.publish(fmt.Sprint("burst ", i))
			}
			v.must("burst 199")
			p.Signal(syscall.SIGTERM)
			p.MustExit(0)
			if p.Output().Count("target ended by itself") != 0 {
				t.Error("a stop was taken for an accident")
			}
		})
	}
}

func TestARestartComesUpOnLastGood(t *testing.T) {
	v := mustVolumes(t, "haproxy.cfg")
	haproxy := fake.Install(t, "haproxy")
	p := program.Start(t, v.env(), "--", haproxy, "-f", v.path())
	v.publish("one")
	v.must("one")
	// The target dies over the reload of "deadly", and its container with it.
	v.publish("deadly")
	p.MustExit(128 + 9)
	p.Says("target ended by itself", "exit=137")
	v.publish("invalid")
	p = program.Start(t, v.env(), "--", haproxy, "-f", v.path())
	p.Says("haproxy serves one")
	p.Says("candidate refused", "stage=validate")
	v.must("one")
	p.Signal(syscall.SIGTERM)
	p.MustExit(0)
}

// script writes a target that is a shell script. It accepts every file, and then
// does what body says.
func script(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "nginx")
	text := "#!/bin/sh\n[ \"$1\" = -t ] && exit 0\n" + body + "\n"
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// mustStart starts a reloader before the script, which must print "ready".
func mustStart(t *testing.T, body string, env ...string) *drive.Program {
	t.Helper()
	v := mustVolumes(t, "nginx.conf")
	v.publish("one")
	p := program.Start(t, v.env(env...), "--", script(t, body), "-c", v.path())
	p.Says("ready")
	return p
}

func TestTheTargetsEndIsOurs(t *testing.T) {
	for body, code := range map[string]int{
		"echo ready; exit 42":       42,
		"echo ready; kill -SEGV $$": 128 + 11,
		"echo ready; exit 0":        0,
	} {
		p := mustStart(t, body)
		p.MustExit(code)
		p.Says("target ended by itself", fmt.Sprint("exit=", code))
	}
}

func TestSignalsReachTheTarget(t *testing.T) {
	p := mustStart(t, `
		for s in HUP USR1 USR2 WINCH; do trap "echo got-$s" $s; done
		trap "echo got-TERM; exit 7" TERM
		echo ready
		while :; do sleep 0.01; done`)
	for _, sig := range []struct {
		name   string
		number syscall.Signal
	}{{"HUP", syscall.SIGHUP}, {"USR1", syscall.SIGUSR1}, {"USR2", syscall.SIGUSR2}, {"WINCH", syscall.SIGWINCH}, {"TERM", syscall.SIGTERM}} {
		p.Signal(sig.number)
		p.Says("got-" + sig.name)
	}
	p.MustExit(7)
}

func TestATargetThatDoesNotStopIsKilledWithItsChildren(t *testing.T) {
	p := mustStart(t, `
		trap "echo got-TERM" TERM
		sh -c 'trap "" TERM; echo child=$$; while :; do sleep 0.1; done' &
		sleep 0.1
		echo ready
		while :; do sleep 0.01; done`, "REMORA_STOP_TIMEOUT=100ms")
	p.Says("child=")
	_, child, _ := strings.Cut(p.Output().String(), "child=")
	child, _, _ = strings.Cut(child, "\n")
	p.Signal(syscall.SIGTERM)
	p.MustExit(128 + 9)
	p.Says("target killed")
	await.True(t, "the child's end", func() bool { return !drive.Running(child) })
}

func TestStopBeforeTheTargetWasStarted(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		v := mustVolumes(t, "nginx.conf")
		p := program.Start(t, v.env(), "--", script(t, "exit 9"), "-c", v.path())
		p.Says("waiting for the first candidate")
		p.Signal(syscall.SIGHUP) // is for nobody
		p.Signal(sig)
		p.MustExit(0)
	}
}

// TestHAProxysSoftStop: USR1 is what docker stop sends to HAProxy's image.
func TestHAProxysSoftStop(t *testing.T) {
	v := mustVolumes(t, "haproxy.cfg")
	v.publish("one")
	p := program.Start(t, v.env(), "--", fake.Install(t, "haproxy"), "-f", v.path())
	v.must("one")
	p.Signal(syscall.SIGUSR1)
	p.MustExit(0)
	p.Says("stopping", "signal=")
}

func TestTheImagesEntrypointScript(t *testing.T) {
	v := mustVolumes(t, "haproxy.cfg")
	v.publish("one")
	dir := filepath.Dir(fake.Install(t, "haproxy"))
	entrypoint := filepath.Join(dir, "docker-entrypoint.sh")
	if err := os.WriteFile(entrypoint, []byte("#!/bin/sh\necho prepared\nexec \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	p := program.Start(t, v.env("PATH="+dir+":"+os.Getenv("PATH")), "--", entrypoint, "haproxy", "-f", v.path())
	p.Says("prepared")
	v.must("one")
	p.Says("reload verified")
	p.Signal(syscall.SIGTERM)
	p.MustExit(0)
}
