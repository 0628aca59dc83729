package service_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"remora/internal/service"
)

func TestKindsOfChecks(t *testing.T) {
	for _, tc := range []struct {
		environ []string
		want    service.Check
	}{
		{words("SERVICE_CHECK_SCRIPT=check"), service.Check{Kind: service.Script, Args: []string{"check"}}},
		{[]string{"SERVICE_CHECK_SCRIPT=check  -a 'b c' $SERVICE_IP"}, service.Check{Kind: service.Script, Args: []string{"check", "-a", "b c", "$SERVICE_IP"}}},
		{words("SERVICE_CHECK_GRPC=true SERVICE_CHECK_GRPC_USE_TLS=1"), service.Check{Kind: service.GRPC, UseTLS: true}},
		{words("SERVICE_CHECK_GRPC=shop.Cart"), service.Check{Kind: service.GRPC, Service: "shop.Cart"}},
		{words("SERVICE_CHECK_DOCKER=true"), service.Check{Kind: service.Docker}},
		{words("SERVICE_CHECK_FILE=/run/ready SERVICE_CHECK_FILE_MAX_AGE=30s"), service.Check{Kind: service.File, Path: "/run/ready", MaxAge: 30 * time.Second}},
		{words("SERVICE_CHECK_H2PING=true SERVICE_CHECK_H2PING_USE_TLS=true SERVICE_CHECK_TLS_SKIP_VERIFY=true"), service.Check{Kind: service.H2Ping, UseTLS: true, TLSSkipVerify: true}},
		{words("SERVICE_CHECK_HTTPS=/ SERVICE_CHECK_TLS_SKIP_VERIFY=true SERVICE_CHECK_TLS_SERVER_NAME=a.example"),
			service.Check{Kind: service.HTTPS, Path: "/", Method: "GET", TLSSkipVerify: true, TLSServerName: "a.example"}},
		{[]string{"SERVICE_CHECK_HTTP=/", "SERVICE_CHECK_HTTP_METHOD=POST", "SERVICE_CHECK_HTTP_HEADER_X_API_KEY=a b", "SERVICE_CHECK_HTTP_BODY={}", "SERVICE_CHECK_HTTP_STATUS=200-399, 404"},
			service.Check{Kind: service.HTTP, Path: "/", Method: "POST", Header: map[string]string{"X-Api-Key": "a b"}, Body: "{}", Statuses: []service.StatusRange{{From: 200, To: 399}, {From: 404, To: 404}}}},
		{words("SERVICE_CHECK_SUCCESS_BEFORE_PASSING=1 SERVICE_CHECK_FAILURES_BEFORE_WARNING=2 SERVICE_CHECK_FAILURES_BEFORE_CRITICAL=3 SERVICE_CHECK_START_PERIOD=1m"),
			service.Check{Kind: service.TCP, SuccessBeforePassing: 1, FailuresBeforeWarning: 2, FailuresBeforeCritical: 3, StartPeriod: time.Minute}},
	} {
		tc.want.ID = "service:box:web:80:" + string(tc.want.Kind)
		tc.want.Interval, tc.want.Timeout = 10*time.Second, 5*time.Second
		tc.want.Initial, tc.want.DeregisterAfter = service.Critical, 10*time.Minute
		got := mustDeclare(t, append(tc.environ, "SERVICE_NAME=web", "SERVICE_PORT=80"))[0].Checks
		if diff := cmp.Diff([]service.Check{tc.want}, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tc.environ, diff)
		}
	}
}

// These are never run by us: there is no interval.
func TestChecksThatOthersAnswer(t *testing.T) {
	for environ, want := range map[string]service.Check{
		"SERVICE_CHECK_TTL=30s":    {ID: "service:box:web:80:ttl", Kind: service.TTL, TTL: 30 * time.Second},
		"SERVICE_CHECK_ALIAS=db-1": {ID: "service:box:web:80:alias", Kind: service.Alias, Service: "db-1"},
	} {
		want.Initial, want.DeregisterAfter = service.Critical, 10*time.Minute
		i := mustDeclare(t, append(words(environ), "SERVICE_NAME=web", "SERVICE_PORT=80"))[0]
		for what, got := range map[string][]service.Check{"declared": i.Checks, "reported": i.Reported(time.Hour).Checks} {
			if diff := cmp.Diff([]service.Check{want}, got); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", environ, what, diff)
			}
			if got[0].Ours() {
				t.Errorf("%s, %s: is ours to run", environ, what)
			}
		}
	}
}

