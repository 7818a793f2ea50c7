package inventory

import (
	"net/netip"

	"mdserver/internal/instance"
)

// yieldTo releases the guests that are gone and have what dom has, or asks for.
// Their rest is for their own return; it keeps nothing from a guest that is
// there.
func (d *draft) yieldTo(dom instance.Domain, places []instance.Attachment) {
	for _, place := range places {
		if other, ok := d.byMAC.Get(macKey(place.MAC)); ok && other.UUID != dom.UUID {
			d.dismiss(other)
		}
	}
	if wanted := dom.Metadata.Hostname(); wanted != "" {
		for d.dismiss(d.hostnameHolder(wanted, dom.UUID, places)) {
			continue // several may have a share in the name
		}
	}
	for _, wanted := range []netip.Addr{dom.Metadata.IPv4(), dom.Metadata.IPv6()} {
		if wanted.IsValid() {
			d.dismiss(d.holder(wanted, dom.UUID))
		}
	}
}

// dismiss releases a guest, if there is one and it is gone, and reports whether
// it did.
func (d *draft) dismiss(other *instance.Instance) bool {
	if other == nil || other.Presence.State != instance.Gone {
		return false
	}
	d.remove(other)
	d.yielded = append(d.yielded, other)
	return true
}

// takeFromGone finds the guest that is gone longest and has an address which c
// may have, and takes that.
func (d *draft) takeFromGone(p pool, c claim) (addr netip.Addr, ok bool) {
	var longest *instance.Instance
	d.byUUID.Root().Walk(func(_ []byte, guest *instance.Instance) bool {
		if guest.Presence.State != instance.Gone || guest.UUID == c.guest.UUID ||
			longest != nil && !guest.Presence.Since.Before(longest.Presence.Since) {
			return false
		}
		for _, own := range guest.Addrs() {
			if p.prefix.Contains(own) && p.refusal(own, c.mac) == "" {
				longest, addr = guest, own
			}
		}
		return false
	})
	return addr, d.dismiss(longest)
}
