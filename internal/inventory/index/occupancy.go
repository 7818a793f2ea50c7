package index

import (
	"net/netip"

	iradix "github.com/hashicorp/go-immutable-radix/v2"
)

// The occupied addresses, of guests or in quarantine, are kept as runs: maximal
// ranges without a gap, as first address → last address. Looking for a free
// address then jumps over a whole run at a time, so that a nearly full network
// costs no more than an empty one.

// runAround returns the run that addr lies in.
func runAround(runs *iradix.Node[netip.Addr], addr netip.Addr) (first, last netip.Addr, ok bool) {
	it := runs.ReverseIterator()
	it.SeekReverseLowerBound(addrKey(addr))
	key, last, ok := it.Previous()
	if !ok || last.Less(addr) {
		return netip.Addr{}, netip.Addr{}, false
	}
	return addrOfKey(key), last, last.BitLen() == addr.BitLen()
}

func addrOfKey(key []byte) netip.Addr { return netip.AddrFrom16([16]byte(key)).Unmap() }

// Occupy adds addr to the runs, joining its neighbours.
func (e *Edit) Occupy(addr netip.Addr) {
	if _, _, ok := runAround(e.runs.Root(), addr); ok {
		return
	}
	first, last := addr, addr
	if prev := addr.Prev(); prev.IsValid() {
		if start, _, ok := runAround(e.runs.Root(), prev); ok {
			first = start
		}
	}
	if next := addr.Next(); next.IsValid() {
		if end, ok := e.runs.Get(addrKey(next)); ok {
			e.runs.Delete(addrKey(next))
			last = end
		}
	}
	e.runs.Insert(addrKey(first), last)
}

// Vacate takes addr out of the runs, splitting the one it lies in.
func (e *Edit) Vacate(addr netip.Addr) {
	first, last, ok := runAround(e.runs.Root(), addr)
	if !ok {
		return
	}
	if first == addr {
		e.runs.Delete(addrKey(first))
	} else {
		e.runs.Insert(addrKey(first), addr.Prev())
	}
	if last != addr {
		e.runs.Insert(addrKey(addr.Next()), last)
	}
}

// Occupied gives the last address of the run that addr lies in, if it is occupied.
func (e *Edit) Occupied(addr netip.Addr) (last netip.Addr, ok bool) {
	_, last, ok = runAround(e.runs.Root(), addr)
	return last, ok
}
