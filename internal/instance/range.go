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

// GuestRange is the part of a prefix in which guests can have addresses: not that of the
// network itself, nor the broadcast address of IPv4. Of an IPv6 network larger than a /64
// it is the first /64, which is what one link has.
func GuestRange(prefix netip.Prefix) AddrRange {
	prefix = prefix.Masked()
	if prefix.Addr().Is6() && prefix.Bits() < 64 {
		prefix = netip.PrefixFrom(prefix.Addr(), 64)
	}
	r := AddrRange{prefix.Addr(), LastAddr(prefix)}
	if prefix.Bits() < r.First.BitLen()-1 { // RFC 3021, RFC 6164: both ends of a pair are hosts
		r.First = r.First.Next()
		if r.Last.Is4() {
			r.Last = r.Last.Prev()
		}
	}
	return r
}

// GuestRanges returns the addresses of a prefix that guests can have, in order: those of
// its GuestRange that are not excluded.
func GuestRanges(prefix netip.Prefix, excluded []AddrRange) []AddrRange {
	var list []AddrRange
	whole := GuestRange(prefix)
	first, end := whole.First, whole.Last
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
