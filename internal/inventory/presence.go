package inventory

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/hosting"
	"mdserver/internal/inventory/naming"
)

// Observe registers a domain that libvirt has. Unlike Register it leaves a
// record alone that says all of it already, so that looking again costs and
// changes nothing.
//
// Errors: those of Register.
func (inv *Inventory) Observe(ctx context.Context, dom instance.Domain, running bool) (reg Registration, err error) {
	err = inv.submit(ctx, func(d *draft) (err error) {
		reg, err = d.observe(dom, running)
		return err
	})
	return reg, inv.judged(dom, err)
}

// Miss notes that libvirt no longer has a guest, and forgets a refusal of its domain.
// One that is away may come back: a migrated guest, one saved to a file. missed is
// false if that was known, or if libvirt never had the guest, neither by its own word
// nor by that of its hook.
//
// Errors: ErrStore, ErrClosed, or that of ctx.
func (inv *Inventory) Miss(ctx context.Context, id uuid.UUID, away bool) (missed bool, err error) {
	inv.refusals.Clear(id)
	err = inv.submit(ctx, func(d *draft) error {
		missed = d.miss(id, away)
		return nil
	})
	return missed, err
}

// Unplug notes that a domain, which libvirt still has, is on none of the networks
// any more: as a guest it is gone. A guest whose network was removed from the
// configuration stays. missed is false if that was known.
//
// Errors: ErrStore, ErrClosed, or that of ctx.
func (inv *Inventory) Unplug(ctx context.Context, id uuid.UUID) (missed bool, err error) {
	err = inv.submit(ctx, func(d *draft) error {
		current, ok := d.ByUUID(id)
		missed = ok && len(d.places(instance.Domain{Interfaces: current.Interfaces})) > 0 && d.miss(id, false)
		return nil
	})
	return missed, err
}

// ReleaseGone releases a guest if it is gone since a moment before the given
// one, and reports whether it did.
//
// Errors: ErrStore, ErrClosed, or that of ctx.
func (inv *Inventory) ReleaseGone(ctx context.Context, id uuid.UUID, before time.Time) (released bool, err error) {
	err = inv.submit(ctx, func(d *draft) error {
		current, ok := d.ByUUID(id)
		released = ok && (current.HostID == "" || d.rules.Host.Has(current)) && current.Presence.State == instance.Gone && !current.Presence.Since.After(before)
		if released {
			d.remove(current)
		}
		return nil
	})
	return released, err
}

func (d *draft) observe(dom instance.Domain, running bool) (Registration, error) {
	w := hosting.Defined
	if running {
		w = hosting.Runs
	}
	d.named = true
	return d.enrol(dom, w, func(current, guest *instance.Instance) bool {
		guest.Presence = d.sighted(guest.Presence, running)
		return current == nil || !sameButTime(*current, *guest)
	})
}

// makeWay takes the name that a domain has in libvirt now from a guest that is
// present as well. Names are unique there: that guest has another one, which
// libvirt reports next, and keeps everything else. A guest whose MAC address the
// domain has, too, is the same machine, defined again and not renamed.
func (d *draft) makeWay(dom instance.Domain) {
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
func (d *draft) sighted(p instance.Presence, running bool) instance.Presence {
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

func (d *draft) miss(id uuid.UUID, away bool) bool {
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

// sameButTime compares records as they are stored, except for who registered the
// guest and when.
func sameButTime(a, b instance.Instance) bool {
	if len(a.Seen) != len(b.Seen) { // b has all that a has
		return false
	}
	a.LastUpdate, a.Seen = b.LastUpdate, b.Seen
	one, err := json.Marshal(a)
	other, failed := json.Marshal(b)
	return err == nil && failed == nil && bytes.Equal(one, other)
}

func (inv *Inventory) knows(id uuid.UUID) bool {
	_, ok := inv.Snapshot().ByUUID(id)
	return ok
}
