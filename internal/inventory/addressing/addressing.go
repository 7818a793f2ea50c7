// Package addressing chooses the addresses of guests. It reads the table and changes
// nothing: who has to give up an address for a guest is part of the choice.
package addressing

import (
	"fmt"
	"iter"
	"net/netip"
	"slices"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/inventory/index"
	"mdserver/internal/inventory/pool"
	"mdserver/internal/inventory/rules"
)

// Chooser chooses for one change of the table.
type Chooser struct {
	Table *index.Edit
	Rules *rules.Rules
	// Unconfirmed: the address is for a guest that only users other than root have
	// registered. It takes nothing from other guests.
	Unconfirmed bool
	// CutOff: the shared store is away. No address but this host's spares is given.
	CutOff bool
}

// Claim is what a guest can put forward to be given an address of one family,
// in the order of precedence.
type Claim struct {
	Guest     *instance.Instance
	MAC       instance.MAC // of its interface on the network
	Wanted    netip.Addr   // asked for in its metadata
	Current   netip.Addr   // the one it has
	ByHand    bool         // Current did not come from the pool
	Inherited netip.Addr   // of the guest whose name it takes over
	Given     []netip.Addr // to other interfaces of the guest by the same request
}

// Choice is the address of a guest, or the zero Addr.
type Choice struct {
	Addr netip.Addr
	// From is the guest that has the address and has to be released first, or nil.
	From *instance.Instance
	// Problem says why the guest does not have what it should, or is nil.
	Problem error
}

// GivenByHand returns the addresses of a guest that came neither from the pool nor
// from its metadata: those of a record from the Python mdserver's database.
func GivenByHand(guest *instance.Instance) (ipv4, ipv6 bool) {
	imported := guest.ID != instance.DeriveID(guest.UUID)
	return imported && guest.IPv4 != guest.Metadata.IPv4(), imported && guest.IPv6 != guest.Metadata.IPv6()
}

// Choose picks the guest's address on one network: the one it requests, the one it
// has, one of its own in quarantine, the one of the guest it replaces, the one
// that it was leased already, or one of the pool. An error refuses the registration.
func (c Chooser) Choose(p pool.Pool, claim Claim) (Choice, error) {
	switch {
	case c.CutOff:
		return c.chooseCutOff(p, claim), nil
	case claim.Wanted.IsValid() && !p.LeavesOut(claim.Wanted, claim.MAC):
		return Choice{Addr: claim.Wanted}, c.grant(p, claim)
	case !p.Configured() && (claim.ByHand || p.Pending):
		return Choice{Addr: claim.Current}, nil
	case !p.Configured():
		return Choice{}, nil
	}
	for _, addr := range c.candidates(p, claim) {
		if c.mayHave(p, claim, addr) && c.Holder(addr, claim.Guest.UUID) == nil && c.CheckSpare(addr, claim.Guest.Name) == nil {
			return Choice{Addr: addr, Problem: notGranted(p, claim)}, nil
		}
	}
	if addr, from := c.allocate(p, claim); addr.IsValid() {
		return Choice{Addr: addr, From: from, Problem: notGranted(p, claim)}, nil
	}
	return Choice{Problem: fmt.Errorf("%w: guest %q has no address: %s has no free one; remove old guests, or enlarge the network",
		denied.ErrNetworkFull, claim.Guest.Name, p.Prefix)}, nil
}

// mayHave reports whether the network lets the guest have addr, and addr is neither given
// to it already nor withheld for another guest. Whether it is free is another question.
func (c Chooser) mayHave(p pool.Pool, claim Claim, addr netip.Addr) bool {
	return p.Refusal(addr, claim.MAC) == "" && !slices.Contains(claim.Given, addr) &&
		(addr == claim.Current || c.Rules.WithheldAddr(addr, claim.Guest.UUID) == nil)
}

// grant checks an address that the guest asks for.
func (c Chooser) grant(p pool.Pool, claim Claim) error {
	if _, rests := c.Table.RestingAt(claim.Wanted); rests && c.Unconfirmed {
		return &denied.RequestError{Kind: denied.ErrAddressTaken, Guest: claim.Guest.Name, Reason: fmt.Sprintf("%s is in quarantine since its guest was removed", claim.Wanted)}
	}
	if reason := p.Refusal(claim.Wanted, claim.MAC); reason != "" {
		return &denied.RequestError{Kind: denied.ErrAddressOutside, Guest: claim.Guest.Name,
			Reason: fmt.Sprintf("the metadata requests an address that the network %q does not have: %s", p.Network, reason)}
	}
	if other := c.Rules.WithheldAddr(claim.Wanted, claim.Guest.UUID); other != nil && claim.Wanted != claim.Current {
		return &denied.RequestError{Kind: denied.ErrAddressTaken, Guest: claim.Guest.Name, Reason: fmt.Sprintf("%s is reserved for %s", claim.Wanted, other)}
	}
	if other := c.Holder(claim.Wanted, claim.Guest.UUID); other != nil {
		return &denied.ConflictError{Kind: denied.ErrAddressTaken, Value: claim.Wanted.String(), Guest: claim.Guest.Name, Holder: other.Name,
			Hint: "request another one in the metadata"}
	}
	return c.CheckSpare(claim.Wanted, claim.Guest.Name)
}

