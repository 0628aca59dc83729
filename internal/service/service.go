// Package service is what the toolkit knows of a service: its instances, their
// checks, and the SERVICE_* convention by which people declare both. It is pure:
// it talks to nothing and reads nothing.
package service

import (
	"net"
	"strconv"
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
	// TaggedAddresses are further addresses by name, such as wan.
	TaggedAddresses map[string]Endpoint
	// Weights are nil for Consul's own, which are 1 and 1.
	Weights *Weights
	// TagOverride lets others change the tags in the catalog.
	TagOverride bool
	Namespace   string // Consul Enterprise
	Partition   string // Consul Enterprise
	Checks      []Check
}

// Endpoint is an address with a port.
type Endpoint struct {
	Address string // as Instance.Address
	Port    int
}

// Weights are an instance's shares of traffic.
type Weights struct {
	Passing, Warning int
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
	HTTP   Kind = "http"
	HTTPS  Kind = "https"
	Script Kind = "script" // Args are run; exit code 0 passes, 1 warns
	TTL    Kind = "ttl"    // somebody else, such as the app, reports it
	TCP    Kind = "tcp"
	GRPC   Kind = "grpc"   // grpc.health.v1
	Docker Kind = "docker" // the HEALTHCHECK of the container's image
	File   Kind = "file"   // Path is there, and written within MaxAge
	H2Ping Kind = "h2ping" // an HTTP/2 ping
	Alias  Kind = "alias"  // as Service, another instance on the agent
)

// Check says how to find out whether an instance can serve.
type Check struct {
	ID       string // unique on its agent
	Kind     Kind
	Path     string            // of HTTP and HTTPS, with its query; of File, the file
	Method   string            // of HTTP and HTTPS
	Header   map[string]string // of HTTP and HTTPS
	Body     string            // of HTTP and HTTPS
	Statuses []StatusRange     // of HTTP and HTTPS: those that pass, instead of Consul's
	Args     []string          // of Script; see Instance.Command
	Service  string            // of GRPC, what is asked for, if not the whole server; of Alias, an instance's ID
	MaxAge   time.Duration     // of File; 0: of any age
	UseTLS   bool              // of GRPC and H2Ping

	TLSSkipVerify bool
	TLSServerName string

	Interval time.Duration
	Timeout  time.Duration
	// TTL, if not 0, makes the check one that somebody has to report within TTL,
	// time and again; otherwise the agent runs it.
	TTL time.Duration

	// How many results in a row it takes to change the status, as for Consul's own
	// checks; 0 is the same as 1, and for a warning as FailuresBeforeCritical.
	SuccessBeforePassing   int
	FailuresBeforeWarning  int
	FailuresBeforeCritical int
	// StartPeriod is the time after the start in which failures do not count.
	StartPeriod time.Duration

	// Initial is the status that the check is born with.
	Initial Status
	// DeregisterAfter is the time in critical after which Consul removes the
	// instance; 0 means never.
	DeregisterAfter time.Duration
}

// StatusRange is a range of HTTP status codes, ends included.
type StatusRange struct {
	From, To int
}

// HostPort is the address and port to connect to, IPv6 in brackets.
func (i Instance) HostPort() string {
	return net.JoinHostPort(i.Address, strconv.Itoa(i.Port))
}
