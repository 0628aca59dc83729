package monitor

import (
	"encoding/hex"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"remora/internal/service"
)

var quiet = log.New(io.Discard, "", 0)

// health is an app with grpc.health.v1: it answers for the services it knows, as
// grpc-go does on the wire.
type health map[string]string // service to the answer's body in hex; "" has none

func (h health) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	good := r.ProtoMajor == 2 && r.Method == "POST" && r.URL.Path == "/grpc.health.v1.Health/Check" &&
		r.Header.Get("Content-Type") == "application/grpc" && r.Header.Get("TE") == "trailers"
	w.Header().Set("Content-Type", "application/grpc")
	name := ""
	if len(body) > prefixSize+2 {
		name = string(body[prefixSize+2:])
	}
	answer, known := h[name]
	switch {
	case !good:
		w.Header().Set("Grpc-Status", "13")
	case !known:
		w.Header().Set("Grpc-Status", "5") // without a body all is in the header
		w.Header().Set("Grpc-Message", "unknown%20service")
	case answer == "hang":
		<-r.Context().Done()
	default:
		w.Header().Set("Trailer", "Grpc-Status")
		data, _ := hex.DecodeString(strings.ReplaceAll(answer, " ", ""))
		_, _ = w.Write(data)
		w.Header().Set("Grpc-Status", "0")
	}
}

func TestGRPCCheck(t *testing.T) {
	t.Parallel()
	app := health{
		"": "00 00000002 0801", "orders": "00 00000002 0801", "ill": "00 00000002 0802",
		"unset": "00 00000000", "odd": "00 00000002 0809", "string": "00 00000002 0a00", "packed": "01 00000002 0801",
		"cut": "00 00000005 0801", "nothing": "", "slow": "hang",
	}
	server := httptest.NewUnstartedServer(app)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	i := at(t, server.Listener.Addr())
	for _, tc := range []struct {
		service string
		status  service.Status
		output  string
	}{
		{"", service.Passing, "gRPC health of the server: SERVING"},
		{"orders", service.Passing, `gRPC health of "orders": SERVING`},
		{"ill", service.Critical, "NOT_SERVING"},
		{"unset", service.Critical, "UNKNOWN"},
		{"odd", service.Critical, "status 9"},
		{"string", service.Critical, "not a HealthCheckResponse"},
		{"packed", service.Critical, "not one uncompressed message"},
		{"cut", service.Critical, "not one uncompressed message"},
		{"nothing", service.Critical, "not one uncompressed message"},
		{"other", service.Critical, "the app does not know this service: unknown service"},
		{"slow", service.Critical, "deadline exceeded"},
	} {
		limit := 10 * time.Second
		if tc.service == "slow" {
			limit = 50 * time.Millisecond
		}
		check := service.Check{Kind: service.GRPC, Service: tc.service}
		mustCheck(t, tc.service, NewChecker(i, check, nil), limit, tc.status, tc.output)
	}
}

func TestGRPCCheckOverTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(health{"": "00 00000002 0801"})
	server.EnableHTTP2 = true
	server.Config.ErrorLog = quiet // of the handshake that is refused
	server.StartTLS()
	t.Cleanup(server.Close)
	i := at(t, server.Listener.Addr())
	check := service.Check{Kind: service.GRPC, UseTLS: true}
	mustCheck(t, "unknown authority", NewChecker(i, check, nil), 0, service.Critical, "certificate")
	check.TLSSkipVerify = true
	mustCheck(t, "skip verify", NewChecker(i, check, nil), 0, service.Passing, "SERVING")
}

func TestGRPCCheckOfSomethingElse(t *testing.T) {
	t.Parallel()
	plain := httptest.NewServer(http.HandlerFunc(app))
	t.Cleanup(plain.Close)
	mustCheck(t, "HTTP/1", NewChecker(at(t, plain.Listener.Addr()), service.Check{Kind: service.GRPC}, nil), 0, service.Critical, "")
	web := httptest.NewUnstartedServer(http.HandlerFunc(app))
	web.Config.Protocols = new(http.Protocols)
	web.Config.Protocols.SetUnencryptedHTTP2(true)
	web.Start()
	t.Cleanup(web.Close)
	mustCheck(t, "HTTP/2 without gRPC", NewChecker(at(t, web.Listener.Addr()), service.Check{Kind: service.GRPC}, nil), 0,
		service.Critical, "and not gRPC")
}
