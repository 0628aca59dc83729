package service

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// URL is the address that an HTTP or HTTPS check of the instance asks.
func (i Instance) URL(c Check) string {
	path, query, _ := strings.Cut(c.Path, "?")
	u := url.URL{Scheme: string(c.Kind), Host: i.HostPort(), Path: path, RawQuery: query}
	return u.String()
}

// Command is what a Script check of the instance runs: the check's words, with
// the instance's address and port for $SERVICE_IP and $SERVICE_PORT.
func (i Instance) Command(c Check) []string {
	ip, port := i.Address, strconv.Itoa(i.Port)
	replace := strings.NewReplacer("${SERVICE_IP}", ip, "$SERVICE_IP", ip, "${SERVICE_PORT}", port, "$SERVICE_PORT", port)
	args := make([]string, len(c.Args))
	for n, arg := range c.Args {
		args[n] = replace.Replace(arg)
	}
	return args
}

// Passes tells whether an HTTP status is one of those that the check declares to
// pass; ok is false if it declares none.
func (c Check) Passes(status int) (passes, ok bool) {
	passes = slices.ContainsFunc(c.Statuses, func(r StatusRange) bool { return r.From <= status && status <= r.To })
	return passes, len(c.Statuses) > 0
}

// Ours tells whether somebody has to run the check and report it: not if that is
// the agent, or the app itself.
func (c Check) Ours() bool { return c.TTL > 0 && c.Kind != TTL }

// Reported returns the instance with checks that somebody reports every so
// often, at least once per ttl. They have IDs of their own: to the agent they are
// of another kind. What only Consul can answer, and what others report, stays.
func (i Instance) Reported(ttl time.Duration) Instance {
	i.Checks = slices.Clone(i.Checks)
	for n, c := range i.Checks {
		if c.Kind == TTL || c.Kind == Alias {
			continue
		}
		i.Checks[n].ID += ":ttl"
		i.Checks[n].TTL = ttl
	}
	return i
}