func TestSeveralChecks(t *testing.T) {
	for environ, want := range map[string]string{
		"SERVICE_CHECK_HTTP=/ SERVICE_CHECK_2_HTTP=/deep SERVICE_CHECK_2_INTERVAL=1m": "http http:2",
		"SERVICE_CHECK_2_HTTP=/":                          "tcp http:2",
		"SERVICE_CHECK_TCP=false SERVICE_CHECK_2_HTTP=/":  "http:2",
		"SERVICE_CHECK_10_TCP=1 SERVICE_CHECK_2_HTTP=/":   "tcp http:2 tcp:10",
		"SERVICE_CHECK_2_HTTP=/ SERVICE_80_CHECK_2_HTTP=": "tcp",
		"SERVICE_CHECK_2_TCP=false":                       "tcp",
		"SERVICE_80_CHECK_3_GRPC=true":                    "tcp grpc:3",
	} {
		var got []string
		i := mustDeclare(t, append(words(environ), "SERVICE_NAME=web", "SERVICE_PORT=80"))[0]
		for _, c := range i.Checks {
			got = append(got, strings.TrimPrefix(c.ID, "service:box:web:80:"))
		}
		if got := strings.Join(got, " "); got != want {
			t.Errorf("%s: checks %q, want %q", environ, got, want)
		}
	}
	// A further check takes nothing over from the first.
	got := mustDeclare(t, words("SERVICE_NAME=web SERVICE_PORT=80 SERVICE_CHECK_INTERVAL=1m SERVICE_CHECK_2_TCP=true SERVICE_CHECK_2_TIMEOUT=1s"))[0].Checks
	want := service.Check{Kind: service.TCP, Interval: 10 * time.Second, Timeout: time.Second, Initial: service.Critical, DeregisterAfter: 10 * time.Minute}
	if diff := cmp.Diff(want, got[1], cmpopts.IgnoreFields(service.Check{}, "ID")); diff != "" {
		t.Errorf("second check (-want +got):\n%s", diff)
	}
}

// Of several kinds for one check Registrator's order decides.
func TestOneKindWins(t *testing.T) {
	all := words("SERVICE_NAME=web SERVICE_PORT=80 SERVICE_CHECK_HTTP=/ SERVICE_CHECK_HTTPS=/ SERVICE_CHECK_SCRIPT=a SERVICE_CHECK_TTL=1m " +
		"SERVICE_CHECK_TCP=1 SERVICE_CHECK_GRPC=1 SERVICE_CHECK_DOCKER=1 SERVICE_CHECK_FILE=/a SERVICE_CHECK_H2PING=1 SERVICE_CHECK_ALIAS=a")
	for n, want := range words("http https script ttl tcp grpc docker file h2ping alias") {
		environ := append(all[:2:2], all[2+n:]...)
		if got := mustDeclare(t, environ)[0].Checks; string(got[0].Kind) != want || len(got) != 1 {
			t.Errorf("%q: %+v, want one of kind %s", environ, got, want)
		}
	}
}

