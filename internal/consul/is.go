package consul

import (
	"maps"
	"slices"

	"github.com/hashicorp/consul/api"

	"remora/internal/service"
)

// Is tells whether the agent has what the instance wants to be. Statuses do not
// count: they are what checks are for.
func (r Registered) Is(i service.Instance) bool {
	same := r.Service.Service == i.Name &&
		r.Service.Address == i.Address &&
		r.Service.Port == i.Port &&
		r.Service.EnableTagOverride == i.TagOverride &&
		// Who may override tags may: the agent takes them over from the catalog.
		(i.TagOverride || slices.Equal(r.Service.Tags, i.Tags)) &&
		maps.Equal(r.Service.Meta, i.Meta) &&
		sameWeights(r.Service.Weights, i.Weights) &&
		sameTaggedAddresses(r.Service.TaggedAddresses, i.TaggedAddresses)
	if !same {
		return false
	}
	checks := 0
	for id := range r.Checks {
		if id != maintenanceCheck+i.ID {
			checks++
		}
	}
	for _, c := range i.Checks {
		has, wants := r.Checks[c.ID], check(i, c)
		if has == nil || has.Type != checkType(c) || has.Name != wants.Name || has.Notes != wants.Notes {
			return false
		}
	}
	return checks == len(i.Checks)
}

// checkType is the agent's word for a check's kind (agent/structs, CheckType.Type).
func checkType(c service.Check) string {
	switch {
	case c.TTL > 0:
		return "ttl"
	case c.Kind == service.HTTPS:
		return "http"
	}
	return string(c.Kind)
}

// sameWeights takes none for Consul's own, which the agent fills in.
func sameWeights(has api.AgentWeights, wants *service.Weights) bool {
	none := has == api.AgentWeights{} || has == api.AgentWeights{Passing: 1, Warning: 1}
	if wants == nil {
		return none
	}
	return has == api.AgentWeights{Passing: wants.Passing, Warning: wants.Warning}
}

// filledIn are the tagged addresses that the agent makes of the address where they
// are not declared (agent/agent.go, addServiceInternal).
var filledIn = []string{"lan_ipv4", "wan_ipv4", "lan_ipv6", "wan_ipv6"}

func sameTaggedAddresses(has map[string]api.ServiceAddress, wants map[string]service.Endpoint) bool {
	for name, e := range has {
		if _, wanted := wants[name]; !wanted && !slices.Contains(filledIn, name) {
			return false
		}
		if wanted, ok := wants[name]; ok && (wanted != service.Endpoint{Address: e.Address, Port: e.Port}) {
			return false
		}
	}
	for name := range wants {
		if _, ok := has[name]; !ok {
			return false
		}
	}
	return true
}
