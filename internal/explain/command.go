package explain

import (
	"fmt"
	"io"
	"slices"
)

// The commands of a program that explain.
const (
	CmdExplain = "explain"
	CmdLint    = "lint"
)

// Commands lists them.
func Commands() []string { return []string{CmdExplain, CmdLint} }

// IsCommand tells whether the words of a command line ask for one of them.
func IsCommand(words []string) bool {
	return len(words) > 0 && slices.Contains(Commands(), words[0])
}

// CheckWords says what is wrong with such words.
func CheckWords(words []string) error {
	rest := words[1:]
	if words[0] == CmdExplain && len(rest) > 0 && isJSON(rest[0]) {
		rest = rest[1:]
	}
	if len(rest) > 0 {
		return fmt.Errorf("%q: is too much after %s; flags come before it", rest[0], words[0])
	}
	return nil
}

func isJSON(word string) bool { return word == "-json" || word == "--json" }

// Run does what the words ask and writes the outcome. It returns whether the
// declaration is good: explain finds it so if it can be registered, lint if there
// is nothing to say about it.
func (d Declaration) Run(w io.Writer, words []string) (good bool, err error) {
	if words[0] == CmdLint {
		findings := d.Lint()
		return len(findings) == 0, WriteFindings(w, findings)
	}
	report := d.Explain()
	if len(words) > 1 {
		err = report.JSON(w)
	} else {
		err = report.Text(w)
	}
	return len(report.Errors) == 0, err
}
