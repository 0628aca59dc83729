// Demo is a small web app that knows nothing of Remora: the demo and the tests
// attach Remora to it as people attach it to their own apps.
//
// It answers on port $PORT (8080):
//
//	GET  /             a line, or a page for a browser, that names the replica
//	POST /             how many bytes the body had
//	GET  /slow?ms=N    the same line after N milliseconds, at most 30000
//	GET  /health       200 "ok" or 503
//	POST /health/fail  makes the health check fail; POST /health/ok mends it
//
// Every answer carries the header X-Instance with the replica's host name.
// START_DELAY (for example 2s) makes it answer 503 to everything for so long;
// VERSION is shown in the answers. On SIGTERM it exits at once, requests in
// flight or not, as most apps do: keeping them is Remora's part.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()

	app, err := appFromEnv(time.Now())
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", ":"+envOr("PORT", "8080"))
	if err != nil {
		return err
	}
	fmt.Printf("%s listens on %s\n", app.hostname, listener.Addr())

	server := &http.Server{Handler: app.handler(), ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { server.Close() })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func appFromEnv(now time.Time) (*app, error) {
	hostname, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	delay, err := time.ParseDuration(envOr("START_DELAY", "0s"))
	if err != nil {
		return nil, fmt.Errorf("START_DELAY=%q: want a duration such as 2s", os.Getenv("START_DELAY"))
	}
	return &app{
		hostname: hostname,
		version:  envOr("VERSION", "v1"),
		ready:    now.Add(delay),
		now:      time.Now,
	}, nil
}

func envOr(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}
