package service

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

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

// checks returns the declared check. Without a declaration it is a TCP connect
// to the port: an instance is born critical, and something has to see it become
// ready. SERVICE_CHECK_TCP=false declares that there is none.
func (p *portKeys) checks(instanceID string) ([]Check, error) {
	if err := p.unknownCheckKeys(); err != nil {
		return nil, err
	}
	tcp, err := p.boolean("check_tcp")
	if err != nil {
		return nil, err
	}
	c := Check{Method: p.get("check_http_method").value}
	switch {
	case p.get("check_http").value != "":
		c.Kind, c.Path = HTTP, rooted(p.get("check_http").value)
	case p.get("check_https").value != "":
		c.Kind, c.Path = HTTPS, rooted(p.get("check_https").value)
	case tcp || p.get("check_tcp").value == "":
		c.Kind = TCP
	default:
		return nil, nil
	}
	if c.Method == "" && c.Kind != TCP {
		c.Method = "GET"
	}
	// The kind is part of the ID because an agent that gets another kind of check
	// under a known ID goes on running the old one beside it (agent/agent.go,
	// addCheck).
	c.ID = "service:" + instanceID + ":" + string(c.Kind)
	if err := errors.Join(p.times(&c), p.initial(&c)); err != nil {
		return nil, err
	}
	return []Check{c}, nil
}

func (p *portKeys) unknownCheckKeys() error {
	merged := maps.Clone(p.all)
	maps.Copy(merged, p.byPort[p.port])
	checkKeys := checkKeys()
	for _, full := range slices.Sorted(maps.Keys(merged)) {
		key, ok := strings.CutPrefix(full, checkPrefix)
		if !ok || slices.Contains(checkKeys, key) {
			continue
		}
		name := merged[full].name
		if near, ok := nearest.Name(key, checkKeys); ok {
			known := strings.ToUpper(checkPrefix + near)
			return fmt.Errorf("%s: is not a check setting; did you mean SERVICE_%s?", name, known)
		}
		known := strings.ToUpper(strings.Join(checkKeys, ", "))
		return fmt.Errorf("%s: is not a check setting; after SERVICE_CHECK_ these are: %s", name, known)
	}
	return nil
}

func rooted(path string) string {
	if strings.HasPrefix(path, "/") {
		return path
	}
	return "/" + path
}

func (p *portKeys) times(c *Check) error {
	var errs [3]error
	c.Interval, errs[0] = p.duration("check_interval", defaultInterval)
	c.Timeout, errs[1] = p.duration("check_timeout", min(defaultTimeout, c.Interval/2))
	if p.get("check_deregister_after").value != never {
		c.DeregisterAfter, errs[2] = p.duration("check_deregister_after", defaultDeregisterAfter)
	}
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	if c.Interval < minInterval {
		v := p.get("check_interval")
		return fmt.Errorf("%s=%q: is shorter than %s", v.name, v.value, minInterval)
	}
	if c.Timeout >= c.Interval {
		return fmt.Errorf("%s=%q: is not shorter than the interval of %s",
			p.get("check_timeout").name, p.get("check_timeout").value, c.Interval)
	}
	return nil
}

func (p *portKeys) duration(key string, otherwise time.Duration) (time.Duration, error) {
	v := p.get(key)
	if v.value == "" {
		return otherwise, nil
	}
	if isNumber(v.value) {
		return 0, fmt.Errorf("%s=%q: missing unit (for example %ss)", v.name, v.value, v.value)
	}
	d, err := time.ParseDuration(v.value)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%s=%q: is not a duration (for example 500ms, 5s or 2m)", v.name, v.value)
	}
	return d, nil
}

func (p *portKeys) initial(c *Check) error {
	v := p.get("check_initial_status")
	switch Status(v.value) {
	case "":
		c.Initial = Critical
	case Passing, Warning, Critical:
		c.Initial = Status(v.value)
	default:
		return fmt.Errorf("%s=%q: is not one of passing, warning, critical", v.name, v.value)
	}
	return nil
}
