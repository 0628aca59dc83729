package target

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"remora/internal/await"
	"remora/internal/proc"
)

// master is HAProxy's master socket, following a script: for each connection in
// turn, what it answers to the command that it gets.
type master struct {
	tb       testing.TB
	path     string
	mu       sync.Mutex
	script   []step
	commands []string
	group    sync.WaitGroup
}

type step struct {
	command string
	answer  string
	leaves  bool                           // the socket is gone after it
	then    func(m *master, conn net.Conn) // in place of waiting for the other side's end
}

func mustMaster(tb testing.TB, script ...step) *master {
	tb.Helper()
	m := &master{tb: tb, path: filepath.Join(tb.TempDir(), "m.sock"), script: script}
	tb.Cleanup(m.group.Wait) // after the listeners are closed: the last is called first
	m.listen()
	return m
}

func (m *master) listen() {
	listener, err := net.Listen("unix", m.path)
	if err != nil {
		m.tb.Error(err)
		return
	}
	m.tb.Cleanup(func() { listener.Close() })
	m.group.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			m.serve(listener, conn)
		}
	})
}

// serve answers one connection. Like the real master it does not close after an
// answer, but when the other side has closed its half.
func (m *master) serve(listener net.Listener, conn net.Conn) {
	defer conn.Close()
	buffer := make([]byte, 100)
	n, err := conn.Read(buffer)
	if err != nil {
		return
	}
	got := strings.TrimSpace(string(buffer[:n]))
	m.mu.Lock()
	m.commands = append(m.commands, got)
	s := m.script[0]
	if len(m.script) > 1 { // the last step goes on for ever
		m.script = m.script[1:]
	}
	m.mu.Unlock()
	if got != s.command {
		m.tb.Errorf("command %q, want %q", got, s.command)
	}
	if _, err := io.WriteString(conn, s.answer); err != nil {
		return
	}
	if s.leaves {
		listener.Close()
	}
	if s.then != nil {
		s.then(m, conn)
		return
	}
	_, _ = io.Copy(io.Discard, conn)
}

func closeAtOnce(*master, net.Conn) {}

// hang keeps the connection without a word.
func hang(m *master, _ net.Conn) { <-m.tb.Context().Done() }

func show(version, reloads, uptime, workers string) step {
	return step{command: "show proc", answer: table(version, reloads, uptime, workers)}
}

func table(version, reloads, uptime, workers string) string {
	t := "#<PID>          <type>          <reloads>       <uptime>        <version>      \n" +
		"7               master          " + reloads + "   " + uptime + "     " + version + "\n# workers\n"
	for pid := range strings.FieldsSeq(workers) {
		t += pid + "              worker          0               0d00h00m01s     " + version + "\n"
	}
	return t + "# programs\n\n"
}

func TestReloadGivesTheVerdictOfEachVersion(t *testing.T) {
	reload := func(answer string) step { return step{command: "reload", answer: answer} }
	silent := step{command: "reload", then: closeAtOnce}
	before := show("2.6.12-1+deb12u4", "3 [failed: 0]", "0d00h01m00s", "11")
	for name, test := range map[string]struct {
		script  []step
		want    error // nil, a sentinel, or a *RefusedError
		message string
	}{
		"3.0 says yes": {
			[]step{show("3.0.11", "0 [failed: 0]", "0d00h00m01s", "11"), reload("Success=1\n--\n[NOTICE] fine\n\n")}, nil, "",
		},
		"3.0 says no": {
			[]step{show("3.0.11", "0 [failed: 0]", "0d00h00m01s", "11"), reload("Success=0\n--\n[NOTICE] version\n[ALERT] unknown keyword 'bnd'\n\n")},
			&RefusedError{}, "unknown keyword 'bnd'",
		},
		"3.0 is busy with another reload": {
			[]step{
				show("3.2.1", "0 [failed: 0]", "0d00h00m01s", "11"),
				reload("Success=0\n--\nAnother reload is still in progress.\n\n"),
				reload("Success=1\n--\n\n"),
			}, nil, "",
		},
		"3.0 goes away": {
			[]step{show("3.0.11", "0 [failed: 0]", "0d00h00m01s", "11"), silent}, ErrLost, "",
		},
		"3.0 says something else": {
			[]step{show("3.0.11", "0 [failed: 0]", "0d00h00m01s", "11"), reload("Permission denied\n\n")},
			errors.New("any"), "Permission denied",
		},
		"2.6 has a new worker": {
			[]step{
				before, silent, before,
				show("2.6.12", "4 [failed: 0]", "0d00h01m00s", ""),
				show("2.6.12", "4 [failed: 0]", "0d00h01m01s", "12"),
			}, nil, "",
		},
		"2.6 counts a failure": {
			[]step{before, silent, before, show("2.6.12", "4 [failed: 1]", "0d00h01m01s", "11")}, &RefusedError{}, "",
		},
		"2.6 was restarted meanwhile": {
			[]step{before, silent, show("2.6.12", "0 [failed: 0]", "0d00h00m01s", "12")}, ErrLost, "",
		},
		"2.6 never has a new worker": {
			[]step{before, silent, before}, errors.New("any"), "no new worker",
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := mustMaster(t, test.script...)
			h := &HAProxy{Socket: m.path, Timeout: time.Second}
			expect(t, h.Reload(t.Context()), test.want, test.message)
		})
	}
}

