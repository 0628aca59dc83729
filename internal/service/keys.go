package service

import (
	"slices"
	"strings"
)

// Key is a key that means something itself. It is declared as SERVICE_<Name>,
// or as SERVICE_<port>_<Name> for one port. <NAME> at the end stands for any name.
type Key struct {
	Name    string
	Default string
	Doc     string
}

// Keys lists the keys that mean something themselves. Every other key becomes
// meta in Consul, its name in lower case, unless it begins with CHECK_: that is a
// mistake.
func Keys() []Key {
	return slices.Concat(serviceKeys, checkKinds, checkSettings)
}

var serviceKeys = []Key{
	{"NAME", "", "name of the service in Consul; if it is said once for several ports, each name ends in `-<port>`"},
	{"PORT", "", "port that the app listens on; `SERVICE_<port>_…` declares a port too, `SERVICE_<port>_udp_…` one for UDP"},
	{"ID", "", "ID of the instance, unique on its agent; without it `<host name>:<name>:<port>`, with `:udp` for UDP"},
	{"ADDRESS", "", "address to register; without it this host's address on the route to Consul"},
	{"IP", "", "the same as ADDRESS, which wins"},
	{"TAGGED_ADDRESS_<NAME>", "", "another address, by the name in lower case, such as `wan`: `address:port`, or `address` for the same port"},
	{"TAGS", "", "tags, with commas between them; `\\,` is a comma in a tag; UDP adds `udp`"},
	{"ENABLE_TAG_OVERRIDE", "false", "true: others may change the tags in Consul's catalog, and the change stays"},
	{"WEIGHT_PASSING", "1", "share of traffic while passing, 1 to 65535"},
	{"WEIGHT_WARNING", "1", "share of traffic in warning, 0 to 65535"},
	{"NAMESPACE", "", "namespace (Consul Enterprise); has to be that of CONSUL_NAMESPACE"},
	{"PARTITION", "", "admin partition (Consul Enterprise); has to be that of CONSUL_PARTITION"},
	{"IGNORE", "false", "true leaves the port out"},
}

// checkKinds are in the order in which they win over each other; the variable
// kinds says the same.
var checkKinds = []Key{
	{"CHECK_HTTP", "", "path, with its query, that answers 2xx when the app can serve; 429 is a warning"},
	{"CHECK_HTTPS", "", "the same over TLS"},
	{"CHECK_SCRIPT", "", "command, split into words as by a shell but run without one: exit code 0 passes, 1 warns; `$SERVICE_IP` and `$SERVICE_PORT` are replaced"},
	{"CHECK_TTL", "", "time within which somebody else, such as the app, has to report each time anew"},
	{"CHECK_TCP", "", "true: the app can serve when its port accepts a connection, which is also the check of a TCP port without one; false, without another check: no check at all"},
	{"CHECK_GRPC", "", "true: the app says SERVING to grpc.health.v1; or the name of the service that it is asked for"},
	{"CHECK_DOCKER", "", "true: the HEALTHCHECK of the container's image; needs Docker's API"},
	{"CHECK_FILE", "", "absolute path of a file that has to be there"},
	{"CHECK_H2PING", "", "true: the app answers an HTTP/2 ping"},
	{"CHECK_ALIAS", "", "ID of another instance on the same agent, whose status is taken"},
}

var checkSettings = []Key{
	{"CHECK_HTTP_METHOD", "GET", "method of CHECK_HTTP and CHECK_HTTPS"},
	{"CHECK_HTTP_HEADER_<NAME>", "", "a header of theirs; `_` in the name is `-` in the header's"},
	{"CHECK_HTTP_BODY", "", "what they send"},
	{"CHECK_HTTP_STATUS", "", "status codes that pass, instead of 2xx, such as `200-399,404`; the Consul agent cannot"},
	{"CHECK_FILE_MAX_AGE", "", "longest time since the file was written"},
	{"CHECK_GRPC_USE_TLS", "false", "true: over TLS"},
	{"CHECK_H2PING_USE_TLS", "false", "true: over TLS"},
	{"CHECK_TLS_SKIP_VERIFY", "false", "true: the app's certificate is not verified"},
	{"CHECK_TLS_SERVER_NAME", "", "name that the app's certificate must have"},
	{"CHECK_INTERVAL", "10s", "time between two checks, at least " + minInterval.String()},
	{"CHECK_TIMEOUT", "", "longest time for one check, shorter than the interval; without it half the interval, " + defaultTimeout.String() + " at most"},
	{"CHECK_SUCCESS_BEFORE_PASSING", "0", "successes in a row that it takes to become passing"},
	{"CHECK_FAILURES_BEFORE_WARNING", "0", "failures in a row that it takes to become a warning; at most as many as FAILURES_BEFORE_CRITICAL, which is what 0 stands for"},
	{"CHECK_FAILURES_BEFORE_CRITICAL", "0", "failures in a row that it takes to become critical; 0 is the same as 1"},
	{"CHECK_START_PERIOD", "", "time after the start in which failures do not count; the Consul agent cannot"},
	{"CHECK_INITIAL_STATUS", string(Critical), "status until the first check has run: passing, warning or critical"},
	{"CHECK_DEREGISTER_AFTER", "10m", "time in critical after which Consul removes the instance, or `never`"},
}

// anyName ends a key that any name may end.
const anyName = "<NAME>"

// is tells whether a key in lower case is k.
func (k Key) is(key string) bool {
	if prefix, ok := strings.CutSuffix(k.Name, anyName); ok {
		return strings.HasPrefix(key, strings.ToLower(prefix))
	}
	return key == strings.ToLower(k.Name)
}

// known tells whether a key in lower case is one of Keys.
func known(key string) bool {
	return slices.ContainsFunc(Keys(), func(k Key) bool { return k.is(key) })
}

// knownCheckKey is known for what follows check_ or check_<number>_.
func knownCheckKey(key string) bool { return known(checkPrefix + key) }

// checkKeyNames lists the check_* keys, without the prefix.
func checkKeyNames() []string {
	var names []string
	for _, k := range Keys() {
		if name, ok := strings.CutPrefix(strings.ToLower(k.Name), checkPrefix); ok {
			names = append(names, name)
		}
	}
	return names
}
