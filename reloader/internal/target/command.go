package target

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"remora/internal/settings"
)

// Command is the command line of a target.
type Command struct {
	Kind settings.Target
	argv []string
	at   int    // index of the program; 1 after the entrypoint script of an image
	live string // the path below which the target reads its files
}

// entrypointScript is the name that the stock images of HAProxy and nginx give
// to the script that prepares the container and becomes the command after it.
const entrypointScript = "docker-entrypoint.sh"

// ParseCommand reads a target's command line. kind overrides what its program's
// name says. The target has to read its files from below live: the error says
// so if the command line does not mention that path.
func ParseCommand(argv []string, kind settings.Target, live string) (Command, error) {
	c := Command{Kind: kind, argv: argv, live: live}
	if filepath.Base(argv[0]) == entrypointScript && len(argv) > 1 && kindOf(argv[1]) != "" {
		c.at = 1
	}
	if c.Kind == "" {
		c.Kind = kindOf(argv[c.at])
	}
	if c.Kind == "" {
		return c, fmt.Errorf("%q: is neither haproxy nor nginx; REMORA_TARGET says which of them a command runs", argv[0])
	}
	if c.Kind == settings.TargetHAProxy {
		if err := refuseDaemon(c.args()); err != nil {
			return c, err
		}
	}
	if slices.Equal(c.args(), withPath(c.args(), live, "")) {
		return c, fmt.Errorf("%s is started without any path below REMORA_LIVE=%q; it would never read what is brought live", c.Kind, live)
	}
	return c, nil
}

func kindOf(program string) settings.Target {
	switch kind := settings.Target(filepath.Base(program)); kind {
	case settings.TargetHAProxy, settings.TargetNginx:
		return kind
	default:
		return ""
	}
}

// Programs are the executables that the command needs.
func (c Command) Programs() []string { return c.argv[:c.at+1] }

// args are the arguments of the program itself.
func (c Command) args() []string { return c.argv[c.at+1:] }

// StartArgv is the command line to start the target with. For HAProxy it has
// what a reload needs, the master-worker mode with its command socket, and -db,
// because a daemon would leave nothing to supervise; the image's own entrypoint
// adds -W and -db too. socket is used unless the command has a -S already.
func (c Command) StartArgv(socket string) []string {
	if c.Kind != settings.TargetHAProxy {
		return c.argv
	}
	var names []string
	for _, o := range haproxyOptions(c.args()) {
		names = append(names, o[0])
	}
	argv := slices.Clone(c.argv[:c.at+1])
	if !slices.Contains(names, "-W") && !slices.Contains(names, "-Ws") {
		argv = append(argv, "-W")
	}
	if !slices.Contains(names, "-db") {
		argv = append(argv, "-db")
	}
	if !slices.Contains(names, "-S") {
		argv = append(argv, "-S", socket+",mode,600")
	}
	return append(argv, c.args()...)
}

// MasterSocket is the path of the master socket that the command itself asks
// HAProxy for, "" if it asks for none.
func (c Command) MasterSocket() (string, error) {
	if c.Kind != settings.TargetHAProxy {
		return "", nil
	}
	for _, o := range haproxyOptions(c.args()) {
		if o[0] != "-S" || len(o) < 2 {
			continue
		}
		address, _, _ := strings.Cut(o[1], ",")
		path := strings.TrimPrefix(address, "unix@")
		if !filepath.IsAbs(path) {
			return "", fmt.Errorf("haproxy -S %s: is not the absolute path of a unix socket", o[1])
		}
		return path, nil
	}
	return "", nil
}

// CheckArgv is the command line by which the target's own binary validates the
// files in dir in place of those below live.
func (c Command) CheckArgv(dir string) []string {
	program := c.argv[c.at]
	if c.Kind == settings.TargetNginx {
		return append([]string{program, "-t"}, withPath(c.args(), c.live, dir)...)
	}
	argv := []string{program, "-c"}
	for _, o := range haproxyOptions(c.args()) {
		if !slices.Contains(uncheckable, o[0]) {
			argv = append(argv, withPath(o, c.live, dir)...)
		}
	}
	return argv
}

// uncheckable are options of HAProxy that concern how it runs. With -c they
// would start a master, touch the running one's pid file or sockets, or hide
// what is wrong.
var uncheckable = []string{"-W", "-Ws", "-S", "-D", "-db", "-d", "-sf", "-st", "-x", "-p", "-q", "-c", "-V"}

// withValue are the options of HAProxy whose value is the next argument; it
// never stands in the same one (haproxy.c, init_args).
var withValue = []string{"-C", "-L", "-N", "-S", "-cc", "-f", "-m", "-n", "-p", "-x"}

// haproxyOptions splits arguments of HAProxy into options, each with its values:
// -sf and -st take all words up to the next option, "--" takes all that follow.
func haproxyOptions(args []string) [][]string {
	var options [][]string
	for i := 0; i < len(args); {
		end := i + 1
		switch {
		case args[i] == "--":
			end = len(args)
		case args[i] == "-sf" || args[i] == "-st":
			for end < len(args) && !strings.HasPrefix(args[end], "-") {
				end++
			}
		case slices.Contains(withValue, args[i]):
			end = min(i+2, len(args))
		}
		options = append(options, args[i:end])
		i = end
	}
	return options
}

func refuseDaemon(args []string) error {
	for _, o := range haproxyOptions(args) {
		if o[0] == "-D" {
			return fmt.Errorf("haproxy -D: a daemon cannot be supervised; leave -D out")
		}
	}
	return nil
}

// withPath replaces the path from, wherever it stands in an argument, by to.
// What only begins or ends like it is another path.
func withPath(args []string, from, to string) []string {
	replaced := make([]string, len(args))
	for i, arg := range args {
		var done strings.Builder
		for {
			before, after, found := strings.Cut(arg, from)
			done.WriteString(before)
			if !found {
				break
			}
			if endsInName(done.String()) || startsWithName(after) {
				done.WriteString(from)
			} else {
				done.WriteString(to)
			}
			arg = after
		}
		replaced[i] = done.String()
	}
	return replaced
}

func endsInName(s string) bool {
	if len(s) == 2 && s[0] == '-' {
		return false // an option of nginx, whose value may follow at once
	}
	return s != "" && (s[len(s)-1] == '/' || inName(s[len(s)-1]))
}

func startsWithName(s string) bool { return s != "" && inName(s[0]) }

func inName(b byte) bool {
	return b == '-' || b == '_' || b == '.' || b == '~' ||
		'0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
}