// expect compares an error with a sentinel, with the type *RefusedError, or, for
// any other error, with none of these.
func expect(t *testing.T, got, want error, message string) {
	t.Helper()
	var refused, wantRefused *RefusedError
	isRefused, wantsRefused := errors.As(got, &refused), errors.As(want, &wantRefused)
	if (got == nil) != (want == nil) || isRefused != wantsRefused ||
		errors.Is(got, ErrAway) != errors.Is(want, ErrAway) || errors.Is(got, ErrLost) != errors.Is(want, ErrLost) {
		t.Fatalf("got %v (%T), want %v (%T)", got, got, want, want)
	}
	if got != nil && !strings.Contains(got.Error(), message) {
		t.Errorf("error %q does not say %q", got, message)
	}
}

func TestReloadRidesOutTheSocketsAbsence(t *testing.T) {
	m := mustMaster(t,
		show("2.6.12", "0 [failed: 0]", "0d00h00m01s", "11"),
		step{command: "reload", leaves: true, then: func(m *master, _ net.Conn) {
			m.group.Go(func() { <-time.After(30 * time.Millisecond); m.listen() })
		}},
		show("2.6.12", "1 [failed: 0]", "0d00h00m02s", "12"))
	h := &HAProxy{Socket: m.path, Timeout: 10 * time.Second}
	expect(t, h.Reload(t.Context()), nil, "")
}

func TestReloadThatTakesTheTargetAway(t *testing.T) {
	m := mustMaster(t,
		show("2.6.12", "0 [failed: 0]", "0d00h00m01s", "11"),
		step{command: "reload", leaves: true, then: closeAtOnce})
	h := &HAProxy{Socket: m.path, Timeout: 300 * time.Millisecond}
	expect(t, h.Reload(t.Context()), ErrLost, m.path)
}

func TestTargetsThatAreAway(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "m.sock")
	refusing := filepath.Join(t.TempDir(), "m.sock")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: refusing})
	if err != nil {
		t.Fatal(err)
	}
	listener.SetUnlinkOnClose(false)
	listener.Close()
	mute := mustMaster(t, step{command: "show proc", then: hang}).path
	for name, socket := range map[string]string{"no socket": missing, "nobody listens": refusing, "nobody answers": mute} {
		h := &HAProxy{Socket: socket, Timeout: 200 * time.Millisecond, patience: 50 * time.Millisecond}
		t.Run(name, func(t *testing.T) {
			expect(t, h.Reload(t.Context()), ErrAway, "target is away")
			expect(t, h.Validate(t.Context(), "/unused"), ErrAway, "target is away")
		})
	}
}

func TestReloadThatHangsEndsAtTheDeadline(t *testing.T) {
	m := mustMaster(t, show("3.0.11", "0 [failed: 0]", "0d00h00m01s", "11"), step{command: "reload", then: hang})
	h := &HAProxy{Socket: m.path, Timeout: 200 * time.Millisecond}
	expect(t, h.Reload(t.Context()), errors.New("any"), "no verdict on the reload within 200ms")
}

