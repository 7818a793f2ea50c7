package instance

import "net/netip"

// AddrRange is a range of addresses, both ends included.
type AddrRange struct {
	First, Last netip.Addr
}

// Contains reports whether addr lies in the range.
func (r AddrRange) Contains(addr netip.Addr) bool {
	return addr.BitLen() == r.First.BitLen() && r.First.Compare(addr) <= 0 && addr.Compare(r.Last) <= 0
}

// Network is one libvirt network that mdserver serves: the addresses it may
// give to guests and those it never gives.
type Network struct {
	Name     string
	IPv4     netip.Prefix
	IPv6     netip.Prefix // the zero Prefix: no IPv6
	Excluded []AddrRange  // gateway, the server's own addresses, reserved ranges
}

// Prefix returns the network's prefix of the family that addr belongs to.
func (n Network) Prefix(addr netip.Addr) netip.Prefix {
	if addr.Is4() {
		return n.IPv4
	}
	return n.IPv6
}
