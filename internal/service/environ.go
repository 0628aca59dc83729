package service

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// The convention is Registrator's: SERVICE_<KEY> for all ports and
// SERVICE_<port>_<KEY> for one, the latter winning
// (https://gliderlabs.github.io/registrator/latest/user/services/).
const keyPrefix = "SERVICE_"

// Declared tells whether environ declares a service at all: a name, a port, or
// anything for a certain port.
func Declared(environ []string) bool {
	d := read(environ)
	return len(d.ports()) > 0 || d.all["name"].value != ""
}

// FromEnviron returns the instances that SERVICE_* variables in environ declare,
// in the order of their ports, with warnings for what was left out. host is the
// name of the container's host; it makes IDs unique on an agent. An instance
// whose address is not declared has none.
func FromEnviron(environ []string, host string) ([]Instance, []error, error) {
	d := read(environ)
	ports := d.ports()
	if len(ports) == 0 {
		return nil, nil, errors.New("SERVICE_PORT: is not set: the port that the app listens on")
	}
	var instances []Instance
	var warnings, problems []error
	for _, port := range ports {
		p := portKeys{declaration: d, port: port}
		instance, err := p.instance(host, len(ports) > 1)
		warnings = append(warnings, p.warnings...)
		if err != nil {
			problems = append(problems, err)
		}
		if instance != nil {
			instances = append(instances, *instance)
		}
	}
	problems = append(problems, duplicates(instances)...)
	return instances, warnings, errors.Join(problems...)
}

func duplicates(instances []Instance) []error {
	var problems []error
	seen := map[string]bool{}
	for _, i := range instances {
		if seen[i.ID] {
			problems = append(problems, fmt.Errorf("SERVICE_ID=%q: stands for several ports; declare SERVICE_<port>_ID", i.ID))
		}
		seen[i.ID] = true
	}
	return problems
}

// variable is one SERVICE_* variable: its whole name is kept for errors.
type variable struct {
	name, value string
}

// declaration is everything that SERVICE_* variables say, keys in lower case.
type declaration struct {
	all    map[string]variable
	byPort map[string]map[string]variable
}

func read(environ []string) declaration {
	d := declaration{all: map[string]variable{}, byPort: map[string]map[string]variable{}}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		key, ok := strings.CutPrefix(name, keyPrefix)
		if !ok || key == "" {
			continue
		}
		// Consul keeps JSON, which has no other strings: it would give back another
		// value than it got, and the two would never agree.
		v := variable{name: name, value: strings.ToValidUTF8(value, "\uFFFD")}
		port, rest, specific := strings.Cut(key, "_")
		if !specific || !isNumber(port) {
			d.all[strings.ToLower(key)] = v
			continue
		}
		if rest == "" {
			continue
		}
		if d.byPort[port] == nil {
			d.byPort[port] = map[string]variable{}
		}
		d.byPort[port][strings.ToLower(rest)] = v
	}
	return d
}

func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// ports lists the declared ports as they are written, in numeric order.
func (d declaration) ports() []string {
	ports := slices.Collect(maps.Keys(d.byPort))
	if v := d.all["port"].value; v != "" && !slices.Contains(ports, v) {
		ports = append(ports, v)
	}
	slices.SortFunc(ports, func(a, b string) int {
		an, _ := strconv.Atoi(a)
		bn, _ := strconv.Atoi(b)
		if an != bn {
			return an - bn
		}
		return strings.Compare(a, b)
	})
	return ports
}

// portKeys answers for one port, the port's own keys before the general ones.
type portKeys struct {
	declaration
	port     string
	warnings []error
}

func (p *portKeys) get(key string) variable {
	if v, ok := p.byPort[p.port][key]; ok {
		return v
	}
	return p.all[key]
}

// instance returns nil without an error for a port that is to be ignored.
func (p *portKeys) instance(host string, several bool) (*Instance, error) {
	if ignore, err := p.boolean("ignore"); err != nil || ignore {
		return nil, err
	}
	port, err := strconv.ParseUint(p.port, 10, 16)
	if err != nil || port == 0 || strconv.FormatUint(port, 10) != p.port {
		return nil, fmt.Errorf("%s: is not a port (1 to 65535)", p.portSource())
	}
	name, err := p.name(several)
	if err != nil {
		return nil, err
	}
	i := &Instance{
		Name:    name,
		ID:      p.get("id").value,
		Address: p.address(),
		Port:    int(port),
		Tags:    splitTags(p.get("tags").value),
		Meta:    p.meta(),
	}
	if i.ID == "" {
		i.ID = fmt.Sprintf("%s:%s:%d", host, name, port)
	}
	if err := legalID(i.ID); err != nil {
		return nil, err
	}
	i.Meta[MetaOwner] = host
	i.Checks, err = p.checks(i.ID)
	return i, err
}

func (p *portKeys) portSource() string {
	if v := p.all["port"]; v.value == p.port {
		return fmt.Sprintf("%s=%q", v.name, v.value)
	}
	return keyPrefix + p.port + "_…"
}

// name follows Registrator: an empty port-specific name means the general one
// without the suffix that tells several ports apart.
func (p *portKeys) name(several bool) (string, error) {
	general := p.all["name"].value
	own, specific := p.byPort[p.port]["name"]
	name := own.value
	switch {
	case specific && name == "":
		name = general
	case !specific && several && general != "":
		name = general + "-" + p.port
	case !specific:
		name = general
	}
	if name == "" {
		return "", fmt.Errorf("SERVICE_NAME: is not set: the service's name in Consul (port %s)", p.port)
	}
	if strings.ContainsFunc(name, unicode.IsControl) {
		return "", fmt.Errorf("%s=%q: has a control character", p.get("name").name, name)
	}
	return name, nil
}

// legalID refuses what the agent registers but cannot find again: IDs are part of
// paths in its API, where it refuses control characters and tidies up the rest,
// and of filters, where they stand between backquotes.
func legalID(id string) error {
	switch {
	case strings.ContainsFunc(id, unicode.IsControl):
		return fmt.Errorf("SERVICE_ID=%q: has a control character", id)
	case strings.Contains(id, "`"):
		return fmt.Errorf("SERVICE_ID=%q: has a backquote", id)
	case path.Clean("/"+id) != "/"+id:
		return fmt.Errorf("SERVICE_ID=%q: has a slash at an end, two in a row, or a dot for a part", id)
	}
	return nil
}

func (p *portKeys) address() string {
	if v := p.get("address").value; v != "" {
		return v
	}
	return p.get("ip").value
}

func (p *portKeys) boolean(key string) (bool, error) {
	v := p.get(key)
	if v.value == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(strings.ToLower(v.value))
	if err != nil {
		return false, fmt.Errorf("%s=%q: is neither true nor false", v.name, v.value)
	}
	return b, nil
}

// splitTags splits at commas; a backslash keeps a comma in its tag. Empty tags
// and repetitions are dropped.
func splitTags(text string) []string {
	var tags []string
	var tag strings.Builder
	end := func() {
		if t := strings.TrimSpace(tag.String()); t != "" && !slices.Contains(tags, t) {
			tags = append(tags, t)
		}
		tag.Reset()
	}
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text) && text[i+1] == ',':
			tag.WriteByte(',')
			i++
		case text[i] == ',':
			end()
		default:
			tag.WriteByte(text[i])
		}
	}
	end()
	return tags
}
