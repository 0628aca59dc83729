package registrar_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"remora/internal/await"
	"remora/internal/consul"
	"remora/internal/consultest"
	"remora/internal/registrar"
	"remora/internal/service"
)

// The agent speaks for a registration with the token that came with it.
func TestNewTokenMeansTheSameRegistrationAgain(t *testing.T) {
	for _, onlyMissing := range []bool{false, true} {
		fake := consultest.New(t)
		file := filepath.Join(t.TempDir(), "token")
		mustWrite(t, file, "one")
		t.Setenv("CONSUL_HTTP_ADDR", fake.Addr)
		t.Setenv("CONSUL_HTTP_TOKEN_FILE", file)
		agent, err := consul.New(time.Second)
		if err != nil {
			t.Fatal(err)
		}
		i := service.Instance{ID: "a", Name: "web", Address: "192.0.2.1", Port: 80}
		r := &registrar.Registrar{Agent: agent, Log: await.NewLog(t).Logger(), Desired: func() service.Instance { return i }, OnlyMissing: onlyMissing}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); r.Keep(ctx) }()
		await.True(t, "the registration", func() bool { return fake.Count("register") == 1 })
		mustWrite(t, file, "two")
		await.True(t, "another with the new token", func() bool {
			// Any call notices the new token; there is no such check.
			_ = agent.Report(t.Context(), "none", service.Passing, "")
			return fake.Count("register") == 2
		})
		cancel()
		<-done
	}
}

func mustWrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
