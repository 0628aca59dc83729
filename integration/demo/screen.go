package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"remora/integration/stack"
)

// screen prints for a person: colours on a terminal, plain text elsewhere.
type screen struct {
	w     *os.File
	plain bool
}

func newScreen(out *os.File) *screen {
	info, err := out.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0
	return &screen{w: out, plain: !terminal || os.Getenv("NO_COLOR") != ""}
}

const (
	bold  = "1"
	dim   = "2"
	red   = "31"
	green = "32"
	cyan  = "36"
)

func (s *screen) paint(colour, text string) string {
	if s.plain {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

func (s *screen) printf(format string, args ...any) { fmt.Fprintf(s.w, format, args...) }

func (s *screen) title(text string) { s.printf("\n%s\n\n", s.paint(bold, text)) }

func (s *screen) say(text string) { s.printf("  %s\n", s.paint(dim, text)) }

func (s *screen) section(text string) { s.printf("\n%s\n", s.paint(bold, text)) }

func (s *screen) hint(text string) { s.printf("\n  %s\n", text) }

func (s *screen) link(what, url string) { s.printf("  %-22s %s\n", what, s.paint(cyan, url)) }

func (s *screen) failed(err error) {
	fmt.Fprintf(os.Stderr, "\n%s %v\n", s.paint(red, "✗"), err)
}

// step does something and shows that it was done, and how long it took.
func (s *screen) step(what string, do func() (string, error)) error {
	start := time.Now()
	if !s.plain {
		s.printf("  … %s", what)
	}
	more, err := do()
	if !s.plain {
		s.printf("\r\x1b[K")
	}
	if err != nil {
		return err
	}
	s.printf("  %s %s%s %s\n", s.paint(green, "✓"), what, more, s.paint(dim, duration(time.Since(start))))
	return nil
}

// requests shows how many requests went through a load balancer, and how many failed.
func (s *screen) requests(name string, counts stack.Counts) {
	mark, failed := s.paint(green, "✓"), "0 failed"
	if n := len(counts.Failures); n > 0 {
		mark, failed = s.paint(red, "✗"), fmt.Sprintf("%d failed (%s)", n, counts.Failures[0].What)
	}
	s.printf("  %s %-8s %5d requests, %s\n", mark, name, counts.Requests, failed)
}

// shares shows which replica answered how many of the requests.
func (s *screen) shares(counts stack.Counts) {
	const width = 40
	for _, instance := range slices.Sorted(maps.Keys(counts.Served)) {
		share := float64(counts.Served[instance]) / float64(max(counts.Requests, 1))
		bar := strings.Repeat("█", int(share*width+0.5))
		s.printf("      %s %s %2.0f %%\n", instance, s.paint(cyan, fmt.Sprintf("%-20s", bar)), share*100)
	}
}

// out shows when a replica answered last and when the load balancer was proved to
// run without it.
func (s *screen) out(last, start time.Time, took time.Duration) {
	answered := "it answered nothing more"
	if last.After(start) {
		answered = "it answered last after " + duration(last.Sub(start))
	}
	s.printf("      out of the verified configuration after %s; %s\n", s.paint(bold, duration(took)), answered)
}

func (s *screen) in(took time.Duration) {
	s.printf("      in the verified configuration after %s\n", s.paint(bold, duration(took)))
}

func duration(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}
