package monitor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"remora/internal/await"
	"remora/internal/consul"
	"remora/internal/service"
	"remora/sidecar/internal/monitor"
)

// world is an app that is checked and an agent that is told, in the time of a
// synctest bubble.
type world struct {
	mu     sync.Mutex
	status service.Status
	output string
	checks int
	took   time.Duration // of a check

	err     error // of reports
	reports []string
	times   []time.Time
	missing int
}

func (w *world) Check(ctx context.Context) (service.Status, string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.checks++
	if w.took > 0 {
		took := w.took
		w.mu.Unlock()
		select {
		case <-time.After(took):
		case <-ctx.Done():
		}
		w.mu.Lock()
		if ctx.Err() != nil {
			return service.Critical, "no answer"
		}
	}
	return w.status, w.output
}

func (w *world) Report(_ context.Context, id string, status service.Status, output string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reports = append(w.reports, fmt.Sprintf("%s %s %s", id, status, output))
	w.times = append(w.times, time.Now())
	return w.err
}

func (w *world) do(something func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	something()
}

// becomes makes checks find this from now on.
func (w *world) becomes(status service.Status, output string) {
	w.do(func() { w.status, w.output = status, output })
}

// told returns the reports since the last call of told.
func (w *world) told() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	reports := w.reports
	w.reports, w.times = nil, nil
	return reports
}

func (w *world) checked() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.checks
}

// subject is a monitor of a check "c" with an interval of 10s and a TTL of 30s.
type subject struct {
	*monitor.Monitor
	*world
	log *await.Log
}

func inBubble(t *testing.T, test func(t *testing.T, s subject)) {
	inBubbleWithTTL(t, 30*time.Second, test)
}

func inBubbleWithTTL(t *testing.T, ttl time.Duration, test func(t *testing.T, s subject)) {
	synctest.Test(t, func(t *testing.T) {
		w, log := &world{status: service.Passing, output: "fine"}, await.NewLog(t)
		check := service.Check{ID: "c", Interval: 10 * time.Second, Timeout: 5 * time.Second, TTL: ttl, Initial: service.Critical}
		missing := func(context.Context) { w.do(func() { w.missing++ }) }
		test(t, subject{monitor.New(log.Logger(), check, w, w, missing), w, log})
	})
}

// start runs the monitor until the end of the test.
func (s subject) start(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { s.Run(ctx) })
	group.Go(func() { s.Monitor.Report(ctx) })
	t.Cleanup(func() { cancel(); group.Wait() })
	after(100 * time.Millisecond) // over which first checks are spread
}

func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func mustBe(t *testing.T, what string, got, want []string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestNewsIsReportedAtOnce(t *testing.T) {
	inBubbleWithTTL(t, time.Hour, func(t *testing.T, s subject) {
		s.start(t)
		mustBe(t, "first result", s.told(), []string{"c passing fine"})
		for _, step := range []struct {
			status service.Status
			output string
			want   []string
		}{
			{service.Critical, "refused", []string{"c critical refused"}},
			{service.Critical, "timed out", []string{"c critical timed out"}}, // bad news in other words
			{service.Critical, "timed out", nil},
			{service.Warning, "busy", []string{"c warning busy"}},
			{service.Warning, "busier", []string{"c warning busier"}},
			{service.Passing, "fine", []string{"c passing fine"}},
			{service.Passing, "finer", nil}, // good news in other words can wait
		} {
			s.becomes(step.status, step.output)
			after(10 * time.Second) // one interval
			mustBe(t, fmt.Sprintf("%s %s", step.status, step.output), s.told(), step.want)
		}
	})
}

func TestSteadyStateIsRenewedAtHalfTheTTL(t *testing.T) {
	inBubble(t, func(t *testing.T, s subject) {
		s.start(t)
		after(time.Hour)
		if n := len(s.told()); n < 3600/15 || n > 1+3600/15 {
			t.Errorf("%d reports in an hour, want the first and one every 15s", n)
		}
		if n := s.log.Count("level="); n != 1 {
			t.Errorf("%d lines are logged, want the first result alone", n)
		}
		if n := s.checked(); n < 360 || n > 420 {
			t.Errorf("%d checks in an hour, want one every 9 to 10 seconds", n)
		}
	})
}

func TestRenewalCarriesTheLatestOutput(t *testing.T) {
	inBubble(t, func(t *testing.T, s subject) {
		s.start(t)
		s.told()
		s.becomes(service.Passing, "finer")
		after(16 * time.Second)
		mustBe(t, "renewal", s.told(), []string{"c passing finer"})
	})
}

func TestAppThatStartsIsLookedAtEverySecond(t *testing.T) {
	inBubble(t, func(t *testing.T, s subject) {
		s.becomes(service.Critical, "refused")
		s.start(t)
		after(5 * time.Second)
		if n := s.checked(); n < 5 || n > 7 {
			t.Errorf("%d checks in the first 5s, want one a second", n)
		}
		s.becomes(service.Passing, "fine")
		after(time.Second)
		mustBe(t, "reports", s.told(), []string{"c critical refused", "c passing fine"})
		before := s.checked()
		s.becomes(service.Critical, "refused")
		after(30 * time.Second)
		if n := s.checked() - before; n > 4 {
			t.Errorf("%d checks in 30s of an app that had passed, want one every 10s", n)
		}
	})
}

func TestKnownAndStatusFollowTheFirstResult(t *testing.T) {
	inBubble(t, func(t *testing.T, s subject) {
		s.do(func() { s.took = 2 * time.Second })
		if got := s.Status(); got != service.Critical {
			t.Errorf("status %s before any result, want the initial one", got)
		}
		s.start(t)
		select {
		case <-s.Known():
			t.Error("known before the first check has ended")
		default:
		}
		<-s.Known()
		if got := s.Status(); got != service.Passing {
			t.Errorf("status %s, want passing", got)
		}
	})
}

func TestHungCheckIsCriticalWithinItsTimeout(t *testing.T) {
	inBubble(t, func(t *testing.T, s subject) {
		s.start(t)
		s.told()
		s.do(func() { s.took = time.Hour })
		after(15 * time.Second) // an interval and the timeout
		mustBe(t, "reports", s.told(), []string{"c critical no answer"})
	})
}

func TestCheckThatIsCutOffByTheStopSaysNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, s subject) {
		s.start(t)
		ctx, cancel := context.WithCancel(t.Context())
		other := monitor.New(s.log.Logger(), service.Check{ID: "d", Interval: time.Second, Timeout: time.Hour, TTL: time.Minute}, s.world, s.world, nil)
		s.do(func() { s.took = time.Minute })
		done := make(chan struct{})
		go func() { defer close(done); other.Run(ctx) }()
		synctest.Wait()
		cancel()
		<-done
		if got := other.Status(); got != service.Critical {
			t.Errorf("status %q, want that of a check that has not run", got)
		}
	})
}

