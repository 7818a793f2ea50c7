package inventory

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"mdserver/internal/instance"
)

// Reattach gives every guest its places on the networks as they are now: an
// address on a network that came, none on one that went. A guest whose networks
// are all gone keeps its record. It returns how many guests changed.
//
// Errors: ErrStore, ErrClosed, or that of ctx.
func (inv *Inventory) Reattach(ctx context.Context) (int, error) {
	changed := 0
	err := inv.submit(ctx, func(d *draft) error {
		changed = d.reattach()
		return nil
	})
	if err != nil {
		return 0, err
	}
	return changed, nil
}

func (d *draft) reattach() int {
	var guests []*instance.Instance
	before := &Snapshot{trees: d.base}
	for guest := range before.All() {
		guests = append(guests, guest)
	}
	changed := 0
	for _, guest := range guests {
		if d.reattachOne(guest) {
			changed++
		}
	}
	return changed
}

// reattachOne leaves a guest alone that could not be registered as it is.
func (d *draft) reattachOne(current *instance.Instance) bool {
	dom := instance.Domain{Name: current.Name, UUID: current.UUID, Interfaces: current.Interfaces}
	places := d.places(dom)
	if len(places) == 0 || d.checkMACs(dom, places) != nil {
		return false
	}
	guest := *current
	d.unconfirmed = current.Unconfirmed()
	if _, err := d.assignAddresses(&guest, places, current, nil); err != nil {
		return false
	}
	if slices.Equal(guest.Attachments(), current.Attachments()) {
		return false
	}
	guest.LastUpdate = d.now
	d.put(current, &guest)
	return true
}

// assignAddresses gives the guest its places, with an address of each family
// on each.
func (d *draft) assignAddresses(guest *instance.Instance, places []instance.Attachment, current, holder *instance.Instance) (problem, err error) {
	wanted4, wanted6 := guest.Metadata.IPv4(), guest.Metadata.IPv6()
	meant4, meant6 := d.meant(wanted4, places), d.meant(wanted6, places)
	var problems []error
	for i := range places {
		place := &places[i]
		network, _ := d.rules.network(place.Network)
		claim4, claim6 := claims(guest, *place, network, current, holder)
		if place.Network == meant4 {
			claim4.wanted = wanted4
		}
		if place.Network == meant6 {
			claim6.wanted = wanted6
		}
		var problem4, problem6 error
		if place.IPv4, problem4, err = d.choose(network.ipv4, claim4); err != nil {
			return nil, err
		}
		if place.IPv6, problem6, err = d.choose(network.ipv6, claim6); err != nil {
			return nil, err
		}
		problems = append(problems, problem4, problem6)
	}
	guest.Attach(places)
	return errors.Join(problems...), nil
}

// claims are what the guest can put forward on one network beside its wishes.
func claims(guest *instance.Instance, place instance.Attachment, network pools, current, holder *instance.Instance) (claim4, claim6 claim) {
	claim4 = claim{guest: guest, mac: place.MAC}
	claim6 = claim{guest: guest, mac: place.MAC}
	if had, ok := formerly(current, network); ok {
		claim4.current, claim6.current = had.IPv4, had.IPv6
		if had.MAC == current.MAC {
			claim4.given, claim6.given = givenByHand(current)
		}
	}
	if had, ok := formerly(holder, network); ok {
		claim4.inherited, claim6.inherited = had.IPv4, had.IPv6
	}
	return claim4, claim6
}

// formerly is the place that a guest had on a network, which may have had
// another name then.
func formerly(guest *instance.Instance, network pools) (instance.Attachment, bool) {
	if guest == nil {
		return instance.Attachment{}, false
	}
	if place, ok := guest.On(network.Name); ok {
		return place, true
	}
	for _, place := range guest.Attachments() {
		if slices.ContainsFunc(place.Addrs(), network.Contains) {
			return place, true
		}
	}
	return instance.Attachment{}, false
}

// meant is the network on which a guest wants an address: the one that contains
// it, else its first one, which then says why not.
func (d *draft) meant(wanted netip.Addr, places []instance.Attachment) string {
	for _, place := range places {
		if network, _ := d.rules.network(place.Network); network.Contains(wanted) {
			return place.Network
		}
	}
	return places[0].Network
}
