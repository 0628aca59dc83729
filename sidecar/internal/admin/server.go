// Package admin lets people and Docker ask a running sidecar how it is, and take
// its instances out of traffic and back: HTTP on a unix socket, and the client for
// it.
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Sidecar is what the socket gives access to.
type Sidecar interface {
	Status() Status
	// Health is nil if what should be registered is, and everything runs.
	Health() error
	// Drain takes the instances out of traffic for the reason given and returns
	// when load balancers had their time to notice. They stay out until Resume.
	Drain(ctx context.Context, reason string) error
	// Maintain takes the instances out of traffic until Resume.
	Maintain(ctx context.Context, reason string) error
	// Resume ends what Drain and Maintain began, and nothing else.
	Resume(ctx context.Context) error
}

// Server answers on a socket.
type Server struct {
	Sidecar  Sidecar
	Log      *slog.Logger
	Listener net.Listener
}

// headerTimeout is long for a request that comes from the same host.
const headerTimeout = 5 * time.Second

// Run answers until ctx ends.
func (s Server) Run(ctx context.Context) {
	server := &http.Server{
		Handler:           s.handler(),
		ConnContext:       withPeer,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: headerTimeout,
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(s.Listener) }()
	select {
	case <-ctx.Done():
		_ = server.Close() // who still asks gets no answer from a sidecar that is gone
		<-served
	case err := <-served:
		s.Log.Error("admin socket closed", "error", err)
	}
}

func (s Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", s.status)
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, s.Sidecar.Health(), http.StatusServiceUnavailable)
	})
	mux.HandleFunc("POST /drain", func(w http.ResponseWriter, r *http.Request) {
		s.do(w, "drain", s.Sidecar.Drain(r.Context(), reason(r, "drained by hand")))
	})
	mux.HandleFunc("POST /ready", func(w http.ResponseWriter, r *http.Request) {
		s.do(w, "ready", s.Sidecar.Resume(r.Context()))
	})
	mux.HandleFunc("POST /maintenance", s.maintenance)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !allowed(r.Context()) {
			http.Error(w, "only root and the user that the sidecar runs as may ask", http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func reason(r *http.Request, otherwise string) string {
	return orNone(r.URL.Query().Get("reason"), otherwise)
}

func (s Server) maintenance(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	switch on, off := query.Has("on"), query.Has("off"); {
	case on == off:
		http.Error(w, "say /maintenance?on or /maintenance?off", http.StatusBadRequest)
	case on:
		s.do(w, "maintenance on", s.Sidecar.Maintain(r.Context(), reason(r, "maintenance by hand")))
	default:
		s.do(w, "maintenance off", s.Sidecar.Resume(r.Context()))
	}
}

func (s Server) status(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(s.Sidecar.Status()) // who asked is gone
}

// ErrConflict says that what was asked for cannot be done as things are.
var ErrConflict = errors.New("not done")

func (s Server) do(w http.ResponseWriter, what string, err error) {
	s.Log.Info("asked by hand", "what", what)
	if errors.Is(err, ErrConflict) {
		answer(w, err, http.StatusConflict)
		return
	}
	answer(w, err, http.StatusBadGateway)
}

func answer(w http.ResponseWriter, err error, otherwise int) {
	if err != nil {
		http.Error(w, err.Error(), otherwise)
		return
	}
	fmt.Fprintln(w, "ok")
}
