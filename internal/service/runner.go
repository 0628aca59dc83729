package service

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Runner is who runs checks.
type Runner string

// The values of Runner, as REMORA_CHECKS has them.
const (
	Agent   Runner = "agent"
	Sidecar Runner = "sidecar"
)

// kindsRun are the kinds that each can run. What is never run by us (TTL, Alias)
// is everybody's.
var kindsRun = map[Runner][]Kind{
	Agent:   {HTTP, HTTPS, Script, TTL, TCP, GRPC, H2Ping, Alias},
	Sidecar: {HTTP, HTTPS, Script, TTL, TCP, GRPC, File, Alias},
}

// settingsLeftOut are what each cannot do about a check that it runs, by the name
// of the field; a name that ends in a dot stands for all that begin so.
var settingsLeftOut = map[Runner][]string{
	Agent: {"http_status", "start_period"},
}

// Runs tells whether the runner can run checks of the kind.
func (r Runner) Runs(kind Kind) bool { return slices.Contains(kindsRun[r], kind) }

// RunBy says which of the instances' checks the runner cannot run as declared.
func (r Resolution) RunBy(runner Runner) error {
	var problems []error
	for _, i := range r.Instances {
		for _, f := range i.Fields {
			if text := runner.lacks(f); text != "" {
				problems = append(problems, fmt.Errorf("%s: %s", f.Key, text))
			}
		}
	}
	return errors.Join(problems...)
}

// lacks says what the runner cannot do about a field of a check, if anything.
func (r Runner) lacks(f Field) string {
	parts := strings.SplitN(f.Name, ".", 3)
	if len(parts) < 3 || parts[0] != "check" || f.Key == "" {
		return ""
	}
	setting := parts[2]
	if setting == "kind" && f.Value != "none" && !r.Runs(Kind(f.Value)) {
		return r.cannot("run a "+f.Value+" check", r.other().Runs(Kind(f.Value)))
	}
	for _, left := range settingsLeftOut[r] {
		if setting == left || strings.HasSuffix(left, ".") && strings.HasPrefix(setting, left) {
			return r.cannot("do this about a check", !slices.Contains(settingsLeftOut[r.other()], left))
		}
	}
	return ""
}

func (r Runner) cannot(what string, otherCan bool) string {
	self, other, setting := "the Consul agent", "a sidecar", Sidecar
	if r == Sidecar {
		self, other, setting, what = "the sidecar", "the Consul agent", Agent, what+" yet"
	}
	if !otherCan {
		return self + " cannot " + what
	}
	return fmt.Sprintf("%s cannot %s; %s can, with REMORA_CHECKS=%s", self, what, other, setting)
}

// other is who might do it instead.
func (r Runner) other() Runner {
	if r == Agent {
		return Sidecar
	}
	return Agent
}

// Within says which instances are declared for another namespace or partition
// than the one in which Consul is asked: they would be registered there, but not
// found again.
func (r Resolution) Within(namespace, partition string) error {
	var problems []error
	for _, i := range r.Instances {
		for _, f := range i.Fields {
			if f.Name == "namespace" && !same(f.Value, namespace) || f.Name == "partition" && !same(f.Value, partition) {
				problems = append(problems, fmt.Errorf("%s=%q: is not what CONSUL_%s says; set that to the same",
					f.Key, f.Value, strings.ToUpper(f.Name)))
			}
		}
	}
	return errors.Join(problems...)
}

// same takes no name for Consul's default.
func same(a, b string) bool { return cmp.Or(a, "default") == cmp.Or(b, "default") }
