package monitor

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"remora/internal/await"
	"remora/internal/consul"
	"remora/internal/service"
)

// checkFunc is a checker that is a function.
type checkFunc func(ctx context.Context) (service.Status, string)

func (f checkFunc) Check(ctx context.Context) (service.Status, string) { return f(ctx) }

func passes(context.Context) (service.Status, string) { return service.Passing, "well" }

// hangs is a check that ends with its time.
func hangs(ctx context.Context) (service.Status, string) {
	<-ctx.Done()
	return service.Critical, ctx.Err().Error()
}

// report is one that the recorder got.
type report struct {
	at     time.Duration // since the recorder was made
	check  string
	status service.Status
	output string
}

// recorder keeps reports.
type recorder struct {
	started time.Time
	mu      sync.Mutex
	got     []report
	fail    func() error // if set, asked first
}

func newRecorder() *recorder { return &recorder{started: time.Now()} }

func (r *recorder) Report(_ context.Context, check string, status service.Status, output string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		if err := r.fail(); err != nil {
			return err
		}
	}
	r.got = append(r.got, report{time.Since(r.started), check, status, output})
	return nil
}

func (r *recorder) reports() []report {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

var every10s = service.Check{ID: "c", Interval: 10 * time.Second, Timeout: 5 * time.Second, TTL: 30 * time.Second}

// start runs monitors until the test ends.
func start(t *testing.T, monitors ...*Monitor) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for _, m := range monitors {
		group.Go(func() { m.Run(ctx) })
		group.Go(func() { m.Report(ctx) })
	}
	t.Cleanup(func() { cancel(); group.Wait() })
}

func monitored(t *testing.T, check service.Check, checker checkFunc, r Reporter) *Monitor {
	t.Helper()
	return New(await.NewLog(t).Logger(), check, checker, r, func(context.Context) {})
}

func TestSteadyStateIsRenewedEveryHalfTTLAndNotMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder()
		start(t, monitored(t, every10s, passes, r))
		time.Sleep(10 * time.Minute)
		if n := len(r.reports()); n < 40 || n > 41 {
			t.Errorf("%d reports in 10 minutes, want one every 15 s", n)
		}
	})
}

func TestBadNewsIsReportedAtOnceWithItsOutput(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder()
		var failed time.Duration
		start(t, monitored(t, every10s, func(context.Context) (service.Status, string) {
			if now := time.Since(r.started); now > time.Minute {
				if failed == 0 {
					failed = now
				}
				return service.Critical, "no answer"
			}
			return service.Passing, "well"
		}, r))
		time.Sleep(2 * time.Minute)
		for _, got := range r.reports() {
			if got.status != service.Critical {
				continue
			}
			if got.at != failed || got.output != "no answer" {
				t.Errorf("first report as critical: %+v, want it at %s", got, failed)
			}
			return
		}
		t.Error("never reported as critical")
	})
}

func TestHungCheckDelaysNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder()
		stuck := monitored(t, service.Check{ID: "stuck", Interval: time.Minute, Timeout: 50 * time.Second, TTL: time.Hour}, hangs, r)
		quick := service.Check{ID: "quick", Interval: time.Second, Timeout: time.Second / 2, TTL: 2 * time.Second}
		start(t, stuck, monitored(t, quick, passes, r))
		time.Sleep(49 * time.Second)
		if n := len(r.reports()); n < 48 {
			t.Errorf("%d reports in 49 s beside a check that hangs, want one a second", n)
		}
		time.Sleep(2 * time.Second)
		if got := stuck.Status(); got != service.Critical || stuck.State().Ran.IsZero() {
			t.Errorf("the hung check is %q, want it critical after its timeout", got)
		}
	})
}

// TestNoHerd counts what 200 checks do in one second.
func TestNoHerd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var mu sync.Mutex
		ran := map[time.Duration]int{} // by second
		first := map[time.Duration]int{}
		counts := func(context.Context) (service.Status, string) {
			mu.Lock()
			defer mu.Unlock()
			now := time.Since(began)
			ran[now/time.Second]++
			first[now/time.Millisecond]++
			return service.Passing, ""
		}
		var monitors []*Monitor
		for range 200 {
			monitors = append(monitors, monitored(t, every10s, counts, newRecorder()))
		}
		start(t, monitors...)
		time.Sleep(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		for second := time.Duration(11); second < 60; second++ {
			if n := ran[second]; n > 50 { // 20 to 22 on average
				t.Errorf("%d of 200 checks in second %d, want them spread over the interval", n, second)
			}
		}
		for ms := range time.Duration(100) {
			if n := first[ms]; n > 15 { // 2 on average
				t.Errorf("%d of 200 checks in millisecond %d, want them spread", n, ms)
			}
		}
	})
}

func TestAppThatGetsReadyWaitsNoWholeInterval(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder()
		check := every10s
		check.SuccessBeforePassing = 3
		m := monitored(t, check, func(context.Context) (service.Status, string) {
			if time.Since(r.started) < 20*time.Second {
				return service.Critical, "starting"
			}
			return service.Passing, "well"
		}, r)
		start(t, m)
		time.Sleep(24 * time.Second)
		if got := m.Status(); got != service.Passing {
			t.Errorf("%q 4 s after the app was ready, want three successes in that time", got)
		}
	})
}

func TestKnownWaitsForSuccessesButNotForFailures(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		check  checkFunc
		known  bool // after a second and a half
		status service.Status
	}{
		{"succeeds", passes, false, service.Critical},
		{"fails", func(context.Context) (service.Status, string) { return service.Critical, "" }, true, service.Critical},
	} {
		synctest.Test(t, func(t *testing.T) {
			check := every10s
			check.SuccessBeforePassing, check.StartPeriod = 3, time.Hour
			m := monitored(t, check, tc.check, newRecorder())
			start(t, m)
			time.Sleep(1500 * time.Millisecond)
			known := false
			select {
			case <-m.Known():
				known = true
			default:
			}
			if known != tc.known || m.Status() != tc.status {
				t.Errorf("%s: known %t as %q, want %t as %q", tc.name, known, m.Status(), tc.known, tc.status)
			}
			time.Sleep(3 * time.Second)
			<-m.Known()
		})
	}
}

func TestUnknownCheckIsSaidToBeMissingAndReportedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder()
		known := false
		r.fail = func() error {
			if !known {
				return consul.ErrNotFound
			}
			return nil
		}
		m := New(await.NewLog(t).Logger(), every10s, checkFunc(passes), r, nil)
		m.missing = func(context.Context) { known = true; m.Refresh() }
		start(t, m)
		time.Sleep(5 * time.Second)
		if n := len(r.reports()); n != 1 {
			t.Errorf("%d reports within 5 s, want the one after the registration", n)
		}
	})
}

func TestMonitorThatHangsIsStuck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		ran := 0
		m := monitored(t, every10s, func(context.Context) (service.Status, string) {
			if ran++; ran > 1 {
				<-release // whatever ctx says
			}
			return service.Passing, ""
		}, newRecorder())
		start(t, m)
		time.Sleep(15 * time.Second)
		if m.Stuck() {
			t.Error("stuck after 15 s, want some patience")
		}
		time.Sleep(time.Minute)
		if !m.Stuck() {
			t.Error("not stuck after a minute in a check that ignores its deadline")
		}
		close(release)
	})
}
