package draft

import (
	"fmt"
	"iter"
	"net/netip"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/denied"
)

// yieldTo releases the guests that have what dom has, or asks for, and make way:
// those that are gone, whose rest is for their own return, and unconfirmed ones.
func (d *Draft) yieldTo(dom instance.Domain, places []instance.Attachment) {
	for _, place := range places {
		for _, other := range d.sameMAC(place, dom.UUID) {
			d.dismiss(other)
		}
	}
	if wanted := dom.Metadata.Hostname(); wanted != "" {
		for d.dismiss(d.names().Holder(wanted, dom.UUID, places)) {
			continue // several may have a share in the name
		}
	}
	for _, wanted := range []netip.Addr{dom.Metadata.IPv4(), dom.Metadata.IPv6()} {
		if wanted.IsValid() && !d.leavesOut(wanted, places) {
			d.dismiss(d.addresses().Holder(wanted, dom.UUID))
		}
	}
}

// dismiss releases a guest, if there is one and it makes way, and reports
// whether it did. None makes way for an unconfirmed guest.
func (d *Draft) dismiss(other *instance.Instance) bool {
	if other == nil || d.unconfirmed || !gone(other) && !other.Unconfirmed() {
		return false
	}
	d.remove(other)
	d.yielded = append(d.yielded, other)
	return true
}

// first is the first guest, or nil if there is none.
func first(guests iter.Seq[*instance.Instance]) *instance.Instance {
	for guest := range guests {
		return guest
	}
	return nil
}

func gone(guest *instance.Instance) bool { return guest.Presence.State == instance.Gone }

// makeRoom sees to it that there may be one guest more, if dom is one. The last
// to make way are those that are gone.
func (d *Draft) makeRoom(dom instance.Domain, current *instance.Instance) error {
	number := d.base.Len() - len(d.Change.Delete)
	if current != nil || d.rules.MaxGuests == 0 || number < d.rules.MaxGuests {
		return nil
	}
	if !d.unconfirmed && (d.dismiss(first(d.Unconfirmed())) || d.dismiss(first(d.Gone()))) {
		return nil
	}
	return &denied.RequestError{Kind: denied.ErrTooManyGuests, Guest: dom.Name, Reason: fmt.Sprintf(
		"there are %d guests, and mdserver.max_guests is %d; remove guests that no longer exist with `mdserver instance rm`, or raise the limit", number, d.rules.MaxGuests)}
}

// checkConfirmed keeps an unconfirmed guest from changing or replacing one that
// was registered otherwise.
func (d *Draft) checkConfirmed(dom instance.Domain, current, holder *instance.Instance) error {
	const hint = "with mdserver.upload = local, users other than root can only change guests that they have uploaded"
	switch {
	case !d.unconfirmed:
		return nil
	case current != nil && !current.Unconfirmed():
		return &denied.ConflictError{Kind: denied.ErrUUIDTaken, Value: dom.UUID.String(), Guest: dom.Name, Holder: current.Name, Hint: hint}
	case holder != nil && !holder.Unconfirmed():
		return &denied.ConflictError{Kind: denied.ErrNameTaken, Value: dom.Name, Guest: dom.Name, Holder: holder.Name, Hint: hint}
	}
	return nil
}
