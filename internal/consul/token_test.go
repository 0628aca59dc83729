package consul

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"remora/internal/await"
	"remora/internal/consultest"
	"remora/internal/service"
)

// guarded is an agent with ACLs and an auth method: it makes the tokens token-1,
// token-2 and so on.
type guarded struct {
	*consultest.Agent
	agent *Agent

	mu      sync.Mutex
	made    int
	valid   map[string]bool
	deny    int    // the next calls with a valid token are refused for lack of rights
	late    int    // the next calls with a valid token find it unknown
	echo    bool   // logins fail, and the answer repeats the bearer token
	login   string // the last login's body
	log     []string
	hanging bool
}

const bearer = "eyJ.bearer.secret"

func newGuarded(t *testing.T) *guarded {
	t.Helper()
	g := &guarded{Agent: consultest.New(t), valid: map[string]bool{}}
	g.Intercept(g.guard)
	t.Setenv("CONSUL_HTTP_ADDR", g.Addr)
	var err error
	g.agent, err = NewWith(Options{Timeout: time.Second, Login: Login{
		Method: "jwt", BearerFile: mustWrite(t, filepath.Join(t.TempDir(), "bearer"), bearer+"\n"), Meta: map[string]string{"pod": "x"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func mustWrite(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (g *guarded) guard(w http.ResponseWriter, r *http.Request) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	token := r.Header.Get("X-Consul-Token")
	switch {
	case strings.HasSuffix(r.URL.Path, "/acl/login"):
		body, _ := io.ReadAll(r.Body)
		g.login = string(body)
		g.log = append(g.log, "login")
		if g.echo {
			http.Error(w, "rejected: "+bearer, http.StatusForbidden)
			return true
		}
		g.made++
		made := fmt.Sprintf("token-%d", g.made)
		g.valid[made] = true
		_ = json.NewEncoder(w).Encode(map[string]string{"SecretID": made})
	case strings.HasSuffix(r.URL.Path, "/acl/logout"):
		if g.hanging {
			g.mu.Unlock()
			<-r.Context().Done()
			g.mu.Lock()
		}
		g.log = append(g.log, "logout "+token)
		delete(g.valid, token)
	case !g.valid[token], g.late > 0:
		g.late--
		http.Error(w, "rpc error making call: ACL not found", http.StatusForbidden)
	case g.deny > 0:
		g.deny--
		http.Error(w, "Permission denied: lacks permission 'service:write'", http.StatusForbidden)
	default:
		return false
	}
	return true
}

func (g *guarded) mustLog(t *testing.T, want ...string) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if diff := cmp.Diff(want, g.log); diff != "" {
		t.Errorf("logins and logouts (-want +got):\n%s", diff)
	}
}

// do calls the agent and returns its error.
func (g *guarded) do(t *testing.T) error {
	return g.agent.Register(t.Context(), service.Instance{ID: "web-1", Name: "web", Address: "192.0.2.1", Port: 80})
}

// later makes the login as old as that.
func (g *guarded) later(age time.Duration) { g.agent.tokens.since = time.Now().Add(-age) }

func TestLoginHappensOnceAndAtFirstNeed(t *testing.T) {
	g := newGuarded(t)
	g.mustLog(t)
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if err := g.do(t); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	g.mustLog(t, "login")
	want := `{"AuthMethod":"jwt","BearerToken":"` + bearer + `","Meta":{"pod":"x"}}`
	if got := strings.TrimSpace(g.login); got != want {
		t.Errorf("login %s, want %s", got, want)
	}
}

func TestTokenThatIsGoneMeansANewLoginAndRegistration(t *testing.T) {
	g := newGuarded(t)
	if err := g.do(t); err != nil {
		t.Fatal(err)
	}
	has, err := g.agent.Registered(t.Context(), "web-1", "", 0)
	if err != nil || has.Outdated {
		t.Fatalf("outdated: %v, %v; want a current registration", has.Outdated, err)
	}
	g.later(settleTime)
	delete(g.valid, "token-1")
	// It would wait an hour if it did not see that the registration is outdated.
	has, err = g.agent.Registered(t.Context(), "web-1", has.Hash, time.Hour)
	if err != nil || !has.Outdated {
		t.Errorf("outdated: %v, %v; want true, for the token is another", has.Outdated, err)
	}
	g.mustLog(t, "login", "login")
	if err := g.do(t); err != nil {
		t.Fatal(err)
	}
	if has, err = g.agent.Registered(t.Context(), "web-1", "", 0); err != nil || has.Outdated {
		t.Errorf("outdated: %v, %v; want false after the registration", has.Outdated, err)
	}
}

// Whoever waits for a change of the registration learns of the new token that
// another call got, a report for example.
func TestNewTokenEndsTheWait(t *testing.T) {
	g := newGuarded(t)
	if err := g.do(t); err != nil {
		t.Fatal(err)
	}
	has, err := g.agent.Registered(t.Context(), "web-1", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	asked := len(g.Requests())
	answer := make(chan Registered, 1)
	go func() {
		has, err := g.agent.Registered(t.Context(), "web-1", has.Hash, time.Hour)
		if err != nil {
			t.Error(err)
		}
		answer <- has
	}()
	await.True(t, "the blocking query", func() bool { return len(g.Requests()) > asked })
	g.mu.Lock()
	delete(g.valid, "token-1")
	g.mu.Unlock()
	g.later(settleTime)
	if err := g.agent.Report(t.Context(), "no-such-check", service.Critical, ""); !errors.Is(err, ErrNotFound) {
		t.Errorf("error %v, want ErrNotFound with the new token", err)
	}
	if has := <-answer; !has.Outdated {
		t.Error("outdated: false, want true, for the token is another")
	}
}

// The server that the agent asks may not have the token yet.
func TestTokenJustMadeIsGivenTime(t *testing.T) {
	g := newGuarded(t)
	g.late = 2
	for range 2 {
		if err := g.do(t); err == nil || !strings.Contains(err.Error(), "403") {
			t.Errorf("error %v, want the refusal", err)
		}
	}
	if err := g.do(t); err != nil {
		t.Error(err)
	}
	g.mustLog(t, "login")
}

func TestTokenWithoutRightsIsExchangedInTheEnd(t *testing.T) {
	g := newGuarded(t)
	g.deny = 1
	if err := g.do(t); err == nil || !strings.Contains(err.Error(), "Permission denied") {
		t.Errorf("error %v, want the refusal", err)
	}
	g.mustLog(t, "login")
	g.later(patience)
	g.deny = 1
	if err := g.do(t); err != nil {
		t.Error(err)
	}
	g.mustLog(t, "login", "login", "logout token-1")
}

func TestFailedLoginNamesTheMethodAndNeverTheSecret(t *testing.T) {
	g := newGuarded(t)
	g.echo = true
	const want = `register service "web-1" at ADDR: log in by auth method "jwt": the agent answers 403: rejected: (token)`
	for range 3 { // in one pause: one login
		if err := g.do(t); err == nil || err.Error() != strings.Replace(want, "ADDR", g.Addr, 1) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	g.mustLog(t, "login")
}

func TestBearerFileThatIsMissingOrEmpty(t *testing.T) {
	for name, write := range map[string]bool{"none": false, "empty": true} {
		g := newGuarded(t)
		path := filepath.Join(t.TempDir(), name)
		if write {
			mustWrite(t, path, "\n")
		}
		g.agent.tokens.login.BearerFile = path
		if err := g.do(t); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v, want the path in it", name, err)
		}
		g.mustLog(t)
	}
}

func TestLogoutGivesTheTokenBack(t *testing.T) {
	g := newGuarded(t)
	if err := g.agent.Logout(t.Context()); err != nil { // there is none yet
		t.Error(err)
	}
	if err := g.do(t); err != nil {
		t.Fatal(err)
	}
	if err := g.agent.Logout(t.Context()); err != nil {
		t.Error(err)
	}
	g.mustLog(t, "login", "logout token-1")
}

func TestLogoutIsBounded(t *testing.T) {
	g := newGuarded(t)
	if err := g.do(t); err != nil {
		t.Fatal(err)
	}
	g.hanging = true
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	want := "log out of consul at " + g.Addr + ": no answer in time"
	if err := g.agent.Logout(ctx); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestTokenFileIsReadAgain(t *testing.T) {
	fake := consultest.New(t)
	var sent []string
	fake.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			sent = append(sent, r.Header.Get("X-Consul-Token"))
		}
		return false
	})
	file := mustWrite(t, filepath.Join(t.TempDir(), "token"), "one\n")
	t.Setenv("CONSUL_HTTP_TOKEN", "of-the-environment")
	t.Setenv("CONSUL_HTTP_TOKEN_FILE", file)
	agent := mustAgent(t, fake.Addr)
	i := service.Instance{ID: "web-1", Name: "web", Address: "192.0.2.1", Port: 80}
	register := func() {
		if err := agent.Register(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	register()
	mustWrite(t, file, "two")
	if has, err := agent.Registered(t.Context(), i.ID, "", 0); err != nil || !has.Outdated {
		t.Errorf("outdated: %v, %v; want true under another token", has.Outdated, err)
	}
	register()
	mustWrite(t, file, "") // in the middle of being written
	register()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	register()
	if want := []string{"one", "two", "two", "two"}; !slices.Equal(sent, want) {
		t.Errorf("sent tokens %q, want %q", sent, want)
	}
	if err := agent.Logout(t.Context()); err != nil {
		t.Errorf("logout of a token that was given: %v, want nothing done", err)
	}
}
