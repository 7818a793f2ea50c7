package dnsmasq

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// options is the text of the options file, with the MTUs that guests need.
func (s *Service) options() string {
	var b strings.Builder
	b.WriteString(s.settings.options())
	for _, mtu := range slices.Sorted(maps.Keys(s.mtus())) {
		fmt.Fprintf(&b, "tag:%s,option:mtu,%d\n", mtuTag(mtu), mtu)
	}
	return b.String()
}

// mtus are those that guests need options for.
func (s *Service) mtus() map[int]bool {
	needed := map[int]bool{}
	for e := range s.all() {
		if e.mtu > 0 {
			needed[e.mtu] = true
		}
	}
	return needed
}

// hasOptions reports whether the options file has what these guests need.
// dnsmasq reads it at SIGHUP only.
func (s *Service) hasOptions(fresh []entry) bool {
	return !slices.ContainsFunc(fresh, func(e entry) bool { return e.mtu > 0 && !s.pub.mtus[e.mtu] })
}
