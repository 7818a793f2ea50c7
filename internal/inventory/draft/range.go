package draft

import (
	"net/netip"
	"slices"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/rules"
)

// Of a network whose addresses are for each host apart, this host knows its own range
// and not those of others. It gives addresses to the guests that it has, and leaves
// the addresses of all others alone. A guest that moves here gets one of this host's
// range when it has left the other host: until then it runs there, or may return.

// keepsAddresses reports whether a guest keeps what it had at a place, in whichever
// range that is.
func (d *Draft) keepsAddresses(network rules.Pools, guest *instance.Instance, had instance.Attachment) bool {
	switch {
	case !network.PerHost:
		return false
	case guest.HostID == "":
		return len(had.Addrs()) > 0
	}
	return guest.HostID != d.rules.HostID || guest.FromID != ""
}

// leavesOut reports whether an address that a domain requests is not in the range of
// this host on the network that it would be on.
func (d *Draft) leavesOut(wanted netip.Addr, places []instance.Attachment) bool {
	place := places[d.meant(wanted, places)]
	network, _ := d.rules.Network(place.Network)
	return network.Of(wanted).LeavesOut(wanted, place.MAC)
}

// readdressed reports whether a record has all that is unique of its former one except
// for addresses that are not in the range of this host.
func readdressed(r *rules.Rules, before, after *instance.Instance) bool {
	within := *before
	within.Attach(r.WithinRange(before.Attachments()))
	return sameIdentity(&within, after)
}

// givenUpLater are the addresses of a record that a guest keeps in the shared store
// while that is away, although it does not have them here any more.
func (d *Draft) givenUpLater(old *instance.Instance) []netip.Addr {
	if !d.cutOff {
		return nil
	}
	within := *old
	within.Attach(d.rules.WithinRange(old.Attachments()))
	return slices.DeleteFunc(old.Addrs(), func(addr netip.Addr) bool { return slices.Contains(within.Addrs(), addr) })
}
