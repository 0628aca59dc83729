package service_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"remora/internal/service"
)

func TestProtocols(t *testing.T) {
	for _, tc := range []struct {
		name    string
		environ string
		want    string // IDs, tags and numbers of checks
	}{
		{"UDP has an ID and a tag of its own, and no check", "SERVICE_53_UDP_NAME=dns", "box:dns:53:udp [udp] 0"},
		{"in small letters", "SERVICE_53_udp_NAME=dns", "box:dns:53:udp [udp] 0"},
		{"TCP said is TCP", "SERVICE_53_TCP_NAME=dns", "box:dns:53 [] 1"},
		{"both", "SERVICE_NAME=dns SERVICE_53_UDP_TAGS=a SERVICE_53_TCP_TAGS=b", "box:dns-53:53 [b] 1, box:dns-53:53:udp [a udp] 0"},
		{"the port's keys are for both", "SERVICE_53_NAME=dns SERVICE_53_UDP_TAGS=a SERVICE_53_TCP_TAGS=b SERVICE_53_TAGS=c", "box:dns:53 [b] 1, box:dns:53:udp [a udp] 0"},
		{"a port by protocol is of that alone", "SERVICE_PORT=53 SERVICE_53_NAME=dns SERVICE_53_UDP_TAGS=a", "box:dns:53:udp [a udp] 0"},
		{"the tag stays last and single", "SERVICE_53_UDP_NAME=dns SERVICE_TAGS=udp,a", "box:dns:53:udp [a udp] 0"},
		{"an ID replaces all", "SERVICE_53_UDP_NAME=dns SERVICE_53_UDP_ID=me", "me [udp] 0"},
		{"a declared check", "SERVICE_53_UDP_NAME=dns SERVICE_53_UDP_CHECK_SCRIPT=dig", "box:dns:53:udp [udp] 1"},
		{"an empty name is the general one", "SERVICE_NAME=dns SERVICE_53_UDP_NAME= SERVICE_53_TCP_TAGS=b", "box:dns-53:53 [b] 1, box:dns:53:udp [udp] 0"},
		{"one is ignored", "SERVICE_53_NAME=dns SERVICE_53_UDP_IGNORE=1 SERVICE_53_TCP_TAGS=b", "box:dns:53 [b] 1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []string
			for _, i := range mustDeclare(t, words(tc.environ)) {
				got = append(got, fmt.Sprint(i.ID, " ", i.Tags, " ", len(i.Checks)))
			}
			if got := strings.Join(got, ", "); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestLabels(t *testing.T) {
	for _, tc := range []struct {
		name  string
		pairs string
		want  string // lb_host of each port
	}{
		{"for all ports", "SERVICE_NAME=web SERVICE_PORT=80 lb.host=a", "80:a"},
		{"for a port", "SERVICE_NAME=web lb.8080.host=a", "8080:a"},
		{"the port's wins", "SERVICE_NAME=web lb.8080.host=a lb.host=b lb.80.path=/", "80:b 8080:a"},
		{"SERVICE_ is the same", "SERVICE_NAME=web SERVICE_8080_LB_HOST=a", "8080:a"},
		{"the later wins", "SERVICE_NAME=web SERVICE_8080_LB_HOST=a lb.8080.host=b", "8080:b"},
		{"others' labels", "SERVICE_NAME=web SERVICE_PORT=80 com.lb.host=a lb=b lb.=c", "80:"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, err := service.Resolve(service.Pairs(words(tc.pairs)), host)
			if err != nil || len(r.Warnings) > 0 {
				t.Fatalf("error %v, warnings %v", err, r.Warnings)
			}
			var got []string
			for _, i := range r.Instances {
				got = append(got, fmt.Sprintf("%d:%s", i.Port, i.Meta["lb_host"]))
			}
			if got := strings.Join(got, " "); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestFurtherFields(t *testing.T) {
	for environ, change := range map[string]func(*service.Instance){
		"SERVICE_ADDRESS=[2001:db8::1]":           func(i *service.Instance) { i.Address = "2001:db8::1" },
		"SERVICE_ADDRESS=app.example":             func(i *service.Instance) { i.Address = "app.example" },
		"SERVICE_TAGGED_ADDRESS_WAN=192.0.2.9:81": tagged("wan", "192.0.2.9", 81),
		"SERVICE_TAGGED_ADDRESS_WAN=192.0.2.9":    tagged("wan", "192.0.2.9", 80),
		"SERVICE_TAGGED_ADDRESS_WAN=[2001:db8::1]:81 SERVICE_80_TAGGED_ADDRESS_WAN=[2001:db8::2]": tagged("wan", "2001:db8::2", 80),
		"SERVICE_TAGGED_ADDRESS_LAN_IPV6=2001:db8::1":                                             tagged("lan_ipv6", "2001:db8::1", 80),
		"SERVICE_TAGGED_ADDRESS_WAN=a.example:443":                                                tagged("wan", "a.example", 443),
		"SERVICE_WEIGHT_PASSING=10":                                                               func(i *service.Instance) { i.Weights = &service.Weights{Passing: 10, Warning: 1} },
		"SERVICE_WEIGHT_WARNING=0":                                                                func(i *service.Instance) { i.Weights = &service.Weights{Passing: 1, Warning: 0} },
		"SERVICE_WEIGHT_PASSING=1 SERVICE_WEIGHT_WARNING=1":                                       func(*service.Instance) {},
		"SERVICE_ENABLE_TAG_OVERRIDE=true":                                                        func(i *service.Instance) { i.TagOverride = true },
		"SERVICE_NAMESPACE=team-a SERVICE_80_PARTITION=europe":                                    func(i *service.Instance) { i.Namespace, i.Partition = "team-a", "europe" },
	} {
		got := mustDeclare(t, append(words(environ), "SERVICE_NAME=web", "SERVICE_PORT=80"))
		if diff := cmp.Diff([]service.Instance{instance(change)}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", environ, diff)
		}
	}
}

func tagged(name, address string, port int) func(*service.Instance) {
	return func(i *service.Instance) {
		i.TaggedAddresses = map[string]service.Endpoint{name: {Address: address, Port: port}}
	}
}

func TestMistakesInFurtherFieldsNameTheVariable(t *testing.T) {
	for variable, want := range map[string]string{
		"SERVICE_ADDRESS=0.0.0.0":                  `SERVICE_ADDRESS="0.0.0.0": is no address that anybody could connect to`,
		"SERVICE_IP=::":                            `SERVICE_IP="::": is no address`,
		"SERVICE_ADDRESS=192.0.2.1:80":             `SERVICE_ADDRESS="192.0.2.1:80": is not an address: an IP or a host name, without a port`,
		"SERVICE_ADDRESS=http://a":                 `SERVICE_ADDRESS="http://a": is not an address`,
		"SERVICE_ADDRESS=[a]":                      `SERVICE_ADDRESS="[a]": is not an address`,
		"SERVICE_TAGGED_ADDRESS_WAN=a:b":           `SERVICE_TAGGED_ADDRESS_WAN="a:b": is neither address:port nor an address`,
		"SERVICE_TAGGED_ADDRESS_WAN=a:0":           `is neither address:port`,
		"SERVICE_TAGGED_ADDRESS_WAN=0.0.0.0:80":    `is neither address:port`,
		"SERVICE_TAGGED_ADDRESS_=a":                `SERVICE_TAGGED_ADDRESS_="a": the address has no legal name`,
		"SERVICE_TAGGED_ADDRESS_LAN_IPV4=fe80::1":  `SERVICE_TAGGED_ADDRESS_LAN_IPV4="fe80::1": is not an IPv4 address`,
		"SERVICE_80_TAGGED_ADDRESS_WAN_IPV6=a:443": `is not an IPv6 address`,
		"SERVICE_WEIGHT_PASSING=0":                 `SERVICE_WEIGHT_PASSING="0": is not a weight (1 to 65535)`,
		"SERVICE_WEIGHT_WARNING=-1":                `SERVICE_WEIGHT_WARNING="-1": is not a weight (0 to 65535)`,
		"SERVICE_WEIGHT_WARNING=70000":             `is not a weight`,
		"SERVICE_ENABLE_TAG_OVERRIDE=maybe":        `SERVICE_ENABLE_TAG_OVERRIDE="maybe": is neither true nor false`,
		"SERVICE_NAMESPACE=a/b":                    `SERVICE_NAMESPACE="a/b": is not a name`,
		"SERVICE_PARTITION=a_b":                    `SERVICE_PARTITION="a_b": is not a name`,
	} {
		_, _, err := service.FromEnviron([]string{"SERVICE_NAME=web", "SERVICE_PORT=80", variable}, host)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", variable, err, want)
		}
	}
}
