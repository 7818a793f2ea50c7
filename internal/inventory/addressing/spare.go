package addressing

import (
	"fmt"
	"net/netip"
	"slices"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/inventory/pool"
	"mdserver/internal/inventory/storage"
)

// Spares gives the spare addresses of this host in a pool, in order.
func (c Chooser) Spares(p pool.Pool) []netip.Addr {
	var own []netip.Addr
	for spare := range c.Table.Spares() {
		if c.Owns(spare) && p.Prefix.Contains(spare.Addr) {
			own = append(own, spare.Addr)
		}
	}
	return own
}

// Owns reports whether a spare address is this host's.
func (c Chooser) Owns(spare *instance.Spare) bool { return spare.Owner == c.Rules.ID }

// IsOwnSpare reports whether an address is spare and this host's.
func (c Chooser) IsOwnSpare(addr netip.Addr) bool {
	spare, ok := c.Table.SpareAt(addr)
	return ok && c.Owns(spare)
}

// CheckSpare refuses an address that another host has claimed. It may have given it
// to a guest already.
func (c Chooser) CheckSpare(addr netip.Addr, guest string) error {
	spare, ok := c.Table.SpareAt(addr)
	if !ok || c.Owns(spare) {
		return nil
	}
	return &denied.RequestError{Kind: denied.ErrAddressTaken, Guest: guest, Reason: fmt.Sprintf(
		"%s is set aside by the host %q for guests that start while etcd does not answer", addr, spare.Host)}
}

// takeSpare finds a spare address of this host for a guest.
func (c Chooser) takeSpare(p pool.Pool, claim Claim) (netip.Addr, bool) {
	own := c.Spares(p)
	i := slices.IndexFunc(own, func(addr netip.Addr) bool { return c.mayHave(p, claim, addr) })
	if i < 0 {
		return netip.Addr{}, false
	}
	return own[i], true
}

// chooseCutOff is Choose while the shared store is away: a guest keeps its address
// unless that is not in the range of this host, and one without an address gets a spare one.
func (c Chooser) chooseCutOff(p pool.Pool, claim Claim) Choice {
	without := func(why string) Choice {
		return Choice{Problem: fmt.Errorf("%w: guest %q has no address: %s", storage.ErrAway, claim.Guest.Name, why)}
	}
	switch {
	case claim.Current.IsValid() && !p.LeavesOut(claim.Current, claim.MAC), !p.Configured() && !claim.Wanted.IsValid():
		return Choice{Addr: claim.Current}
	case c.Unconfirmed:
		return without("users other than root register guests without one until etcd answers")
	case claim.Wanted.IsValid() && c.IsOwnSpare(claim.Wanted) && p.Refusal(claim.Wanted, claim.MAC) == "":
		return Choice{Addr: claim.Wanted}
	case claim.Wanted.IsValid() && !p.LeavesOut(claim.Wanted, claim.MAC):
		return without(fmt.Sprintf("it requests %s, which it can only get when etcd answers", claim.Wanted))
	}
	if addr, ok := c.takeSpare(p, claim); ok {
		return Choice{Addr: addr}
	}
	return without(fmt.Sprintf("this host has no spare one in %s; it gets one when etcd answers", p.Prefix))
}
