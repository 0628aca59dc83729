package explain_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"remora/internal/explain"
	"remora/internal/service"
)

var update = flag.Bool("update", false, "write the files in testdata anew")

func declaration(environ ...string) explain.Declaration {
	return explain.Declaration{
		Pairs: service.Pairs(environ), Host: "box", Runner: service.Agent,
		Locate: func() (string, string, error) { return "192.0.2.1", "route to consul:8500, on eth0", nil },
	}
}

var cases = map[string]explain.Declaration{
	"plain": declaration("SERVICE_NAME=web", "SERVICE_PORT=80"),
	"full": declaration("SERVICE_NAME=web", "SERVICE_80_TAGS=a,b", "SERVICE_53_UDP_NAME=dns", "SERVICE_80_ID=me", "SERVICE_ADDRESS=192.0.2.9",
		"SERVICE_TAGGED_ADDRESS_WAN=198.51.100.1:443", "SERVICE_WEIGHT_PASSING=5", "SERVICE_ENABLE_TAG_OVERRIDE=true", "lb.80.host=a.example",
		"SERVICE_80_CHECK_HTTPS=health", "SERVICE_CHECK_INTERVAL=2s", "SERVICE_80_CHECK_HTTP_HEADER_AUTHORIZATION=secret", "SERVICE_80_CHECK_HTTP_BODY=secret",
		"SERVICE_80_CHECK_2_SCRIPT=sh -c 'a b'", "SERVICE_80_CHECK_DEREGISTER_AFTER=never", "SERVICE_LB.HOST=dropped"),
	"mistaken": declaration("SERVICE_NAME=web", "SERVICE_PORT=80", "SERVICE_CHECK_INTERVAL=5", "SERVICE_CHECK_FILE=/ready", "SERVICE_NAMESPACE=team", "SERVICE_TAG=a"),
	"nothing":  declaration("SERVICE_NAME=web"),
	"hostile":  declaration("SERVICE_NAME=web", "SERVICE_PORT=80", "SERVICE_TEAM=a\tb\x1b[31m"),
	"lost":     lost(),
}

func lost() explain.Declaration {
	d := declaration("SERVICE_NAME=web", "SERVICE_PORT=80")
	d.Locate = func() (string, string, error) {
		return "", "", errors.New("no address to register; candidates: 192.0.2.1 (eth0), 192.0.2.2 (eth1)")
	}
	return d
}

func TestText(t *testing.T) {
	for name, d := range cases {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			for _, words := range [][]string{{"explain"}, {"lint"}} {
				out.WriteString("$ " + words[0] + "\n")
				if _, err := d.Run(&out, words); err != nil {
					t.Fatal(err)
				}
			}
			golden(t, name+".txt", out.Bytes())
			if strings.Contains(out.String(), "secret") {
				t.Error("a header or body is shown")
			}
		})
	}
}

func TestJSON(t *testing.T) {
	for name, d := range cases {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if _, err := d.Run(&out, []string{"explain", "-json"}); err != nil {
				t.Fatal(err)
			}
			var report explain.Report
			if err := json.Unmarshal(out.Bytes(), &report); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(d.Explain(), report); diff != "" {
				t.Errorf("what comes back (-want +got):\n%s", diff)
			}
			if name == "plain" || name == "nothing" {
				golden(t, name+".json", out.Bytes())
			}
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s; go test ./internal/explain -update writes it anew (-file +got):\n%s", name, diff)
	}
}

func TestWhatIsGood(t *testing.T) {
	for name, want := range map[string][2]bool{ // explain, lint
		"plain": {true, true}, "full": {true, false}, "mistaken": {false, false}, "nothing": {false, false}, "lost": {true, true},
	} {
		for n, word := range explain.Commands() {
			var out bytes.Buffer
			if good, err := cases[name].Run(&out, []string{word}); good != want[n] || err != nil {
				t.Errorf("%s of %s: good %v, error %v; want %v\n%s", word, name, good, err, want[n], &out)
			}
		}
	}
}

func TestWords(t *testing.T) {
	for words, want := range map[string]string{
		"explain": "", "explain -json": "", "explain --json": "", "lint": "",
		"lint -json":        `"-json": is too much after lint`,
		"explain -json all": `"all": is too much after explain; flags come before it`,
	} {
		err := explain.CheckWords(strings.Fields(words))
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %q", words, err, want)
		}
		if !explain.IsCommand(strings.Fields(words)) {
			t.Errorf("%s: is no command", words)
		}
	}
	if explain.IsCommand(nil) || explain.IsCommand([]string{"register"}) {
		t.Error("other words are a command")
	}
}
