package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func newApp() *app {
	return &app{hostname: "a<1>", version: "v2", now: time.Now}
}

func do(a *app, method, target, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	a.handler().ServeHTTP(w, r)
	return w
}

func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		method, target, body string
		status               int
		want                 string
	}{
		{"GET", "/", "", 200, "hello from a<1> (version v2)\n"},
		{"POST", "/", "12345", 200, "5 bytes\n"},
		{"GET", "/health", "", 200, "ok\n"},
		{"GET", "/slow?ms=1", "", 200, "hello from a<1> (version v2)\n"},
		{"GET", "/slow", "", 400, "ms=\"\": want 0 to 30000\n"},
		{"GET", "/slow?ms=30001", "", 400, "ms=\"30001\": want 0 to 30000\n"},
		{"GET", "/slow?ms=-1", "", 400, "ms=\"-1\": want 0 to 30000\n"},
		{"GET", "/other", "", 404, "404 page not found\n"},
	} {
		t.Run(tt.method+" "+tt.target, func(t *testing.T) {
			w := do(newApp(), tt.method, tt.target, tt.body)
			if w.Code != tt.status || w.Body.String() != tt.want {
				t.Errorf("got %d %q, want %d %q", w.Code, w.Body, tt.status, tt.want)
			}
			if got := w.Header().Get("X-Instance"); got != "a<1>" {
				t.Errorf("X-Instance = %q, want a<1>", got)
			}
		})
	}
}

func TestBrowserGetsAPage(t *testing.T) {
	w := do(newApp(), "GET", "/", "", "Accept", "text/html,*/*;q=0.8")
	if got := w.Header().Get("Content-Type"); !strings.HasPrefix(got, "text/html") {
		t.Errorf("Content-Type = %q, want text/html", got)
	}
	if body := w.Body.String(); !strings.Contains(body, "<b>a&lt;1&gt;</b>") || strings.Contains(body, "%!") {
		t.Errorf("page does not name the replica:\n%s", body)
	}
}

func TestHealthIsSwitchedByHand(t *testing.T) {
	a := newApp()
	for _, step := range []struct {
		switchTo string
		want     int
	}{{"fail", 503}, {"fail", 503}, {"ok", 200}} {
		do(a, "POST", "/health/"+step.switchTo, "")
		if got := do(a, "GET", "/health", "").Code; got != step.want {
			t.Errorf("after %s: GET /health = %d, want %d", step.switchTo, got, step.want)
		}
		if got := do(a, "GET", "/", "").Code; got != 200 {
			t.Errorf("after %s: GET / = %d, want 200", step.switchTo, got)
		}
	}
}

func TestAnswersNothingWhileStarting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		t.Setenv("START_DELAY", "2s")
		a, err := appFromEnv(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []int{503, 200} {
			for _, target := range []string{"/", "/health"} {
				if got := do(a, "GET", target, "").Code; got != want {
					t.Errorf("GET %s = %d, want %d", target, got, want)
				}
			}
			time.Sleep(2 * time.Second)
		}
	})
}

func TestBadStartDelayIsNamed(t *testing.T) {
	t.Setenv("START_DELAY", "2")
	_, err := appFromEnv(time.Now())
	if err == nil || !strings.Contains(err.Error(), `START_DELAY="2"`) {
		t.Errorf("error = %v, want one that names START_DELAY", err)
	}
}

func TestSlowAnswersAfterTheWait(t *testing.T) {
	server := httptest.NewServer(newApp().handler())
	defer server.Close()
	start := time.Now()
	resp, err := http.Get(server.URL + "/slow?ms=50")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	if took := time.Since(start); took < 50*time.Millisecond {
		t.Errorf("answered after %v, want at least 50ms", took)
	}
}
