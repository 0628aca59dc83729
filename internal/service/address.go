package service

import (
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// address returns the declared one, or nothing.
func (p *portKeys) address() string {
	v := p.get("address")
	if v.value == "" {
		v = p.get("ip")
	}
	if v.value == "" {
		p.by("not declared", "address", "")
		return ""
	}
	address, ok := bareAddress(v.value)
	if !ok {
		p.fail(v, "is not an address: an IP or a host name, without a port")
		return ""
	}
	if ip, err := netip.ParseAddr(address); err == nil && ip.IsUnspecified() {
		p.fail(v, "is no address that anybody could connect to")
		return ""
	}
	p.from(v, "address", address)
	return address
}

// bareAddress takes the brackets off an IPv6 address, and tells whether the text
// can be an address at all.
func bareAddress(text string) (string, bool) {
	if inner, ok := strings.CutPrefix(text, "["); ok {
		text, ok = strings.CutSuffix(inner, "]")
		if _, err := netip.ParseAddr(text); !ok || err != nil {
			return "", false
		}
	}
	if _, err := netip.ParseAddr(text); err == nil {
		return text, true
	}
	illegal := func(r rune) bool {
		return unicode.IsControl(r) || unicode.IsSpace(r) || strings.ContainsRune(":/[]@?#", r)
	}
	return text, text != "" && !strings.ContainsFunc(text, illegal)
}

const taggedPrefix = "tagged_address_"

// taggedAddresses reads TAGGED_ADDRESS_<NAME>=address:port, or address alone for
// the service's own port.
func (p *portKeys) taggedAddresses(port int) map[string]Endpoint {
	var all map[string]Endpoint
	for _, key := range slices.Sorted(maps.Keys(p.keys)) {
		name, ok := strings.CutPrefix(key, taggedPrefix)
		v := p.get(key)
		if !ok || v.value == "" {
			continue
		}
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return !legalMetaRune(r) }) {
			p.fail(v, "the address has no legal name (letters, digits, - and _)")
			continue
		}
		e, ok := endpoint(v.value, port)
		if !ok {
			p.fail(v, "is neither address:port nor an address")
			continue
		}
		if family := wrongFamily(name, e.Address); family != "" {
			p.fail(v, "is not an %s address", family)
			continue
		}
		if all == nil {
			all = map[string]Endpoint{}
		}
		all[name] = e
		p.from(v, "tagged_address."+name, net.JoinHostPort(e.Address, strconv.Itoa(e.Port)))
	}
	return all
}

func endpoint(text string, port int) (Endpoint, bool) {
	if address, ok := bareAddress(text); ok {
		return usableEndpoint(address, port)
	}
	host, portText, err := net.SplitHostPort(text)
	if err != nil {
		return Endpoint{}, false
	}
	address, ok := bareAddress(host)
	n, err := strconv.ParseUint(portText, 10, 16)
	if !ok || err != nil || n == 0 {
		return Endpoint{}, false
	}
	return usableEndpoint(address, int(n))
}

func usableEndpoint(address string, port int) (Endpoint, bool) {
	ip, err := netip.ParseAddr(address)
	return Endpoint{address, port}, err != nil || !ip.IsUnspecified()
}

// wrongFamily names the family that Consul wants for a name of its own
// (agent/agent.go, validateService). Zones and IPv6 forms of IPv4 are none to it.
func wrongFamily(name, address string) string {
	ip := net.ParseIP(address)
	switch {
	case strings.HasSuffix(name, "_ipv4") && (ip == nil || ip.To4() == nil):
		return "IPv4"
	case strings.HasSuffix(name, "_ipv6") && (ip == nil || ip.To4() != nil):
		return "IPv6"
	}
	return ""
}

// maxWeight is Consul's (agent/structs, ValidateWeights).
const maxWeight = 65535

// weights returns nil for Consul's own. Where one is declared, the other is 1.
func (p *portKeys) weights() *Weights {
	passing, warning := p.get("weight_passing"), p.get("weight_warning")
	if passing.value == "" && warning.value == "" {
		return nil
	}
	w := Weights{Passing: p.weight(passing, "weight.passing", 1), Warning: p.weight(warning, "weight.warning", 0)}
	if w == (Weights{Passing: 1, Warning: 1}) {
		return nil
	}
	return &w
}

func (p *portKeys) weight(v variable, field string, least int) int {
	if v.value == "" {
		p.by("default", field, "1")
		return 1
	}
	n, err := strconv.ParseUint(v.value, 10, 16)
	if err != nil || int(n) < least {
		p.fail(v, "is not a weight (%d to %d)", least, maxWeight)
		return 1
	}
	p.from(v, field, strconv.Itoa(int(n)))
	return int(n)
}

// enterpriseName reads a namespace or partition, which Consul names as DNS does.
func (p *portKeys) enterpriseName(key string) string {
	v := p.get(key)
	legal := func(r rune) bool { return r != '_' && legalMetaRune(r) }
	if v.value != "" && (len(v.value) > 64 || strings.Trim(v.value, "-") != v.value || strings.ContainsFunc(v.value, func(r rune) bool { return !legal(r) })) {
		p.fail(v, "is not a name (letters, digits and -, 64 at most)")
		return ""
	}
	return p.text(key, key)
}
