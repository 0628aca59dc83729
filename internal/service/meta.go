package service

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Consul's limits for meta (agent/structs/structs.go, ValidateServiceMetadata):
// one pair beyond them makes it refuse the whole registration.
const (
	metaMaxPairs    = 64
	metaMaxKey      = 128
	metaMaxValue    = 512
	metaReserved    = "consul-"
	metaOwnPairs    = 1 // MetaOwner
	metaLegalOthers = "-_"
)

// meta collects every key that means nothing itself, the port's own before the
// general ones. What Consul would refuse is left out with a warning.
func (p *portKeys) meta() map[string]string {
	meta := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(p.keys)) {
		v := p.keys[key]
		if known(key) || strings.HasPrefix(key, checkPrefix) {
			continue
		}
		if err := legalMeta(key, v.value, len(meta)); err != nil {
			p.warnings = append(p.warnings, fmt.Errorf("%s: %w; left out of meta", v.name, err))
			continue
		}
		meta[key] = v.value
		p.from(v, "meta."+key, v.value)
	}
	return meta
}

func legalMeta(key, value string, pairs int) error {
	switch {
	case pairs >= metaMaxPairs-metaOwnPairs:
		return fmt.Errorf("is one more than the %d pairs that Consul allows", metaMaxPairs)
	case len(key) > metaMaxKey:
		return fmt.Errorf("is longer than %d bytes", metaMaxKey)
	case len(value) > metaMaxValue:
		return fmt.Errorf("has a value of more than %d bytes", metaMaxValue)
	case strings.HasPrefix(key, metaReserved):
		return fmt.Errorf("begins with %q, which Consul reserves", metaReserved)
	case key == MetaOwner:
		return fmt.Errorf("is set by Remora itself")
	case strings.ContainsFunc(key, func(r rune) bool { return !legalMetaRune(r) }):
		return fmt.Errorf("has a character that Consul does not allow in a key (letters, digits, - and _)")
	}
	return nil
}

func legalMetaRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune(metaLegalOthers, r)
}
