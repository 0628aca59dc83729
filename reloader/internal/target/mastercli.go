package target

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// masterCLI is the path of HAProxy's master socket.
type masterCLI string

// maxAnswer bounds what is read: the start-up log in the answer to a reload has
// a line per complaint, which for a large configuration can be many.
const maxAnswer = 256 << 10

// dialError says that no connection came about, so nothing was asked.
type dialError struct{ error }

func (e dialError) Unwrap() error { return e.error }

// ask sends one command and returns the answer. What had come until an error is
// returned with it.
func (m masterCLI) ask(ctx context.Context, command string) (string, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", string(m))
	if err != nil {
		return "", dialError{err}
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // fails only on a closed one
	defer stop()
	if _, err := io.WriteString(conn, command+"\n"); err != nil {
		return "", fmt.Errorf("send %q: %w", command, err)
	}
	// The master does not close after an answer; it does when it sees our end.
	if err := conn.(*net.UnixConn).CloseWrite(); err != nil {
		return "", fmt.Errorf("send %q: %w", command, err)
	}
	answer, err := io.ReadAll(io.LimitReader(conn, maxAnswer))
	if ctx.Err() != nil {
		err = context.Cause(ctx) // the deadline set above is only its messenger
	}
	if err != nil {
		err = fmt.Errorf("read the answer to %q: %w", command, err)
	}
	return string(answer), err
}

// processes is what the master says of itself and its workers.
type processes struct {
	master  int
	reloads int
	failed  int // reloads in a row, up to now
	uptime  string
	version string
	current map[int]bool // workers under "# workers"
	all     map[int]bool // and those under "# old workers"
}

func (m masterCLI) showProc(ctx context.Context) (processes, error) {
	answer, err := m.ask(ctx, "show proc")
	if err != nil {
		return processes{}, err
	}
	return parseProcesses(answer)
}

// parseProcesses reads the table of "show proc":
//
//	#<PID>          <type>          <reloads>       <uptime>        <version>
//	17226           master          2 [failed: 1]   0d00h00m02s     2.6.12
//	# workers
//	17259           worker          1               0d00h00m01s     2.6.12
//	# old workers
//	17229           worker          2               0d00h00m02s     2.6.12
//	# programs
//
// Since 3.1 the worker that serves is an old one after a failed reload, and
// there is none under "# workers".
func parseProcesses(answer string) (processes, error) {
	p := processes{current: map[int]bool{}, all: map[int]bool{}}
	section := ""
	for line := range strings.Lines(answer) {
		if title, ok := strings.CutPrefix(line, "# "); ok {
			section = strings.TrimSpace(title)
			continue
		}
		fields := strings.Fields(line)
		if len(fields) < 5 || strings.HasPrefix(line, "#") {
			continue
		}
		pid, err := strconv.Atoi(fields[0])
		if err != nil {
			return p, fmt.Errorf("show proc: pid in %q: %w", line, err)
		}
		switch fields[1] {
		case "master":
			if err := p.addMaster(pid, fields); err != nil {
				return p, fmt.Errorf("show proc: %q: %w", line, err)
			}
		case "worker":
			p.all[pid] = true
			if section == "workers" {
				p.current[pid] = true
			}
		}
	}
	if p.master == 0 {
		return p, fmt.Errorf("show proc: no master in the answer %q", answer)
	}
	return p, nil
}

func (p *processes) addMaster(pid int, fields []string) error {
	p.master = pid
	p.version = fields[len(fields)-1]
	p.uptime = fields[len(fields)-2]
	var err error
	if p.reloads, err = strconv.Atoi(fields[2]); err != nil {
		return err
	}
	if len(fields) > 5 && fields[3] == "[failed:" {
		p.failed, err = strconv.Atoi(strings.TrimSuffix(fields[4], "]"))
	}
	return err
}

// answersReload says whether this version answers "reload" when the reload is
// done: since 2.7. Older ones close the connection at once, without a word.
func (p processes) answersReload() bool {
	var major, minor int
	if _, err := fmt.Sscanf(p.version, "%d.%d", &major, &minor); err != nil {
		return false
	}
	return major > 2 || major == 2 && minor >= 7
}

// age is how long the master has been running.
func (p processes) age() time.Duration {
	var d, h, m, s time.Duration
	if _, err := fmt.Sscanf(p.uptime, "%dd%dh%dm%ds", &d, &h, &m, &s); err != nil {
		return 0
	}
	return d*24*time.Hour + h*time.Hour + m*time.Minute + s*time.Second
}
