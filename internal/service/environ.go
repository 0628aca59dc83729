package service

import (
	"errors"
	"fmt"
)

// Declared tells whether environ declares a service at all: a name, a port, or
// anything for a certain port.
func Declared(environ []string) bool {
	d := read(Pairs(environ))
	return len(d.ports()) > 0 || d[scope{}]["name"].value != ""
}

// FromEnviron returns the instances that SERVICE_* variables in environ declare,
// as Resolve does.
func FromEnviron(environ []string, host string) ([]Instance, []error, error) {
	r, err := Resolve(Pairs(environ), host)
	return r.Bare(), r.Warnings, err
}

// Resolution is what a declaration comes to.
type Resolution struct {
	Instances []Resolved
	Warnings  []error // what was left out
}

// Resolved is an instance, and why it is as it is.
type Resolved struct {
	Instance
	Fields []Field
}

// Field is one thing about an instance, with its origin: Key, the variable or
// label that says so, or Rule, if none does.
type Field struct {
	Name  string `json:"field"`
	Value string `json:"value"`
	Key   string `json:"key,omitempty"`
	Rule  string `json:"rule,omitempty"`
}

// Bare returns the instances alone.
func (r Resolution) Bare() []Instance {
	var instances []Instance
	for _, i := range r.Instances {
		instances = append(instances, i.Instance)
	}
	return instances
}

// Resolve returns the instances that pairs declare, in the order of their ports.
// host is the name of the container's host; it makes IDs unique on an agent. An
// instance whose address is not declared has none. The error names every mistake,
// and what is not mistaken is returned beside it.
func Resolve(pairs []Pair, host string) (Resolution, error) {
	d := read(pairs)
	ports := d.ports()
	if len(ports) == 0 {
		return Resolution{}, errors.New("SERVICE_PORT: is not set: the port that the app listens on")
	}
	var r Resolution
	var problems []error
	for _, s := range ports {
		p := portKeys{scope: s, keys: d.of(s), general: d[scope{}]["name"]}
		instance := p.instance(host, len(ports) > 1)
		r.Warnings = append(r.Warnings, p.warnings...)
		problems = append(problems, p.problems...)
		if instance != nil {
			r.Instances = append(r.Instances, Resolved{*instance, p.fields})
		}
	}
	problems = append(problems, duplicates(r.Instances)...)
	return r, errors.Join(problems...)
}

// duplicates refuses IDs that stand for two things: the agent would keep one.
func duplicates(instances []Resolved) []error {
	var problems []error
	services, checks := map[string]bool{}, map[string]bool{}
	for _, i := range instances {
		if services[i.ID] {
			problems = append(problems, fmt.Errorf("SERVICE_ID=%q: stands for several ports; declare SERVICE_<port>_ID", i.ID))
			continue
		}
		services[i.ID] = true
		for _, c := range i.Checks {
			if checks[c.ID] {
				problems = append(problems, fmt.Errorf("SERVICE_ID=%q: leads to the check ID %q, which another port has; declare another ID", i.ID, c.ID))
			}
			checks[c.ID] = true
		}
	}
	return problems
}