func TestReloadEndsWithItsContext(t *testing.T) {
	m := mustMaster(t, show("3.0.11", "0 [failed: 0]", "0d00h00m01s", "11"), step{command: "reload", then: hang})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		await.True(t, "the reload", func() bool { m.mu.Lock(); defer m.mu.Unlock(); return len(m.commands) == 2 })
		cancel()
	}()
	if err := (&HAProxy{Socket: m.path, Timeout: time.Hour}).Reload(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the context's", err)
	}
}

func TestValidateWithoutABinaryIsNoVerdict(t *testing.T) {
	m := mustMaster(t, show("3.0.11", "0 [failed: 0]", "0d00h00m01s", "11"))
	h := &HAProxy{Socket: m.path, Timeout: time.Second}
	if err := h.Validate(t.Context(), "/unused"); !errors.Is(err, ErrUnchecked) {
		t.Errorf("error %v, want ErrUnchecked", err)
	}
}

func TestVerdictOutOfTwoTables(t *testing.T) {
	const version = "2.6.12"
	for name, test := range map[string]struct {
		before, now string
		want        outcome
	}{
		"not yet":             {table(version, "1 [failed: 0]", "0d00h01m00s", "11"), table(version, "1 [failed: 0]", "0d00h01m01s", "11"), pending},
		"no worker yet":       {table(version, "1 [failed: 0]", "0d00h01m00s", "11"), table(version, "2 [failed: 0]", "0d00h01m01s", ""), pending},
		"only the old worker": {table(version, "1 [failed: 0]", "0d00h01m00s", "11"), table(version, "2 [failed: 0]", "0d00h01m01s", "11"), pending},
		"a new worker":        {table(version, "1 [failed: 1]", "0d00h01m00s", "11"), table(version, "2 [failed: 0]", "0d00h01m01s", "12"), serves},
		"another failure":     {table(version, "1 [failed: 1]", "0d00h01m00s", "11"), table(version, "2 [failed: 2]", "0d00h01m01s", "11"), failed},
		// Process ids say nothing of a restart in a container: they begin at 1 again.
		"restarted, by its count":      {table(version, "3 [failed: 0]", "0d00h00m01s", "11"), table(version, "0 [failed: 0]", "0d00h00m01s", "12"), restarted},
		"restarted, by its age":        {table(version, "0 [failed: 0]", "0d00h01m00s", "11"), table(version, "0 [failed: 0]", "0d00h00m01s", "11"), restarted},
		"restarted, by its process id": {table(version, "0 [failed: 0]", "0d00h00m01s", "11"), strings.Replace(table(version, "0 [failed: 0]", "0d00h00m01s", "12"), "\n7 ", "\n9 ", 1), restarted},
	} {
		before, err := parseProcesses(test.before)
		if err != nil {
			t.Fatal(err)
		}
		now, err := parseProcesses(test.now)
		if err != nil {
			t.Fatal(err)
		}
		if got := verdict(before, now); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}

func TestWords26SaysOnlyOnStderrAreThoseOfThisReload(t *testing.T) {
	said := &proc.Tail{}
	write := func(line string) {
		if _, err := said.Write([]byte(line)); err != nil {
			t.Error(err)
		}
	}
	write("[ALERT] an old story\n")
	before := show("2.6.12", "0 [failed: 0]", "0d00h00m01s", "11")
	m := mustMaster(t, before,
		step{command: "reload", then: func(*master, net.Conn) { write("[ALERT] unknown keyword\n[NOTICE] so be it\n") }},
		show("2.6.12", "1 [failed: 1]", "0d00h00m02s", "11"))
	h := &HAProxy{Socket: m.path, Timeout: time.Second, Said: said}
	var refused *RefusedError
	if err := h.Reload(t.Context()); !errors.As(err, &refused) || refused.Words != "[ALERT] unknown keyword" {
		t.Errorf("got %v, want the words of this reload", err)
	}
}
