package dnsmasq

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"mdserver/internal/instance"
)

// guestMTU is the MTU for an interface if it differs from the network's, or 0.
// dnsmasq prefers options with a tag.
func (s Settings) guestMTU(nic int) int {
	mtu := instance.EffectiveMTU(nic, s.MTU)
	if mtu == s.MTU {
		return 0
	}
	return mtu
}

// mtuTag marks guests that get an MTU of their own.
func mtuTag(mtu int) string { return fmt.Sprintf("mtu%d", mtu) }

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