func (c Chooser) candidates(p pool.Pool, claim Claim) []netip.Addr {
	if claim.Current.IsValid() && !p.LeavesOut(claim.Current, claim.MAC) {
		return []netip.Addr{claim.Current}
	}
	addrs := c.restingFor(p, claim)
	if !c.Unconfirmed {
		for _, own := range c.Rules.WithheldFor(claim.Guest.UUID) {
			addrs = append(addrs, own.Addrs...)
		}
	}
	if claim.Inherited.IsValid() {
		addrs = append(addrs, claim.Inherited)
	}
	if own := p.Own(claim.MAC); own.IsValid() {
		addrs = append(addrs, own)
	}
	return addrs
}

// restingFor gives the addresses on a network that the guest had before it was
// released, those of the same interface first. It has none of the interfaces
// that the guest has elsewhere: they get theirs back.
func (c Chooser) restingFor(p pool.Pool, claim Claim) []netip.Addr {
	if c.Unconfirmed {
		return nil
	}
	var own, others []netip.Addr
	for _, former := range c.Table.RestingOf(claim.Guest.UUID) {
		switch {
		case !p.Prefix.Contains(former.Addr):
		case former.MAC == claim.MAC:
			own = append(own, former.Addr)
		case !slices.ContainsFunc(claim.Guest.Interfaces, func(nic instance.Interface) bool { return nic.MAC == former.MAC }):
			others = append(others, former.Addr)
		}
	}
	return append(own, others...)
}

// Holder gives the other guest that has addr, or nil.
func (c Chooser) Holder(addr netip.Addr, id uuid.UUID) *instance.Instance {
	if other, ok := c.Table.ByAddr(addr); ok && other.UUID != id {
		return other
	}
	return nil
}

// Free finds an address that is free, and is neither given already nor withheld for
// a guest with another UUID than id. The search starts where it does for seed.
func (c Chooser) Free(p pool.Pool, seed, id uuid.UUID, given []netip.Addr) (netip.Addr, bool) {
	return p.Free(seed, func(addr netip.Addr) (netip.Addr, bool) {
		if slices.Contains(given, addr) || c.Rules.WithheldAddr(addr, id) != nil {
			return addr, true
		}
		return c.Table.Occupied(addr)
	})
}

// allocate takes the first of these addresses that exists: a free one, a spare one of
// this host, that of an unconfirmed guest, the one that has rested longest, that of
// the guest that is gone longest. from is the guest that has it.
func (c Chooser) allocate(p pool.Pool, claim Claim) (addr netip.Addr, from *instance.Instance) {
	id := claim.Guest.UUID
	if addr, ok := c.Free(p, id, id, claim.Given); ok || c.Unconfirmed {
		return addr, nil
	}
	if addr, ok := c.takeSpare(p, claim); ok {
		return addr, nil
	}
	if addr, from = c.takeFrom(p, claim, c.Table.Unconfirmed()); from != nil {
		return addr, from
	}
	for r := range c.Table.Resting() {
		if c.mayHave(p, claim, r.Addr) {
			return r.Addr, nil
		}
	}
	return c.takeFrom(p, claim, c.Table.Gone())
}

// takeFrom finds the first of these guests that has an address that the claim may have,
// and that address.
func (c Chooser) takeFrom(p pool.Pool, claim Claim, guests iter.Seq[*instance.Instance]) (netip.Addr, *instance.Instance) {
	for guest := range guests {
		if guest.UUID == claim.Guest.UUID {
			continue
		}
		if addr := c.usable(p, claim, guest); addr.IsValid() {
			return addr, guest
		}
	}
	return netip.Addr{}, nil
}

// usable is an address of a guest that the claim may have, or the zero Addr.
func (c Chooser) usable(p pool.Pool, claim Claim, guest *instance.Instance) netip.Addr {
	for _, addr := range guest.Addrs() {
		if c.mayHave(p, claim, addr) {
			return addr
		}
	}
	return netip.Addr{}
}

// notGranted says why a guest does not have the address that it requests.
func notGranted(p pool.Pool, claim Claim) error {
	if !claim.Wanted.IsValid() {
		return nil
	}
	return &denied.RequestError{Kind: denied.ErrAddressOutside, Guest: claim.Guest.Name, Reason: fmt.Sprintf(
		"the metadata requests %s, which is not in the range of this host on the network %q, so it has another address here: %s",
		claim.Wanted, p.Network, p.Refusal(claim.Wanted, claim.MAC))}
}
