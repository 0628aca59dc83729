package admin

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Status is how a sidecar is.
type Status struct {
	Version   string     `json:"version"`
	Instances []Instance `json:"instances"`
	Renderer  *Renderer  `json:"renderer,omitempty"`
}

// Instance is how one instance is.
type Instance struct {
	ID      string `json:"id"`
	Service string `json:"service"`
	Address string `json:"address,omitempty"` // with the port
	// Registered is what Consul's agent said last.
	Registered bool `json:"registered"`
	// Error is why the agent could not be asked or told.
	Error string `json:"error,omitempty"`
	// Maintenance is the reason for which the instance is in maintenance.
	Maintenance string  `json:"maintenance,omitempty"`
	Checks      []Check `json:"checks"`
}

// Check is how one check is.
type Check struct {
	ID     string    `json:"id"`
	Kind   string    `json:"kind"`
	Status string    `json:"status,omitempty"` // none: somebody else runs it
	Since  time.Time `json:"since,omitzero"`
	Output string    `json:"output,omitempty"`
}

// Renderer is how the rendered files are.
type Renderer struct {
	Generation string   `json:"generation,omitempty"`
	Error      string   `json:"error,omitempty"`
	Waiting    []string `json:"waiting,omitempty"` // what Consul has not answered yet
}

// Text writes the status for people.
func (s Status) Text(w io.Writer) error {
	var b strings.Builder
	for _, i := range s.Instances {
		fmt.Fprintf(&b, "%s (%s, %s): %s\n", i.Service, i.ID, orNone(i.Address, "no address yet"), i.state())
		for _, c := range i.Checks {
			fmt.Fprintf(&b, "  %s: %s\n", c.Kind, c.state())
		}
	}
	if s.Renderer != nil {
		fmt.Fprintf(&b, "templates: %s\n", s.Renderer.state())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (i Instance) state() string {
	text := "registered"
	if !i.Registered {
		text = "not registered"
	}
	if i.Maintenance != "" {
		text += ", in maintenance: " + i.Maintenance
	}
	if i.Error != "" {
		text += "; " + i.Error
	}
	return text
}

func (c Check) state() string {
	if c.Status == "" {
		return "run by the agent"
	}
	text := c.Status
	if !c.Since.IsZero() {
		text += " since " + c.Since.UTC().Format(time.RFC3339)
	}
	if first, _, _ := strings.Cut(strings.TrimSpace(c.Output), "\n"); first != "" {
		text += ": " + first
	}
	return text
}

func (r Renderer) state() string {
	text := "generation " + orNone(r.Generation, "none yet")
	if len(r.Waiting) > 0 {
		text += ", waiting for " + strings.Join(r.Waiting, ", ")
	}
	if r.Error != "" {
		text += "; " + r.Error
	}
	return text
}

func orNone(text, none string) string {
	if text == "" {
		return none
	}
	return text
}
