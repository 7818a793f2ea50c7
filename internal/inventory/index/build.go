package index

import (
	"errors"
	"net/netip"
	"reflect"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/denied"
)

// Contradiction is a record that cannot be true beside another one, its
// holder, or that is incomplete.
type Contradiction struct {
	Guest, Holder *instance.Instance
	Err           error
}

// Build makes the indices of a table that was loaded. A table in which two
// guests claim the same thing was not written by an inventory; to guess which
// of them is right could give one guest's secrets to the other. A record of the
// time when there was one network only is on the primary one.
func Build(table instance.Table, primary string) (*Index, []Contradiction) {
	e := empty().Edit()
	var conflicts []Contradiction
	for _, guest := range table.Instances {
		if guest.Network == "" {
			guest.Network = primary
		}
		if err := e.Admissible(&guest); err != nil {
			conflicts = append(conflicts, Contradiction{&guest, e.holderOf(err), err})
			continue
		}
		e.Replace(nil, &guest)
		e.occupyAll(&guest)
	}
	for _, resting := range table.Resting {
		if _, held := e.ByAddr(resting.Addr); !held && resting.Addr.IsValid() {
			e.AddResting(&resting)
		}
	}
	for _, spare := range table.Spares {
		e.AddSpare(spare)
	}
	return e.Commit(), conflicts
}

// holderOf is the guest that another one is in conflict with, if there is one.
func (e *Edit) holderOf(err error) *instance.Instance {
	var conflict *denied.ConflictError
	if !errors.As(err, &conflict) {
		return nil
	}
	holder, _ := e.ByName(conflict.Holder)
	return holder
}

var errIncomplete = errors.New("its name, UUID, instance-id or host name is missing")

// Admissible checks that a record is complete and that no other guest has
// anything of it.
func (e *Edit) Admissible(guest *instance.Instance) error {
	if guest.Name == "" || guest.UUID == uuid.Nil || guest.ID == "" || !instance.ValidHostname(guest.Hostname) {
		return &denied.RequestError{Kind: denied.ErrInvalid, Guest: guest.Name, Reason: errIncomplete.Error()}
	}
	if other, ok := e.ByUUID(guest.UUID); ok {
		return denied.Conflict(denied.ErrUUIDTaken, guest.UUID.String(), guest, other)
	}
	if other, ok := e.ByName(guest.Name); ok {
		return denied.Conflict(denied.ErrNameTaken, guest.Name, guest, other)
	}
	if other, ok := e.ByHostname(guest.Hostname); ok {
		return denied.Conflict(denied.ErrHostnameTaken, guest.Hostname, guest, other)
	}
	if other, ok := e.ByID(guest.ID); ok {
		return denied.Conflict(denied.ErrIDTaken, guest.ID, guest, other)
	}
	for _, place := range guest.Attachments() {
		if other, ok := e.byMAC.Get(placeKey(place)); ok {
			return denied.Conflict(denied.ErrMACInUse, place.MAC.String(), guest, other)
		}
	}
	for _, addr := range guest.Addrs() {
		if other, ok := e.ByAddr(addr); ok {
			return denied.Conflict(denied.ErrAddressTaken, addr.String(), guest, other)
		}
	}
	return nil
}

func (e *Edit) occupyAll(guest *instance.Instance) {
	for _, addr := range guest.Addrs() {
		e.Occupy(addr)
	}
}

// After is the table after a change that is not checked. A record that contradicts
// others is left out, and is the error.
func (x *Index) After(c instance.Change) (*Index, error) {
	e := x.Edit()
	gone := c.Delete
	for i := range c.Put {
		gone = append(gone[:len(gone):len(gone)], c.Put[i].UUID)
	}
	for _, id := range gone { // all, because guests may have exchanged names
		if old, ok := e.ByUUID(id); ok {
			e.Replace(old, nil)
			for _, addr := range old.Addrs() {
				e.Vacate(addr)
			}
		}
	}
	for _, addr := range c.Wake {
		e.forgetResting(addr)
	}
	for _, addr := range c.Drop {
		e.RemoveSpare(addr)
	}
	var failures []error
	for i := range c.Put {
		guest := c.Put[i]
		if err := e.Admissible(&guest); err != nil {
			failures = append(failures, err)
			continue
		}
		e.Replace(nil, &guest)
		e.occupyAll(&guest)
	}
	for i := range c.Rest {
		resting := c.Rest[i]
		e.forgetResting(resting.Addr)
		if _, held := e.ByAddr(resting.Addr); !held && resting.Addr.IsValid() {
			e.AddResting(&resting)
		}
	}
	for _, spare := range c.Hold {
		e.AddSpare(spare)
	}
	return e.Commit(), errors.Join(failures...)
}

func (e *Edit) forgetResting(addr netip.Addr) {
	r, ok := e.RestingAt(addr)
	if !ok {
		return
	}
	e.RemoveResting(r)
	if _, held := e.ByAddr(addr); held {
		e.Occupy(addr)
	}
}

// Differences gives the events that lead from one table to another: guests
// that are gone first.
func Differences(from, to *Index) []instance.Event {
	var events []instance.Event
	from.byUUID.Root().Walk(func(id []byte, old *instance.Instance) bool {
		if _, ok := to.byUUID.Get(id); !ok {
			events = append(events, instance.Event{Old: old})
		}
		return false
	})
	to.byUUID.Root().Walk(func(id []byte, guest *instance.Instance) bool {
		if old, ok := from.byUUID.Get(id); !ok || !reflect.DeepEqual(old, guest) {
			events = append(events, instance.Event{Old: old, New: guest})
		}
		return false
	})
	return events
}
