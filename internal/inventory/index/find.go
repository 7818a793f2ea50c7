package index

import (
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/denied"
)

// ByAddr finds the guest that has addr, of either family. An IPv4 address may
// be in its IPv6-mapped form.
func (x *Index) ByAddr(addr netip.Addr) (*instance.Instance, bool) {
	if !addr.IsValid() {
		return nil, false
	}
	key := addr.As16()
	return x.byAddr.Get(key[:])
}

// ByName finds a guest by its domain name, exactly.
func (x *Index) ByName(name string) (*instance.Instance, bool) {
	return x.byName.Get([]byte(name))
}

// ByUUID finds a guest by its domain UUID.
func (x *Index) ByUUID(id uuid.UUID) (*instance.Instance, bool) {
	return x.byUUID.Get(id[:])
}

// ByMAC finds the guests that have an interface with this MAC address on one of
// the networks. There is one at most on each network.
func (x *Index) ByMAC(mac instance.MAC) []*instance.Instance {
	return withMAC(x.byMAC.Root(), mac)
}

// ByHostname finds a guest by its host name, in upper or lower case.
func (x *Index) ByHostname(hostname string) (*instance.Instance, bool) {
	return x.byHostname.Get([]byte(strings.ToLower(hostname)))
}

// ByID finds a guest by its instance-id.
func (x *Index) ByID(id string) (*instance.Instance, bool) {
	return x.byID.Get([]byte(id))
}

// Find resolves what a person types to mean a guest: its name, UUID, address,
// MAC address or instance-id, and, if it is none of these, its host name. A
// guest may be named like another one's address; such a reference is refused
// as ambiguous. Errors: denied.ErrNotFound, denied.ErrAmbiguous.
func (x *Index) Find(ref string) (*instance.Instance, error) {
	matches := x.matches(ref)
	switch len(matches) {
	case 0:
		if guest, ok := x.ByHostname(ref); ok {
			return guest, nil
		}
		return nil, fmt.Errorf("%w: %q is not the name, UUID, address, MAC address, instance-id or host name of a guest; `mdserver instance ls` lists them", denied.ErrNotFound, ref)
	case 1:
		return matches[0], nil
	}
	return nil, fmt.Errorf("%w: %q can mean guest %q (%s) or guest %q (%s); use the instance-id", denied.ErrAmbiguous, ref,
		matches[0].Name, matches[0].ID, matches[1].Name, matches[1].ID)
}

// matches gives the guests that ref can mean, each once.
func (x *Index) matches(ref string) []*instance.Instance {
	var found []*instance.Instance
	add := func(guest *instance.Instance, ok bool) {
		if ok && !slices.Contains(found, guest) {
			found = append(found, guest)
		}
	}
	add(x.ByName(ref))
	add(x.ByID(ref))
	if id, err := uuid.Parse(ref); err == nil {
		add(x.ByUUID(id))
	}
	if addr, err := netip.ParseAddr(ref); err == nil {
		add(x.ByAddr(addr))
	}
	if mac, err := instance.ParseMAC(ref); err == nil {
		for _, guest := range x.ByMAC(mac) {
			add(guest, true)
		}
	}
	return found
}

// All gives every guest, sorted by name, byte by byte.
func (x *Index) All() iter.Seq[*instance.Instance] {
	return func(yield func(*instance.Instance) bool) {
		x.byName.Root().Walk(func(_ []byte, guest *instance.Instance) bool { return !yield(guest) })
	}
}

// Len is the number of guests.
func (x *Index) Len() int { return x.byUUID.Len() }

// Resting returns the addresses in quarantine, the earliest first. Those whose
// quarantine is over are among them until the next write.
func (x *Index) Resting() []instance.Resting {
	resting := make([]instance.Resting, 0, x.restSince.Len())
	x.restSince.Root().Walk(func(_ []byte, r *instance.Resting) bool {
		resting = append(resting, *r)
		return false
	})
	return resting
}

// RestingAt finds what is known of an address in quarantine.
func (x *Index) RestingAt(addr netip.Addr) (*instance.Resting, bool) {
	return x.resting.Get(addrKey(addr))
}

// Spares returns the addresses that hosts have claimed beforehand, in order.
func (x *Index) Spares() []instance.Spare {
	spares := make([]instance.Spare, 0, x.spares.Len())
	x.spares.Root().Walk(func(_ []byte, spare *instance.Spare) bool {
		spares = append(spares, *spare)
		return false
	})
	return spares
}

// SpareAt finds what is known of a spare address.
func (x *Index) SpareAt(addr netip.Addr) (*instance.Spare, bool) { return x.spares.Get(addrKey(addr)) }

// Table is a copy of all guests, sorted by name, of the addresses in quarantine,
// and of the spare ones.
func (x *Index) Table() instance.Table {
	table := instance.Table{Instances: make([]instance.Instance, 0, x.Len()), Resting: x.Resting(), Spares: x.Spares()}
	for guest := range x.All() {
		table.Instances = append(table.Instances, *guest)
	}
	return table
}
