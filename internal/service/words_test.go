package service

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What a shell makes of these: sh -c 'printf "<%s>" …'.
func TestShellWords(t *testing.T) {
	for text, want := range map[string][]string{
		"":                         nil,
		" \t\n":                    nil,
		"a":                        {"a"},
		" a  b\tc\nd ":             {"a", "b", "c", "d"},
		`'a b' "c d"`:              {"a b", "c d"},
		`a' 'b"c d"e`:              {"a bc de"},
		`'' ""`:                    {"", ""},
		`a\ b \'`:                  {"a b", "'"},
		`'a\b' "a\b" a\b`:          {`a\b`, `a\b`, "ab"},
		`"\"" "\\" "\$x" '"'`:      {`"`, `\`, "$x", `"`},
		"a\\\nb \"a\\\nb\"":        {"ab", "ab"},
		"\\\n":                     nil,
		`sh -c 'a && b | c > d'`:   {"sh", "-c", "a && b | c > d"},
		"curl http://a/?b=1&c=2 *": {"curl", "http://a/?b=1&c=2", "*"},
		"ä 'ö ü'":                  {"ä", "ö ü"},
	} {
		got, err := shellWords(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
	for text, want := range map[string]error{`'a`: errQuote, `a "b`: errQuote, `"a\"`: errQuote, `a\`: errBackslash} {
		if _, err := shellWords(text); err != want {
			t.Errorf("%q: error %v, want %v", text, err, want)
		}
	}
}
