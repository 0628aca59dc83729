package service_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"remora/internal/service"
)

// example has for every key a value that is not its default, with what has to be
// declared besides for it to show.
var example = map[string][]string{
	"NAME":                   {"other"},
	"PORT":                   {"81"},
	"ID":                     {"me"},
	"ADDRESS":                {"192.0.2.1"},
	"IP":                     {"192.0.2.1"},
	"TAGS":                   {"a,b"},
	"IGNORE":                 {"true"},
	"CHECK_HTTP":             {"/health"},
	"CHECK_HTTPS":            {"/health"},
	"CHECK_HTTP_METHOD":      {"HEAD", "SERVICE_CHECK_HTTP=/"},
	"CHECK_TCP":              {"false"},
	"CHECK_INTERVAL":         {"30s"},
	"CHECK_TIMEOUT":          {"1s"},
	"CHECK_INITIAL_STATUS":   {"passing"},
	"CHECK_DEREGISTER_AFTER": {"never"},
}

func TestEveryDocumentedKeyIsUnderstood(t *testing.T) {
	for _, k := range service.Keys() {
		values, ok := example[k.Name]
		if !ok {
			t.Errorf("%s: is documented but not tried here", k.Name)
			continue
		}
		base := append([]string{"SERVICE_NAME=web", "SERVICE_PORT=80"}, values[1:]...)
		without := mustDeclare(t, base)
		with := mustDeclare(t, append(base, "SERVICE_"+k.Name+"="+values[0]))
		if cmp.Equal(without, with) {
			t.Errorf("SERVICE_%s=%s changes nothing", k.Name, values[0])
		}
		for _, i := range with {
			if _, leaked := i.Meta[strings.ToLower(k.Name)]; leaked {
				t.Errorf("SERVICE_%s is in meta too", k.Name)
			}
		}
		if k.Default == "" {
			continue
		}
		if diff := cmp.Diff(without, mustDeclare(t, append(base, "SERVICE_"+k.Name+"="+k.Default))); diff != "" {
			t.Errorf("SERVICE_%s=%s is documented as the default but changes (-unset +set):\n%s", k.Name, k.Default, diff)
		}
		if k.Doc == "" {
			t.Errorf("%s has no doc", k.Name)
		}
	}
}

// A port's own key wins over the general one, whichever it is; the port itself and
// its name are told apart elsewhere.
func TestEveryKeyCanBeOnePorts(t *testing.T) {
	for _, k := range service.Keys() {
		values := example[k.Name]
		if k.Name == "PORT" || len(values) == 0 {
			continue
		}
		base := append([]string{"SERVICE_NAME=web", "SERVICE_PORT=80"}, values[1:]...)
		general := mustDeclare(t, append(base, "SERVICE_"+k.Name+"="+values[0]))
		own := mustDeclare(t, append(base, "SERVICE_80_"+k.Name+"="+values[0]))
		if diff := cmp.Diff(general, own); diff != "" {
			t.Errorf("%s for all ports and for one (-all +one):\n%s", k.Name, diff)
		}
	}
}
