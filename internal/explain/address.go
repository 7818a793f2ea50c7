package explain

import (
	"fmt"
	"net/netip"
	"slices"

	"mdserver/internal/api"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/pool"
)

// mostPassed bounds the list of the addresses that were skipped.
const mostPassed = 8

func (s Subject) addresses() []api.ExplainedAddress {
	all := []api.ExplainedAddress{}
	for _, place := range s.Guest.Attachments() {
		for _, addr := range place.Addrs() {
			all = append(all, s.address(place.Network, addr))
		}
	}
	return all
}

func (s Subject) address(on string, addr netip.Addr) api.ExplainedAddress {
	a := api.ExplainedAddress{Address: addr}
	network, known := s.networkOf(addr)
	a.Network = network.Name
	switch {
	case addr == s.Guest.Metadata.IPv4() || addr == s.Guest.Metadata.IPv6():
		a.Why = "static: requested by the domain's <metadata>"
	case s.isImported():
		a.Why = "imported from the Python mdserver"
	case !known && s.perHost(on) && s.Guest.Host != "":
		a.Network = on
		a.Why = fmt.Sprintf("in the range of the host %s, which has the guest", s.Guest.Host)
	case !known:
		a.Why = "kept; it is on no configured network"
	default:
		s.chosen(&a, network.Prefix(addr))
		if wanted := s.requested(addr); wanted.IsValid() && network.PerHost {
			a.Why = fmt.Sprintf("the domain's <metadata> requests %s, which is not in the range of this host; %s", wanted, a.Why)
		}
	}
	return a
}

// requested is the address of the family of addr that the guest requests, if it does.
func (s Subject) requested(addr netip.Addr) netip.Addr {
	if addr.Is4() {
		return s.Guest.Metadata.IPv4()
	}
	return s.Guest.Metadata.IPv6()
}

// perHost reports whether each host has a range of its own of a network.
func (s Subject) perHost(network string) bool {
	return slices.ContainsFunc(s.Networks, func(n instance.Network) bool { return n.Name == network && n.PerHost })
}

func (s Subject) networkOf(addr netip.Addr) (instance.Network, bool) {
	for _, n := range s.Networks {
		if n.Prefix(addr).Contains(addr) {
			return n, true
		}
	}
	return instance.Network{}, false
}

// chosen tells how the address follows from the guest's UUID.
func (s Subject) chosen(a *api.ExplainedAddress, prefix netip.Prefix) {
	first := pool.FirstCandidate(prefix, s.Guest.UUID)
	if a.Address == first {
		a.Why = "chosen by the hash of the UUID"
		return
	}
	a.Why = fmt.Sprintf("the hash of the UUID gives %s; this is the first free address from there", first)
	for addr := first; addr != a.Address; {
		if len(a.Passed) < mostPassed {
			a.Passed = append(a.Passed, api.PassedAddress{Address: addr, Reason: s.holder(addr)})
		} else {
			a.More++
		}
		if a.More > 1<<16 {
			return // a guest that was given its address under other rules
		}
		if addr = addr.Next(); !prefix.Contains(addr) {
			addr = prefix.Masked().Addr()
		}
	}
}

// holder says why an address was not for this guest, as far as that is still
// to be seen.
func (s Subject) holder(addr netip.Addr) string {
	if other, ok := s.Snapshot.ByAddr(addr); ok {
		if other.UUID == s.Guest.UUID {
			return "belongs to another interface of the guest"
		}
		return "belongs to guest " + other.Name
	}
	for _, n := range s.Networks {
		for _, r := range n.Excluded {
			if r.Contains(addr) {
				return "reserved, or this host's"
			}
		}
	}
	for _, r := range s.Snapshot.Resting() {
		if r.Addr == addr {
			return "in quarantine since its guest was removed"
		}
	}
	for _, spare := range s.Snapshot.Spares() {
		if spare.Addr == addr {
			return "set aside by the host " + spare.Host + " for guests that start while etcd does not answer"
		}
	}
	return "was in use then, and is free now"
}
