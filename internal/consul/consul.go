// Package consul talks to a Consul agent about registrations: it makes them,
// takes them away, puts them into maintenance, reports checks, and tells what
// the agent has.
package consul

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"

	"remora/internal/address"
	"remora/internal/service"
)

// ErrNotFound says that the agent does not know the instance or check.
var ErrNotFound = errors.New("not known to the agent")

// ErrRefused says that the agent understood the request and will never accept
// it as it is.
var ErrRefused = errors.New("refused by the agent")

// Agent is a Consul agent.
type Agent struct {
	client  *api.Client
	address string
	timeout time.Duration
	where   address.Wish
	tokens  *tokens

	mu   sync.Mutex
	with map[string]string // by ID: the token of our last registration
}

// Options say how to deal with an agent.
type Options struct {
	Timeout time.Duration // bounds each call
	Address address.Wish  // what to register of this host; see ChooseAddress
	Login   Login         // how to get a token, if not from the environment
}

// New is NewWith a timeout alone.
func New(timeout time.Duration) (*Agent, error) { return NewWith(Options{Timeout: timeout}) }

// NewWith returns the agent that Consul's own environment variables name
// (CONSUL_HTTP_ADDR, CONSUL_HTTP_TOKEN, CONSUL_CACERT, …; without them,
// 127.0.0.1:8500). It does not connect.
func NewWith(o Options) (*Agent, error) {
	config := api.DefaultConfig()
	addr := config.Address // NewClient takes the scheme off it
	client, err := api.NewClient(config)
	if err != nil {
		return nil, fmt.Errorf("consul client for %s: %w", addr, err)
	}
	return &Agent{
		client: client, address: addr, timeout: o.Timeout, where: o.Address,
		tokens: newTokens(client, config, o.Login), with: map[string]string{},
	}, nil
}

// Address is where the agent is, as it was given.
func (a *Agent) Address() string { return a.address }

// Register makes the agent know the instance and its checks, exactly these:
// checks that an earlier registration under the same ID left go, and so does
// maintenance that we began (see Maintain). An operator's maintenance stays, which
// is why Consul's own replace-existing-checks is not used: it ends that too.
func (a *Agent) Register(ctx context.Context, i service.Instance) error {
	err := a.call(ctx, a.timeout, func(q *api.QueryOptions) error {
		options := api.ServiceRegisterOpts{Token: q.Token}
		err := a.client.Agent().ServiceRegisterOpts(registration(i), options.WithContext(q.Context()))
		if err == nil {
			a.registeredWith(i.ID, q.Token)
		}
		return err
	})
	if err != nil {
		return a.explain("register service", i.ID, err)
	}
	checks, err := a.checks(ctx, i.ID)
	if err != nil {
		return err
	}
	return a.removeChecks(ctx, checks, func(c *api.AgentCheck) bool {
		ours := slices.ContainsFunc(i.Checks, func(wants service.Check) bool { return wants.ID == c.CheckID })
		return ours || c.CheckID == maintenanceCheck+i.ID && operators(c)
	})
}

// Replace is Register for an instance that begins a new life. The agent keeps the
// status of a check that is registered again (agent/agent.go, AddService), so that
// an app that is just starting would look as well as the one before it.
func (a *Agent) Replace(ctx context.Context, i service.Instance) error {
	checks, err := a.checks(ctx, i.ID)
	if err != nil {
		return err
	}
	if len(checks) > 0 {
		// With no check at all it would look well, too. Register ends this.
		if err := a.Maintain(ctx, i.ID, "starting"); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		maintains := func(c *api.AgentCheck) bool { return c.CheckID == maintenanceCheck+i.ID }
		if err := a.removeChecks(ctx, checks, maintains); err != nil {
			return err
		}
	}
	return a.Register(ctx, i)
}

// removeChecks removes the checks for which keep is not true.
func (a *Agent) removeChecks(ctx context.Context, has map[string]*api.AgentCheck, keep func(*api.AgentCheck) bool) error {
	for id, c := range has {
		if keep(c) {
			continue
		}
		err := a.call(ctx, a.timeout, func(q *api.QueryOptions) error {
			return a.client.Agent().CheckDeregisterOpts(id, q)
		})
		if err = a.explain("remove check", id, err); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return nil
}

// Deregister removes the instance. That there is none is no error. One that an
// operator put into maintenance stays, with ErrOthersMaintenance: its maintenance
// would go with it, and the next life of the instance would be in traffic.
func (a *Agent) Deregister(ctx context.Context, id string) error {
	checks, err := a.listChecks(ctx, id)
	if err != nil {
		return a.explain("deregister service", id, err)
	}
	if c := checks[maintenanceCheck+id]; operators(c) {
		return fmt.Errorf("deregister service %q: %w: %s", id, ErrOthersMaintenance, c.Notes)
	}
	err = a.call(ctx, a.timeout, func(q *api.QueryOptions) error {
		return a.client.Agent().ServiceDeregisterOpts(id, q)
	})
	if err = a.explain("deregister service", id, err); errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// reasonPrefix begins the reason of maintenance that we began, so that it is
// never mistaken for an operator's.
const reasonPrefix = "remora: "

// Maintain puts the instance into maintenance, for the reason given: Consul
// shows it as critical until it is registered anew. An instance that an operator
// put into maintenance keeps the operator's reason.
func (a *Agent) Maintain(ctx context.Context, id, reason string) error {
	err := a.call(ctx, a.timeout, func(q *api.QueryOptions) error {
		return a.client.Agent().EnableServiceMaintenanceOpts(id, reasonPrefix+reason, q)
	})
	return a.explain("maintain service", id, err)
}

// maintenanceCheck begins the ID of the check by which the agent keeps an
// instance in maintenance (agent/agent.go, serviceMaintCheckID).
const maintenanceCheck = "_service_maintenance:"

// operators tells whether maintenance was begun by somebody else.
func operators(c *api.AgentCheck) bool {
	return c != nil && !strings.HasPrefix(c.Notes, reasonPrefix)
}

// Report sets the status and output of a TTL check, which counts as a sign of
// life. It returns ErrNotFound if the agent does not have the check.
func (a *Agent) Report(ctx context.Context, checkID string, status service.Status, output string) error {
	err := a.call(ctx, a.timeout, func(q *api.QueryOptions) error {
		return a.client.Agent().UpdateTTLOpts(checkID, output, string(status), q)
	})
	return a.explain("report check", checkID, err)
}

// explain adds what was done to what, and the kind of error where a caller
// decides by it. A refused token is not ErrRefused: tokens are created and
// replicated while we wait.
func (a *Agent) explain(doing, id string, err error) error {
	if err == nil {
		return nil
	}
	var login *loginError
	if errors.As(err, &login) {
		return fmt.Errorf("%s %q at %s: %w", doing, id, a.address, login)
	}
	var status api.StatusError
	if !errors.As(err, &status) {
		return fmt.Errorf("%s %q at %s: %w", doing, id, a.address, bare(err))
	}
	body := strings.TrimSpace(status.Body)
	switch status.Code {
	case http.StatusNotFound:
		return fmt.Errorf("%s %q: %w", doing, id, ErrNotFound)
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		return fmt.Errorf("%s %q: %w: %s", doing, id, ErrRefused, body)
	}
	return fmt.Errorf("%s %q: the agent answers %d: %s", doing, id, status.Code, body)
}

// bare takes the method and URL off an HTTP client's error; the address is in
// the message already, and the URL says nothing more.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("no answer in time")
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		return op.Err
	}
	return err
}
