package consul

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/consul/api"
)

// ErrOthersMaintenance says that an instance is in maintenance that somebody else
// began.
var ErrOthersMaintenance = errors.New("in maintenance that somebody else began")

// Resume ends maintenance that we began, in this life or in an earlier one. An
// operator's stays, and the error is ErrOthersMaintenance.
func (a *Agent) Resume(ctx context.Context, id string) error {
	checks, err := a.checks(ctx, id)
	if err != nil {
		return err
	}
	c := checks[maintenanceCheck+id]
	if c == nil {
		return nil
	}
	if !strings.HasPrefix(c.Notes, reasonPrefix) {
		return fmt.Errorf("resume service %q: %w: %s", id, ErrOthersMaintenance, c.Notes)
	}
	return a.removeChecks(ctx, checks, func(c *api.AgentCheck) bool { return c.CheckID != maintenanceCheck+id })
}

// Maintenance is the reason for which the instance is in maintenance; "" if it is
// not.
func (r Registered) Maintenance() string {
	c := r.Checks[maintenanceCheck+r.Service.ID]
	switch {
	case c == nil:
		return ""
	case c.Notes == "":
		return "no reason given"
	}
	return c.Notes
}
