// Package explain shows people what their declaration of a service comes to and
// why, and what looks wrong about it.
package explain

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"

	"remora/internal/service"
)

// Declaration is what a program was told, and how it takes it.
type Declaration struct {
	Pairs []service.Pair
	Host  string // the name of the container's host
	// Runner runs the checks.
	Runner service.Runner
	// Namespace and Partition are those in which Consul is asked.
	Namespace, Partition string
	// Locate finds the address where none is declared, and says why it is that one.
	Locate func() (address, why string, err error)
}

// Report is what would be registered. Its JSON form is kept stable.
type Report struct {
	Instances []Instance `json:"instances"`
	Warnings  []string   `json:"warnings,omitempty"` // what is left out
	Errors    []string   `json:"errors,omitempty"`   // for which nothing is registered
}

// Instance is one registration and the origins of its fields.
type Instance struct {
	ID      string          `json:"id"`
	Service string          `json:"service"`
	Fields  []service.Field `json:"fields"`
}

// Explain resolves the declaration.
func (d Declaration) Explain() Report {
	resolution, err := service.Resolve(d.Pairs, d.Host)
	report := Report{Instances: []Instance{}, Errors: texts(err)}
	for _, w := range resolution.Warnings {
		if !slices.Contains(report.Warnings, w.Error()) { // each port of several may say it
			report.Warnings = append(report.Warnings, w.Error())
		}
	}
	report.Errors = append(report.Errors, texts(resolution.RunBy(d.Runner))...)
	report.Errors = append(report.Errors, texts(resolution.Within(d.Namespace, d.Partition))...)
	for _, i := range resolution.Instances {
		if i.Address == "" {
			if err := d.locate(i.Fields); err != nil {
				report.Warnings = append(report.Warnings, fmt.Sprintf("address of %s: %v", i.ID, err))
			}
		}
		report.Instances = append(report.Instances, Instance{ID: i.ID, Service: i.Name, Fields: i.Fields})
	}
	return report
}

// locate fills in the field of the address.
func (d Declaration) locate(fields []service.Field) error {
	address, why, err := d.Locate()
	for n, f := range fields {
		if f.Name == "address" && err == nil {
			fields[n].Value, fields[n].Rule = address, why
		}
	}
	return err
}

func texts(err error) []string {
	var all []string
	for _, e := range service.Flatten(err) {
		if !slices.Contains(all, e.Error()) {
			all = append(all, e.Error())
		}
	}
	return all
}

// JSON writes the report for programs.
func (r Report) JSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(r)
}

// Text writes the report for people.
func (r Report) Text(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, i := range r.Instances {
		fmt.Fprintf(tw, "%s\n", printable(i.ID))
		for _, f := range i.Fields {
			fmt.Fprintf(tw, "  %s\t%s\t%s\n", printable(f.Name), printable(orNone(f.Value)), printable(why(f)))
		}
		fmt.Fprintln(tw)
	}
	if len(r.Instances) == 0 {
		fmt.Fprint(tw, "nothing would be registered\n\n")
	}
	for _, text := range r.Warnings {
		fmt.Fprintf(tw, "warning: %s\n", text)
	}
	for _, text := range r.Errors {
		fmt.Fprintf(tw, "error: %s\n", text)
	}
	return tw.Flush()
}

func orNone(value string) string {
	if value == "" {
		return "-"
	}
	return value
}

func why(f service.Field) string {
	switch {
	case f.Key == "":
		return "(" + f.Rule + ")"
	case f.Rule == "":
		return f.Key
	}
	return f.Key + " (" + f.Rule + ")"
}

// printable keeps what people declare from breaking the table, or the terminal.
func printable(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}
