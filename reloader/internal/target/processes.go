package target

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// process is what /proc says of a process. The kernel gives a pid anew, but not
// together with the same start time.
type process struct {
	pid     int
	started string
}

// procFS is where /proc is mounted.
type procFS string

// find returns the process pid, its parent, and whether it runs.
func (fs procFS) find(pid int) (p process, parent int, ok bool) {
	stat, err := os.ReadFile(filepath.Join(string(fs), strconv.Itoa(pid), "stat"))
	if err != nil {
		return p, 0, false
	}
	// Fields are counted after the name, which may hold anything (proc(5)):
	// state is field 3, the parent 4, the start time 22.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" {
		return p, 0, false
	}
	parent, err = strconv.Atoi(fields[1])
	return process{pid: pid, started: fields[19]}, parent, err == nil
}

// title is how a process calls itself: nginx writes it over its arguments.
func (fs procFS) title(pid int) string {
	text, err := os.ReadFile(filepath.Join(string(fs), strconv.Itoa(pid), "cmdline"))
	if err != nil {
		return "" // it ended
	}
	return strings.TrimRight(strings.ReplaceAll(string(text), "\x00", " "), " ")
}

// children lists the processes whose parent is pid.
func (fs procFS) children(pid int) ([]process, error) {
	entries, err := os.ReadDir(string(fs))
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var found []process
	for _, entry := range entries {
		number, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if p, parent, ok := fs.find(number); ok && parent == pid {
			found = append(found, p)
		}
	}
	return found, nil
}
