package service_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"remora/internal/service"
)

func TestDeclaredCheck(t *testing.T) {
	check := func(change func(*service.Check)) []service.Check {
		c := instance(nil).Checks[0]
		change(&c)
		c.ID = "service:box:web:80:" + string(c.Kind)
		return []service.Check{c}
	}
	http := func(path string) []service.Check {
		return check(func(c *service.Check) { c.Kind, c.Path, c.Method = service.HTTP, path, "GET" })
	}
	for _, tc := range []struct {
		environ string
		want    []service.Check
	}{
		{"", check(func(*service.Check) {})}, // something has to see the instance become ready
		{"SERVICE_CHECK_TCP=true", check(func(*service.Check) {})},
		{"SERVICE_CHECK_TCP=false", nil},
		{"SERVICE_CHECK_HTTP=/health", http("/health")},
		{"SERVICE_CHECK_HTTP=health?full=1", http("/health?full=1")}, // the missing slash
		{"SERVICE_CHECK_HTTP=/ SERVICE_CHECK_TCP=true", http("/")},
		{"SERVICE_CHECK_HTTP=/ SERVICE_80_CHECK_HTTP=/own", http("/own")},
		{"SERVICE_CHECK_HTTP=/ SERVICE_80_CHECK_HTTP=", check(func(*service.Check) {})},
		{"SERVICE_80_CHECK_HTTP=/health SERVICE_443_CHECK_HTTP=/other SERVICE_443_IGNORE=1 SERVICE_80_NAME=web", http("/health")},
		{"SERVICE_CHECK_HTTP=/ SERVICE_CHECK_HTTP_METHOD=HEAD", check(func(c *service.Check) {
			c.Kind, c.Path, c.Method = service.HTTP, "/", "HEAD"
		})},
		{"SERVICE_CHECK_HTTPS=/health", check(func(c *service.Check) {
			c.Kind, c.Path, c.Method = service.HTTPS, "/health", "GET"
		})},
		{"SERVICE_CHECK_INTERVAL=2s", check(func(c *service.Check) { c.Interval, c.Timeout = 2*time.Second, time.Second })},
		{"SERVICE_CHECK_INTERVAL=1m", check(func(c *service.Check) { c.Interval = time.Minute })},
		{"SERVICE_CHECK_INTERVAL=2s SERVICE_CHECK_TIMEOUT=1900ms", check(func(c *service.Check) {
			c.Interval, c.Timeout = 2*time.Second, 1900*time.Millisecond
		})},
		{"SERVICE_CHECK_INITIAL_STATUS=passing", check(func(c *service.Check) { c.Initial = service.Passing })},
		{"SERVICE_CHECK_DEREGISTER_AFTER=1h", check(func(c *service.Check) { c.DeregisterAfter = time.Hour })},
		{"SERVICE_CHECK_DEREGISTER_AFTER=never", check(func(c *service.Check) { c.DeregisterAfter = 0 })},
	} {
		got := mustDeclare(t, append(words(tc.environ), "SERVICE_NAME=web", "SERVICE_PORT=80"))
		if diff := cmp.Diff(tc.want, got[0].Checks); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tc.environ, diff)
		}
	}
}

func TestMistakesInChecksNameTheVariable(t *testing.T) {
	for variable, want := range map[string]string{
		"SERVICE_CHECK_INTERVAL=5":             `SERVICE_CHECK_INTERVAL="5": missing unit (for example 5s)`,
		"SERVICE_80_CHECK_TIMEOUT=1":           `SERVICE_80_CHECK_TIMEOUT="1": missing unit (for example 1s)`,
		"SERVICE_CHECK_INTERVAL=soon":          `SERVICE_CHECK_INTERVAL="soon": is not a duration`,
		"SERVICE_CHECK_INTERVAL=-1s":           `SERVICE_CHECK_INTERVAL="-1s": is not a duration`,
		"SERVICE_CHECK_INTERVAL=0s":            `SERVICE_CHECK_INTERVAL="0s": is not a duration`,
		"SERVICE_CHECK_INTERVAL=1ms":           `SERVICE_CHECK_INTERVAL="1ms": is shorter than 100ms`,
		"SERVICE_CHECK_TIMEOUT=10s":            `SERVICE_CHECK_TIMEOUT="10s": is not shorter than the interval of 10s`,
		"SERVICE_CHECK_INITIAL_STATUS=well":    `SERVICE_CHECK_INITIAL_STATUS="well": is not one of passing, warning, critical`,
		"SERVICE_CHECK_DEREGISTER_AFTER=later": `SERVICE_CHECK_DEREGISTER_AFTER="later": is not a duration`,
		"SERVICE_CHECK_TCP=perhaps":            `SERVICE_CHECK_TCP="perhaps": is neither true nor false`,
		"SERVICE_CHECK_INTERVALL=5s":           "SERVICE_CHECK_INTERVALL: is not a check setting; did you mean SERVICE_CHECK_INTERVAL?",
		"SERVICE_80_CHECK_HTPP=/":              "SERVICE_80_CHECK_HTPP: is not a check setting; did you mean SERVICE_CHECK_HTTP?",
		"SERVICE_CHECK_NOTES=true":             "SERVICE_CHECK_NOTES: is not a check setting; after SERVICE_CHECK_ these are: HTTP, HTTPS, SCRIPT, TTL, TCP, GRPC",
	} {
		_, _, err := service.FromEnviron([]string{"SERVICE_NAME=web", "SERVICE_PORT=80", variable}, host)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", variable, err, want)
		}
	}
}

func TestWhatAnHTTPCheckAsks(t *testing.T) {
	for _, tc := range []struct {
		address, path string
		kind          service.Kind
		want          string
	}{
		{"192.0.2.1", "/health", service.HTTP, "http://192.0.2.1:80/health"},
		{"192.0.2.1", "/health?a=b&c=d/e", service.HTTPS, "https://192.0.2.1:80/health?a=b&c=d/e"},
		{"2001:db8::1", "/", service.HTTP, "http://[2001:db8::1]:80/"},
		{"app.example", "/a b", service.HTTP, "http://app.example:80/a%20b"},
	} {
		i := service.Instance{Address: tc.address, Port: 80}
		if got := i.URL(service.Check{Kind: tc.kind, Path: tc.path}); got != tc.want {
			t.Errorf("URL(%s, %s) = %s, want %s", tc.address, tc.path, got, tc.want)
		}
	}
}

func TestReportedLeavesTheOriginalAlone(t *testing.T) {
	before := instance(nil)
	after := before.Reported(time.Minute)
	want := instance(func(i *service.Instance) {
		i.Checks[0].TTL = time.Minute
		i.Checks[0].ID = "service:box:web:80:tcp:ttl" // to the agent, another kind of check
	})
	if diff := cmp.Diff(want, after); diff != "" {
		t.Errorf("reported (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(instance(nil), before); diff != "" {
		t.Errorf("the original (-want +got):\n%s", diff)
	}
}
