// Package draft works out what one request changes: how guests are registered, what they
// keep or lose, and how they are released. A Draft has one method for each kind of request.
package draft

import (
	"net/netip"
	"slices"
	"time"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/addressing"
	"mdserver/internal/inventory/index"
	"mdserver/internal/inventory/naming"
	"mdserver/internal/inventory/rules"
)

// Draft is the table while one request changes it. It collects the durable
// change and the events alongside. A request that fails is undone by throwing
// its draft away.
type Draft struct {
	*index.Edit
	Change instance.Change  // to be made durable
	Events []instance.Event // of the guests that it changes

	base  *index.Index // the table before the request
	rules *rules.Rules
	now   time.Time
	// unconfirmed: the request is for a guest that only users other than root have
	// registered. It takes nothing from other guests.
	unconfirmed bool
	// cutOff: the shared store is away. No address but this host's spares is given.
	cutOff bool
	// named: the domain has its name in libvirt on this host, where names are unique
	named bool
	// yielded are the guests that were released in favour of another
	yielded []*instance.Instance
}

// New starts from t, and first wakes the addresses that have rested long
// enough.
func New(t *index.Index, r *rules.Rules) *Draft {
	d := &Draft{Edit: t.Edit(), base: t, rules: r, now: r.Time()}
	d.wakeExpired()
	return d
}

// NewCutOff is New while the shared store is away.
func NewCutOff(t *index.Index, r *rules.Rules) *Draft {
	return &Draft{Edit: t.Edit(), base: t, rules: r, now: r.Time(), cutOff: true}
}

// names chooses host names.
func (d *Draft) names() naming.Chooser {
	return naming.Chooser{Table: d.Edit, Rules: d.rules, Unconfirmed: d.unconfirmed, Free: &d.Change.Free}
}

// addresses chooses addresses.
func (d *Draft) addresses() addressing.Chooser {
	return addressing.Chooser{Table: d.Edit, Rules: d.rules, Unconfirmed: d.unconfirmed, CutOff: d.cutOff}
}

// put stores guest in place of old, which is nil for a new one. A password that
// was posted under another instance-id is that of a system which is no more.
func (d *Draft) put(old, guest *instance.Instance) {
	if old != nil && old.ID != guest.ID {
		guest.Password = ""
	}
	d.store(old, guest)
}

// store is put, and leaves the record as it is. Addresses of old that guest does
// not have begin to rest.
func (d *Draft) store(old, guest *instance.Instance) {
	guest.Unshared = d.cutOff
	d.Replace(old, guest)
	d.Change.Put = append(d.Change.Put, *guest)
	d.Events = append(d.Events, instance.Event{Old: old, New: guest})
	if old != nil {
		d.retire(old, append(guest.Addrs(), d.givenUpLater(old)...)...)
	}
	for _, addr := range guest.Addrs() {
		d.wake(addr)
		d.spend(addr)
		d.Occupy(addr)
	}
}

// remove deletes a guest; its addresses begin to rest.
func (d *Draft) remove(old *instance.Instance) {
	d.Replace(old, nil)
	// What was put before would come after the removal in the store.
	d.Change.Put = slices.DeleteFunc(d.Change.Put, func(guest instance.Instance) bool { return guest.UUID == old.UUID })
	d.Change.Delete = append(d.Change.Delete, old.UUID)
	d.Events = append(d.Events, instance.Event{Old: old})
	d.retire(old)
}

// retire puts the addresses of old into quarantine, except for those that are
// kept. Addresses of an unconfirmed guest need no quarantine: otherwise uploads
// could exhaust a network.
func (d *Draft) retire(old *instance.Instance, kept ...netip.Addr) {
	for _, place := range old.Attachments() {
		for _, addr := range place.Addrs() {
			switch {
			case slices.Contains(kept, addr):
			case d.rules.Quarantine > 0 && !old.Unconfirmed():
				d.rest(instance.Resting{Addr: addr, MAC: place.MAC, UUID: old.UUID, InstanceID: old.ID, Since: d.now})
			default:
				d.Vacate(addr)
			}
		}
	}
}

func (d *Draft) rest(r instance.Resting) {
	d.Change.Rest = append(d.Change.Rest, r)
	d.AddResting(&r)
}

// wake ends the quarantine of an address, if it is in quarantine.
func (d *Draft) wake(addr netip.Addr) {
	r, ok := d.RestingAt(addr)
	if !ok {
		return
	}
	d.RemoveResting(r)
	same := func(other instance.Resting) bool { return other.Addr == addr }
	if i := slices.IndexFunc(d.Change.Rest, same); i >= 0 { // rests only in this draft
		d.Change.Rest = slices.Delete(d.Change.Rest, i, i+1)
		return
	}
	d.Change.Wake = append(d.Change.Wake, addr)
}

func (d *Draft) wakeExpired() {
	var over []*instance.Resting
	for r := range d.Resting() {
		if r.Since.Add(d.rules.Quarantine).After(d.now) {
			break
		}
		if over = append(over, r); len(over) == d.rules.MostWakes {
			break
		}
	}
	for _, r := range over {
		d.wake(r.Addr)
	}
}

// Release removes a guest by any reference to it.
func (d *Draft) Release(ref string) (*instance.Instance, error) {
	guest, err := d.base.Find(ref)
	if err != nil {
		return nil, err
	}
	d.remove(guest)
	return guest, nil
}
