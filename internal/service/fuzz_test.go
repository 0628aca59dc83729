package service_test

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"remora/internal/service"
)

var legalMetaKey = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,128}$`)

// FuzzFromEnviron: whatever people write, the answer is an error that names a
// SERVICE_ variable or a label, or instances that Consul accepts.
func FuzzFromEnviron(f *testing.F) {
	for _, seed := range []string{
		"SERVICE_NAME=web\nSERVICE_PORT=80",
		"SERVICE_NAME=web\nSERVICE_80_CHECK_HTTP=/health\nSERVICE_80_CHECK_INTERVAL=1s\nSERVICE_443_TAGS=a\\,b,c",
		"SERVICE_80_=\nSERVICE_=\nSERVICE_80_NAME=x\nSERVICE_80_ID=a b\nSERVICE_CHECK_TIMEOUT=1ns",
		"SERVICE_PORT=065536\nSERVICE_0_NAME=\nSERVICE_LB.HOST=\xff",
		"SERVICE_NAME=\x00\nSERVICE_PORT=80\nSERVICE_ID=a//b\nSERVICE_CHECK_DEREGISTER_AFTER=never",
		"SERVICE_53_udp_NAME=dns\nSERVICE_53_TCP_TAGS=a\nlb.53.host=a\nlb.udp.x=y\nSERVICE_53_UDP_CHECK_2_TCP=1",
		"SERVICE_NAME=a\nSERVICE_PORT=80\nSERVICE_ID=a:x\nSERVICE_CHECK_SCRIPT=a 'b' \"c\\\"\" \\d $SERVICE_IP",
	} {
		f.Add(seed)
	}
	for _, k := range service.Keys() { // every key, for all ports, for one, and of a second check
		values := example[k.Name]
		lines := append([]string{"SERVICE_NAME=web", "SERVICE_PORT=80", "SERVICE_" + variableOf(k) + "=" + values[0]}, values[1:]...)
		f.Add(strings.Join(lines, "\n"))
		f.Add(strings.Join(lines, "\n") + "\nSERVICE_80_UDP_" + variableOf(k) + "=" + values[0])
		if rest, ok := strings.CutPrefix(variableOf(k), "CHECK_"); ok {
			f.Add(strings.Join(lines, "\n") + "\nSERVICE_CHECK_2_TCP=true\nSERVICE_80_CHECK_2_" + rest + "=" + values[0])
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		pairs := service.Pairs(strings.Split(text, "\n"))
		resolution, err := service.Resolve(pairs, "box")
		service.Lint(pairs, "box")
		mustNameAKey(t, append(resolution.Warnings, service.Flatten(err)...))
		mustNameAKey(t, service.Flatten(resolution.RunBy(service.Agent)))
		mustNameAKey(t, service.Flatten(resolution.RunBy(service.Sidecar)))
		if err != nil {
			return
		}
		ids := map[string]bool{}
		for _, i := range resolution.Instances {
			mustBeAcceptable(t, i.Instance)
			mustHaveReasons(t, i)
			for _, id := range append(checkIDs(i.Instance), "service "+i.ID) {
				if ids[id] {
					t.Errorf("%q stands for two things", id)
				}
				ids[id] = true
			}
		}
	})
}

func checkIDs(i service.Instance) []string {
	var ids []string
	for _, c := range i.Checks {
		ids = append(ids, c.ID)
	}
	return ids
}

func mustNameAKey(t *testing.T, all []error) {
	for _, e := range all {
		if !strings.HasPrefix(e.Error(), "SERVICE_") && !strings.HasPrefix(e.Error(), "lb.") {
			t.Errorf("%q names no variable or label", e)
		}
	}
}

func mustBeAcceptable(t *testing.T, i service.Instance) {
	if i.ID == "" || i.Name == "" || i.Port < 1 || i.Port > 65535 {
		t.Errorf("instance %+v lacks an ID, a name or a port", i)
	}
	texts := append([]string{i.ID, i.Name, i.Address, i.Namespace, i.Partition}, i.Tags...)
	if len(i.Meta) > 64 || i.Meta[service.MetaOwner] != "box" {
		t.Errorf("meta %q: want at most 64 pairs with the owner", i.Meta)
	}
	for key, value := range i.Meta {
		texts = append(texts, value)
		if !legalMetaKey.MatchString(key) || strings.HasPrefix(key, "consul-") || len(value) > 512 {
			t.Errorf("meta %q=%q would be refused", key, value)
		}
	}
	mustBeReachable(t, i.Address)
	for name, e := range i.TaggedAddresses {
		texts = append(texts, name)
		mustBeReachable(t, e.Address)
		if e.Address == "" || e.Port < 1 || e.Port > 65535 {
			t.Errorf("tagged address %q: %+v", name, e)
		}
	}
	if w := i.Weights; w != nil && (w.Passing < 1 || w.Warning < 0 || w.Passing > 65535 || w.Warning > 65535) {
		t.Errorf("weights %+v would be refused", *w)
	}
	for _, c := range i.Checks {
		texts = append(texts, checkTexts(c)...)
		mustBeRunnable(t, c)
	}
	for _, text := range texts {
		if !utf8.ValidString(text) {
			t.Errorf("%q would not come back from Consul as it was", text)
		}
	}
}

func checkTexts(c service.Check) []string {
	texts := append([]string{c.ID, c.Path, c.Method, c.Body, c.Service, c.TLSServerName}, c.Args...)
	for name, value := range c.Header {
		texts = append(texts, name, value)
	}
	return texts
}

func mustBeReachable(t *testing.T, address string) {
	ip, err := netip.ParseAddr(address)
	if err == nil && ip.IsUnspecified() || strings.ContainsFunc(address, unicode.IsControl) || strings.Contains(address, "[") {
		t.Errorf("address %q cannot be connected to", address)
	}
}

// mustBeRunnable: what Consul's own validation asks of a check, and a little more.
func mustBeRunnable(t *testing.T, c service.Check) {
	switch c.Kind {
	case service.TTL:
		if c.TTL <= 0 || c.Interval != 0 {
			t.Errorf("check %+v would be refused", c)
		}
	case service.Alias:
		if c.Service == "" || c.Interval != 0 || c.TTL != 0 {
			t.Errorf("check %+v would be refused", c)
		}
	default:
		if c.Timeout <= 0 || c.Timeout >= c.Interval {
			t.Errorf("check %+v cannot be run", c)
		}
	}
	lacks := c.Kind == service.Script && (len(c.Args) == 0 || c.Args[0] == "") || c.Kind == service.File && c.Path == "" ||
		(c.Kind == service.HTTP || c.Kind == service.HTTPS) && (c.Method == "" || c.Path == "")
	if lacks || c.ID == "" || c.DeregisterAfter < 0 || c.Initial == "" || c.FailuresBeforeWarning > c.FailuresBeforeCritical {
		t.Errorf("check %+v cannot be", c)
	}
}

// mustHaveReasons: each field says where it is from, and fields are told apart.
func mustHaveReasons(t *testing.T, i service.Resolved) {
	seen := map[string]bool{}
	for _, f := range i.Fields {
		if f.Key == "" && f.Rule == "" || seen[f.Name] {
			t.Errorf("field %+v has no reason, or is there twice", f)
		}
		seen[f.Name] = true
	}
}