func TestUnknownCheckIsMissed(t *testing.T) {
	inBubble(t, func(t *testing.T, s subject) {
		s.start(t)
		s.do(func() { s.err = fmt.Errorf("report: %w", consul.ErrNotFound) })
		s.told()
		after(15 * time.Second)
		if s.missing != 1 {
			t.Errorf("missing was called %d times, want once", s.missing)
		}
		// As the registrar does after it has registered.
		s.do(func() { s.err = nil })
		s.Refresh()
		synctest.Wait()
		mustBe(t, "reports", s.told(), []string{"c passing fine", "c passing fine"})
		if n := s.log.Count("level=WARN"); n > 0 {
			t.Errorf("%d warnings, want none: it is the registrar's matter", n)
		}
	})
}

// missing registers, which refreshes, which reports: if the agent then does not
// know the check again, that must not go round at full speed.
func TestCheckThatIsNeverFoundIsNotMissedAtFullSpeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, log := &world{status: service.Passing, err: consul.ErrNotFound}, await.NewLog(t)
		var m *monitor.Monitor
		missing := func(context.Context) { w.do(func() { w.missing++ }); m.Refresh() }
		m = monitor.New(log.Logger(), service.Check{ID: "c", Interval: time.Hour, Timeout: time.Second, TTL: time.Hour}, w, w, missing)
		subject{m, w, log}.start(t)
		after(time.Minute)
		if w.missing < 20 || w.missing > 61 {
			t.Errorf("missing was called %d times in a minute, want once every second or two", w.missing)
		}
	})
}

func TestFailedReportIsTriedAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, s subject) {
		s.start(t)
		s.told()
		s.do(func() { s.err = errors.New("connection refused") })
		s.becomes(service.Critical, "refused")
		after(20 * time.Second)
		if n := len(s.told()); n < 10 || n > 42 {
			t.Errorf("%d tries in 10s to 20s, want one or two a second", n)
		}
		s.do(func() { s.err = nil })
		after(time.Second)
		mustBe(t, "reports", s.told(), []string{"c critical refused"})
		after(14 * time.Second)
		mustBe(t, "reports before the next renewal", s.told(), nil)
		if n := s.log.Count("level=WARN", "check not reported; trying again", "connection refused"); n != 1 {
			t.Errorf("the trouble is logged %d times, want once", n)
		}
		if n := s.log.Count("level=INFO", "check reported again"); n != 1 {
			t.Errorf("its end is logged %d times, want once", n)
		}
	})
}

func TestLongOutputIsCutInTheLogOnly(t *testing.T) {
	inBubble(t, func(t *testing.T, s subject) {
		long := strings.Repeat("ä", 150) // the cut falls into a letter
		s.becomes(service.Critical, "x"+long)
		s.start(t)
		mustBe(t, "report", s.told(), []string{"c critical x" + long})
		if n := s.log.Count("check turned critical", "output=x"+strings.Repeat("ä", 99)+"…\n"); n != 1 {
			t.Errorf("%d lines with the cut output, want 1", n)
		}
	})
}
