package service

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"remora/internal/nearest"
)

// Finding is something about a declaration that is a mistake, or looks like one.
type Finding struct {
	Error bool   `json:"error"` // else a warning: it is registered all the same
	Text  string `json:"text"`
}

// lbKeys are the keys by which the load balancer side is told about a service.
var lbKeys = strings.Fields("lb_enable lb_host lb_path lb_strip lb_mode lb_port lb_proto lb_balance lb_weight " +
	"lb_sticky lb_tls lb_cert lb_check lb_state lb_track lb_split lb_group lb_snippet")

// Lint lists what is wrong, or looks wrong, about the declaration that pairs are.
func Lint(pairs []Pair, host string) []Finding {
	r, err := Resolve(pairs, host)
	var findings []Finding
	for _, e := range Flatten(err) {
		findings = append(findings, Finding{Error: true, Text: e.Error()})
	}
	for _, w := range r.Warnings {
		findings = append(findings, Finding{Text: w.Error()})
	}
	for _, p := range pairs {
		if text := lintName(p.Key); text != "" {
			findings = append(findings, Finding{Text: p.Key + ": " + text})
		}
	}
	for _, i := range r.Instances {
		findings = append(findings, i.lint()...)
	}
	return unique(append(findings, lintChecks(read(pairs))...))
}

// Flatten returns the errors that were joined to one.
func Flatten(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, e := range joined.Unwrap() {
			all = append(all, Flatten(e)...)
		}
		return all
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

func unique(findings []Finding) []Finding {
	var once []Finding
	for _, f := range findings {
		if !slices.Contains(once, f) {
			once = append(once, f)
		}
	}
	return once
}

// lintName finds keys that are read as something else than they look like.
func lintName(name string) string {
	if !strings.HasPrefix(name, keyPrefix) && strings.HasPrefix(strings.ToUpper(name), keyPrefix) {
		return "is not read: the name has to begin with " + keyPrefix + " in capitals"
	}
	_, key, ok := parseKey(name)
	if !ok || known(key) || slices.Contains(lbKeys, key) || strings.HasPrefix(key, checkPrefix) {
		return ""
	}
	var names []string
	for _, k := range Keys() {
		names = append(names, strings.ToLower(strings.TrimSuffix(k.Name, anyName)))
	}
	near, ok := nearest.Name(key, append(names, lbKeys...))
	if !ok {
		return ""
	}
	meant := keyPrefix + strings.ToUpper(near)
	if rest, isLB := strings.CutPrefix(near, "lb_"); isLB && strings.HasPrefix(name, labelPrefix) {
		meant = labelPrefix + rest
	}
	return "becomes meta; did you mean " + meant + "?"
}

// dnsLabel is what Consul's DNS interface can answer for.
var dnsLabel = regexp.MustCompile(`^[A-Za-z0-9-]{1,63}$`)

func (r Resolved) lint() []Finding {
	var findings []Finding
	for _, f := range r.Fields {
		text := ""
		switch ip, err := netip.ParseAddr(f.Value); {
		case f.Name == "name" && !dnsLabel.MatchString(f.Value):
			text = "is not a name for DNS (letters, digits and -, 63 at most)"
		case f.Name == "address" && (f.Value == "localhost" || err == nil && ip.IsLoopback()):
			text = "is this host's own: nobody else can connect to it"
		}
		if text != "" {
			findings = append(findings, Finding{Text: fmt.Sprintf("%s=%q: %s", f.Key, f.Value, text)})
		}
	}
	return findings
}

// lintChecks finds check settings that change nothing about any check that they
// are for.
func lintChecks(d declaration) []Finding {
	used := map[string]bool{}
	idle := map[string]string{}
	var findings []Finding
	for _, s := range d.ports() {
		p := portKeys{scope: s, keys: d.of(s)}
		if p.boolean("ignore") {
			continue
		}
		for _, number := range p.checkNumbers() {
			k := checkKeys{&p, number}
			kind, by := k.kind()
			if kind == Script {
				findings = append(findings, lintScript(by)...)
			}
			for _, key := range checkKeyNames() {
				v := k.get(key)
				if v.value == "" || strings.HasSuffix(key, anyName) {
					continue
				}
				if idles(key, v, kind) {
					idle[v.name] = fmt.Sprintf("%s=%q: changes nothing about %s", v.name, v.value, checkOf(kind, by))
				} else {
					used[v.name] = true
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(idle)) {
		if !used[name] {
			findings = append(findings, Finding{Text: idle[name]})
		}
	}
	return findings
}

// shellOnly are words that mean something to a shell, and nothing without one.
var shellOnly = []string{"|", "||", "&&", "&", ";", ">", ">>", "<", "2>&1", "2>/dev/null", ">/dev/null"}

func lintScript(v variable) []Finding {
	words, _ := shellWords(v.value) // what is wrong with it is an error already
	for _, w := range words {
		if slices.Contains(shellOnly, w) {
			return []Finding{{Text: fmt.Sprintf("%s=%q: %s is for a shell, and none runs it; write sh -c '…'", v.name, v.value, w)}}
		}
	}
	return nil
}

func checkOf(kind Kind, by variable) string {
	switch {
	case kind == "":
		return "a check that is not there"
	case by.name == "":
		return "the " + string(kind) + " check, which is there by default"
	}
	return "the " + string(kind) + " check of " + by.name
}

// usedBy lists the settings of checks that only some kinds have.
var usedBy = map[string][]Kind{
	"http_method": {HTTP, HTTPS}, "http_body": {HTTP, HTTPS}, "http_status": {HTTP, HTTPS},
	"file_max_age": {File}, "grpc_use_tls": {GRPC}, "h2ping_use_tls": {H2Ping},
	"tls_skip_verify": {HTTPS, GRPC, H2Ping}, "tls_server_name": {HTTPS, GRPC, H2Ping},
}

// idles tells whether a check of the kind has no use for a setting. False says
// what is so anyway.
func idles(key string, v variable, kind Kind) bool {
	if key == string(kind) || strings.EqualFold(v.value, "false") {
		return false
	}
	users, only := usedBy[key]
	unasked := kind == "" || (kind == TTL || kind == Alias) && key != "initial_status" && key != "deregister_after"
	return slices.Contains(kinds, Kind(key)) || unasked || only && !slices.Contains(users, kind)
}
