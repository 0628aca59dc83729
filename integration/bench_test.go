package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"remora/internal/await"
)

// percentile p of durations, which it sorts.
func percentile(durations []time.Duration, p float64) time.Duration {
	slices.Sort(durations)
	return durations[min(int(float64(len(durations))*p), len(durations)-1)]
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// BenchmarkFailureInConsul measures the time from the moment in which an app begins
// to fail its check, every 200 ms, until Consul's catalog says so: 200 times, at a
// different moment of the interval each time.
func BenchmarkFailureInConsul(b *testing.B) {
	const flips, interval = 200, 200 * time.Millisecond
	for b.Loop() {
		var failing atomic.Bool
		app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if failing.Load() {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
		defer app.Close()
		at, err := url.Parse(app.URL)
		if err != nil {
			b.Fatal(err)
		}
		_, consul := mustConsulAgent(b)
		await.True(b, "Consul", func() bool { return passing(consul) >= 0 })
		mustProcess(b, "sidecar", []string{"CONSUL_HTTP_ADDR=" + consul, "SERVICE_NAME=flip", "SERVICE_ADDRESS=" + at.Hostname(),
			"SERVICE_PORT=" + at.Port(), "SERVICE_CHECK_HTTP=/", "SERVICE_CHECK_INTERVAL=" + interval.String(), "REMORA_DRAIN=0s"})
		watch := &statusWatch{url: consul + "/v1/health/checks/flip"}
		watch.until(b, "passing")
		var took []time.Duration
		for n := range flips {
			pause := time.NewTimer(time.Duration(n%10) * interval / 10)
			<-pause.C
			start := time.Now()
			failing.Store(true)
			watch.until(b, "critical")
			took = append(took, time.Since(start))
			failing.Store(false)
			watch.until(b, "passing")
		}
		b.ReportMetric(milliseconds(percentile(took, 0.50)), "p50-ms")
		b.ReportMetric(milliseconds(percentile(took, 0.99)), "p99-ms")
	}
}

// statusWatch follows one check by blocking queries.
type statusWatch struct {
	url   string
	index string
}

func (w *statusWatch) until(tb testing.TB, status string) {
	tb.Helper()
	deadline := time.Now().Add(await.Limit)
	for time.Now().Before(deadline) {
		response, err := http.Get(w.url + "?wait=5s&index=" + w.index)
		if err != nil {
			tb.Fatal(err)
		}
		var checks []check
		err = json.NewDecoder(response.Body).Decode(&checks)
		response.Body.Close()
		if err != nil {
			tb.Fatal(err)
		}
		w.index = response.Header.Get("X-Consul-Index")
		if len(checks) == 1 && checks[0].Status == status {
			return
		}
	}
	tb.Fatalf("the check did not turn %s", status)
}

// BenchmarkMemory measures the resident memory of the programs at rest: init that
// supervises an app, and a sidecar with one instance and no templates.
func BenchmarkMemory(b *testing.B) {
	for b.Loop() {
		_, consul := mustConsulAgent(b)
		await.True(b, "Consul", func() bool { return passing(consul) >= 0 })
		env := []string{"CONSUL_HTTP_ADDR=" + consul, "SERVICE_NAME=rest", "SERVICE_ADDRESS=127.0.0.1",
			"SERVICE_PORT=" + strings.TrimPrefix(consul, "http://127.0.0.1:"), "REMORA_DRAIN=0s"}
		for _, program := range []struct {
			name string
			args []string
		}{{"init", []string{"--", "sleep", "1000"}}, {"sidecar", nil}} {
			pid, log := mustProcess(b, program.name, env, program.args...)
			await.True(b, program.name+" to be at rest", func() bool { return log.Count("service registered") > 0 })
			b.ReportMetric(residentMB(b, pid), program.name+"-MB")
		}
	}
}

// mustProcess builds and starts a program, until the end of the test or benchmark.
func mustProcess(tb testing.TB, name string, env []string, args ...string) (int, *await.Log) {
	tb.Helper()
	binary := filepath.Join(tb.TempDir(), name)
	build := exec.Command(filepath.Join(root, "images/compile.sh"), goArch(tb), filepath.Dir(binary), "./"+name)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		tb.Fatalf("build %s: %v\n%s", name, err, out)
	}
	log := await.NewLog(tb)
	cmd := exec.Command(binary, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			tb.Error(err)
		}
		_ = cmd.Wait() // init passes on how its app ended
	})
	return cmd.Process.Pid, log
}

func goArch(tb testing.TB) string {
	tb.Helper()
	out, err := exec.Command("go", "env", "GOARCH").Output()
	if err != nil {
		tb.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func residentMB(tb testing.TB, pid int) float64 {
	tb.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		tb.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.Atoi(strings.Fields(value)[0])
			if err != nil {
				tb.Fatal(err)
			}
			return float64(kb) / 1000
		}
	}
	tb.Fatalf("process %d: no VmRSS", pid)
	return 0
}
