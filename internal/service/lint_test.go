package service_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"remora/internal/service"
)

func TestLint(t *testing.T) {
	for _, tc := range []struct {
		name    string
		environ []string
		want    []string // "error: …" or "warning: …"
	}{
		{"nothing", nil, nil},
		{"meta of one's own", words("SERVICE_TEAM=a SERVICE_LB_HOST=a SERVICE_80_VERSION=2 SERVICE_REGION=eu PATH=/bin lb.path=/"), nil},
		{"a near miss", words("SERVICE_TAG=a"), []string{"warning: SERVICE_TAG: becomes meta; did you mean SERVICE_TAGS?"}},
		{"of a port", words("SERVICE_80_CHEK_HTTP=/"), []string{"warning: SERVICE_80_CHEK_HTTP: becomes meta; did you mean SERVICE_CHECK_HTTP?"}},
		{"of a name", words("SERVICE_TAGED_ADDRESS_=a"), []string{"warning: SERVICE_TAGED_ADDRESS_: becomes meta; did you mean SERVICE_TAGGED_ADDRESS_?"}},
		{"for load balancers", words("SERVICE_LB_HSOT=a lb.pth=/"), []string{
			"warning: SERVICE_LB_HSOT: becomes meta; did you mean SERVICE_LB_HOST?", "warning: lb.pth: becomes meta; did you mean lb.path?"}},
		{"a check's", words("SERVICE_CHECK_HTPP=/"), []string{"error: SERVICE_CHECK_HTPP: is not a check setting; did you mean SERVICE_CHECK_HTTP?"}},
		{"said once for several ports", words("SERVICE_CHECK_HTPP=/ SERVICE_443_TAGS=a"), []string{
			"error: SERVICE_CHECK_HTPP: is not a check setting; did you mean SERVICE_CHECK_HTTP?"}},
		{"two errors of one port", words("SERVICE_CHECK_INTERVAL=5 SERVICE_IGNORE=perhaps"), []string{
			`error: SERVICE_IGNORE="perhaps": is neither true nor false`, `error: SERVICE_CHECK_INTERVAL="5": missing unit (for example 5s)`}},
		{"meta that Consul would drop", words("SERVICE_CONSUL-X=a"), []string{`warning: SERVICE_CONSUL-X: begins with "consul-", which Consul reserves; left out of meta`}},
		{"small letters", words("service_name=a Service_Tags=b"), []string{
			"warning: service_name: is not read: the name has to begin with SERVICE_ in capitals",
			"warning: Service_Tags: is not read: the name has to begin with SERVICE_ in capitals"}},
		{"a name that DNS has not", words("SERVICE_NAME=a_b"), []string{`warning: SERVICE_NAME="a_b": is not a name for DNS (letters, digits and -, 63 at most)`}},
		{"loopback", words("SERVICE_ADDRESS=127.0.0.1"), []string{`warning: SERVICE_ADDRESS="127.0.0.1": is this host's own: nobody else can connect to it`}},
		{"a setting for nothing", words("SERVICE_CHECK_TCP=false SERVICE_CHECK_INTERVAL=5s"), []string{
			`warning: SERVICE_CHECK_INTERVAL="5s": changes nothing about a check that is not there`}},
		{"a setting of another kind", words("SERVICE_CHECK_HTTP_METHOD=HEAD"), []string{
			`warning: SERVICE_CHECK_HTTP_METHOD="HEAD": changes nothing about the tcp check, which is there by default`}},
		{"a kind that another wins over", words("SERVICE_CHECK_HTTP=/ SERVICE_80_CHECK_TCP=true"), []string{
			`warning: SERVICE_80_CHECK_TCP="true": changes nothing about the http check of SERVICE_CHECK_HTTP`}},
		{"what one port uses", words("SERVICE_CHECK_INTERVAL=5s SERVICE_80_CHECK_HTTP=/ SERVICE_CHECK_HTTP_METHOD=HEAD SERVICE_53_UDP_TAGS=a"), nil},
		{"shell syntax", []string{"SERVICE_CHECK_SCRIPT=a && b"}, []string{
			`warning: SERVICE_CHECK_SCRIPT="a && b": && is for a shell, and none runs it; write sh -c '…'`}},
		{"shell syntax for a shell", []string{"SERVICE_CHECK_SCRIPT=sh -c 'a && b'"}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []string
			for _, f := range service.Lint(service.Pairs(append([]string{"SERVICE_NAME=web", "SERVICE_PORT=80"}, tc.environ...)), host) {
				severity := "warning: "
				if f.Error {
					severity = "error: "
				}
				got = append(got, severity+f.Text)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

// No documented key is taken for a slip of another.
func TestLintKnowsEveryKey(t *testing.T) {
	for _, k := range service.Keys() {
		if k.Name == "IGNORE" {
			continue
		}
		values := example[k.Name]
		environ := append([]string{"SERVICE_NAME=web", "SERVICE_PORT=80", "SERVICE_" + variableOf(k) + "=" + values[0]}, values[1:]...)
		for _, f := range service.Lint(service.Pairs(environ), host) {
			if !strings.Contains(f.Text, "changes nothing") {
				t.Errorf("%q: %+v", environ, f)
			}
		}
	}
}
