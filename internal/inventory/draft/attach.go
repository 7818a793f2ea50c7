package draft

import (
	"errors"
	"net/netip"
	"slices"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/addressing"
	"mdserver/internal/inventory/pool"
)

// Reattach gives every guest its places on the networks as they are now. It returns how
// many guests changed.
func (d *Draft) Reattach() int {
	var guests []*instance.Instance
	for guest := range d.base.All() {
		guests = append(guests, guest)
	}
	changed := 0
	for _, guest := range guests {
		// One that is gone may have given up its address for another by now.
		if _, there := d.ByUUID(guest.UUID); there && d.reattachOne(guest) {
			changed++
		}
	}
	return changed
}

// reattachOne leaves a guest alone that could not be registered as it is.
func (d *Draft) reattachOne(current *instance.Instance) bool {
	dom := instance.Domain{Name: current.Name, UUID: current.UUID, Interfaces: current.Interfaces}
	places := d.places(dom)
	if d.rules.Host.Elsewhere(current) || len(places) == 0 || d.checkMACs(dom, places) != nil {
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
func (d *Draft) assignAddresses(guest *instance.Instance, places []instance.Attachment, current, holder *instance.Instance) (problem, err error) {
	wanted4, wanted6 := guest.Metadata.IPv4(), guest.Metadata.IPv6()
	meant4, meant6 := d.meant(wanted4, places), d.meant(wanted6, places)
	had, inherited := d.former(places, current), d.former(places, holder)
	var problems []error
	var given []netip.Addr
	for i := range places {
		place := &places[i]
		network, _ := d.rules.Network(place.Network)
		if d.keepsAddresses(network, guest, had[i]) {
			place.IPv4, place.IPv6 = had[i].IPv4, had[i].IPv6
			given = append(given, place.Addrs()...)
			continue
		}
		claim4 := addressing.Claim{Guest: guest, MAC: place.MAC, Current: had[i].IPv4, Inherited: inherited[i].IPv4, Given: given}
		claim6 := addressing.Claim{Guest: guest, MAC: place.MAC, Current: had[i].IPv6, Inherited: inherited[i].IPv6, Given: given}
		if current != nil && had[i] == current.Primary() {
			claim4.ByHand, claim6.ByHand = addressing.GivenByHand(current)
		}
		if i == meant4 {
			claim4.Wanted = wanted4
		}
		if i == meant6 {
			claim6.Wanted = wanted6
		}
		var problem4, problem6 error
		if place.IPv4, problem4, err = d.choose(network.Pool4, claim4); err != nil {
			return nil, err
		}
		if place.IPv6, problem6, err = d.choose(network.Pool6, claim6); err != nil {
			return nil, err
		}
		given = append(given, place.Addrs()...)
		problems = append(problems, problem4, problem6)
	}
	guest.Attach(places)
	return errors.Join(problems...), nil
}

// choose chooses an address and releases the guest that has to give it up.
func (d *Draft) choose(p pool.Pool, claim addressing.Claim) (addr netip.Addr, problem, err error) {
	choice, err := d.addresses().Choose(p, claim)
	d.dismiss(choice.From)
	return choice.Addr, choice.Problem, err
}

// former pairs places with those that guest had: the i-th is what the i-th place
// was before, or the zero Attachment. An interface keeps its place. One with a
// new MAC address takes the place of one that is gone from the same network,
// which may have had another name then. guest may be nil.
func (d *Draft) former(places []instance.Attachment, guest *instance.Instance) []instance.Attachment {
	paired := make([]instance.Attachment, len(places))
	if guest == nil {
		return paired
	}
	left := guest.Attachments()
	named := func(was, is instance.Attachment) bool { return was.Network == is.Network }
	within := func(was, is instance.Attachment) bool {
		network, _ := d.rules.Network(is.Network)
		return slices.ContainsFunc(was.Addrs(), network.Contains)
	}
	for _, sameMAC := range []bool{true, false} {
		for _, sameNetwork := range []func(was, is instance.Attachment) bool{named, within} {
			for i, place := range places {
				if paired[i] != (instance.Attachment{}) {
					continue
				}
				k := slices.IndexFunc(left, func(was instance.Attachment) bool {
					return sameNetwork(was, place) && (!sameMAC || was.MAC == place.MAC)
				})
				if k >= 0 {
					paired[i] = left[k]
					left = slices.Delete(left, k, k+1)
				}
			}
		}
	}
	return paired
}

// meant is the index of the place that a requested address belongs to: the first
// on the network that contains it, or else the first where it may be in the range of
// another host, or else the first of all, which then gives the error.
func (d *Draft) meant(wanted netip.Addr, places []instance.Attachment) int {
	for i, place := range places {
		if network, _ := d.rules.Network(place.Network); network.Contains(wanted) {
			return i
		}
	}
	return max(0, slices.IndexFunc(places, func(place instance.Attachment) bool {
		network, _ := d.rules.Network(place.Network)
		return network.PerHost
	}))
}
