package network

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"

	"mdserver/internal/doctor/finding"
	"mdserver/internal/doctor/host"
)

// scarce is the part of a network that must be free, in percent.
const scarce = 10

// Addresses checks that the networks have addresses for further guests.
func Addresses(h *host.Facts) []finding.Finding {
	if !h.Server.Running() && h.Guests.Err != nil {
		return []finding.Finding{finding.Unchecked("the guests' addresses are not known: %v", h.Guests.Err)}
	}
	used := usedAddresses(h)
	var all []finding.Finding
	for _, n := range h.Networks {
		if n.Known() {
			all = append(all, room(n, used[n.Name]))
		}
	}
	return finding.Unless(all, finding.Unchecked("only libvirt knows the networks' addresses"))
}

// room judges how many addresses are left. Those in quarantine are among them: in
// need they are given out again.
func room(n host.Network, used int) finding.Finding {
	total, of := size(n), "addresses"
	if n.Leases > 0 && n.Leases < total {
		total, of = n.Leases, "leases of libvirt's DHCP range"
	}
	left := total - used
	var f finding.Finding
	switch {
	case left <= 0:
		f = finding.Fail("network_full", "%s is full: %d of %d %s are free or in quarantine", n.IPv4, left, total, of)
	case left*100 < total*scarce:
		f = finding.Warn("network_nearly_full", "%s is nearly full: %d of %d %s are free or in quarantine", n.IPv4, left, total, of)
	default:
		return finding.Good("%s: %d of %d %s are free or in quarantine", n.IPv4, left, total, of)
	}
	if n.Leases > 0 {
		f = f.Advise("enlarge the network's <dhcp> range with `virsh net-edit %s`, and restart the network when no guest runs on it: running guests lose their link", n.Name)
	}
	return f.Advise("remove guests that no longer exist with `mdserver instance rm NAME`, or enlarge the network; `mdserver instance ls` lists the guests")
}

// usedAddresses counts IPv4 addresses by network.
func usedAddresses(h *host.Facts) map[string]int {
	used := map[string]int{}
	if h.Server.Running() {
		for _, n := range h.Server.Status.Networks {
			used[n.Name] = n.Used
		}
		return used
	}
	for _, guest := range h.Guests.List {
		for _, place := range guest.Attachments() {
			name := cmp.Or(place.Network, h.Networks[0].Name)
			if place.IPv4.IsValid() && !inOtherRange(h, name, place.IPv4) {
				used[name]++
			}
		}
	}
	return used
}

// inOtherRange reports whether an address of a network is in the range of another host.
func inOtherRange(h *host.Facts, network string, addr netip.Addr) bool {
	return slices.ContainsFunc(h.Networks, func(n host.Network) bool {
		return n.Name == network && n.IPv4.IsValid() && !n.IPv4.Contains(addr)
	})
}

// size is how many IPv4 addresses guests may have.
func size(n host.Network) int {
	total := 1 << (32 - n.IPv4.Bits())
	if n.IPv4.Bits() < 31 {
		total -= 2 // the network and its broadcast address
	}
	if n.IPv4.Contains(n.Gateway) {
		total--
	}
	for _, r := range n.Reserved {
		total -= number(r.Last) - number(r.First) + 1
	}
	return total
}

func number(addr netip.Addr) int {
	bytes := addr.As4()
	return int(binary.BigEndian.Uint32(bytes[:]))
}
