package explain

import (
	"fmt"
	"io"

	"remora/internal/service"
)

// Lint lists what is wrong, or looks wrong, about the declaration.
func (d Declaration) Lint() []service.Finding {
	findings := service.Lint(d.Pairs, d.Host)
	resolution, _ := service.Resolve(d.Pairs, d.Host) // its mistakes are among the findings
	for _, err := range []error{resolution.RunBy(d.Runner), resolution.Within(d.Namespace, d.Partition)} {
		for _, text := range texts(err) {
			findings = append(findings, service.Finding{Error: true, Text: text})
		}
	}
	return findings
}

// WriteFindings writes them for people, a line each.
func WriteFindings(w io.Writer, findings []service.Finding) error {
	for _, f := range findings {
		severity := "warning"
		if f.Error {
			severity = "error"
		}
		if _, err := fmt.Fprintf(w, "%s: %s\n", severity, f.Text); err != nil {
			return err
		}
	}
	if len(findings) == 0 {
		_, err := fmt.Fprintln(w, "nothing found")
		return err
	}
	return nil
}
