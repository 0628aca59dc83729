package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// Client asks a sidecar.
type Client struct {
	address string
	http    *http.Client
}

// NewClient returns a client for the sidecar at address, which Address returned.
func NewClient(address string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", address)
	}
	return &Client{address: address, http: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Status asks how the sidecar is, and returns its answer, which is JSON, too.
func (c *Client) Status(ctx context.Context) (Status, []byte, error) {
	var status Status
	body, err := c.ask(ctx, http.MethodGet, "status", nil)
	if err == nil {
		err = json.Unmarshal(body, &status)
	}
	return status, body, err
}

// Health is nil if the sidecar is well.
func (c *Client) Health(ctx context.Context) error {
	_, err := c.ask(ctx, http.MethodGet, "health", nil)
	return err
}

// Drain takes the instances out of traffic and waits until that is noticed.
func (c *Client) Drain(ctx context.Context) error {
	_, err := c.ask(ctx, http.MethodPost, "drain", nil)
	return err
}

// Maintenance switches maintenance on, for the reason given or a general one, or
// off.
func (c *Client) Maintenance(ctx context.Context, on bool, reason string) error {
	query := url.Values{"off": {""}}
	if on {
		query = url.Values{"on": {""}, "reason": {reason}}
	}
	_, err := c.ask(ctx, http.MethodPost, "maintenance", query)
	return err
}

// answerLimit bounds a status: some hundred instances with their outputs.
const answerLimit = 16 << 20

func (c *Client) ask(ctx context.Context, method, path string, query url.Values) ([]byte, error) {
	u := url.URL{Scheme: "http", Host: "sidecar", Path: "/" + path, RawQuery: query.Encode()}
	request, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("no sidecar answers at %s%s: %w", scheme, c.address, bare(err))
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, answerLimit))
	if err != nil {
		return nil, fmt.Errorf("read the sidecar's answer: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, errors.New(strings.ReplaceAll(strings.TrimSpace(string(body)), "\n", "; "))
	}
	return body, nil
}

// bare is the innermost error: the address is said already, and the URL is made up.
func bare(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
