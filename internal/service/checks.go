package service

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"remora/internal/nearest"
)

const checkPrefix = "check_"

// Defaults of checks: the interval is Registrator's; the timeout stays below it.
const (
	defaultInterval        = 10 * time.Second
	defaultTimeout         = 5 * time.Second
	defaultDeregisterAfter = 10 * time.Minute
)

// minInterval keeps a slip, such as ms for s, from becoming a busy loop.
const minInterval = 100 * time.Millisecond

// never, as SERVICE_CHECK_DEREGISTER_AFTER, keeps a dead instance for ever.
const never = "never"

// checkKeys reads the keys of one check: check_… is the first, check_2_… and so
// on are further ones.
type checkKeys struct {
	*portKeys
	number int
}

func (k checkKeys) key(name string) string {
	if k.number == 1 {
		return checkPrefix + name
	}
	return fmt.Sprintf("%s%d_%s", checkPrefix, k.number, name)
}

func (k checkKeys) get(name string) variable { return k.portKeys.get(k.key(name)) }

func (k checkKeys) field(name string) string { return fmt.Sprintf("check.%d.%s", k.number, name) }

// found notes where a check's setting is from: v, or a rule if nothing says it.
func (k checkKeys) found(v variable, rule, name, value string) {
	if v.value == "" {
		k.by(rule, k.field(name), value)
		return
	}
	k.from(v, k.field(name), value)
}

// numbered takes the number off the name of a check key.
var numbered = regexp.MustCompile(`^([0-9]+)_(.*)$`)

// maxChecks bounds the number of a check, so that an ID stays short.
const maxChecks = 99

// checks returns the declared checks. Without a declaration it is a TCP connect
// to the port: an instance is born critical, and something has to see it become
// ready. SERVICE_CHECK_TCP=false declares that there is none.
func (p *portKeys) checks(instanceID string) []Check {
	var checks []Check
	for _, number := range p.checkNumbers() {
		k := checkKeys{p, number}
		c, ok := k.check()
		if !ok {
			continue
		}
		// The kind is part of the ID because an agent that gets another kind of check
		// under a known ID goes on running the old one beside it (agent/agent.go,
		// addCheck).
		c.ID = "service:" + instanceID + ":" + string(c.Kind)
		if number > 1 {
			c.ID += ":" + strconv.Itoa(number)
		}
		checks = append(checks, c)
	}
	return checks
}

// checkNumbers lists the declared checks, of which there is always a first, and
// refuses keys that are none of a check.
func (p *portKeys) checkNumbers() []int {
	numbers := []int{1}
	for _, key := range slices.Sorted(maps.Keys(p.keys)) {
		name, ok := strings.CutPrefix(key, checkPrefix)
		if !ok {
			continue
		}
		if parts := numbered.FindStringSubmatch(name); parts != nil {
			n, err := strconv.Atoi(parts[1])
			if err != nil || n < 2 || n > maxChecks || strconv.Itoa(n) != parts[1] {
				p.fail(p.get(key), "is not a check's number; SERVICE_CHECK_… is the first check, SERVICE_CHECK_2_… to SERVICE_CHECK_%d_… are further ones", maxChecks)
				continue
			}
			name = parts[2]
			if p.get(key).value != "" && !slices.Contains(numbers, n) {
				numbers = append(numbers, n)
			}
		}
		if !knownCheckKey(name) {
			p.problems = append(p.problems, unknownCheckKey(p.get(key).name, name))
		}
	}
	slices.Sort(numbers)
	return numbers
}

func unknownCheckKey(variable, key string) error {
	keys := checkKeyNames()
	if near, ok := nearest.Name(key, keys); ok {
		return fmt.Errorf("%s: is not a check setting; did you mean SERVICE_%s?", variable, strings.ToUpper(checkPrefix+near))
	}
	known := strings.ToUpper(strings.Join(keys, ", "))
	return fmt.Errorf("%s: is not a check setting; after SERVICE_CHECK_ these are: %s", variable, known)
}

// check returns one check, unless there is to be none.
func (k checkKeys) check() (Check, bool) {
	kind, v := k.kind()
	if kind == "" {
		return Check{}, false
	}
	c := Check{Kind: kind}
	if v.value == "" {
		k.by("default: something has to see the app become ready", k.field("kind"), string(kind))
	} else {
		k.from(v, k.field("kind"), string(kind))
	}
	k.what(&c, v)
	if c.Kind != TTL && c.Kind != Alias {
		k.times(&c)
		k.thresholds(&c)
	}
	k.life(&c)
	return c, true
}

