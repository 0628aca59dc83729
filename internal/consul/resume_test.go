package consul_test

import (
	"errors"
	"testing"

	"remora/internal/consul"
)

func TestResumeEndsOurMaintenanceAndNoOther(t *testing.T) {
	forEachAgent(t, func(t *testing.T, p place) {
		p.mustRegister(t, web())
		mustResume := func() {
			t.Helper()
			if err := p.agent.Resume(t.Context(), "web-1"); err != nil {
				t.Fatal(err)
			}
		}
		mustBeFor := func(want string) {
			t.Helper()
			if got := p.mustLookUp(t, "web-1", "", 0).Maintenance(); got != want {
				t.Errorf("in maintenance for %q, want %q", got, want)
			}
		}
		mustResume() // from nothing
		if err := p.agent.Maintain(t.Context(), "web-1", "disk"); err != nil {
			t.Fatal(err)
		}
		mustBeFor("remora: disk")
		mustResume()
		mustBeFor("")
		if err := p.outside.EnableServiceMaintenance("web-1", "an operator"); err != nil {
			t.Fatal(err)
		}
		if err := p.agent.Maintain(t.Context(), "web-1", "disk"); err != nil {
			t.Fatal(err)
		}
		if err := p.agent.Resume(t.Context(), "web-1"); !errors.Is(err, consul.ErrOthersMaintenance) {
			t.Errorf("resume from an operator's maintenance: %v, want %v", err, consul.ErrOthersMaintenance)
		}
		mustBeFor("an operator")
	})
}

func TestResumeOfAnUnknownInstanceIsNoError(t *testing.T) {
	forEachAgent(t, func(t *testing.T, p place) {
		if err := p.agent.Resume(t.Context(), "no-such"); err != nil {
			t.Error(err)
		}
	})
}
