// Package pool is the addresses of one family that a network has for guests:
// which of them a guest may have, and which one is free.
package pool

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/uuid"

	"mdserver/internal/instance"
)

// Pool is the addresses of one family that guests may be given. The zero Pool
// is that of a family which the network does not have.
type Pool struct {
	Network  string       // its name
	Pending  bool         // the prefix is not known yet
	Prefix   netip.Prefix // invalid if the pool is not configured
	perHost  bool         // the range is that of this host alone
	excluded []instance.AddrRange
	leased   map[netip.Addr]instance.MAC
	// All addresses given out share their upper 64 bits and lie, in the lower
	// 64, between lo and hi. For IPv4 the value is the address itself.
	base   netip.Addr
	lo, hi uint64
	gaps   []span // the excluded ranges within lo and hi, sorted and disjoint
}

type span struct{ lo, hi uint64 }

// New prepares the pool of prefix on network n.
func New(prefix netip.Prefix, n instance.Network) Pool {
	if !prefix.IsValid() {
		return Pool{Network: n.Name, Pending: n.Pending, perHost: n.PerHost}
	}
	p := Pool{Network: n.Name, perHost: n.PerHost, Prefix: prefix.Masked(), excluded: n.Excluded, leased: n.Leased, base: prefix.Masked().Addr()}
	within := instance.GuestRange(prefix)
	p.lo, p.hi = lower(within.First), lower(within.Last)
	p.gaps = p.clip(slices.Concat(n.Excluded, p.leasedRanges()))
	return p
}

// leasedRanges are the leased addresses as ranges: no guest gets one of them by
// chance, not even the guest that has the lease (see Own).
func (p Pool) leasedRanges() []instance.AddrRange {
	ranges := make([]instance.AddrRange, 0, len(p.leased))
	for addr := range p.leased {
		ranges = append(ranges, instance.AddrRange{First: addr, Last: addr})
	}
	return ranges
}

// Own is the address that the network's DHCP server gave to mac by itself.
func (p Pool) Own(mac instance.MAC) (own netip.Addr) {
	for addr, holder := range p.leased {
		if holder == mac && addr.BitLen() == p.base.BitLen() && (!own.IsValid() || addr.Less(own)) {
			own = addr
		}
	}
	return own
}

// clip turns ranges into sorted, disjoint spans of this pool.
func (p Pool) clip(ranges []instance.AddrRange) []span {
	within := p.within()
	var spans []span
	for _, r := range ranges {
		if r.First.BitLen() != p.base.BitLen() || r.Last.Less(within.First) || within.Last.Less(r.First) || r.Last.Less(r.First) {
			continue
		}
		s := span{p.lo, p.hi}
		if within.First.Less(r.First) {
			s.lo = lower(r.First)
		}
		if r.Last.Less(within.Last) {
			s.hi = lower(r.Last)
		}
		spans = append(spans, s)
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.lo, b.lo) })
	return joined(spans)
}

func joined(spans []span) []span {
	var out []span
	for _, s := range spans {
		if n := len(out); n > 0 && s.lo <= out[n-1].hi {
			out[n-1].hi = max(out[n-1].hi, s.hi)
			continue
		}
		out = append(out, s)
	}
	return out
}

// lower gives the lower 64 bits of an address, or all of an IPv4 address.
func lower(addr netip.Addr) uint64 {
	if addr.Is4() {
		b := addr.As4()
		return uint64(binary.BigEndian.Uint32(b[:]))
	}
	b := addr.As16()
	return binary.BigEndian.Uint64(b[8:])
}

// at is the reverse of lower.
func (p Pool) at(value uint64) netip.Addr {
	if p.base.Is4() {
		return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(value))))
	}
	b := p.base.As16()
	binary.BigEndian.PutUint64(b[8:], value)
	return netip.AddrFrom16(b)
}

// within is where all addresses of the pool are.
func (p Pool) within() instance.AddrRange {
	return instance.AddrRange{First: p.at(p.lo), Last: p.at(p.hi)}
}

func (p Pool) Configured() bool { return p.Prefix.IsValid() }

