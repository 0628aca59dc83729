package service

import (
	"slices"
	"strings"
)

// Key is a key that means something itself. It is declared as SERVICE_<Name>,
// or as SERVICE_<port>_<Name> for one port.
type Key struct {
	Name    string
	Default string
	Doc     string
}

// Keys lists the keys that mean something themselves. Every other key becomes
// meta in Consul, its name in lower case, unless it begins with CHECK_: that is a
// mistake.
func Keys() []Key {
	return []Key{
		{"NAME", "", "name of the service in Consul; if it is said once for several ports, each name ends in `-<port>`"},
		{"PORT", "", "port that the app listens on; `SERVICE_<port>_…` declares a port too"},
		{"ID", "", "ID of the instance, unique on its agent; without it `<host name>:<name>:<port>`"},
		{"ADDRESS", "", "address to register; without it this host's address on the route to Consul"},
		{"IP", "", "the same as ADDRESS, which wins"},
		{"TAGS", "", "tags, with commas between them; `\\,` is a comma in a tag"},
		{"IGNORE", "false", "true leaves the port out"},
		{"CHECK_HTTP", "", "path, with its query, that answers 2xx when the app can serve; 429 is a warning"},
		{"CHECK_HTTPS", "", "the same over TLS"},
		{"CHECK_HTTP_METHOD", "GET", "method of CHECK_HTTP and CHECK_HTTPS"},
		{"CHECK_TCP", "", "true: the app can serve when its port accepts a connection, which is also the check of a port without one; false, without another check: no check at all"},
		{"CHECK_INTERVAL", "10s", "time between two checks, at least " + minInterval.String()},
		{"CHECK_TIMEOUT", "", "longest time for one check, shorter than the interval; without it half the interval, " + defaultTimeout.String() + " at most"},
		{"CHECK_INITIAL_STATUS", string(Critical), "status until the first check has run: passing, warning or critical"},
		{"CHECK_DEREGISTER_AFTER", "10m", "time in critical after which Consul removes the instance, or `never`"},
	}
}

// known tells whether a key in lower case is one of Keys.
func known(key string) bool {
	return slices.ContainsFunc(Keys(), func(k Key) bool { return strings.ToLower(k.Name) == key })
}

// checkKeys lists the check_* keys, without the prefix.
func checkKeys() []string {
	var names []string
	for _, k := range Keys() {
		if name, ok := strings.CutPrefix(strings.ToLower(k.Name), checkPrefix); ok {
			names = append(names, name)
		}
	}
	return names
}
