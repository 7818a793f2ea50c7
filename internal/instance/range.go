package instance

import (
	"net/netip"
	"slices"
)

// AddrRange is a range of addresses, both ends included.
type AddrRange struct {
	First, Last netip.Addr
}

// Contains reports whether addr lies in the range.
func (r AddrRange) Contains(addr netip.Addr) bool {
	return addr.BitLen() == r.First.BitLen() && r.First.Compare(addr) <= 0 && addr.Compare(r.Last) <= 0
}

// String is FIRST-LAST, or the address if there is only one.
func (r AddrRange) String() string {
	if r.First == r.Last {
		return r.First.String()
	}
	return r.First.String() + "-" + r.Last.String()
}

// LastAddr returns the highest address of a prefix, which is the broadcast address of
// IPv4.
func LastAddr(prefix netip.Prefix) netip.Addr {
	bytes := prefix.Addr().AsSlice()
	for bit := prefix.Bits(); bit < len(bytes)*8; bit++ {
		bytes[bit/8] |= 0x80 >> (bit % 8)
	}
	addr, _ := netip.AddrFromSlice(bytes)
	return addr
}

// GuestRanges returns the addresses of a prefix that guests can have, in order: those for
// interfaces that are not excluded.
func GuestRanges(prefix netip.Prefix, excluded []AddrRange) []AddrRange {
	var list []AddrRange
	first, end := prefix.Masked().Addr(), LastAddr(prefix)
	if prefix.Bits() < first.BitLen()-1 {
		first = first.Next()
		if end.Is4() {
			end = end.Prev()
		}
	}
	sorted := slices.SortedFunc(slices.Values(excluded), func(a, b AddrRange) int { return a.First.Compare(b.First) })
	for _, gap := range sorted {
		if gap.First.BitLen() != end.BitLen() || gap.Last.Less(first) || end.Less(gap.First) {
			continue
		}
		if first.Less(gap.First) {
			list = append(list, AddrRange{first, gap.First.Prev()})
		}
		if end.Compare(gap.Last) <= 0 {
			return list
		}
		first = gap.Last.Next()
	}
	return append(list, AddrRange{first, end})
}
