package service_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"remora/internal/service"
)

var legalMetaKey = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,128}$`)

// FuzzFromEnviron: whatever people write, the answer is an error that names a
// SERVICE_ variable, or instances that Consul accepts.
func FuzzFromEnviron(f *testing.F) {
	for _, seed := range []string{
		"SERVICE_NAME=web\nSERVICE_PORT=80",
		"SERVICE_NAME=web\nSERVICE_80_CHECK_HTTP=/health\nSERVICE_80_CHECK_INTERVAL=1s\nSERVICE_443_TAGS=a\\,b,c",
		"SERVICE_80_=\nSERVICE_=\nSERVICE_80_NAME=x\nSERVICE_80_ID=a b\nSERVICE_CHECK_TIMEOUT=1ns",
		"SERVICE_PORT=065536\nSERVICE_0_NAME=\nSERVICE_LB.HOST=\xff",
		"SERVICE_NAME=\x00\nSERVICE_PORT=80\nSERVICE_ID=a//b\nSERVICE_CHECK_DEREGISTER_AFTER=never",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		instances, warnings, err := service.FromEnviron(strings.Split(text, "\n"), "box")
		if err != nil {
			if !strings.Contains(err.Error(), "SERVICE_") {
				t.Errorf("error %q names no variable", err)
			}
			return
		}
		for _, w := range warnings {
			if !strings.HasPrefix(w.Error(), "SERVICE_") {
				t.Errorf("warning %q names no variable", w)
			}
		}
		for _, i := range instances {
			mustBeAcceptable(t, i)
		}
	})
}

func mustBeAcceptable(t *testing.T, i service.Instance) {
	if i.ID == "" || i.Name == "" || i.Port < 1 || i.Port > 65535 {
		t.Errorf("instance %+v lacks an ID, a name or a port", i)
	}
	texts := append([]string{i.ID, i.Name, i.Address}, i.Tags...)
	if len(i.Meta) > 64 || i.Meta[service.MetaOwner] != "box" {
		t.Errorf("meta %q: want at most 64 pairs with the owner", i.Meta)
	}
	for key, value := range i.Meta {
		texts = append(texts, value)
		if !legalMetaKey.MatchString(key) || strings.HasPrefix(key, "consul-") || len(value) > 512 {
			t.Errorf("meta %q=%q would be refused", key, value)
		}
	}
	for _, c := range i.Checks {
		texts = append(texts, c.Path, c.Method)
		if c.ID == "" || c.Timeout <= 0 || c.Timeout >= c.Interval || c.DeregisterAfter < 0 || c.Initial == "" {
			t.Errorf("check %+v cannot be run", c)
		}
	}
	for _, text := range texts {
		if !utf8.ValidString(text) {
			t.Errorf("%q would not come back from Consul as it was", text)
		}
	}
}
