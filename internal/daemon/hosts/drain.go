package hosts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/counted"
	"mdserver/internal/daemon/store"
	"mdserver/internal/fleet"
	"mdserver/internal/health"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/shell"
)

// Drain takes a host out of service, or puts it back.
func (h *Hosts) Drain(ctx context.Context, id string, drained bool) (time.Time, error) {
	if h.store.Fleet == nil {
		return time.Time{}, errOneHost
	}
	if err := h.store.Shared.Link(); err != nil {
		return time.Time{}, fmt.Errorf("%w: %w", inventory.ErrStore, err)
	}
	since, err := h.store.Fleet.SetDrained(ctx, id, drained)
	switch {
	case errors.Is(err, fleet.ErrUnknown):
		err = fmt.Errorf("%w: %w", denied.ErrNotFound, err)
	case err != nil:
		err = fmt.Errorf("%w: %w", inventory.ErrStore, err)
	}
	return since, err
}

// RunsOn is runsOn for any host by its ID.
func (h *Hosts) RunsOn(hostID string) ([]api.HostGuest, error) {
	if h.store.Fleet == nil {
		return nil, errOneHost
	}
	return h.runsOn(hostID), nil
}

// runsOn returns the guests that run on a host, or are about to, by name. A guest that
// is on its way to another host runs until it has arrived there.
func (h *Hosts) runsOn(hostID string) []api.HostGuest {
	list := []api.HostGuest{}
	for guest := range h.inventory.Snapshot().All() {
		if one := describe(guest, hostID); one.State != "" {
			list = append(list, one)
		}
	}
	slices.SortFunc(list, func(a, b api.HostGuest) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// describe returns a guest as a host has it. The guest has no state if it does not run there.
func describe(guest *instance.Instance, hostID string) api.HostGuest {
	one := api.HostGuest{Name: guest.Name, UUID: guest.UUID, State: onHost(guest, hostID)}
	if one.State == api.GuestLeaving {
		one.To = guest.Host
	}
	return one
}

// onHost is what a guest does on a host; empty if it does not run there.
func onHost(guest *instance.Instance, hostID string) api.GuestOnHost {
	switch {
	case !guest.RunsOn(hostID):
		return ""
	case guest.FromID != "":
		return api.GuestLeaving
	case guest.Run == instance.Starting:
		return api.GuestStarts
	}
	return api.GuestRuns
}

// followFleet logs what the other hosts mean for this one, until ctx ends: when it is
// drained or put back into service, which the spare addresses follow, and conflicts of
// networks. It ends waits for progress, which may be for a host.
func (h *Hosts) followFleet(ctx context.Context) {
	before, logged := false, map[string]bool{}
	for {
		select {
		case <-h.store.Fleet.Changed():
		case <-ctx.Done():
			return
		}
		h.changed()
		h.noteConflicts(logged)
		now := h.store.Drained()
		switch {
		case now && !before:
			h.log.Warn("this host is drained: it claims no addresses for guests; those that start here are served anyway", "guests", len(h.runsOn(h.store.HostID)))
		case before && !now:
			h.log.Info("this host is back in service")
		}
		before = now
		h.checkSpares()
	}
}

// noteStarts warns of guests that start on this host while it is drained.
func (h *Hosts) noteStarts(events []instance.Event) {
	if !h.store.Drained() {
		return
	}
	for _, e := range events {
		if e.New == nil || !starts(e, h.store.HostID) {
			continue
		}
		h.log.Warn("a guest starts on this host, which is drained; it is served", "guest", e.New.Name, "uuid", e.New.UUID)
	}
}

// starts reports whether a guest has begun to run on a host, or to arrive there.
func starts(e instance.Event, hostID string) bool {
	here := func(guest *instance.Instance) bool {
		return guest != nil && guest.HostID == hostID && (guest.Run != instance.NotRunning || guest.FromID != "")
	}
	return here(e.New) && !here(e.Old)
}

// drainTrouble tells which guests run on this host although it is drained.
func (h *Hosts) drainTrouble() []health.Trouble {
	if !h.store.Drained() {
		return nil
	}
	var names []string
	for _, guest := range h.runsOn(h.store.HostID) {
		names = append(names, guest.Name)
	}
	if len(names) == 0 {
		return nil
	}
	return []health.Trouble{{Part: "etcd", State: health.Warning, Look: []string{"mdserver instance ls --host " + shell.Quote(store.HostName(h.config()))}, Message: fmt.Sprintf(
		"this host is drained, and %s here: %s; migrate or stop all guests, or put the host back into service", counted.Of(len(names), "guest runs", "guests run"), health.SomeOf(names))}}
}
