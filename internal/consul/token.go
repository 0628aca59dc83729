package consul

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

// Login says how to get a token from one of Consul's auth methods. Without a
// Method, the token is the one in CONSUL_HTTP_TOKEN_FILE or CONSUL_HTTP_TOKEN.
type Login struct {
	Method     string
	BearerFile string // read at each login: whoever issues such tokens renews them
	Meta       map[string]string
}

// settleTime is how long after a login a refusal is taken for a token that has not
// reached the agent's server yet (hashicorp/consul-dataplane#929), and patience how
// long one that Consul knows, but gives too few rights, is kept.
const (
	settleTime = 10 * time.Second
	patience   = time.Minute
)

// loginPause is the least time between two logins of which the first failed,
// however many instances wait for one.
const loginPause = time.Second

// tokens gives every call the token that is right at that moment.
type tokens struct {
	login Login
	acl   *api.ACL
	file  string

	// turn holds one item; who has it may use what is below. It is no mutex,
	// because a login takes time and whoever waits has a deadline.
	turn    chan struct{}
	current string
	renewed chan struct{} // closed, and replaced, when current is another
	since   time.Time     // of the login that gave it
	retired string        // to log out once there is another
	failure error         // of the last login
	failed  time.Time
}

// newTokens takes over from the client, which reads the file once and never again.
func newTokens(client *api.Client, config *api.Config, login Login) *tokens {
	t := &tokens{login: login, acl: client.ACL(), turn: make(chan struct{}, 1), renewed: make(chan struct{})}
	if login.Method == "" {
		t.file, t.current = config.TokenFile, config.Token
	}
	return t
}

// take waits for the turn; leave gives it back.
func (t *tokens) take(ctx context.Context) error {
	select {
	case t.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *tokens) leave() { <-t.turn }

// get returns the token, logging in if there is none.
func (t *tokens) get(ctx context.Context) (string, error) {
	if err := t.take(ctx); err != nil {
		return "", err
	}
	defer t.leave()
	if t.file != "" {
		// A file that is away or empty is being replaced: the last token may do.
		if text, err := os.ReadFile(t.file); err == nil && len(strings.TrimSpace(string(text))) > 0 {
			t.renew(strings.TrimSpace(string(text)))
		}
	}
	if t.login.Method == "" || t.current != "" {
		return t.current, nil
	}
	if t.failure != nil && time.Since(t.failed) < loginPause {
		return "", t.failure
	}
	err := t.logIn(ctx)
	t.failure, t.failed = err, time.Now()
	return t.current, err
}

// renew makes token the current one. The caller has the turn.
func (t *tokens) renew(token string) {
	if token != t.current {
		t.current = token
		close(t.renewed)
		t.renewed = make(chan struct{})
	}
}

// while returns a context that ends with ctx or when token is no longer current.
func (t *tokens) while(ctx context.Context, token string) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	if t.take(ctx) != nil {
		return ctx, cancel // it has ended
	}
	defer t.leave()
	if token != t.current {
		cancel()
		return ctx, cancel
	}
	renewed := t.renewed
	go func() {
		select {
		case <-renewed:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// loginError is what kept us from a token. It never holds one.
type loginError struct {
	method string
	err    error
}

func (e *loginError) Error() string {
	return fmt.Sprintf("log in by auth method %q: %v", e.method, e.err)
}
func (e *loginError) Unwrap() error { return e.err }

func (t *tokens) logIn(ctx context.Context) error {
	text, err := os.ReadFile(t.login.BearerFile)
	if err != nil {
		return &loginError{t.login.Method, err}
	}
	bearer := strings.TrimSpace(string(text))
	if bearer == "" {
		return &loginError{t.login.Method, fmt.Errorf("%s: is empty", t.login.BearerFile)}
	}
	params := &api.ACLLoginParams{AuthMethod: t.login.Method, BearerToken: bearer, Meta: t.login.Meta}
	token, _, err := t.acl.Login(params, (&api.WriteOptions{}).WithContext(ctx))
	if err != nil {
		return &loginError{t.login.Method, answered(err, bearer)}
	}
	t.since = time.Now()
	t.renew(token.SecretID)
	if t.retired != "" {
		// If it fails, the token ends when the auth method says.
		_, _ = t.acl.Logout((&api.WriteOptions{Token: t.retired}).WithContext(ctx))
		t.retired = ""
	}
	return nil
}

// answered is a login's or logout's error in one line, without the secret.
func answered(err error, secret string) error {
	var status api.StatusError
	if !errors.As(err, &status) {
		return bare(err)
	}
	body := strings.ReplaceAll(strings.TrimSpace(status.Body), secret, "(token)")
	return fmt.Errorf("the agent answers %d: %s", status.Code, body)
}

// refused tells whether the call is worth another try, because its token was
// refused and a new login may help.
func (t *tokens) refused(ctx context.Context, token string, err error) bool {
	var status api.StatusError
	if t.login.Method == "" || !errors.As(err, &status) || status.Code != http.StatusForbidden {
		return false
	}
	if t.take(ctx) != nil {
		return false // the next call finds the same
	}
	defer t.leave()
	// Consul tells a token that is gone from one without rights by this text alone
	// (acl/errors.go, IsErrNotFound).
	gone := strings.Contains(status.Body, "ACL not found")
	age := time.Since(t.since)
	switch {
	case token != t.current:
		return true // somebody else has logged in meanwhile
	case age < settleTime || !gone && age < patience:
		return false
	case !gone:
		t.retired = token
	}
	t.current = ""
	return true
}

// Logout gives the token of a login back to Consul, and does nothing without one.
// Call it when nothing is registered any more: the agent tells the servers about a
// registration with the token that came with it (agent/local/state.go,
// aclTokenForServiceSync), so that without the token its status would stand still.
func (a *Agent) Logout(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	t := a.tokens
	if err := t.take(ctx); err != nil {
		return fmt.Errorf("log out of consul at %s: %w", a.address, bare(err))
	}
	defer t.leave()
	if t.login.Method == "" || t.current == "" {
		return nil
	}
	if _, err := t.acl.Logout((&api.WriteOptions{Token: t.current}).WithContext(ctx)); err != nil {
		return fmt.Errorf("log out of consul at %s: %w", a.address, answered(err, t.current))
	}
	t.current = ""
	return nil
}

// call makes one call, bounded by limit, with the token that is right now, and
// makes it again after a new login if that token is gone.
func (a *Agent) call(ctx context.Context, limit time.Duration, do func(*api.QueryOptions) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for again := true; ; again = false {
		token, err := a.tokens.get(ctx)
		if err != nil {
			return err
		}
		err = do((&api.QueryOptions{Token: token}).WithContext(ctx))
		if !a.tokens.refused(ctx, token, err) || !again {
			return err
		}
	}
}

// registeredWith remembers the token of a registration.
func (a *Agent) registeredWith(id, token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.with[id] = token
}

// outdated tells whether the registration of id goes by another token than token.
// Whoever logs in cannot rely on the token of an earlier life, which may be logged
// out; a token that was given is everybody's.
func (a *Agent) outdated(id, token string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	with, known := a.with[id]
	if !known {
		return a.tokens.login.Method != ""
	}
	return with != token
}
