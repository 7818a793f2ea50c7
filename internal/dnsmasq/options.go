package dnsmasq

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"mdserver/internal/dnsmasq/content"
)

// options is the text of the options file, with the MTUs that guests need.
func (s *Service) options() string {
	var b strings.Builder
	b.WriteString(s.settings.Options())
	for _, mtu := range slices.Sorted(maps.Keys(s.mtus())) {
		fmt.Fprintf(&b, "tag:%s,option:mtu,%d\n", content.MTUTag(mtu), mtu)
	}
	return b.String()
}

// mtus are those that guests need options for.
func (s *Service) mtus() map[int]bool {
	needed := map[int]bool{}
	for e := range s.all() {
		if e.MTU > 0 {
			needed[e.MTU] = true
		}
	}
	return needed
}

// hasOptions reports whether the options file has what these guests need.
// dnsmasq reads it at SIGHUP only.
func (s *Service) hasOptions(fresh []content.Entry) bool {
	return !slices.ContainsFunc(fresh, func(e content.Entry) bool { return e.MTU > 0 && !s.pub.mtus[e.MTU] })
}
