// Package presence keeps the inventory in step with the domains that libvirt
// has: new ones become guests, changed ones are taken over, and those that are
// gone are released when they have rested, in case they come back.
package presence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/libvirt/watch"
)

// atOnce is how many domains are registered at a time: the inventory writes
// those that wait for it in one transaction.
const atOnce = 128

// Reconciler implements watch.Guests on an inventory.
type Reconciler struct {
	inventory *inventory.Inventory
	refresh   func(context.Context)
	log       *slog.Logger
	rest      atomic.Int64  // a time.Duration
	wake      chan struct{} // something to be released may have changed
	running   sync.Map      // UUID to bool: of each domain that libvirt has, whether it runs
	found     sync.Map      // UUIDs of the domains that were running when they were found
	moves     *moves
}

// New makes a reconciler. A guest that is gone is released after rest; never, if
// that is negative. refresh is called before a domain becomes a new guest, and
// brings the inventory's networks up to date.
func New(inv *inventory.Inventory, refresh func(context.Context), rest time.Duration, log *slog.Logger) *Reconciler {
	r := &Reconciler{inventory: inv, refresh: refresh, log: log, wake: make(chan struct{}, 1), moves: newMoves()}
	r.rest.Store(int64(rest))
	return r
}

// SetRest changes how long guests that are gone rest, also those that are gone
// already.
func (r *Reconciler) SetRest(rest time.Duration) {
	r.rest.Store(int64(rest))
	r.stir()
}

// Seen implements watch.Guests.
func (r *Reconciler) Seen(ctx context.Context, d watch.Domain) error {
	r.setRunning(d.UUID, d.Running)
	_, known := r.inventory.Snapshot().ByUUID(d.UUID)
	switch {
	case !known:
		r.refresh(ctx)
	case d.Moving:
		return nil // it belongs to the host on which it goes on
	}
	reg, err := r.inventory.Observe(ctx, d.Domain, d.Running)
	switch {
	case errors.Is(err, denied.ErrNoInterface) && d.Incomplete:
		return err // it may be on one of the networks
	case errors.Is(err, denied.ErrNoInterface):
		r.log.Debug("a domain is not a guest", "domain", d.Name, "reason", err)
		return r.Unplugged(ctx, d.UUID)
	case err != nil:
		return err
	}
	r.noteHome(d, reg)
	r.logRegistration(reg)
	return nil
}

// logRegistration logs what became of a domain.
func (r *Reconciler) logRegistration(reg inventory.Registration) {
	guest := &reg.Instance
	if reg.Created {
		r.log.Info("guest found in libvirt", "guest", guest.Name, "uuid", guest.UUID, "ipv4", guest.IPv4)
	}
	if reg.NameProblem != "" {
		r.log.Warn("a guest's host name differs from its domain's name", "guest", guest.Name, "hostname", guest.Hostname, "reason", reg.NameProblem)
	}
	for _, former := range reg.Yielded {
		r.log.Info("guest released early: another one has its MAC address or needs its address or name",
			"guest", former.Name, "uuid", former.UUID, "ipv4", former.IPv4, "other", guest.Name)
	}
	switch problem := reg.AddressProblem; {
	case errors.Is(problem, denied.ErrAddressOutside):
		r.log.Warn("a guest does not have the address that it requests", "guest", guest.Name, "reason", problem)
	case problem != nil:
		r.log.Error("a guest has no address", "guest", guest.Name, "error", problem)
	}
}

// Unplugged notes that a domain is on none of the networks.
func (r *Reconciler) Unplugged(ctx context.Context, id uuid.UUID) error {
	missed, err := r.inventory.Unplug(ctx, id)
	return r.tell(id, missed, err)
}

// Left implements watch.Guests.
func (r *Reconciler) Left(ctx context.Context, id uuid.UUID, away bool) error {
	r.forgetRunning(id)
	missed, err := r.inventory.Miss(ctx, id, away)
	return r.tell(id, missed, err)
}

// tell logs a guest that is missed, and that may be released next.
func (r *Reconciler) tell(id uuid.UUID, missed bool, err error) error {
	if err != nil || !missed {
		return err
	}
	if guest, ok := r.inventory.Snapshot().ByUUID(id); ok {
		r.log.Info("libvirt no longer has a guest on these networks", "guest", guest.Name, "uuid", id, "presence", guest.Presence.State)
	}
	r.stir()
	return nil
}

// Listed implements watch.Guests.
func (r *Reconciler) Listed(ctx context.Context, began time.Time, domains []watch.Domain, unreadable []watch.Unreadable) error {
	here := map[uuid.UUID]bool{}
	for _, u := range unreadable {
		here[u.UUID] = true
		r.Unread(u)
	}
	for _, d := range domains {
		here[d.UUID] = true
	}
	r.inventory.Refusals().Keep(began, func(id uuid.UUID) bool { return here[id] })
	r.keepRunning(here)
	r.noteFound(domains)
	for guest := range r.inventory.Snapshot().All() {
		if here[guest.UUID] || !r.inventory.Has(guest) || !missable(guest, began) {
			continue
		}
		if err := r.Left(ctx, guest.UUID, false); err != nil {
			return err
		}
	}
	// Only now: who is gone gives away its name, its address and the like.
	r.seenTogether(ctx, domains)
	return ctx.Err()
}

// Unread implements watch.Guests: a domain that cannot be read is refused.
func (r *Reconciler) Unread(u watch.Unreadable) {
	r.inventory.Refuse(api.Refusal{Name: u.Name, UUID: u.UUID, State: api.Refused, Source: instance.ByLibvirt,
		Reason: fmt.Sprintf("its definition cannot be read: %v", u.Err)})
}

// missable reports whether a guest that is not in a list was in libvirt before. A
// list does not have guests that the hook registered after the list was requested.
func missable(guest *instance.Instance, began time.Time) bool {
	hooked := guest.Seen[instance.ByHook]
	return guest.Presence.State == instance.Present || !hooked.IsZero() && hooked.Before(began)
}

// seenTogether registers many domains, in any order.
func (r *Reconciler) seenTogether(ctx context.Context, domains []watch.Domain) {
	var working sync.WaitGroup
	places := make(chan struct{}, atOnce)
	for _, d := range domains {
		places <- struct{}{}
		working.Go(func() {
			defer func() { <-places }()
			if err := r.Seen(ctx, d); err != nil && ctx.Err() == nil {
				r.log.Warn("guest not updated from its domain", "guest", d.Name, "uuid", d.UUID, "error", err)
			}
		})
	}
	working.Wait()
}
