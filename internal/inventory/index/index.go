// Package index is the table of guests with all its indices: who has a name or an
// address, which addresses rest or are spare, and which are free. An Index never
// changes; an Edit makes the next one of it.
package index

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	iradix "github.com/hashicorp/go-immutable-radix/v2"

	"mdserver/internal/instance"
)

type (
	guestTree = iradix.Tree[*instance.Instance]
	restTree  = iradix.Tree[*instance.Resting]
	spareTree = iradix.Tree[*instance.Spare]
	runTree   = iradix.Tree[netip.Addr]
)

// Index is the table with all its indices. They are persistent radix trees: a
// write copies the few nodes on its path and leaves the older table intact, so
// it costs little however many guests there are, and readers need no lock.
type Index struct {
	byUUID      *guestTree
	byName      *guestTree
	byHostname  *guestTree // lower case
	byMAC       *guestTree // by MAC address, then network
	byAddr      *guestTree // both families
	byID        *guestTree // instance-id
	gone        *guestTree // guests that are gone, see longestKey
	unconfirmed *guestTree // and those that are unconfirmed

	resting   *restTree // by address
	restOwner *restTree // by UUID, then address
	restSince *restTree // by time, then address

	spares *spareTree // by address

	runs *runTree // occupied addresses, see occupancy.go
}

func empty() *Index {
	return &Index{
		byUUID: iradix.New[*instance.Instance](), byName: iradix.New[*instance.Instance](),
		byHostname: iradix.New[*instance.Instance](), byMAC: iradix.New[*instance.Instance](),
		byAddr: iradix.New[*instance.Instance](), byID: iradix.New[*instance.Instance](),
		gone: iradix.New[*instance.Instance](), unconfirmed: iradix.New[*instance.Instance](),
		resting: iradix.New[*instance.Resting](), restOwner: iradix.New[*instance.Resting](),
		restSince: iradix.New[*instance.Resting](),
		spares:    iradix.New[*instance.Spare](),
		runs:      iradix.New[netip.Addr](),
	}
}

// Edit is an Index while it is being changed. It is for one goroutine.
type Edit struct {
	byUUID, byName, byHostname, byMAC, byAddr, byID, gone, unconfirmed *iradix.Txn[*instance.Instance]
	resting, restOwner, restSince                                      *iradix.Txn[*instance.Resting]
	spares                                                             *iradix.Txn[*instance.Spare]
	runs                                                               *iradix.Txn[netip.Addr]
}

// Edit begins a change of the index, which itself stays as it is.
func (x *Index) Edit() *Edit {
	return &Edit{
		byUUID: x.byUUID.Txn(), byName: x.byName.Txn(), byHostname: x.byHostname.Txn(),
		byMAC: x.byMAC.Txn(), byAddr: x.byAddr.Txn(), byID: x.byID.Txn(),
		gone: x.gone.Txn(), unconfirmed: x.unconfirmed.Txn(),
		resting: x.resting.Txn(), restOwner: x.restOwner.Txn(), restSince: x.restSince.Txn(),
		spares: x.spares.Txn(), runs: x.runs.Txn(),
	}
}

// Commit returns the changed index and ends the edit.
func (e *Edit) Commit() *Index {
	return &Index{
		byUUID: e.byUUID.CommitOnly(), byName: e.byName.CommitOnly(), byHostname: e.byHostname.CommitOnly(),
		byMAC: e.byMAC.CommitOnly(), byAddr: e.byAddr.CommitOnly(), byID: e.byID.CommitOnly(),
		gone: e.gone.CommitOnly(), unconfirmed: e.unconfirmed.CommitOnly(),
		resting: e.resting.CommitOnly(), restOwner: e.restOwner.CommitOnly(), restSince: e.restSince.CommitOnly(),
		spares: e.spares.CommitOnly(), runs: e.runs.CommitOnly(),
	}
}

