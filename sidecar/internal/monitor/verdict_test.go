package monitor

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"remora/internal/service"
)

var letters = map[byte]service.Status{'p': service.Passing, 'w': service.Warning, 'c': service.Critical}

// statuses returns the status after each result, which are a second apart.
func statuses(check service.Check, initial byte, results string) string {
	start := time.Now()
	v := &verdict{check: check, started: start}
	status := letters[initial]
	var out strings.Builder
	for n, r := range []byte(results) {
		status, _, _ = v.next(status, letters[r], "", start.Add(time.Duration(n)*time.Second))
		out.WriteByte(status[0])
	}
	return out.String()
}

func TestThresholds(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		check   service.Check
		initial byte
		results string
		want    string
	}{
		{"without any, every result counts", service.Check{}, 'c', "pcwpccp", "pcwpccp"},
		{"three successes in a row", service.Check{SuccessBeforePassing: 3}, 'c', "ppcpppp", "ccccc" + "pp"},
		{"a warning is a success, as for Consul", service.Check{SuccessBeforePassing: 2}, 'c', "wp", "cp"},
		{"three failures in a row", service.Check{FailuresBeforeCritical: 3}, 'c', "pccpcccc", "pppppp" + "cc"},
		{"a warning on the way down", service.Check{FailuresBeforeWarning: 2, FailuresBeforeCritical: 3}, 'c', "pcccp", "ppwcp"},
		{"below the threshold, a check born passing passes", service.Check{FailuresBeforeCritical: 3}, 'p', "ccc", "ppc"},
		{"both ways", service.Check{SuccessBeforePassing: 2, FailuresBeforeCritical: 2}, 'c', "ppcpccpp", "cp" + "ppp" + "ccp"},
		{"in the start period failures do not count", service.Check{StartPeriod: 4 * time.Second}, 'w', "cccccc", "wwww" + "cc"},
		{"nor towards a threshold", service.Check{StartPeriod: 3 * time.Second, FailuresBeforeCritical: 2}, 'p', "ccccc", "pppp" + "c"},
		{"once it has passed they do", service.Check{StartPeriod: time.Minute}, 'p', "cpc", "ppc"},
	} {
		if got := statuses(tc.check, tc.initial, tc.results); got != tc.want {
			t.Errorf("%s: %s gives %s, want %s", tc.name, tc.results, got, tc.want)
		}
	}
}

func TestOutputSaysWhatIsCounted(t *testing.T) {
	t.Parallel()
	start := time.Now()
	v := &verdict{started: start, check: service.Check{
		SuccessBeforePassing: 2, FailuresBeforeCritical: 2, StartPeriod: time.Second,
	}}
	var got []string
	for n, r := range []byte("cppcc") {
		_, text, _ := v.next(service.Critical, letters[r], "out", start.Add(time.Duration(n)*time.Second/2))
		got = append(got, text)
	}
	want := []string{"starting: out", "1 of 2 successes in a row: out", "out", "1 of 2 failures in a row: out", "out"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
}
