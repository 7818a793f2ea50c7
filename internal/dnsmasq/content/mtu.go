package content

import (
	"fmt"

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

// MTUTag marks guests that get an MTU of their own.
func MTUTag(mtu int) string { return fmt.Sprintf("mtu%d", mtu) }
