package inventory

import (
	"context"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/draft"
)

// Registration is what became of a domain that was registered.
type Registration = draft.Registration

// Register makes a domain a guest of the inventory, or updates it. When it
// returns without an error, the guest is durable and in every new snapshot.
//
// A guest is its UUID: it keeps its instance-id and its addresses, even if
// everything else changes. A domain of another UUID under a name that exists
// replaces the guest of that name and takes over its addresses. A known guest that
// is renamed to another's name replaces that one, too, but keeps its own
// addresses.
//
// Errors, of package denied: ErrInvalid, ErrNoInterface, ErrAddressOutside
// (*RequestError); ErrMACInUse, ErrHostnameTaken, ErrAddressTaken
// (*ConflictError). And ErrStore, ErrClosed, or that of ctx. An error means that
// nothing was changed.
func (inv *Inventory) Register(ctx context.Context, dom instance.Domain) (Registration, error) {
	var result Registration
	err := inv.submit(ctx, func(d *draft.Draft) (err error) {
		result, err = d.Register(dom)
		return err
	})
	if inv.judged(dom, err) != nil {
		return Registration{}, err
	}
	return result, nil
}

// Observe registers a domain that libvirt has. Unlike Register it leaves a
// record alone that says all of it already, so that looking again costs and
// changes nothing.
//
// Errors: those of Register.
func (inv *Inventory) Observe(ctx context.Context, dom instance.Domain, running bool) (reg Registration, err error) {
	err = inv.submit(ctx, func(d *draft.Draft) (err error) {
		reg, err = d.Observe(dom, running)
		return err
	})
	return reg, inv.judged(dom, err)
}

// Release removes the guest that ref means, see Snapshot.Find, and returns its
// last record. Its addresses rest for a while, in case it returns.
//
// Errors: denied.ErrNotFound, denied.ErrAmbiguous, ErrStore, ErrClosed, or that of ctx.
func (inv *Inventory) Release(ctx context.Context, ref string) (instance.Instance, error) {
	var released instance.Instance
	err := inv.submit(ctx, func(d *draft.Draft) error {
		guest, err := d.Release(ref)
		if err == nil {
			released = *guest
		}
		return err
	})
	if err != nil {
		return instance.Instance{}, err
	}
	return released, nil
}

// Miss notes that libvirt no longer has a guest, and forgets a refusal of its domain.
// One that is away may come back: a migrated guest, one saved to a file. missed is
// false if that was known, or if libvirt never had the guest, neither by its own word
// nor by that of its hook.
//
// Errors: ErrStore, ErrClosed, or that of ctx.
func (inv *Inventory) Miss(ctx context.Context, id uuid.UUID, away bool) (missed bool, err error) {
	inv.refusals.Clear(id)
	err = inv.submit(ctx, func(d *draft.Draft) error {
		missed = d.Miss(id, away)
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
	err = inv.submit(ctx, func(d *draft.Draft) error {
		missed = d.Unplug(id)
		return nil
	})
	return missed, err
}

// ReleaseGone releases a guest if it is gone since a moment before the given
// one, and reports whether it did.
//
// Errors: ErrStore, ErrClosed, or that of ctx.
func (inv *Inventory) ReleaseGone(ctx context.Context, id uuid.UUID, before time.Time) (released bool, err error) {
	err = inv.submit(ctx, func(d *draft.Draft) error {
		released = d.ReleaseGone(id, before)
		return nil
	})
	return released, err
}

// Stopped notes that libvirt's hook says that a domain has stopped on this host, and
// why. On a host that follows no events of libvirt, nothing else tells that a migration
// has ended. It concerns only where the guest runs, and only among several hosts. A domain
// that is no guest changes nothing.
//
// Errors: ErrStore, ErrClosed, or that of ctx.
func (inv *Inventory) Stopped(ctx context.Context, id uuid.UUID, reason string) error {
	return inv.submit(ctx, func(d *draft.Draft) error {
		d.Stopped(id, reason)
		return nil
	})
}

// Reprovision gives the guest that ref means, see Snapshot.Find, a new
// instance-id, so that it sets itself up as a new machine at its next boot, and
// returns its new record. Everything else stays, except for a password that the
// guest has posted.
//
// Errors: denied.ErrNotFound, denied.ErrAmbiguous, ErrStore, ErrClosed, or that of ctx.
func (inv *Inventory) Reprovision(ctx context.Context, ref string) (instance.Instance, error) {
	var changed instance.Instance
	err := inv.submit(ctx, func(d *draft.Draft) (err error) {
		changed, err = d.Reprovision(ref)
		return err
	})
	if err != nil {
		return instance.Instance{}, err
	}
	return changed, nil
}

// SetPassword keeps the password that a guest posts, once for each instance-id: an
// attacker who takes over a running guest cannot replace the password that the
// administrator will read.
//
// Errors: denied.ErrNotFound, denied.ErrPasswordSet, ErrStore, ErrClosed, or that of ctx.
func (inv *Inventory) SetPassword(ctx context.Context, id uuid.UUID, password string) error {
	return inv.submit(ctx, func(d *draft.Draft) error { return d.SetPassword(id, password) })
}
