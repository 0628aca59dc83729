// Package service is what the toolkit knows of a service: its instances, their
// checks, and the SERVICE_* convention by which people declare both. It is pure:
// it talks to nothing and reads nothing.
package service

import (
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Instance is one registration in Consul.
type Instance struct {
	ID      string // unique on its agent
	Name    string
	Address string // bare IP or name; IPv6 without brackets
	Port    int
	Tags    []string
	Meta    map[string]string
	Checks  []Check
}

// MetaOwner is the meta key that marks a registration as made by this toolkit;
// its value is the host name of the container that it stands for.
const MetaOwner = "remora_owner"

// Status of a check, in Consul's words.
type Status string

// The values of Status.
const (
	Passing  Status = "passing"
	Warning  Status = "warning"
	Critical Status = "critical"
)

// Kind of a check.
type Kind string

// The values of Kind.
const (
	HTTP  Kind = "http"
	HTTPS Kind = "https"
	TCP   Kind = "tcp"
)

// Check says how to find out whether an instance can serve.
type Check struct {
	ID       string // unique on its agent
	Kind     Kind
	Path     string // of HTTP and HTTPS, with its query
	Method   string // of HTTP and HTTPS
	Interval time.Duration
	Timeout  time.Duration
	// TTL, if not 0, makes the check one that somebody has to report within TTL,
	// time and again; otherwise the agent runs it.
	TTL time.Duration
	// Initial is the status that the check is born with.
	Initial Status
	// DeregisterAfter is the time in critical after which Consul removes the
	// instance; 0 means never.
	DeregisterAfter time.Duration
}

// HostPort is the address and port to connect to, IPv6 in brackets.
func (i Instance) HostPort() string {
	return net.JoinHostPort(i.Address, strconv.Itoa(i.Port))
}

// URL is the address that an HTTP or HTTPS check of the instance asks.
func (i Instance) URL(c Check) string {
	path, query, _ := strings.Cut(c.Path, "?")
	u := url.URL{Scheme: string(c.Kind), Host: i.HostPort(), Path: path, RawQuery: query}
	return u.String()
}

// Reported returns the instance with checks that somebody reports every so
// often, at least once per ttl. They have IDs of their own: to the agent they are
// of another kind.
func (i Instance) Reported(ttl time.Duration) Instance {
	i.Checks = slices.Clone(i.Checks)
	for n := range i.Checks {
		i.Checks[n].ID += ":ttl"
		i.Checks[n].TTL = ttl
	}
	return i
}
