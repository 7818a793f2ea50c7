package inventory

import (
	"net/netip"

	"mdserver/internal/instance"
)

// Free is how many IPv4 addresses of a network the next guests can be given.
// Addresses in quarantine are among them, because they are given to others when
// no other address is left, but not those that other hosts have claimed
// beforehand. It is 0 for an unknown network.
func (inv *Inventory) Free(network string) int {
	p, ok := inv.rules.Load().Network(network)
	if !ok || !p.Pool4.Configured() {
		return 0
	}
	held := map[netip.Addr]bool{}
	hold := func(addrs []netip.Addr) {
		for _, addr := range addrs {
			if p.Pool4.Gives(addr) {
				held[addr] = true
			}
		}
	}
	for guest := range inv.Snapshot().All() {
		hold(guest.Addrs())
	}
	for _, w := range inv.Withheld() {
		hold(w.Addrs)
	}
	for _, spare := range inv.Snapshot().Spares() {
		if spare.Owner != inv.rules.Load().ID {
			hold([]netip.Addr{spare.Addr})
		}
	}
	return p.Pool4.Size() - len(held)
}

// Ranges are the IPv4 addresses that guests of a network can be given, in order:
// all but those that are reserved. It is empty for an unknown network.
func (inv *Inventory) Ranges(network string) []instance.AddrRange {
	p, ok := inv.rules.Load().Network(network)
	if !ok {
		return nil
	}
	return p.Pool4.Ranges()
}
