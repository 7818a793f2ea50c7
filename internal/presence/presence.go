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
	k := &Reconciler{inventory: inv, refresh: refresh, log: log, wake: make(chan struct{}, 1), moves: newMoves()}
	k.rest.Store(int64(rest))
	return k
}

// SetRest changes how long guests that are gone rest, also those that are gone
// already.
func (k *Reconciler) SetRest(rest time.Duration) {
	k.rest.Store(int64(rest))
	k.stir()
}

// Seen implements watch.Guests.
func (k *Reconciler) Seen(ctx context.Context, d watch.Domain) error {
	k.setRunning(d.UUID, d.Running)
	_, known := k.inventory.Snapshot().ByUUID(d.UUID)
	switch {
	case !known:
		k.refresh(ctx)
	case d.Moving:
		return nil // it belongs to the host on which it goes on
	}
	reg, err := k.inventory.Observe(ctx, d.Domain, d.Running)
	switch {
	case errors.Is(err, inventory.ErrNoInterface) && d.Incomplete:
		return err // it may be on one of the networks
	case errors.Is(err, inventory.ErrNoInterface):
		k.log.Debug("a domain is not a guest", "domain", d.Name, "reason", err)
		return k.Unplugged(ctx, d.UUID)
	case err != nil:
		return err
	}
	k.noteHome(d, reg)
	if reg.Created {
		k.log.Info("guest found in libvirt", "guest", reg.Instance.Name, "uuid", reg.Instance.UUID, "ipv4", reg.Instance.IPv4)
	}
	if reg.NameProblem != "" {
		k.log.Warn("a guest's host name differs from its domain's name", "guest", reg.Instance.Name, "hostname", reg.Instance.Hostname, "reason", reg.NameProblem)
	}
	for _, former := range reg.Yielded {
		k.log.Info("guest released early: another one has its MAC address or needs its address or name",
			"guest", former.Name, "uuid", former.UUID, "ipv4", former.IPv4, "other", reg.Instance.Name)
	}
	switch problem := reg.AddressProblem; {
	case errors.Is(problem, inventory.ErrAddressOutside):
		k.log.Warn("a guest does not have the address that it requests", "guest", reg.Instance.Name, "reason", problem)
	case problem != nil:
		k.log.Error("a guest has no address", "guest", reg.Instance.Name, "error", reg.AddressProblem)
	}
	return nil
}

// Unplugged notes that a domain is on none of the networks.
func (k *Reconciler) Unplugged(ctx context.Context, id uuid.UUID) error {
	missed, err := k.inventory.Unplug(ctx, id)
	return k.tell(id, missed, err)
}

// Left implements watch.Guests.
func (k *Reconciler) Left(ctx context.Context, id uuid.UUID, away bool) error {
	k.forgetRunning(id)
	missed, err := k.inventory.Miss(ctx, id, away)
	return k.tell(id, missed, err)
}

// tell logs a guest that is missed, and that may be released next.
func (k *Reconciler) tell(id uuid.UUID, missed bool, err error) error {
	if err != nil || !missed {
		return err
	}
	if guest, ok := k.inventory.Snapshot().ByUUID(id); ok {
		k.log.Info("libvirt no longer has a guest on these networks", "guest", guest.Name, "uuid", id, "presence", guest.Presence.State)
	}
	k.stir()
	return nil
}

// Listed implements watch.Guests.
func (k *Reconciler) Listed(ctx context.Context, began time.Time, domains []watch.Domain, unreadable []watch.Unreadable) error {
	here := map[uuid.UUID]bool{}
	for _, u := range unreadable {
		here[u.UUID] = true
		k.Unread(u)
	}
	for _, d := range domains {
		here[d.UUID] = true
	}
	k.inventory.Refusals().Keep(began, func(id uuid.UUID) bool { return here[id] })
	k.keepRunning(here)
	k.noteFound(domains)
	for guest := range k.inventory.Snapshot().All() {
		if here[guest.UUID] || !k.inventory.Has(guest) || !missable(guest, began) {
			continue
		}
		if err := k.Left(ctx, guest.UUID, false); err != nil {
			return err
		}
	}
	// Only now: who is gone gives away its name, its address and the like.
	k.seenTogether(ctx, domains)
	return ctx.Err()
}

// Unread implements watch.Guests: a domain that cannot be read is refused.
func (k *Reconciler) Unread(u watch.Unreadable) {
	k.inventory.Refuse(api.Refusal{Name: u.Name, UUID: u.UUID, State: api.Refused, Source: instance.ByLibvirt,
		Reason: fmt.Sprintf("its definition cannot be read: %v", u.Err)})
}

// missable reports whether a guest that is not in a list was in libvirt before. A
// list does not have guests that the hook registered after the list was requested.
func missable(guest *instance.Instance, began time.Time) bool {
	hooked := guest.Seen[instance.ByHook]
	return guest.Presence.State == instance.Present || !hooked.IsZero() && hooked.Before(began)
}

// seenTogether registers many domains, in any order.
func (k *Reconciler) seenTogether(ctx context.Context, domains []watch.Domain) {
	var working sync.WaitGroup
	places := make(chan struct{}, atOnce)
	for _, d := range domains {
		places <- struct{}{}
		working.Go(func() {
			defer func() { <-places }()
			if err := k.Seen(ctx, d); err != nil && ctx.Err() == nil {
				k.log.Warn("guest not updated from its domain", "guest", d.Name, "uuid", d.UUID, "error", err)
			}
		})
	}
	working.Wait()
}