// Refusal says why a guest with this MAC cannot have addr, or is empty.
func (p Pool) Refusal(addr netip.Addr, mac instance.MAC) string {
	if !p.Configured() {
		if !addr.IsGlobalUnicast() {
			return fmt.Sprintf("%s is not a unicast address", addr)
		}
		return ""
	}
	switch {
	case p.within().Contains(addr):
	case !p.Prefix.Contains(addr):
		return fmt.Sprintf("%s is not in %s", addr, p.Prefix)
	case addr == p.Prefix.Addr():
		return fmt.Sprintf("%s is the address of the network %s itself", addr, p.Prefix)
	case addr.Is4():
		return fmt.Sprintf("%s is the broadcast address of %s", addr, p.Prefix)
	default:
		return fmt.Sprintf("%s is not in the first /64 of %s, which is the part that guests have", addr, p.Prefix)
	}
	if holder, ok := p.leased[addr]; ok && holder != mac {
		return fmt.Sprintf("%s is leased by libvirt to %s", addr, holder)
	}
	for _, r := range p.excluded {
		if r.Contains(addr) {
			return fmt.Sprintf("%s is reserved on %s (gateway, server or reserved range)", addr, p.Prefix)
		}
	}
	return ""
}

// first is where the search for a guest's address starts. It depends on the
// UUID only, so a guest that lost its record tends to get its address again.
func (p Pool) first(id uuid.UUID) uint64 {
	sum := sha256.Sum256(id[:])
	hash := binary.BigEndian.Uint64(sum[len(sum)-8:])
	if size := p.hi - p.lo + 1; size != 0 {
		hash %= size
	}
	return p.lo + hash
}

// FirstCandidate is the first address in prefix that the search for a guest's
// address tries.
func FirstCandidate(prefix netip.Prefix, id uuid.UUID) netip.Addr {
	p := New(prefix, instance.Network{})
	return p.at(p.first(id))
}

// Free finds the first address that no one occupies, from where the search for
// a guest starts, upward and around. busy gives the last address of the occupied run that an address
// lies in.
func (p Pool) Free(id uuid.UUID, busy func(netip.Addr) (netip.Addr, bool)) (netip.Addr, bool) {
	if !p.Configured() || p.hi < p.lo {
		return netip.Addr{}, false
	}
	start := p.first(id)
	if addr, ok := p.scan(start, p.hi, busy); ok || start == p.lo {
		return addr, ok
	}
	return p.scan(p.lo, start-1, busy)
}

func (p Pool) scan(from, to uint64, busy func(netip.Addr) (netip.Addr, bool)) (netip.Addr, bool) {
	for {
		last, skip := p.gapAt(from)
		if !skip {
			var end netip.Addr
			if end, skip = busy(p.at(from)); !skip {
				return p.at(from), true
			}
			if p.at(to).Less(end) {
				return netip.Addr{}, false
			}
			last = lower(end)
		}
		if last >= to {
			return netip.Addr{}, false
		}
		from = last + 1
	}
}

// gapAt returns the end of the excluded span that value lies in.
func (p Pool) gapAt(value uint64) (uint64, bool) {
	i, found := slices.BinarySearchFunc(p.gaps, value, func(s span, v uint64) int { return cmp.Compare(s.lo, v) })
	if !found {
		i--
	}
	if i < 0 || p.gaps[i].hi < value {
		return 0, false
	}
	return p.gaps[i].hi, true
}

// LeavesOut reports whether an address may be good on another host and is not on this
// one, because it is not in the range of this host.
func (p Pool) LeavesOut(addr netip.Addr, mac instance.MAC) bool {
	return p.perHost && p.Configured() && addr.IsValid() && p.Refusal(addr, mac) != ""
}

// Size is the number of addresses in an IPv4 pool.
func (p Pool) Size() int {
	if p.hi < p.lo {
		return 0
	}
	size := p.hi - p.lo + 1
	for _, gap := range p.gaps {
		size -= gap.hi - gap.lo + 1
	}
	return int(size)
}

// Gives reports whether addr is one of those that Size counts.
func (p Pool) Gives(addr netip.Addr) bool {
	if !p.within().Contains(addr) {
		return false
	}
	_, excluded := p.gapAt(lower(addr))
	return !excluded
}

// SizeUpTo is the number of addresses in a pool of either family, or most if there
// are more.
func (p Pool) SizeUpTo(most int) int {
	if p.hi >= p.lo && p.hi-p.lo >= uint64(most) {
		return most
	}
	return min(p.Size(), most)
}

// Ranges are the addresses of an IPv4 pool that guests may have, in order: all but
// those that are reserved.
func (p Pool) Ranges() []instance.AddrRange {
	if !p.Configured() {
		return nil
	}
	return instance.GuestRanges(p.Prefix, p.excluded)
}
