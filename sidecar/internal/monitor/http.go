package monitor

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"

	"remora/internal/service"
)

type httpChecker struct {
	check  service.Check
	url    string
	client *http.Client
}

func newHTTPChecker(i service.Instance, c service.Check) httpChecker {
	return httpChecker{check: c, url: i.URL(c), client: &http.Client{
		Transport: transport(c),
		CheckRedirect: func(next *http.Request, via []*http.Request) error {
			// As Consul does, redirects are followed, but not away from an answer that
			// is good enough.
			if passes, _ := c.Passes(next.Response.StatusCode); passes {
				return http.ErrUseLastResponse
			}
			if len(via) > maxRedirects {
				return fmt.Errorf("more than %d redirects", maxRedirects)
			}
			return nil
		},
	}}
}

// maxRedirects is net/http's own bound.
const maxRedirects = 10

func transport(c service.Check) *http.Transport {
	return &http.Transport{
		// Each check has to show that a new client would get through.
		DisableKeepAlives: true,
		// The app is beside us: a proxy for the outside has no business here.
		Proxy: nil,
		TLSClientConfig: &tls.Config{
			InsecureSkipVerify: c.TLSSkipVerify, // asked for by SERVICE_CHECK_TLS_SKIP_VERIFY
			ServerName:         c.TLSServerName,
		},
	}
}

// outputSize is how much of a response is shown in Consul; its own HTTP checks
// keep 4 KiB (agent/checks, DefaultBufSize).
const outputSize = 4 << 10

// Check reads a response as Consul does (agent/checks, CheckHTTP), unless the check
// says what passes: 2xx passes, 429 warns, anything else is critical.
func (h httpChecker) Check(ctx context.Context) (service.Status, string) {
	request, err := h.request(ctx)
	if err != nil {
		return service.Critical, err.Error()
	}
	response, err := h.client.Do(request)
	if err != nil {
		return service.Critical, err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, outputSize))
	said := fmt.Sprintf("HTTP %s %s: %s", request.Method, h.url, response.Status)
	if err != nil {
		return service.Critical, fmt.Sprintf("%s: %v", said, err)
	}
	return h.status(response.StatusCode), said + " Output: " + strings.ToValidUTF8(string(body), "?")
}

func (h httpChecker) request(ctx context.Context) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, h.check.Method, h.url, strings.NewReader(h.check.Body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", "remora-sidecar")
	for name, value := range h.check.Header {
		request.Header.Set(name, value)
		if strings.EqualFold(name, "Host") {
			request.Host = value // net/http takes it from here only
		}
	}
	return request, nil
}

func (h httpChecker) status(code int) service.Status {
	passes, declared := h.check.Passes(code)
	switch {
	case passes, !declared && code >= 200 && code < 300:
		return service.Passing
	case !declared && code == http.StatusTooManyRequests:
		return service.Warning
	}
	return service.Critical
}
