package service

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const headerPrefix = "http_header_"

// request reads what an HTTP check asks besides its path. The values of headers
// and the body are not noted: there may be secrets in them.
func (k checkKeys) request(c *Check) {
	method := k.get("http_method")
	c.Method = method.value
	if c.Method == "" {
		c.Method = "GET"
	}
	if strings.ContainsFunc(c.Method, func(r rune) bool { return !isToken(r) }) {
		k.fail(method, "is not a method")
	}
	k.found(method, "default", "method", c.Method)
	for _, key := range slices.Sorted(maps.Keys(k.keys)) {
		name, ok := strings.CutPrefix(key, k.key(headerPrefix))
		if v := k.keys[key]; ok && v.value != "" {
			k.header(c, v, name)
		}
	}
	if body := k.get("http_body"); body.value != "" {
		c.Body = body.value
		k.from(body, k.field("body"), fmt.Sprintf("(%d bytes)", len(body.value)))
	}
	if statuses := k.get("http_status"); statuses.value != "" {
		c.Statuses = k.statuses(statuses)
		k.from(statuses, k.field("http_status"), statuses.value)
	}
}

func (k checkKeys) header(c *Check, v variable, name string) {
	name = strings.ReplaceAll(name, "_", "-")
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !isToken(r) }) {
		k.problems = append(k.problems, fmt.Errorf("%s: ends in no name of a header", v.name))
		return
	}
	if strings.ContainsFunc(v.value, func(r rune) bool { return unicode.IsControl(r) && r != '\t' }) {
		k.problems = append(k.problems, fmt.Errorf("%s: has a control character", v.name))
	}
	words := strings.Split(name, "-")
	for n, w := range words {
		if w != "" {
			words[n] = strings.ToUpper(w[:1]) + w[1:]
		}
	}
	name = strings.Join(words, "-")
	if c.Header == nil {
		c.Header = map[string]string{}
	}
	if _, twice := c.Header[name]; twice {
		k.problems = append(k.problems, fmt.Errorf("%s: is the header %s, which another key is too", v.name, name))
		return
	}
	c.Header[name] = v.value
	k.from(v, k.field("header."+name), fmt.Sprintf("(%d bytes)", len(v.value)))
}

// isToken tells whether the rune may be in a method or a header's name (RFC 9110,
// 5.6.2).
func isToken(r rune) bool {
	return '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

// statuses reads 200-399,404.
func (k checkKeys) statuses(v variable) []StatusRange {
	var all []StatusRange
	for part := range strings.SplitSeq(v.value, ",") {
		low, high, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			high = low
		}
		from, fromOK := statusCode(low)
		to, toOK := statusCode(high)
		if !fromOK || !toOK || from > to {
			k.fail(v, "is not a list of status codes and ranges (for example 200-399,404)")
			return nil
		}
		all = append(all, StatusRange{from, to})
	}
	return all
}

func statusCode(text string) (int, bool) {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	return n, err == nil && n >= 100 && n <= 599
}

func (k checkKeys) times(c *Check) {
	c.Interval = k.duration("interval", defaultInterval, "default")
	if c.Interval < minInterval {
		k.fail(k.get("interval"), "is shorter than %s", minInterval)
		c.Interval = defaultInterval
	}
	c.Timeout = k.duration("timeout", min(defaultTimeout, c.Interval/2), "half the interval, "+defaultTimeout.String()+" at most")
	if c.Timeout >= c.Interval {
		k.fail(k.get("timeout"), "is not shorter than the interval of %s", c.Interval)
	}
	if k.get("start_period").value != "" {
		c.StartPeriod = k.duration("start_period", 0, "")
	}
}

func (k checkKeys) thresholds(c *Check) {
	c.SuccessBeforePassing = k.count("success_before_passing")
	c.FailuresBeforeWarning = k.count("failures_before_warning")
	c.FailuresBeforeCritical = k.count("failures_before_critical")
	if c.FailuresBeforeWarning > c.FailuresBeforeCritical { // as Consul does (agent/structs, CheckType.Validate)
		k.fail(k.get("failures_before_warning"), "is more than SERVICE_%s (%d)",
			strings.ToUpper(k.key("failures_before_critical")), c.FailuresBeforeCritical)
	}
}

// maxCount is far beyond what anybody waits for.
const maxCount = 10000

func (k checkKeys) count(name string) int {
	v := k.get(name)
	if v.value == "" {
		return 0
	}
	n, err := strconv.Atoi(v.value)
	if err != nil || n < 0 || n > maxCount {
		k.fail(v, "is not a number (0 to %d)", maxCount)
		return 0
	}
	k.from(v, k.field(name), strconv.Itoa(n))
	return n
}

// life reads how a check begins and what it may end.
func (k checkKeys) life(c *Check) {
	v := k.get("initial_status")
	switch Status(v.value) {
	case "":
		c.Initial = Critical
	case Passing, Warning, Critical:
		c.Initial = Status(v.value)
	default:
		k.fail(v, "is not one of passing, warning, critical")
	}
	k.found(v, "default", "initial_status", string(c.Initial))
	if v := k.get("deregister_after"); v.value == never {
		k.from(v, k.field("deregister_after"), never)
		return
	}
	c.DeregisterAfter = k.duration("deregister_after", defaultDeregisterAfter, "default")
}

// duration reads a time and notes it; rule is why it is otherwise.
func (k checkKeys) duration(name string, otherwise time.Duration, rule string) time.Duration {
	v := k.get(name)
	d := otherwise
	if v.value != "" {
		parsed, err := time.ParseDuration(v.value)
		switch {
		case isNumber(v.value):
			k.fail(v, "missing unit (for example %ss)", v.value)
		case err != nil || parsed <= 0:
			k.fail(v, "is not a duration (for example 500ms, 5s or 2m)")
		default:
			d = parsed
		}
	}
	k.found(v, rule, name, d.String())
	return d
}
