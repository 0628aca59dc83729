package consul

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/consul/api"

	"remora/internal/service"
)

var updateKinds = flag.Bool("update-kinds", false, "write testdata/kinds.json anew")

// everyKind declares what an agent can run, with every setting that it has.
func everyKind(t *testing.T) service.Instance {
	t.Helper()
	environ := []string{"SERVICE_NAME=web", "SERVICE_PORT=80", "SERVICE_ADDRESS=2001:db8::1", "SERVICE_TAGS=a",
		"SERVICE_TAGGED_ADDRESS_WAN=198.51.100.1:443", "SERVICE_WEIGHT_WARNING=0", "SERVICE_ENABLE_TAG_OVERRIDE=true",
		"SERVICE_NAMESPACE=team", "SERVICE_PARTITION=eu",
		"SERVICE_CHECK_HTTPS=/health?full=1", "SERVICE_CHECK_HTTP_METHOD=POST", "SERVICE_CHECK_HTTP_HEADER_X_KEY=k",
		"SERVICE_CHECK_HTTP_BODY={}", "SERVICE_CHECK_TLS_SKIP_VERIFY=true", "SERVICE_CHECK_TLS_SERVER_NAME=web.example",
		"SERVICE_CHECK_SUCCESS_BEFORE_PASSING=1", "SERVICE_CHECK_FAILURES_BEFORE_WARNING=2", "SERVICE_CHECK_FAILURES_BEFORE_CRITICAL=3",
		"SERVICE_CHECK_2_TCP=true", "SERVICE_CHECK_3_GRPC=shop.Cart", "SERVICE_CHECK_3_GRPC_USE_TLS=true",
		"SERVICE_CHECK_4_SCRIPT=probe '$SERVICE_IP' $SERVICE_PORT", "SERVICE_CHECK_5_TTL=30s", "SERVICE_CHECK_5_DEREGISTER_AFTER=never",
		"SERVICE_CHECK_6_H2PING=true", "SERVICE_CHECK_6_H2PING_USE_TLS=true", "SERVICE_CHECK_7_ALIAS=db-1", "SERVICE_CHECK_7_INITIAL_STATUS=passing"}
	r, err := service.Resolve(service.Pairs(environ), "box")
	if err != nil || r.RunBy(service.Agent) != nil {
		t.Fatal(err, r.RunBy(service.Agent))
	}
	return r.Instances[0].Instance
}

func TestWhatTheAgentIsAskedToRun(t *testing.T) {
	got, err := json.MarshalIndent(registration(everyKind(t)), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", "kinds.json")
	if *updateKinds {
		if err := os.WriteFile(path, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)+"\n"); diff != "" {
		t.Errorf("registration (-file +got):\n%s", diff)
	}
}

// as is what an agent tells of a registration.
func as(r *api.AgentServiceRegistration, types map[string]string) Registered {
	has := Registered{Service: api.AgentService{
		ID: r.ID, Service: r.Name, Address: r.Address, Port: r.Port, Tags: r.Tags, Meta: r.Meta,
		EnableTagOverride: r.EnableTagOverride, Weights: api.AgentWeights{Passing: 1, Warning: 1},
		TaggedAddresses: map[string]api.ServiceAddress{"lan_ipv6": {Address: r.Address, Port: r.Port}}, // filled in
	}, Checks: map[string]*api.AgentCheck{}}
	if r.Weights != nil {
		has.Service.Weights = *r.Weights
	}
	for name, e := range r.TaggedAddresses {
		has.Service.TaggedAddresses[name] = e
	}
	for _, c := range r.Checks {
		has.Checks[c.CheckID] = &api.AgentCheck{CheckID: c.CheckID, Name: c.Name, Notes: c.Notes, Type: types[c.CheckID]}
	}
	return has
}

func TestEveryFieldMakesAnotherRegistration(t *testing.T) {
	i := everyKind(t)
	types := map[string]string{}
	for _, c := range i.Checks {
		types[c.ID] = map[service.Kind]string{service.HTTPS: "http"}[c.Kind]
		if types[c.ID] == "" {
			types[c.ID] = string(c.Kind)
		}
	}
	if !as(registration(i), types).Is(i) {
		t.Error("what was registered is not what is wanted")
	}
	for name, change := range map[string]func(*service.Instance){
		"tagged address":   func(i *service.Instance) { i.TaggedAddresses["wan"] = service.Endpoint{Address: "a", Port: 1} },
		"further address":  func(i *service.Instance) { i.TaggedAddresses["lan"] = service.Endpoint{Address: "a", Port: 1} },
		"no other address": func(i *service.Instance) { i.TaggedAddresses = nil },
		"weights":          func(i *service.Instance) { i.Weights = nil },
		"override":         func(i *service.Instance) { i.TagOverride = false },
		"header":           func(i *service.Instance) { i.Checks[0].Header = map[string]string{"X-Key": "other"} },
		"body":             func(i *service.Instance) { i.Checks[0].Body = "" },
		"server name":      func(i *service.Instance) { i.Checks[0].TLSServerName = "" },
		"verification":     func(i *service.Instance) { i.Checks[0].TLSSkipVerify = false },
		"thresholds":       func(i *service.Instance) { i.Checks[0].FailuresBeforeCritical = 9 },
		"gRPC's service":   func(i *service.Instance) { i.Checks[2].Service = "" },
		"gRPC's TLS":       func(i *service.Instance) { i.Checks[2].UseTLS = false },
		"command":          func(i *service.Instance) { i.Checks[3].Args = []string{"other"} },
		"TTL":              func(i *service.Instance) { i.Checks[4].TTL *= 2 },
		"alias":            func(i *service.Instance) { i.Checks[6].Service = "db-2" },
	} {
		other := everyKind(t)
		change(&other)
		if as(registration(i), types).Is(other) {
			t.Errorf("another %s is not seen", name)
		}
	}
	tags := everyKind(t)
	tags.Tags = []string{"changed in the catalog"}
	if !as(registration(i), types).Is(tags) {
		t.Error("tags that others may change are taken for another registration")
	}
}
