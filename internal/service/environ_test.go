package service_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"remora/internal/service"
)

const host = "box"

// instance is what SERVICE_NAME=web and SERVICE_PORT=80 declare, changed by change.
func instance(change func(*service.Instance)) service.Instance {
	i := service.Instance{
		ID: "box:web:80", Name: "web", Port: 80,
		Meta: map[string]string{service.MetaOwner: host},
		Checks: []service.Check{{
			ID: "service:box:web:80:tcp", Kind: service.TCP, Interval: 10 * time.Second, Timeout: 5 * time.Second,
			Initial: service.Critical, DeregisterAfter: 10 * time.Minute,
		}},
	}
	if change != nil {
		change(&i)
	}
	return i
}

func words(text string) []string { return strings.Fields(text) }

func mustDeclare(tb testing.TB, environ []string) []service.Instance {
	tb.Helper()
	got, warnings, err := service.FromEnviron(environ, host)
	if err != nil || len(warnings) > 0 {
		tb.Fatalf("FromEnviron(%q): error %v, warnings %v; want neither", environ, err, warnings)
	}
	return got
}

func TestOnePortIsOneInstance(t *testing.T) {
	meta := func(key, value string) func(*service.Instance) {
		return func(i *service.Instance) { i.Meta[key] = value }
	}
	for _, tc := range []struct {
		name    string
		environ []string
		want    service.Instance
	}{
		{"a name and a port", words("SERVICE_NAME=web SERVICE_PORT=80"), instance(nil)},
		{"a port-specific key declares the port", words("SERVICE_80_NAME=web"), instance(nil)},
		{"the same port twice", words("SERVICE_NAME=web SERVICE_PORT=80 SERVICE_80_TAGS=a"), instance(func(i *service.Instance) { i.Tags = []string{"a"} })},
		{"others' variables", words("SERVICES_80_NAME=x PATH=/bin SERVICE_= SERVICE SERVICE_NAME=web SERVICE_PORT=80 SERVICE_80_="), instance(nil)},
		{"an address", words("SERVICE_NAME=web SERVICE_PORT=80 SERVICE_ADDRESS=192.0.2.1 SERVICE_IP=192.0.2.2"), instance(func(i *service.Instance) { i.Address = "192.0.2.1" })},
		{"an IP", words("SERVICE_NAME=web SERVICE_PORT=80 SERVICE_IP=2001:db8::1"), instance(func(i *service.Instance) { i.Address = "2001:db8::1" })},
		{"an ID", words("SERVICE_NAME=web SERVICE_PORT=80 SERVICE_ID=me"), instance(func(i *service.Instance) {
			i.ID, i.Checks[0].ID = "me", "service:me:tcp"
		})},
		{"any other key is meta, in lower case", words("SERVICE_NAME=web SERVICE_PORT=80 SERVICE_Lb_Host=a.example"), instance(meta("lb_host", "a.example"))},
		{"the port's own meta wins", words("SERVICE_NAME=web SERVICE_PORT=80 SERVICE_TEAM=a SERVICE_80_TEAM=b"), instance(meta("team", "b"))},
		{"an equals sign in a value", []string{"SERVICE_NAME=web", "SERVICE_PORT=80", "SERVICE_QUERY=a=b"}, instance(meta("query", "a=b"))},
		{"what is no text becomes one", []string{"SERVICE_NAME=web", "SERVICE_PORT=80", "SERVICE_TEAM=a\xff"}, instance(meta("team", "a\uFFFD"))},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff([]service.Instance{tc.want}, mustDeclare(t, tc.environ)); diff != "" {
				t.Errorf("instances (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSeveralPortsAreToldApart(t *testing.T) {
	for _, tc := range []struct {
		name    string
		environ string
		want    string // names and IDs
	}{
		{"one name gets a suffix", "SERVICE_NAME=web SERVICE_80_TAGS=a SERVICE_443_TAGS=b", "web-80=box:web-80:80 web-443=box:web-443:443"},
		{"names of their own do not", "SERVICE_80_NAME=web SERVICE_443_NAME=tls", "web=box:web:80 tls=box:tls:443"},
		{"a mixture", "SERVICE_NAME=web SERVICE_443_NAME=tls SERVICE_PORT=80", "web-80=box:web-80:80 tls=box:tls:443"},
		{"an empty name is the general one without suffix", "SERVICE_NAME=web SERVICE_80_NAME= SERVICE_443_TAGS=b", "web=box:web:80 web-443=box:web-443:443"},
		// Registrator counts before it ignores, and names must not change under users.
		{"an ignored port counts", "SERVICE_NAME=web SERVICE_80_TAGS=a SERVICE_443_IGNORE=true", "web-80=box:web-80:80"},
		{"an order by number", "SERVICE_NAME=web SERVICE_9_TAGS=a SERVICE_10_TAGS=b SERVICE_100_TAGS=c", "web-9=box:web-9:9 web-10=box:web-10:10 web-100=box:web-100:100"},
		{"all ignored", "SERVICE_NAME=web SERVICE_PORT=80 SERVICE_IGNORE=TRUE", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []string
			for _, i := range mustDeclare(t, words(tc.environ)) {
				got = append(got, i.Name+"="+i.ID)
			}
			if got := strings.Join(got, " "); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestTags(t *testing.T) {
	for text, want := range map[string][]string{
		"":               nil,
		"a":              {"a"},
		"b,a":            {"b", "a"},
		" a , b ":        {"a", "b"},
		"a,,b,":          {"a", "b"},
		"a,b,a":          {"a", "b"},
		`a\,b,c`:         {"a,b", "c"},
		`a\b,c\`:         {`a\b`, `c\`},
		`urlprefix-/\,x`: {"urlprefix-/,x"},
	} {
		got := mustDeclare(t, []string{"SERVICE_NAME=web", "SERVICE_PORT=80", "SERVICE_TAGS=" + text})[0].Tags
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("tags %q (-want +got):\n%s", text, diff)
		}
	}
}

func TestMetaThatConsulWouldRefuseIsLeftOut(t *testing.T) {
	for _, tc := range []struct{ variable, warning string }{
		{"SERVICE_LB.HOST=a", "SERVICE_LB.HOST: has a character that Consul does not allow"},
		{"SERVICE_A B=a", "SERVICE_A B: has a character"},
		{"SERVICE_Ü=a", "SERVICE_Ü: has a character"},
		{"SERVICE_CONSUL-X=a", `SERVICE_CONSUL-X: begins with "consul-"`},
		{"SERVICE_REMORA_OWNER=me", "SERVICE_REMORA_OWNER: is set by Remora itself"},
		{"SERVICE_" + strings.Repeat("K", 129) + "=a", "is longer than 128 bytes"},
		{"SERVICE_TEAM=" + strings.Repeat("v", 513), "SERVICE_TEAM: has a value of more than 512 bytes"},
	} {
		got, warnings, err := service.FromEnviron([]string{"SERVICE_NAME=web", "SERVICE_PORT=80", tc.variable}, host)
		if err != nil {
			t.Errorf("%.40s: %v, want a warning only", tc.variable, err)
			continue
		}
		if diff := cmp.Diff([]service.Instance{instance(nil)}, got); diff != "" {
			t.Errorf("%.40s: instances (-want +got):\n%s", tc.variable, diff)
		}
		if len(warnings) != 1 || !strings.Contains(warnings[0].Error(), tc.warning) {
			t.Errorf("%.40s: warnings %q, want one with %q", tc.variable, warnings, tc.warning)
		}
	}
}

func TestMetaBeyondConsulsLimitIsLeftOut(t *testing.T) {
	environ := []string{"SERVICE_NAME=web", "SERVICE_PORT=80"}
	for n := range 70 {
		environ = append(environ, "SERVICE_KEY"+strings.Repeat("X", n)+"=a")
	}
	got, warnings, err := service.FromEnviron(environ, host)
	if err != nil {
		t.Fatal(err)
	}
	if len(got[0].Meta) != 64 || len(warnings) != 7 {
		t.Errorf("%d pairs and %d warnings, want 64 and 7", len(got[0].Meta), len(warnings))
	}
}

func TestMistakesNameTheVariableAndItsValue(t *testing.T) {
	for environ, want := range map[string]string{
		"":                                      "SERVICE_PORT: is not set",
		"SERVICE_NAME=web":                      "SERVICE_PORT: is not set",
		"SERVICE_PORT=80":                       "SERVICE_NAME: is not set: the service's name in Consul (port 80)",
		"SERVICE_NAME=web SERVICE_PORT=http":    `SERVICE_PORT="http": is not a port (1 to 65535)`,
		"SERVICE_NAME=web SERVICE_PORT=0":       `SERVICE_PORT="0": is not a port`,
		"SERVICE_NAME=web SERVICE_PORT=-1":      `SERVICE_PORT="-1": is not a port`,
		"SERVICE_NAME=web SERVICE_PORT=080":     `SERVICE_PORT="080": is not a port`,
		"SERVICE_NAME=web SERVICE_70000_TAGS=a": "SERVICE_70000_…: is not a port",
		"SERVICE_NAME=web SERVICE_PORT=80 SERVICE_443_IGNORE=perhaps": `SERVICE_443_IGNORE="perhaps": is neither true nor false`,
		"SERVICE_80_NAME=a SERVICE_443_NAME=b SERVICE_ID=x":           `SERVICE_ID="x": stands for several ports; declare SERVICE_<port>_ID`,
		"SERVICE_NAME=a//b SERVICE_PORT=80":                           `SERVICE_ID="box:a//b:80": has a slash at an end, two in a row`,
		"SERVICE_NAME=web SERVICE_PORT=80 SERVICE_ID=/x":              `SERVICE_ID="/x": has a slash`,
		"SERVICE_NAME=web SERVICE_PORT=80 SERVICE_ID=a/../b":          `SERVICE_ID="a/../b": has a slash`,
		"SERVICE_NAME=web SERVICE_PORT=80 SERVICE_ID=.":               `SERVICE_ID=".": has a slash`,
		"SERVICE_NAME=web SERVICE_PORT=80 SERVICE_ID=a\x01":           `SERVICE_ID="a\x01": has a control character`,
		"SERVICE_NAME=web SERVICE_PORT=80 SERVICE_ID=a`b":             "has a backquote",
		"SERVICE_NAME=w\x7f SERVICE_PORT=80 SERVICE_ID=a":             `SERVICE_NAME="w\x7f": has a control character`,
		"SERVICE_80_NAME=w\x01":                                       `SERVICE_80_NAME="w\x01": has a control character`,
	} {
		_, _, err := service.FromEnviron(words(environ), host)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", environ, err, want)
		}
	}
}

func TestEveryPortsMistakeIsSaid(t *testing.T) {
	_, _, err := service.FromEnviron(words("SERVICE_NAME=web SERVICE_80_CHECK_INTERVAL=5 SERVICE_443_CHECK_TIMEOUT=5"), host)
	if err == nil || !strings.Contains(err.Error(), "SERVICE_80_CHECK_INTERVAL") || !strings.Contains(err.Error(), "SERVICE_443_CHECK_TIMEOUT") {
		t.Errorf("error %v, want both", err)
	}
}

func TestDeclared(t *testing.T) {
	for environ, want := range map[string]bool{
		"": false, "PATH=/bin": false, "SERVICE_TAGS=a": false, "SERVICE_NAME=": false, "SERVICE_PORT=": false,
		"SERVICE_NAME=web": true, "SERVICE_PORT=80": true, "SERVICE_80_TAGS=a": true,
	} {
		if got := service.Declared(words(environ)); got != want {
			t.Errorf("Declared(%q) = %v, want %v", environ, got, want)
		}
	}
}
