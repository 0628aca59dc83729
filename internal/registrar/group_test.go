package registrar_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"remora/internal/await"
	"remora/internal/consul"
	"remora/internal/consultest"
	"remora/internal/registrar"
	"remora/internal/service"
)

func mustGroup(t *testing.T, log *await.Log) (*registrar.Group, *consultest.Agent) {
	t.Helper()
	fake := consultest.New(t)
	t.Setenv("CONSUL_HTTP_ADDR", fake.Addr)
	agent, err := consul.New(time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return &registrar.Group{Agent: agent, Log: log.Logger(), Instances: []service.Instance{
		{ID: "a", Name: "web", Address: "192.0.2.1", Port: 80},
		{ID: "b", Name: "web", Address: "192.0.2.1", Port: 81},
	}}, fake
}

func TestGroupLeavesWithAllItsInstances(t *testing.T) {
	log := await.NewLog(t)
	group, fake := mustGroup(t, log)
	if err := group.Locate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, i := range group.Instances {
		if err := group.Agent.Register(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	group.Maintain(t.Context())
	group.Deregister(t.Context(), time.Second)
	want := []string{"register a", "register b", "maintain a", "maintain b", "deregister a", "deregister b"}
	sorted := cmpopts.SortSlices(func(a, b string) bool { return a < b }) // side by side
	if diff := cmp.Diff(want, fake.Writes(), sorted); diff != "" {
		t.Errorf("the agent was told (-want +got):\n%s", diff)
	}
	for _, what := range []string{"service draining", "service deregistered"} {
		if n := log.Count("level=INFO", what); n != 2 {
			t.Errorf("%q is logged %d times, want 2", what, n)
		}
	}
}

func TestGroupSaysWhatItCouldNotDo(t *testing.T) {
	log := await.NewLog(t)
	group, fake := mustGroup(t, log)
	fake.Stop()
	group.Maintain(t.Context())
	group.Deregister(t.Context(), time.Second)
	for _, what := range []string{"service not drained", "service not deregistered"} {
		if n := log.Count("level=WARN", what, "no such file or directory"); n != 2 {
			t.Errorf("%q is logged %d times, want 2", what, n)
		}
	}
	fake.Start()
}

func TestMaintenanceThatIsOvertakenByTheStopIsNoTrouble(t *testing.T) {
	log := await.NewLog(t)
	group, _ := mustGroup(t, log)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	group.Maintain(ctx)
	if log.String() != "" {
		t.Error("something is logged, want nothing")
	}
}
