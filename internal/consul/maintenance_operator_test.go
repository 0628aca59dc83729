package consul_test

import (
	"errors"
	"testing"

	"remora/internal/consul"
)

func TestDeregisterLeavesAnOperatorsMaintenance(t *testing.T) {
	forEachAgent(t, func(t *testing.T, p place) {
		p.mustRegister(t, web())
		if err := p.outside.EnableServiceMaintenance("web-1", "disk full"); err != nil {
			t.Fatal(err)
		}
		if err := p.agent.Maintain(t.Context(), "web-1", "draining"); err != nil {
			t.Fatal(err)
		}
		if err := p.agent.Deregister(t.Context(), "web-1"); !errors.Is(err, consul.ErrOthersMaintenance) {
			t.Errorf("error %v, want ErrOthersMaintenance", err)
		}
		if got, want := p.check(t, "_service_maintenance:web-1").Notes, "disk full"; got != want {
			t.Errorf("reason %q, want the operator's %q", got, want)
		}
		if err := p.outside.DisableServiceMaintenance("web-1"); err != nil {
			t.Fatal(err)
		}
		if err := p.agent.Deregister(t.Context(), "web-1"); err != nil {
			t.Error(err)
		}
	})
}

// Consul keeps one maintenance per instance and the reason that came first: an
// operator's that comes during ours cannot be told from it.
func TestSecondMaintenanceLeavesNoTrace(t *testing.T) {
	forEachAgent(t, func(t *testing.T, p place) {
		p.mustRegister(t, web())
		if err := p.agent.Maintain(t.Context(), "web-1", "draining"); err != nil {
			t.Fatal(err)
		}
		if err := p.outside.EnableServiceMaintenance("web-1", "disk full"); err != nil {
			t.Fatal(err)
		}
		if got, want := p.check(t, "_service_maintenance:web-1").Notes, "remora: draining"; got != want {
			t.Errorf("reason %q, want %q", got, want)
		}
	})
}
