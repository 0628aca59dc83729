package monitor

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"remora/internal/service"
)

// Checker finds out once whether an instance can serve. It returns when ctx ends
// at the latest, and says what it saw.
type Checker interface {
	Check(ctx context.Context) (service.Status, string)
}

// NewChecker returns the checker for check c of instance i.
func NewChecker(i service.Instance, c service.Check) Checker {
	if c.Kind == service.TCP {
		return tcpChecker{address: i.HostPort()}
	}
	return httpChecker{
		method: c.Method,
		url:    i.URL(c),
		client: &http.Client{Transport: &http.Transport{
			// Each check has to show that a new client would get through.
			DisableKeepAlives: true,
			// The app is beside us: a proxy for the outside has no business here.
			Proxy: nil,
		}},
	}
}

type tcpChecker struct{ address string }

func (t tcpChecker) Check(ctx context.Context) (service.Status, string) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", t.address)
	if err != nil {
		return service.Critical, err.Error()
	}
	conn.Close()
	return service.Passing, fmt.Sprintf("TCP connect %s: Success", t.address)
}

type httpChecker struct {
	method, url string
	client      *http.Client
}

// outputSize is how much of a response is shown in Consul; its own HTTP checks
// keep 4 KiB (agent/checks, DefaultBufSize).
const outputSize = 4 << 10

// Check reads a response as Consul does (agent/checks, CheckHTTP): 2xx passes,
// 429 warns, anything else is critical.
func (h httpChecker) Check(ctx context.Context) (service.Status, string) {
	request, err := http.NewRequestWithContext(ctx, h.method, h.url, nil)
	if err != nil {
		return service.Critical, err.Error()
	}
	request.Header.Set("User-Agent", "remora-sidecar")
	response, err := h.client.Do(request)
	if err != nil {
		return service.Critical, err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, outputSize))
	if err != nil {
		return service.Critical, fmt.Sprintf("HTTP %s %s: %s: %v", h.method, h.url, response.Status, err)
	}
	output := fmt.Sprintf("HTTP %s %s: %s Output: %s", h.method, h.url, response.Status, strings.ToValidUTF8(string(body), "?"))
	switch code := response.StatusCode; {
	case code >= 200 && code < 300:
		return service.Passing, output
	case code == http.StatusTooManyRequests:
		return service.Warning, output
	}
	return service.Critical, output
}
