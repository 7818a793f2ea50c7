package inventory

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/inventory/pool"
)

// claim is what a guest can put forward to be given an address of one family,
// in the order of precedence.
type claim struct {
	guest     *instance.Instance
	mac       instance.MAC // of its interface on the network
	wanted    netip.Addr   // asked for in its metadata
	current   netip.Addr   // the one it has
	byHand    bool         // current did not come from the pool
	inherited netip.Addr   // of the guest whose name it takes over
	given     []netip.Addr // to other interfaces of the guest by the same request
}

// givenByHand returns the addresses of a guest that came neither from the pool nor
// from its metadata: those of a record from the Python mdserver's database.
func givenByHand(guest *instance.Instance) (ipv4, ipv6 bool) {
	imported := guest.ID != instance.DeriveID(guest.UUID)
	return imported && guest.IPv4 != guest.Metadata.IPv4(), imported && guest.IPv6 != guest.Metadata.IPv6()
}

// choose picks the guest's address on one network: the one it requests, the one it
// has, one of its own in quarantine, the one of the guest it replaces, the one
// that it was leased already, or one of the pool. err refuses the registration,
// problem does not.
func (d *draft) choose(p pool.Pool, c claim) (addr netip.Addr, problem, err error) {
	if d.cutOff {
		addr, problem = d.chooseCutOff(p, c)
		return addr, problem, nil
	}
	if c.wanted.IsValid() && !p.LeavesOut(c.wanted, c.mac) {
		return c.wanted, nil, d.grant(p, c)
	}
	if !p.Configured() {
		if c.byHand || p.Pending {
			return c.current, nil, nil
		}
		return netip.Addr{}, nil, nil
	}
	for _, addr := range d.candidates(p, c) {
		if d.mayHave(p, c, addr) && d.holder(addr, c.guest.UUID) == nil && d.checkSpare(addr, c.guest.Name) == nil {
			return addr, notGranted(p, c), nil
		}
	}
	if addr, ok := d.allocate(p, c); ok {
		return addr, notGranted(p, c), nil
	}
	return netip.Addr{}, fmt.Errorf("%w: guest %q has no address: %s has no free one; remove old guests, or enlarge the network",
		denied.ErrNetworkFull, c.guest.Name, p.Prefix), nil
}

// mayHave reports whether the network lets the guest have addr, and addr is neither given
// to it already nor withheld for another guest. Whether it is free is another question.
func (d *draft) mayHave(p pool.Pool, c claim, addr netip.Addr) bool {
	return p.Refusal(addr, c.mac) == "" && !slices.Contains(c.given, addr) &&
		(addr == c.current || d.rules.WithheldAddr(addr, c.guest.UUID) == nil)
}

// grant checks an address that the guest asks for.
func (d *draft) grant(p pool.Pool, c claim) error {
	if _, rests := d.RestingAt(c.wanted); rests && d.unconfirmed {
		return &denied.RequestError{Kind: denied.ErrAddressTaken, Guest: c.guest.Name, Reason: fmt.Sprintf("%s is in quarantine since its guest was removed", c.wanted)}
	}
	if reason := p.Refusal(c.wanted, c.mac); reason != "" {
		return &denied.RequestError{Kind: denied.ErrAddressOutside, Guest: c.guest.Name,
			Reason: fmt.Sprintf("the metadata requests an address that the network %q does not have: %s", p.Network, reason)}
	}
	if other := d.rules.WithheldAddr(c.wanted, c.guest.UUID); other != nil && c.wanted != c.current {
		return &denied.RequestError{Kind: denied.ErrAddressTaken, Guest: c.guest.Name, Reason: fmt.Sprintf("%s is reserved for %s", c.wanted, other)}
	}
	if other := d.holder(c.wanted, c.guest.UUID); other != nil {
		return &denied.ConflictError{Kind: denied.ErrAddressTaken, Value: c.wanted.String(), Guest: c.guest.Name, Holder: other.Name,
			Hint: "request another one in the metadata"}
	}
	return d.checkSpare(c.wanted, c.guest.Name)
}

func (d *draft) candidates(p pool.Pool, c claim) []netip.Addr {
	if c.current.IsValid() && !p.LeavesOut(c.current, c.mac) {
		return []netip.Addr{c.current}
	}
	addrs := d.restingFor(p, c)
	if !d.unconfirmed {
		for _, own := range d.rules.WithheldFor(c.guest.UUID) {
			addrs = append(addrs, own.Addrs...)
		}
	}
	if c.inherited.IsValid() {
		addrs = append(addrs, c.inherited)
	}
	if own := p.Own(c.mac); own.IsValid() {
		addrs = append(addrs, own)
	}
	return addrs
}

// restingFor gives the addresses on a network that the guest had before it was
// released, those of the same interface first. It has none of the interfaces
// that the guest has elsewhere: they get theirs back.
func (d *draft) restingFor(p pool.Pool, c claim) []netip.Addr {
	if d.unconfirmed {
		return nil
	}
	var own, others []netip.Addr
	for _, former := range d.RestingOf(c.guest.UUID) {
		switch {
		case !p.Prefix.Contains(former.Addr):
		case former.MAC == c.mac:
			own = append(own, former.Addr)
		case !slices.ContainsFunc(c.guest.Interfaces, func(nic instance.Interface) bool { return nic.MAC == former.MAC }):
			others = append(others, former.Addr)
		}
	}
	return append(own, others...)
}

// holder gives the other guest that has addr, or nil.
func (d *draft) holder(addr netip.Addr, id uuid.UUID) *instance.Instance {
	if other, ok := d.ByAddr(addr); ok && other.UUID != id {
		return other
	}
	return nil
}

// freeAddr finds an address that is free, and is neither given already nor withheld for
// a guest with another UUID than id. The search starts where it does for seed.
func (d *draft) freeAddr(p pool.Pool, seed, id uuid.UUID, given []netip.Addr) (netip.Addr, bool) {
	return p.Free(seed, func(addr netip.Addr) (netip.Addr, bool) {
		if slices.Contains(given, addr) || d.rules.WithheldAddr(addr, id) != nil {
			return addr, true
		}
		return d.Occupied(addr)
	})
}

// allocate finds a free address, or, if there is none, a spare one of this host, that
// of an unconfirmed guest, the one that has rested longest, or that of the guest that is gone
// longest.
func (d *draft) allocate(p pool.Pool, c claim) (netip.Addr, bool) {
	addr, ok := d.freeAddr(p, c.guest.UUID, c.guest.UUID, c.given)
	if ok || d.unconfirmed {
		return addr, ok
	}
	if addr, ok = d.takeSpare(p, c); ok {
		return addr, true
	}
	if addr, ok = d.takeFrom(p, c, (*instance.Instance).Unconfirmed); ok {
		return addr, true
	}
	for r := range d.Resting() {
		if d.mayHave(p, c, r.Addr) {
			return r.Addr, true
		}
	}
	return d.takeFrom(p, c, gone)
}
