package service

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// portKeys answers for one port, and notes what it answered, and why.
type portKeys struct {
	scope
	keys     map[string]variable // what holds for this port
	general  variable            // the name for all ports
	fields   []Field
	warnings []error
	problems []error
}

func (p *portKeys) get(key string) variable { return p.keys[key] }

// fail notes that the value cannot be.
func (p *portKeys) fail(v variable, format string, args ...any) {
	p.problems = append(p.problems, fmt.Errorf("%s=%q: %s", v.name, v.value, fmt.Sprintf(format, args...)))
}

// from notes that a field has its value from v.
func (p *portKeys) from(v variable, field, value string) {
	p.fields = append(p.fields, Field{Name: field, Value: value, Key: v.name})
}

// by notes that a field has its value by a rule, since nothing declares it.
func (p *portKeys) by(rule, field, value string) {
	p.fields = append(p.fields, Field{Name: field, Value: value, Rule: rule})
}

// text notes a field whose value is declared as it is, if it is, and returns it.
func (p *portKeys) text(key, field string) string {
	v := p.get(key)
	if v.value == "" {
		return ""
	}
	if strings.ContainsFunc(v.value, unicode.IsControl) {
		p.fail(v, "has a control character")
	}
	p.from(v, field, v.value)
	return v.value
}

// instance returns nil for a port that is to be ignored or cannot be one.
func (p *portKeys) instance(host string, several bool) *Instance {
	if p.boolean("ignore") {
		return nil
	}
	port, err := strconv.ParseUint(p.port, 10, 16)
	if err != nil || port == 0 || strconv.FormatUint(port, 10) != p.port {
		p.problems = append(p.problems, fmt.Errorf("%s: is not a port (1 to 65535)", p.portSource()))
		return nil
	}
	i := &Instance{Name: p.name(several), Port: int(port)}
	if i.Name == "" {
		return nil
	}
	i.ID = p.id(host, i.Name)
	i.Address = p.address()
	p.fields = append(p.fields, p.portField())
	i.Tags = p.tags()
	i.TaggedAddresses = p.taggedAddresses(i.Port)
	i.Weights = p.weights()
	if i.TagOverride = p.boolean("enable_tag_override"); i.TagOverride {
		p.from(p.get("enable_tag_override"), "enable_tag_override", "true")
	}
	i.Namespace = p.enterpriseName("namespace")
	i.Partition = p.enterpriseName("partition")
	i.Meta = p.meta()
	i.Meta[MetaOwner] = host
	p.by("marks what Remora made", "meta."+MetaOwner, host)
	i.Checks = p.checks(i.ID)
	return i
}

func (p *portKeys) portSource() string {
	if v := p.get("port"); v.value == p.port && !v.specific {
		return fmt.Sprintf("%s=%q", v.name, v.value)
	}
	return keyPrefix + p.port + "_…"
}

func (p *portKeys) portField() Field {
	f := Field{Name: "port", Value: p.port}
	if v := p.get("port"); v.value == p.port && !v.specific {
		f.Key = v.name
	} else {
		f.Key = keyPrefix + p.port + "_…"
	}
	if p.protocol == udp {
		f.Value += "/udp"
	}
	return f
}

// name follows Registrator: an empty port-specific name means the general one
// without the suffix that tells several ports apart.
func (p *portKeys) name(several bool) string {
	v := p.get("name")
	name, suffixed := v.value, !v.specific && several
	if v.specific && name == "" {
		v = p.general
		name = v.value
	}
	if name == "" {
		p.problems = append(p.problems, fmt.Errorf("SERVICE_NAME: is not set: the service's name in Consul (port %s)", p.port))
		return ""
	}
	if strings.ContainsFunc(name, unicode.IsControl) {
		p.fail(v, "has a control character")
	}
	p.from(v, "name", name)
	if suffixed {
		name += "-" + p.port
		last := &p.fields[len(p.fields)-1]
		last.Value, last.Rule = name, "with the port, since there are several"
	}
	return name
}

func (p *portKeys) id(host, name string) string {
	v := p.get("id")
	id, rule := v.value, "<host name>:<service name>:<port>"
	if id == "" {
		id = host + ":" + name + ":" + p.port
		if p.protocol == udp {
			id, rule = id+":udp", rule+":udp"
		}
		p.by(rule, "id", id)
	} else {
		p.from(v, "id", id)
	}
	if err := legalID(id); err != nil {
		p.problems = append(p.problems, err)
	}
	return id
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

// tags are the declared ones, and udp behind them for that protocol.
func (p *portKeys) tags() []string {
	v := p.get("tags")
	tags := splitTags(v.value)
	f := Field{Name: "tags"}
	if len(tags) > 0 {
		f.Key = v.name
	}
	if p.protocol == udp {
		tags = append(slices.DeleteFunc(tags, func(t string) bool { return t == udp }), udp)
		f.Rule = "udp is the port's protocol"
	}
	if len(tags) > 0 {
		f.Value = strings.Join(tags, ", ")
		p.fields = append(p.fields, f)
	}
	return tags
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

func (p *portKeys) boolean(key string) bool {
	v := p.get(key)
	if v.value == "" {
		return false
	}
	b, err := strconv.ParseBool(strings.ToLower(v.value))
	if err != nil {
		p.fail(v, "is neither true nor false")
	}
	return b
}
