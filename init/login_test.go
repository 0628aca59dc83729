package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"remora/internal/consultest"
)

// logins makes an agent answer logins with the token "secret-of-login", refuse
// everything without it, and returns what was asked of its ACLs, in order.
func logins(agent *consultest.Agent) func() []string {
	var mu sync.Mutex
	var asked []string
	agent.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		token := r.Header.Get("X-Consul-Token")
		switch {
		case strings.HasPrefix(r.URL.Path, "/v1/acl/"):
			asked = append(asked, strings.TrimPrefix(r.URL.Path, "/v1/acl/")+" "+token)
			_ = json.NewEncoder(w).Encode(map[string]string{"SecretID": "secret-of-login"})
		case token != "secret-of-login":
			http.Error(w, "Permission denied: token with AccessorID '' lacks permission", http.StatusForbidden)
		default:
			return false
		}
		return true
	})
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(asked)
	}
}

func TestLoginBeforeTheAppAndLogoutInTheEnd(t *testing.T) {
	t.Parallel()
	bearer := filepath.Join(t.TempDir(), "bearer")
	if err := os.WriteFile(bearer, []byte("secret-bearer"), 0o600); err != nil {
		t.Fatal(err)
	}
	auth := []string{"REMORA_CONSUL_AUTH_METHOD=jwt", "REMORA_CONSUL_AUTH_BEARER_FILE=" + bearer, "REMORA_LOG_LEVEL=debug"}
	const in, out = "login ", "logout secret-of-login"
	for _, tc := range []struct {
		name     string
		settings []string
		args     []string
		code     int
		want     []string
	}{
		{"supervise", nil, []string{"--", "true"}, 0, []string{in, out}},
		// What stays registered needs its token: the agent speaks for it with that.
		{"register", nil, []string{"register"}, 0, []string{in}},
		{"exec", []string{handOverExec}, []string{"--", "true"}, 0, []string{in}},
		{"left after a failure", []string{"REMORA_DEREGISTER=on-success"}, []string{"--", "false"}, 1, []string{in}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			agent := consultest.New(t)
			asked := logins(agent)
			init := program.Start(t, environ(agent, append(tc.settings, auth...)...), tc.args...)
			init.MustExit(tc.code)
			if got := asked(); !slices.Equal(got, tc.want) {
				t.Errorf("asked %q, want %q", got, tc.want)
			}
			if init.Output().Count("secret") > 0 {
				t.Error("a secret is in the log")
			}
		})
	}
}

func TestTokenOfTheLoginIsNotGivenToTheApp(t *testing.T) {
	t.Parallel()
	agent := consultest.New(t)
	logins(agent)
	bearer := filepath.Join(t.TempDir(), "bearer")
	if err := os.WriteFile(bearer, []byte("b"), 0o600); err != nil {
		t.Fatal(err)
	}
	init := program.Start(t, environ(agent, "REMORA_CONSUL_AUTH_METHOD=jwt", "REMORA_CONSUL_AUTH_BEARER_FILE="+bearer,
		"CONSUL_HTTP_TOKEN=the-apps-own"), "--", "env")
	init.MustExit(0)
	if out := init.Output(); out.Count("secret-of-login") > 0 || out.Count("CONSUL_HTTP_TOKEN=the-apps-own") != 1 {
		t.Error("want the app to have its own token, and ours not")
	}
}

func TestLogoutThatFailsIsLoggedAndHoldsNothingUp(t *testing.T) {
	t.Parallel()
	agent := consultest.New(t)
	bearer := filepath.Join(t.TempDir(), "bearer")
	if err := os.WriteFile(bearer, []byte("b"), 0o600); err != nil {
		t.Fatal(err)
	}
	agent.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		switch r.URL.Path {
		case "/v1/acl/login":
			_ = json.NewEncoder(w).Encode(map[string]string{"SecretID": "secret-of-login"})
		case "/v1/acl/logout":
			<-r.Context().Done() // hangs
		default:
			return false
		}
		return true
	})
	init := start(t, agent, []string{"REMORA_CONSUL_AUTH_METHOD=jwt", "REMORA_CONSUL_AUTH_BEARER_FILE=" + bearer}, "serve", "5")
	happened(t, agent, "app-started")
	init.Signal(syscall.SIGTERM)
	init.MustExit(5)
	init.Says("level=WARN", "token of the login not given back", "no answer in time")
}
