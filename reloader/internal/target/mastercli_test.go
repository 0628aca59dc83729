package target

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseProcesses(t *testing.T) {
	for name, test := range map[string]struct {
		answer string
		want   processes
	}{
		"2.6 after a refused reload": { // recorded
			"#<PID>          <type>          <reloads>       <uptime>        <version>      \n" +
				"17226           master          2 [failed: 1]   0d00h00m02s     2.6.12-1+deb12u4\n" +
				"# workers\n" +
				"17259           worker          1               0d00h00m01s     2.6.12-1+deb12u4\n" +
				"# programs\n\n",
			processes{
				master: 17226, reloads: 2, failed: 1, uptime: "0d00h00m02s", version: "2.6.12-1+deb12u4",
				current: map[int]bool{17259: true}, all: map[int]bool{17259: true},
			},
		},
		"3.0 with an old worker that finishes": { // recorded
			"#<PID>          <type>          <reloads>       <uptime>        <version>      \n" +
				"17392           master          4 [failed: 0]   1d02h00m05s     3.0.11-1+deb13u3\n" +
				"# workers\n" +
				"17942           worker          0               0d00h00m01s     3.0.11-1+deb13u3\n" +
				"# old workers\n" +
				"17435           worker          3               0d00h00m05s     3.0.11-1+deb13u3\n" +
				"# programs\n\n",
			processes{
				master: 17392, reloads: 4, uptime: "1d02h00m05s", version: "3.0.11-1+deb13u3",
				current: map[int]bool{17942: true}, all: map[int]bool{17942: true, 17435: true},
			},
		},
		"3.4 after a refused reload: the worker that serves is an old one": {
			"#<PID>          <type>          <reloads>       <uptime>        <version>      \n" +
				"1               master          1 [failed: 1]   0d00h00m09s     3.4.0\n" +
				"# workers\n" +
				"# old workers\n" +
				"9               worker          1               0d00h00m09s     3.4.0\n" +
				"# programs\n\n",
			processes{
				master: 1, reloads: 1, failed: 1, uptime: "0d00h00m09s", version: "3.4.0",
				current: map[int]bool{}, all: map[int]bool{9: true},
			},
		},
		"before failures were counted": {
			"#<PID>          <type>          <reloads>       <uptime>        <version>      \n" +
				"1162            master          5               0d00h02m07s     2.4.0\n" +
				"# workers\n1271            worker          1               0d00h00m00s     2.4.0\n",
			processes{
				master: 1162, reloads: 5, uptime: "0d00h02m07s", version: "2.4.0",
				current: map[int]bool{1271: true}, all: map[int]bool{1271: true},
			},
		},
	} {
		got, err := parseProcesses(test.answer)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(processes{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestAnswersThatAreNoTable(t *testing.T) {
	for _, answer := range []string{
		"", "Permission denied\n", "# workers\n",
		"seven           master          2 [failed: 1]   0d00h00m02s     2.6.12\n",
		"7               master          two             0d00h00m02s     2.6.12\n",
		"7               master          2 [failed: x]   0d00h00m02s     2.6.12\n",
	} {
		if p, err := parseProcesses(answer); err == nil {
			t.Errorf("%q was read as %+v", answer, p)
		}
	}
}

func TestAge(t *testing.T) {
	for uptime, want := range map[string]time.Duration{
		"0d00h00m02s": 2 * time.Second, "1d02h03m04s": 26*time.Hour + 3*time.Minute + 4*time.Second, "": 0,
	} {
		if got := (processes{uptime: uptime}).age(); got != want {
			t.Errorf("%q: %s, want %s", uptime, got, want)
		}
	}
}

func TestWhichVersionsAnswerAReload(t *testing.T) {
	for version, want := range map[string]bool{
		"2.6.12-1+deb12u4": false, "2.7.0": true, "2.7-dev7": true, "3.0.11": true, "3.4.0": true, "1.9.8": false, "": false,
	} {
		if got := (processes{version: version}).answersReload(); got != want {
			t.Errorf("%q: %t, want %t", version, got, want)
		}
	}
}