// switches are the kinds that are declared by true.
var switches = map[Kind]bool{TCP: true, GRPC: true, Docker: true, H2Ping: true}

// kinds are in the order in which they win over each other: Registrator's, and
// then ours.
var kinds = []Kind{HTTP, HTTPS, Script, TTL, TCP, GRPC, Docker, File, H2Ping, Alias}

// Kinds lists the kinds of checks in the order in which they win over each other.
func Kinds() []Kind { return slices.Clone(kinds) }

// kind returns the kind of the check and what declares it. The kind is empty if
// there is to be no check.
func (k checkKeys) kind() (Kind, variable) {
	for _, kind := range kinds {
		v := k.get(string(kind))
		// CHECK_GRPC may name what is asked for.
		isName := kind == GRPC && !isBoolean(v.value)
		if v.value != "" && (!switches[kind] || isName || k.boolean(k.key(string(kind)))) {
			return kind, v
		}
	}
	switch refused := k.get(string(TCP)); {
	case k.number > 1:
		k.missingKind()
	case refused.value != "":
		k.from(refused, k.field("kind"), "none")
	case k.protocol == udp:
		k.by("default for UDP, where a port does not answer", k.field("kind"), "none")
	default:
		return TCP, variable{}
	}
	return "", variable{}
}

func isBoolean(text string) bool {
	_, err := strconv.ParseBool(strings.ToLower(text))
	return err == nil
}

// missingKind refuses a further check of which only settings are declared.
func (k checkKeys) missingKind() {
	for _, kind := range kinds {
		if k.get(string(kind)).value != "" {
			return // switched off, or refused already
		}
	}
	prefix := strings.ToUpper(k.key(""))
	k.problems = append(k.problems, fmt.Errorf("SERVICE_%s…: says no kind of check, such as SERVICE_%sHTTP=/health", prefix, prefix))
}

// what reads what the check asks, by its kind; v declares it.
func (k checkKeys) what(c *Check, v variable) {
	if strings.ContainsFunc(v.value, unicode.IsControl) && c.Kind != Script {
		k.fail(v, "has a control character")
	}
	switch c.Kind {
	case HTTP, HTTPS:
		c.Path = rooted(v.value)
		k.from(v, k.field("path"), c.Path)
		k.request(c)
	case Script:
		c.Args = k.args(v)
	case TTL:
		if c.TTL = k.duration("ttl", defaultInterval, ""); c.TTL < minInterval {
			k.fail(v, "is shorter than %s", minInterval)
		}
	case GRPC:
		if !isBoolean(v.value) {
			c.Service = v.value
			k.from(v, k.field("service"), c.Service)
		}
		c.UseTLS = k.flag("grpc_use_tls")
	case H2Ping:
		c.UseTLS = k.flag("h2ping_use_tls")
	case File:
		k.file(c, v)
	case Alias:
		c.Service = v.value
		k.from(v, k.field("service"), c.Service)
	}
	if c.Kind == HTTPS || c.UseTLS {
		k.tls(c)
	}
}

func (k checkKeys) args(v variable) []string {
	args, err := shellWords(v.value)
	if err == nil && (len(args) == 0 || args[0] == "" || strings.Contains(v.value, "\x00")) {
		err = errors.New("is no command")
	}
	if err != nil {
		k.fail(v, "%v", err)
	}
	k.from(v, k.field("args"), fmt.Sprintf("%q", args))
	return args
}

func (k checkKeys) file(c *Check, v variable) {
	c.Path = v.value
	if !strings.HasPrefix(c.Path, "/") {
		k.fail(v, "is not an absolute path")
	}
	k.from(v, k.field("path"), c.Path)
	if k.get("file_max_age").value != "" {
		c.MaxAge = k.duration("file_max_age", 0, "")
	}
}

func (k checkKeys) tls(c *Check) {
	c.TLSSkipVerify = k.flag("tls_skip_verify")
	c.TLSServerName = k.text(k.key("tls_server_name"), k.field("tls_server_name"))
}

// flag is a switch of a check, noted if it is on.
func (k checkKeys) flag(name string) bool {
	on := k.boolean(k.key(name))
	if on {
		k.from(k.get(name), k.field(name), "true")
	}
	return on
}

func rooted(path string) string {
	if strings.HasPrefix(path, "/") {
		return path
	}
	return "/" + path
}