// Replace puts guest in the place of old; either may be nil. It leaves the occupied
// addresses as they are.
func (e *Edit) Replace(old, guest *instance.Instance) {
	if old == nil {
		old = &instance.Instance{}
	}
	if guest == nil {
		e.drop(old)
		return
	}
	move(e.byUUID, old.UUID[:], guest.UUID[:], guest)
	move(e.byName, []byte(old.Name), []byte(guest.Name), guest)
	move(e.byHostname, hostnameKey(old.Hostname), hostnameKey(guest.Hostname), guest)
	move(e.byID, []byte(old.ID), []byte(guest.ID), guest)
	move(e.gone, longestKey(old, isGone), longestKey(guest, isGone), guest)
	move(e.unconfirmed, longestKey(old, (*instance.Instance).Unconfirmed), longestKey(guest, (*instance.Instance).Unconfirmed), guest)
	e.leave(old)
	e.enter(guest)
}

func (e *Edit) drop(old *instance.Instance) {
	move(e.byUUID, old.UUID[:], nil, nil)
	move(e.byName, []byte(old.Name), nil, nil)
	move(e.byHostname, hostnameKey(old.Hostname), nil, nil)
	move(e.byID, []byte(old.ID), nil, nil)
	move(e.gone, longestKey(old, isGone), nil, nil)
	move(e.unconfirmed, longestKey(old, (*instance.Instance).Unconfirmed), nil, nil)
	e.leave(old)
}

// enter indexes the guest's interfaces and addresses on all networks.
func (e *Edit) enter(guest *instance.Instance) {
	for _, place := range guest.Attachments() {
		move(e.byMAC, nil, placeKey(place), guest)
		for _, addr := range place.Addrs() {
			move(e.byAddr, nil, addrKey(addr), guest)
		}
	}
}

func (e *Edit) leave(old *instance.Instance) {
	for _, place := range old.Attachments() {
		move(e.byMAC, placeKey(place), nil, nil)
		for _, addr := range place.Addrs() {
			move(e.byAddr, addrKey(addr), nil, nil)
		}
	}
}

// move deletes the entry under from unless it is also to, and inserts guest
// there. An empty key means no entry.
func move(txn *iradix.Txn[*instance.Instance], from, to []byte, guest *instance.Instance) {
	if len(from) > 0 && string(from) != string(to) {
		txn.Delete(from)
	}
	if len(to) > 0 {
		txn.Insert(to, guest)
	}
}

func hostnameKey(hostname string) []byte { return []byte(strings.ToLower(hostname)) }

// placeKey tells interfaces apart: a MAC address is unique on its network only.
func placeKey(place instance.Attachment) []byte {
	if place.MAC.IsZero() {
		return nil
	}
	return append(place.MAC[:], place.Network...)
}

// withMAC gives the guests that have an interface with this MAC address, each once.
func withMAC(byMAC *iradix.Node[*instance.Instance], mac instance.MAC) []*instance.Instance {
	var found []*instance.Instance
	byMAC.WalkPrefix(mac[:], func(_ []byte, guest *instance.Instance) bool {
		if !slices.Contains(found, guest) {
			found = append(found, guest)
		}
		return false
	})
	return found
}

// addrKey puts both families into one order: IPv4 as ::ffff:a.b.c.d.
func addrKey(addr netip.Addr) []byte {
	if !addr.IsValid() {
		return nil
	}
	key := addr.As16()
	return key[:]
}

func ownerKey(owner uuid.UUID, addr netip.Addr) []byte {
	return append(owner[:], addrKey(addr)...)
}

// sinceKey orders by time.
func sinceKey(since time.Time, addr netip.Addr) []byte {
	return append(timeKey(since), addrKey(addr)...)
}

func isGone(guest *instance.Instance) bool { return guest.Presence.State == instance.Gone }

// longestKey orders the guests of a kind by the time when their presence changed, to the
// nanosecond. Others have no key: they may be many.
func longestKey(guest *instance.Instance, kind func(*instance.Instance) bool) []byte {
	if !kind(guest) {
		return nil
	}
	since := guest.Presence.Since
	key := binary.BigEndian.AppendUint16(timeKey(since), uint16(since.Nanosecond()%1000))
	return append(key, guest.UUID[:]...)
}

// timeKey orders by microseconds. Flipping the sign bit keeps times before 1970 in
// order too.
func timeKey(at time.Time) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(at.UnixMicro())^1<<63)
}
