package monitor

import (
	"fmt"
	"time"

	"remora/internal/service"
)

// verdict makes a status out of results in a row, by a check's thresholds, which
// mean what Consul's success_before_passing and so on mean (agent/checks,
// StatusHandler): the result that completes the number changes the status. Only the
// first result is nothing special here; Consul believes it at once. In the start
// period failures are shown and do not count, unless the check has passed.
type verdict struct {
	check     service.Check
	started   time.Time
	passed    bool // at least once
	successes int
	failures  int
}

// next returns the status after one more result, in which the status was was, and
// what to say of it. It is not settled while successes are being counted.
func (v *verdict) next(was, found service.Status, output string, now time.Time) (status service.Status, text string, settled bool) {
	if found == service.Critical {
		status, text = v.failure(was, output, now)
		return status, text, true
	}
	v.successes, v.failures = v.successes+1, 0
	v.passed = v.passed || found == service.Passing
	if found != was && v.successes < v.check.SuccessBeforePassing {
		return was, fmt.Sprintf("%d of %d successes in a row: %s", v.successes, v.check.SuccessBeforePassing, output), false
	}
	return found, output, true
}

func (v *verdict) failure(was service.Status, output string, now time.Time) (service.Status, string) {
	v.successes = 0
	if left := v.started.Add(v.check.StartPeriod).Sub(now); !v.passed && left > 0 {
		return was, "starting: " + output
	}
	v.failures++
	critical := max(v.check.FailuresBeforeCritical, 1)
	warning := critical
	if v.check.FailuresBeforeWarning > 0 {
		warning = v.check.FailuresBeforeWarning
	}
	counted := fmt.Sprintf("%d of %d failures in a row: %s", v.failures, critical, output)
	switch {
	case v.failures >= critical:
		return service.Critical, output
	case v.failures >= warning && was == service.Passing:
		return service.Warning, counted
	}
	return was, counted
}
