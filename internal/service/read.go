package service

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// The convention is Registrator's: SERVICE_<KEY> for all ports and
// SERVICE_<port>_<KEY> for one, the latter winning
// (https://gliderlabs.github.io/registrator/latest/user/services/). Beyond it,
// SERVICE_<port>_<tcp or udp>_<KEY> is for one protocol of a port, and labels may
// say lb.<key> or lb.<port>.<key> for SERVICE_LB_<KEY> or SERVICE_<port>_LB_<KEY>.
const (
	keyPrefix   = "SERVICE_"
	labelPrefix = "lb."
)

// Pair is one thing declared: a variable of an environment, or a label.
type Pair struct {
	Key, Value string
}

// Pairs returns the variables of an environment.
func Pairs(environ []string) []Pair {
	pairs := make([]Pair, 0, len(environ))
	for _, entry := range environ {
		key, value, _ := strings.Cut(entry, "=")
		pairs = append(pairs, Pair{key, value})
	}
	return pairs
}

// The protocols of a port.
const (
	tcp = "tcp"
	udp = "udp"
)

// scope is what a key is for: everything, a port, or one protocol of a port.
type scope struct {
	port, protocol string
}

// variable is what was declared for a key: its whole name is kept for errors.
type variable struct {
	name, value string
	specific    bool // for this port, not for all
}

// declaration is everything that was declared, keys in lower case.
type declaration map[scope]map[string]variable

// read takes the pairs in their order: of two with the same meaning the later
// wins, so that labels go behind the environment.
func read(pairs []Pair) declaration {
	d := declaration{}
	for _, p := range pairs {
		s, key, ok := parseKey(p.Key)
		if !ok {
			continue
		}
		if d[s] == nil {
			d[s] = map[string]variable{}
		}
		// Consul keeps JSON, which has no other strings: it would give back another
		// value than it got, and the two would never agree.
		d[s][key] = variable{name: p.Key, value: strings.ToValidUTF8(p.Value, "\uFFFD"), specific: s != scope{}}
	}
	return d
}

// parseKey takes the name of a variable or label apart.
func parseKey(name string) (s scope, key string, ok bool) {
	separator, prefix := "_", ""
	rest, ok := strings.CutPrefix(name, keyPrefix)
	if !ok {
		if rest, ok = strings.CutPrefix(name, labelPrefix); !ok {
			return s, "", false
		}
		separator, prefix = ".", "lb_"
	}
	if port, after, found := strings.Cut(rest, separator); found && isNumber(port) {
		s.port, rest = port, after
		protocol, after, found := strings.Cut(rest, separator)
		if protocol = strings.ToLower(protocol); found && (protocol == tcp || protocol == udp) {
			s.protocol, rest = protocol, after
		}
	}
	if separator == "." {
		rest = strings.ReplaceAll(rest, ".", "_")
	}
	return s, prefix + strings.ToLower(rest), rest != ""
}

func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// ports lists the declared ports as they are written, in numeric order. A port is
// TCP unless it is declared by protocol.
func (d declaration) ports() []scope {
	protocols := map[string][]string{}
	if v := d[scope{}]["port"].value; v != "" {
		protocols[v] = nil
	}
	for s := range d {
		if s.port == "" {
			continue
		}
		protocols[s.port] = append(protocols[s.port], "")
		if s.protocol != "" {
			protocols[s.port] = append(protocols[s.port], s.protocol)
		}
	}
	var ports []scope
	for port, named := range protocols {
		named = slices.DeleteFunc(named, func(p string) bool { return p == "" })
		if len(named) == 0 {
			named = []string{tcp}
		}
		for _, protocol := range named {
			ports = append(ports, scope{port, protocol})
		}
	}
	slices.SortFunc(ports, compareScopes)
	return ports
}

func compareScopes(a, b scope) int {
	an, _ := strconv.Atoi(a.port)
	bn, _ := strconv.Atoi(b.port)
	if an != bn {
		return an - bn
	}
	return strings.Compare(a.port+" "+a.protocol, b.port+" "+b.protocol)
}

// of returns what holds for one protocol of a port, the most specific winning.
func (d declaration) of(s scope) map[string]variable {
	merged := map[string]variable{}
	maps.Copy(merged, d[scope{}])
	maps.Copy(merged, d[scope{port: s.port}])
	maps.Copy(merged, d[s])
	return merged
}
