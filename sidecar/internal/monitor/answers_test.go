package monitor_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"remora/internal/service"
	"remora/sidecar/internal/monitor"
)

// at returns an instance at addr.
func at(tb testing.TB, addr net.Addr) service.Instance {
	tb.Helper()
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		tb.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		tb.Fatal(err)
	}
	return service.Instance{Address: host, Port: number}
}

func httpCheck() service.Check {
	return service.Check{Kind: service.HTTP, Path: "/health?full=1", Method: "GET"}
}

func TestHTTPAnswerDecides(t *testing.T) {
	for code, want := range map[int]service.Status{
		200: service.Passing, 204: service.Passing, 299: service.Passing,
		301: service.Critical, // nowhere to go
		400: service.Critical, 404: service.Critical, 429: service.Warning, 500: service.Critical, 503: service.Critical,
	} {
		var asked *http.Request
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked = r
			w.WriteHeader(code)
			_, _ = w.Write([]byte("in words\xff"))
		}))
		got, output := monitor.NewChecker(at(t, server.Listener.Addr()), httpCheck(), nil).Check(t.Context())
		server.Close()
		if got != want {
			t.Errorf("%d is %s (%s), want %s", code, got, output, want)
		}
		if asked.Method != "GET" || asked.RequestURI != "/health?full=1" || asked.UserAgent() != "remora-sidecar" {
			t.Errorf("asked %s %s as %s", asked.Method, asked.RequestURI, asked.UserAgent())
		}
		if !strings.Contains(output, "/health?full=1: "+strconv.Itoa(code)) && code != 301 {
			t.Errorf("output %q, want the question and the answer", output)
		}
		if code == 500 && !strings.HasSuffix(output, " Output: in words?") {
			t.Errorf("output %q, want the app's words", output)
		}
	}
}

func TestOutputIsBounded(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(strings.Repeat("x", 1<<20)))
	}))
	defer server.Close()
	got, output := monitor.NewChecker(at(t, server.Listener.Addr()), httpCheck(), nil).Check(t.Context())
	if got != service.Passing || len(output) > 5<<10 {
		t.Errorf("%s with %d bytes, want passing with about 4 KiB", got, len(output))
	}
}

func TestEveryCheckIsANewConnection(t *testing.T) {
	connections := 0
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections++
		}
	}
	server.Start()
	checker := monitor.NewChecker(at(t, server.Listener.Addr()), httpCheck(), nil)
	for range 3 {
		checker.Check(t.Context())
	}
	server.Close()
	if connections != 3 {
		t.Errorf("%d connections for 3 checks, want 3", connections)
	}
}

func TestProxyOfTheEnvironmentIsNotAsked(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://192.0.2.1:3128")
	t.Setenv("http_proxy", "http://192.0.2.1:3128")
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	if got, output := monitor.NewChecker(at(t, server.Listener.Addr()), httpCheck(), nil).Check(t.Context()); got != service.Passing {
		t.Errorf("%s: %s, want passing", got, output)
	}
}

func TestAppThatIsAway(t *testing.T) {
	server := httptest.NewServer(nil)
	addr := server.Listener.Addr()
	server.Close()
	for _, kind := range []service.Kind{service.HTTP, service.HTTPS, service.TCP} {
		check := httpCheck()
		check.Kind = kind
		got, output := monitor.NewChecker(at(t, addr), check, nil).Check(t.Context())
		if got != service.Critical || !strings.Contains(output, "connection refused") {
			t.Errorf("%s: %s %q, want critical with the reason", kind, got, output)
		}
	}
}

// hanging accepts connections and never answers.
func hanging(t *testing.T) net.Addr {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr() // the kernel accepts for it
}

func TestAppThatHangsIsCriticalWithinTheTimeout(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	got, output := monitor.NewChecker(at(t, hanging(t)), httpCheck(), nil).Check(ctx)
	if got != service.Critical || !strings.Contains(output, "deadline exceeded") {
		t.Errorf("%s %q, want critical with the reason", got, output)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %s, want about 100ms", took)
	}
}

func TestTCPConnectIsEnough(t *testing.T) {
	got, output := monitor.NewChecker(at(t, hanging(t)), service.Check{Kind: service.TCP}, nil).Check(t.Context())
	if got != service.Passing || !strings.HasPrefix(output, "TCP connect 127.0.0.1:") {
		t.Errorf("%s %q, want passing", got, output)
	}
}
