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

	"TAGGED_ADDRESS_<NAME>": {"198.51.100.1:443"},
	"ENABLE_TAG_OVERRIDE":   {"true"},
	"WEIGHT_PASSING":        {"5"},
	"WEIGHT_WARNING":        {"0"},
	"NAMESPACE":             {"team"},
	"PARTITION":             {"eu"},

	"CHECK_SCRIPT": {"check --fast"},
	"CHECK_TTL":    {"30s"},
	"CHECK_GRPC":   {"true"},
	"CHECK_DOCKER": {"true"},
	"CHECK_FILE":   {"/run/ready"},
	"CHECK_H2PING": {"true"},
	"CHECK_ALIAS":  {"db-1"},

	"CHECK_HTTP_HEADER_<NAME>": {"a.example", "SERVICE_CHECK_HTTP=/"},
	"CHECK_HTTP_BODY":          {"{}", "SERVICE_CHECK_HTTP=/"},
	"CHECK_HTTP_STATUS":        {"200-399,404", "SERVICE_CHECK_HTTP=/"},
	"CHECK_FILE_MAX_AGE":       {"30s", "SERVICE_CHECK_FILE=/run/ready"},
	"CHECK_GRPC_USE_TLS":       {"true", "SERVICE_CHECK_GRPC=true"},
	"CHECK_H2PING_USE_TLS":     {"true", "SERVICE_CHECK_H2PING=true"},
	"CHECK_TLS_SKIP_VERIFY":    {"true", "SERVICE_CHECK_HTTPS=/"},
	"CHECK_TLS_SERVER_NAME":    {"a.example", "SERVICE_CHECK_HTTPS=/"},

	"CHECK_SUCCESS_BEFORE_PASSING":   {"2"},
	"CHECK_FAILURES_BEFORE_WARNING":  {"1", "SERVICE_CHECK_FAILURES_BEFORE_CRITICAL=2"},
	"CHECK_FAILURES_BEFORE_CRITICAL": {"2"},
	"CHECK_START_PERIOD":             {"30s"},
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
		name := variableOf(k)
		with := mustDeclare(t, append(base, "SERVICE_"+name+"="+values[0]))
		if cmp.Equal(without, with) {
			t.Errorf("SERVICE_%s=%s changes nothing", name, values[0])
		}
		for _, i := range with {
			if _, leaked := i.Meta[strings.ToLower(name)]; leaked {
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

// variableOf is the key with a name, where it takes any.
func variableOf(k service.Key) string { return strings.ReplaceAll(k.Name, "<NAME>", "HOST") }

// A port's own key wins over the general one, whichever it is; the port itself and
// its name are told apart elsewhere.
func TestEveryKeyCanBeOnePorts(t *testing.T) {
	for _, k := range service.Keys() {
		values := example[k.Name]
		if k.Name == "PORT" || len(values) == 0 {
			continue
		}
		base := append([]string{"SERVICE_NAME=web", "SERVICE_PORT=80"}, values[1:]...)
		general := mustDeclare(t, append(base, "SERVICE_"+variableOf(k)+"="+values[0]))
		own := mustDeclare(t, append(base, "SERVICE_80_"+variableOf(k)+"="+values[0]))
		if diff := cmp.Diff(general, own); diff != "" {
			t.Errorf("%s for all ports and for one (-all +one):\n%s", k.Name, diff)
		}
	}
}
