package draft

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/hosting"
	"mdserver/internal/inventory/naming"
)

// Unplug notes that a domain, which libvirt still has, is on none of the networks any
// more. It reports whether that is new.
func (d *Draft) Unplug(id uuid.UUID) (missed bool) {
	current, ok := d.ByUUID(id)
	return ok && len(d.places(instance.Domain{Interfaces: current.Interfaces})) > 0 && d.Miss(id, false)
}

// ReleaseGone releases a guest if it is gone since a moment before the given one, and
// reports whether it did.
func (d *Draft) ReleaseGone(id uuid.UUID, before time.Time) (released bool) {
	current, ok := d.ByUUID(id)
	released = ok && (current.HostID == "" || d.rules.Host.Has(current)) && current.Presence.State == instance.Gone && !current.Presence.Since.After(before)
	if released {
		d.remove(current)
	}
	return released
}

// Observe registers a domain that libvirt has, unless its record says all of it already.
func (d *Draft) Observe(dom instance.Domain, running bool) (Registration, error) {
	w := hosting.Defined
	if running {
		w = hosting.Runs
	}
	d.named = true
	return d.enrol(dom, w, func(current, guest *instance.Instance) bool {
		guest.Presence = d.sighted(guest.Presence, running)
		return current == nil || !SameButTime(*current, *guest)
	})
}

// makeWay takes the name that a domain has in libvirt now from a guest that is
// present as well. Names are unique there: that guest has another one, which
// libvirt reports next, and keeps everything else. A guest whose MAC address the
// domain has, too, is the same machine, defined again and not renamed.
func (d *Draft) makeWay(dom instance.Domain) {
	holder, ok := d.ByName(dom.Name)
	if !ok || holder.UUID == dom.UUID || d.rules.Host.Elsewhere(holder) || holder.Presence.State != instance.Present || sharesMAC(dom, *holder) {
		return
	}
	renamed := *holder
	renamed.Name = holder.UUID.String()
	if _, taken := d.ByName(renamed.Name); taken {
		return
	}
	if renamed.Metadata.Hostname() == "" {
		renamed.Hostname = naming.Distinct(renamed.Name, renamed.UUID, func(name string) bool {
			return d.names().Holder(name, renamed.UUID, renamed.Attachments()) == nil
		})
	}
	d.put(holder, &renamed)
}

func sharesMAC(dom instance.Domain, guest instance.Instance) bool {
	return slices.ContainsFunc(dom.Interfaces, func(one instance.Interface) bool {
		return slices.ContainsFunc(guest.Interfaces, func(other instance.Interface) bool { return one.MAC == other.MAC })
	})
}

// sighted is the presence of a guest that libvirt has. One that was migrated
// is still away as long as only its definition is left behind.
func (d *Draft) sighted(p instance.Presence, running bool) instance.Presence {
	if p.State == instance.Present || p.State == instance.Away && !running {
		return p
	}
	return instance.Presence{State: instance.Present, Since: d.now}
}

// keptPresence is the presence of a guest that is registered again by other
// means: it is not gone.
func keptPresence(p instance.Presence) instance.Presence {
	if p.State == instance.Gone {
		return instance.Presence{}
	}
	return p
}

// hookAlone tells that libvirt's hook spoke of a guest, and libvirt itself has
// not yet: its start may have failed.
func hookAlone(guest instance.Instance) bool {
	_, told := guest.Seen[instance.ByHook]
	return told && guest.Presence.State == ""
}

// Miss notes that libvirt no longer has a guest, which is gone or away. It reports whether
// that is new.
func (d *Draft) Miss(id uuid.UUID, away bool) bool {
	current, ok := d.ByUUID(id)
	switch {
	case !ok:
		return false
	case !d.rules.Host.Has(current):
		if away && current.FromID == d.rules.HostID { // it has arrived, or was saved before it could
			d.rehome(current, hosting.Arrived(current.Home, instance.Starting))
		}
		return false
	case current.FromID != "": // it did not arrive
		d.rehome(current, hosting.SentBack(current.Home))
		return false
	}
	state := instance.Gone
	if away {
		state = instance.Away
	}
	// who is away is not gone when its definition goes, too
	if current.Presence.State != instance.Present && !hookAlone(*current) {
		return false
	}
	changed := *current
	changed.Presence = instance.Presence{State: state, Since: d.now}
	changed.Run = instance.NotRunning
	d.put(current, &changed)
	return true
}

// SameButTime compares records as they are stored, except for who registered the
// guest and when.
func SameButTime(a, b instance.Instance) bool {
	if len(a.Seen) != len(b.Seen) { // b has all that a has
		return false
	}
	a.LastUpdate, a.Seen = b.LastUpdate, b.Seen
	one, err := json.Marshal(a)
	other, failed := json.Marshal(b)
	return err == nil && failed == nil && bytes.Equal(one, other)
}
