package service_test

import (
	"strings"
	"testing"

	"remora/internal/service"
)

func mustResolve(tb testing.TB, environ string) service.Resolution {
	tb.Helper()
	r, err := service.Resolve(service.Pairs(append(words(environ), "SERVICE_NAME=web", "SERVICE_PORT=80")), host)
	if err != nil {
		tb.Fatalf("%s: %v", environ, err)
	}
	return r
}

func TestWhatTheAgentCannotRun(t *testing.T) {
	for environ, want := range map[string]string{
		"": "",
		"SERVICE_CHECK_HTTP=/ SERVICE_CHECK_HTTP_HEADER_HOST=a SERVICE_CHECK_HTTP_BODY=b SERVICE_CHECK_FAILURES_BEFORE_CRITICAL=2": "",
		"SERVICE_CHECK_HTTPS=/ SERVICE_CHECK_TLS_SKIP_VERIFY=1":                                                                    "",
		"SERVICE_CHECK_SCRIPT=a SERVICE_CHECK_2_GRPC=1 SERVICE_CHECK_3_TTL=1m SERVICE_CHECK_4_ALIAS=b SERVICE_CHECK_5_H2PING=1":    "",
		"SERVICE_CHECK_TCP=false":                              "",
		"SERVICE_80_CHECK_FILE=/a":                             "SERVICE_80_CHECK_FILE: the Consul agent cannot run a file check; a sidecar can, with REMORA_CHECKS=sidecar",
		"SERVICE_CHECK_2_DOCKER=true":                          "SERVICE_CHECK_2_DOCKER: the Consul agent cannot run a docker check",
		"SERVICE_CHECK_HTTP=/ SERVICE_CHECK_HTTP_STATUS=200":   "SERVICE_CHECK_HTTP_STATUS: the Consul agent cannot do this about a check",
		"SERVICE_CHECK_START_PERIOD=5s":                        "SERVICE_CHECK_START_PERIOD: the Consul agent cannot",
		"SERVICE_CHECK_HTTP_STATUS=200 SERVICE_CHECK_TCP=true": "", // it changes nothing; lint says so
	} {
		err := mustResolve(t, environ).RunBy(service.Agent)
		if got := text(err); !strings.HasPrefix(got, want) || (got == "") != (want == "") {
			t.Errorf("%s: %q, want %q", environ, got, want)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestEveryKindIsSomebodys(t *testing.T) {
	for _, k := range service.Keys() {
		kind := service.Kind(strings.ToLower(strings.TrimPrefix(k.Name, "CHECK_")))
		if values := example[k.Name]; !strings.HasPrefix(k.Name, "CHECK_") || len(values) == 0 || string(kind) != strings.ToLower(k.Name[len("CHECK_"):]) {
			continue
		}
		for _, runner := range []service.Runner{service.Agent, service.Sidecar} {
			environ := "SERVICE_" + strings.ReplaceAll(k.Name, "<NAME>", "X") + "=" + strings.Fields(example[k.Name][0])[0]
			r, err := service.Resolve(service.Pairs(append(words(environ), "SERVICE_NAME=web", "SERVICE_PORT=80")), host)
			if err != nil || len(r.Instances[0].Checks) == 0 || r.Instances[0].Checks[0].Kind != kind {
				continue // a setting, not a kind
			}
			if err := r.RunBy(runner); (err == nil) != runner.Runs(kind) {
				t.Errorf("%s: RunBy(%s) = %v, but Runs is %v", environ, runner, err, runner.Runs(kind))
			}
		}
	}
}

func TestNamespaceThatConsulIsNotAskedFor(t *testing.T) {
	for _, tc := range []struct{ environ, namespace, want string }{
		{"", "team", ""},
		{"SERVICE_NAMESPACE=team", "team", ""},
		{"SERVICE_NAMESPACE=default", "", ""},
		{"SERVICE_NAMESPACE=team", "", `SERVICE_NAMESPACE="team": is not what CONSUL_NAMESPACE says; set that to the same`},
		{"SERVICE_80_PARTITION=eu", "eu", `SERVICE_80_PARTITION="eu": is not what CONSUL_PARTITION says`},
	} {
		got := text(mustResolve(t, tc.environ).Within(tc.namespace, ""))
		if !strings.HasPrefix(got, tc.want) || (got == "") != (tc.want == "") {
			t.Errorf("%s in %q: %q, want %q", tc.environ, tc.namespace, got, tc.want)
		}
	}
}
