package index

import (
	"iter"
	"net/netip"
	"slices"

	"github.com/google/uuid"
	iradix "github.com/hashicorp/go-immutable-radix/v2"

	"mdserver/internal/instance"
)

// ByUUID finds a guest by its domain UUID.
func (e *Edit) ByUUID(id uuid.UUID) (*instance.Instance, bool) { return e.byUUID.Get(id[:]) }

// ByName finds a guest by its domain name, exactly.
func (e *Edit) ByName(name string) (*instance.Instance, bool) { return e.byName.Get([]byte(name)) }

// ByHostname finds a guest by its host name, in upper or lower case.
func (e *Edit) ByHostname(hostname string) (*instance.Instance, bool) {
	return e.byHostname.Get(hostnameKey(hostname))
}

// ByID finds a guest by its instance-id.
func (e *Edit) ByID(id string) (*instance.Instance, bool) { return e.byID.Get([]byte(id)) }

// ByAddr finds the guest that has addr.
func (e *Edit) ByAddr(addr netip.Addr) (*instance.Instance, bool) { return e.byAddr.Get(addrKey(addr)) }

// ByMAC finds the guests that have an interface with this MAC address.
func (e *Edit) ByMAC(mac instance.MAC) []*instance.Instance { return withMAC(e.byMAC.Root(), mac) }

// Guests gives every guest, by UUID.
func (e *Edit) Guests() iter.Seq[*instance.Instance] { return values(e.byUUID) }

// Gone gives the guests that are gone, those first that are so for the longest time.
func (e *Edit) Gone() iter.Seq[*instance.Instance] { return values(e.gone) }

// Unconfirmed gives the guests that only users other than root have registered, those
// first whose presence changed the longest time ago.
func (e *Edit) Unconfirmed() iter.Seq[*instance.Instance] { return values(e.unconfirmed) }

// Resting gives the addresses in quarantine, the earliest first.
func (e *Edit) Resting() iter.Seq[*instance.Resting] { return values(e.restSince) }

// Spares gives the addresses that hosts have claimed beforehand, in order.
func (e *Edit) Spares() iter.Seq[*instance.Spare] { return values(e.spares) }

func values[T any](txn *iradix.Txn[T]) iter.Seq[T] {
	return func(yield func(T) bool) {
		txn.Root().Walk(func(_ []byte, value T) bool { return !yield(value) })
	}
}

// RestingAt finds what is known of an address in quarantine.
func (e *Edit) RestingAt(addr netip.Addr) (*instance.Resting, bool) {
	return e.resting.Get(addrKey(addr))
}

// SpareAt finds what is known of a spare address.
func (e *Edit) SpareAt(addr netip.Addr) (*instance.Spare, bool) { return e.spares.Get(addrKey(addr)) }

// RestingOf returns the addresses in quarantine of a former guest, the latest
// first.
func (e *Edit) RestingOf(id uuid.UUID) []*instance.Resting {
	var found []*instance.Resting
	e.restOwner.Root().WalkPrefix(id[:], func(_ []byte, r *instance.Resting) bool {
		found = append(found, r)
		return false
	})
	slices.SortStableFunc(found, func(a, b *instance.Resting) int { return b.Since.Compare(a.Since) })
	return found
}

// AddResting puts an address into quarantine. It is not in quarantine yet.
func (e *Edit) AddResting(r *instance.Resting) {
	e.resting.Insert(addrKey(r.Addr), r)
	e.restOwner.Insert(ownerKey(r.UUID, r.Addr), r)
	e.restSince.Insert(sinceKey(r.Since, r.Addr), r)
	e.Occupy(r.Addr)
}

// RemoveResting ends the quarantine of an address.
func (e *Edit) RemoveResting(r *instance.Resting) {
	e.resting.Delete(addrKey(r.Addr))
	e.restOwner.Delete(ownerKey(r.UUID, r.Addr))
	e.restSince.Delete(sinceKey(r.Since, r.Addr))
	e.Vacate(r.Addr)
}

// AddSpare makes an address spare. One that is a guest's or in quarantine is not.
func (e *Edit) AddSpare(spare instance.Spare) {
	_, held := e.byAddr.Get(addrKey(spare.Addr))
	_, rests := e.resting.Get(addrKey(spare.Addr))
	if !held && !rests && spare.Addr.IsValid() {
		e.spares.Insert(addrKey(spare.Addr), &spare)
		e.Occupy(spare.Addr)
	}
}

// RemoveSpare ends that an address is spare. It reports whether it was.
func (e *Edit) RemoveSpare(addr netip.Addr) bool {
	if _, ok := e.spares.Delete(addrKey(addr)); !ok {
		return false
	}
	if _, held := e.byAddr.Get(addrKey(addr)); !held {
		e.Vacate(addr)
	}
	return true
}
