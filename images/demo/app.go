package main

import (
	"fmt"
	"hash/fnv"
	"html"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// longestWait bounds GET /slow: longer than any drain a test waits for.
const longestWait = 30 * time.Second

type app struct {
	hostname string
	version  string
	ready    time.Time
	now      func() time.Time
	failing  atomic.Bool
}

func (a *app) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.hello)
	mux.HandleFunc("POST /{$}", a.count)
	mux.HandleFunc("GET /slow", a.slow)
	mux.HandleFunc("GET /health", a.health)
	mux.HandleFunc("POST /health/fail", a.setFailing(true))
	mux.HandleFunc("POST /health/ok", a.setFailing(false))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Instance", a.hostname)
		if a.now().Before(a.ready) {
			http.Error(w, "starting", http.StatusServiceUnavailable)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (a *app) hello(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Accept")
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, a.page())
		return
	}
	fmt.Fprintf(w, "hello from %s (version %s)\n", a.hostname, a.version)
}

func (a *app) count(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Fprintf(w, "%d bytes\n", n)
}

func (a *app) slow(w http.ResponseWriter, r *http.Request) {
	ms, err := strconv.Atoi(r.FormValue("ms"))
	longest := int(longestWait / time.Millisecond)
	if err != nil || ms < 0 || ms > longest {
		http.Error(w, fmt.Sprintf("ms=%q: want 0 to %d", r.FormValue("ms"), longest), http.StatusBadRequest)
		return
	}
	select {
	case <-time.After(time.Duration(ms) * time.Millisecond):
		a.hello(w, r)
	case <-r.Context().Done():
	}
}

func (a *app) health(w http.ResponseWriter, _ *http.Request) {
	if a.failing.Load() {
		http.Error(w, "made to fail", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

func (a *app) setFailing(failing bool) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		a.failing.Store(failing)
		w.WriteHeader(http.StatusNoContent)
	}
}

// page gives each replica a colour of its own, so that a reload of the page
// shows at a glance that another one answered.
func (a *app) page() string {
	sum := fnv.New32a()
	io.WriteString(sum, a.hostname)
	return fmt.Sprintf(page, sum.Sum32()%360, html.EscapeString(a.hostname), html.EscapeString(a.version))
}

const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Remora demo</title>
<style>
body { margin: 0; height: 100vh; display: grid; place-items: center; text-align: center;
  font: 1.1rem/1.5 system-ui, sans-serif; color: #fff; background: hsl(%d 45%% 32%%) }
b { display: block; font: 600 2.6rem/1.4 ui-monospace, monospace }
small { opacity: .8 }
</style>
<main>hello from<b>%s</b>version %s<br><small>reload the page: another replica answers</small></main>
</html>
`