func TestMistakesInKindsNameTheVariable(t *testing.T) {
	for _, tc := range []struct{ environ, want string }{
		{"SERVICE_CHECK_SCRIPT='a", `SERVICE_CHECK_SCRIPT="'a": a quotation mark is not closed`},
		{"SERVICE_CHECK_SCRIPT=''", "is no command"},
		{"SERVICE_CHECK_TTL=30", `SERVICE_CHECK_TTL="30": missing unit`},
		{"SERVICE_CHECK_TTL=1ms", `SERVICE_CHECK_TTL="1ms": is shorter than 100ms`},
		{"SERVICE_CHECK_H2PING=h2c", `SERVICE_CHECK_H2PING="h2c": is neither true nor false`},
		{"SERVICE_CHECK_FILE=ready", `SERVICE_CHECK_FILE="ready": is not an absolute path`},
		{"SERVICE_CHECK_FILE=/a SERVICE_CHECK_FILE_MAX_AGE=1", `SERVICE_CHECK_FILE_MAX_AGE="1": missing unit`},
		{"SERVICE_CHECK_HTTP=/ SERVICE_CHECK_HTTP_METHOD=G/T", `SERVICE_CHECK_HTTP_METHOD="G/T": is not a method`},
		{"SERVICE_CHECK_HTTP=/ SERVICE_CHECK_HTTP_STATUS=2xx", `SERVICE_CHECK_HTTP_STATUS="2xx": is not a list of status codes`},
		{"SERVICE_CHECK_HTTP=/ SERVICE_CHECK_HTTP_STATUS=399-200", "is not a list"},
		{"SERVICE_CHECK_HTTP=/ SERVICE_CHECK_HTTP_STATUS=99", "is not a list"},
		{"SERVICE_CHECK_HTTP=/ SERVICE_CHECK_HTTP_HEADER_=x", "SERVICE_CHECK_HTTP_HEADER_: ends in no name of a header"},
		{"SERVICE_CHECK_HTTP=/ SERVICE_CHECK_HTTP_HEADER_A=\x01secret", "SERVICE_CHECK_HTTP_HEADER_A: has a control character"},
		{"SERVICE_CHECK_HTTP=/ SERVICE_CHECK_HTTP_HEADER_A_B=x SERVICE_CHECK_HTTP_HEADER_A-B=y", "is the header A-B, which another key is too"},
		{"SERVICE_CHECK_FAILURES_BEFORE_WARNING=2", `SERVICE_CHECK_FAILURES_BEFORE_WARNING="2": is more than SERVICE_CHECK_FAILURES_BEFORE_CRITICAL (0)`},
		{"SERVICE_CHECK_SUCCESS_BEFORE_PASSING=-1", `SERVICE_CHECK_SUCCESS_BEFORE_PASSING="-1": is not a number`},
		{"SERVICE_CHECK_START_PERIOD=5", `SERVICE_CHECK_START_PERIOD="5": missing unit`},
		{"SERVICE_CHECK_1_HTTP=/", `SERVICE_CHECK_1_HTTP="/": is not a check's number`},
		{"SERVICE_CHECK_100_HTTP=/", "is not a check's number"},
		{"SERVICE_CHECK_02_HTTP=/", "is not a check's number"},
		{"SERVICE_80_CHECK_2_INTERVAL=5s", "SERVICE_CHECK_2_…: says no kind of check, such as SERVICE_CHECK_2_HTTP=/health"},
		{"SERVICE_CHECK_2_HTPP=/", "SERVICE_CHECK_2_HTPP: is not a check setting; did you mean SERVICE_CHECK_HTTP?"},
	} {
		_, _, err := service.FromEnviron(append(words(tc.environ), "SERVICE_NAME=web", "SERVICE_PORT=80"), host)
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %s", tc.environ, err, tc.want)
		}
	}
}

func TestCommandKnowsTheInstance(t *testing.T) {
	i := service.Instance{Address: "192.0.2.1", Port: 80}
	got := i.Command(service.Check{Args: []string{"curl", "http://$SERVICE_IP:${SERVICE_PORT}/", "$SERVICE_PORTS", "$HOME"}})
	if diff := cmp.Diff([]string{"curl", "http://192.0.2.1:80/", "80S", "$HOME"}, got); diff != "" {
		t.Errorf("command (-want +got):\n%s", diff)
	}
}

func TestStatusesThatPass(t *testing.T) {
	c := service.Check{Statuses: []service.StatusRange{{From: 200, To: 299}, {From: 404, To: 404}}}
	for status, want := range map[int]bool{199: false, 200: true, 299: true, 300: false, 404: true} {
		if got, ok := c.Passes(status); got != want || !ok {
			t.Errorf("Passes(%d) = %v, %v; want %v, true", status, got, ok, want)
		}
	}
	if _, ok := (service.Check{}).Passes(200); ok {
		t.Error("a check that declares no statuses decides about one")
	}
}
