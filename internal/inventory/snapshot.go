package inventory

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

// Snapshot is the whole inventory at one moment. It never changes, and reading
// it takes no lock, so it may be kept and shared. The instances it hands out
// are shared too and must not be written to.
type Snapshot struct {
	trees    trees
	revision uint64
}

// ByAddr finds the guest that has addr, of either family. An IPv4 address may
// be in its IPv6-mapped form.
func (s *Snapshot) ByAddr(addr netip.Addr) (*instance.Instance, bool) {
	if !addr.IsValid() {
		return nil, false
	}
	key := addr.As16()
	return s.trees.byAddr.Get(key[:])
}

// ByName finds a guest by its domain name, exactly.
func (s *Snapshot) ByName(name string) (*instance.Instance, bool) {
	return s.trees.byName.Get([]byte(name))
}

// ByUUID finds a guest by its domain UUID.
func (s *Snapshot) ByUUID(id uuid.UUID) (*instance.Instance, bool) {
	return s.trees.byUUID.Get(id[:])
}

// ByMAC finds the guests that have an interface with this MAC address on one of
// the networks. There is one at most on each network.
func (s *Snapshot) ByMAC(mac instance.MAC) []*instance.Instance {
	return withMAC(s.trees.byMAC.Root(), mac)
}

// ByHostname finds a guest by its host name, in upper or lower case.
func (s *Snapshot) ByHostname(hostname string) (*instance.Instance, bool) {
	return s.trees.byHostname.Get([]byte(strings.ToLower(hostname)))
}

// ByID finds a guest by its instance-id.
func (s *Snapshot) ByID(id string) (*instance.Instance, bool) {
	return s.trees.byID.Get([]byte(id))
}

// Find resolves what a person types to mean a guest: its name, UUID, address,
// MAC address or instance-id, and, if it is none of these, its host name. A
// guest may be named like another one's address; such a reference is refused
// as ambiguous. Errors: denied.ErrNotFound, denied.ErrAmbiguous.
func (s *Snapshot) Find(ref string) (*instance.Instance, error) {
	matches := s.matches(ref)
	switch len(matches) {
	case 0:
		if guest, ok := s.ByHostname(ref); ok {
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
func (s *Snapshot) matches(ref string) []*instance.Instance {
	var found []*instance.Instance
	add := func(guest *instance.Instance, ok bool) {
		if ok && !slices.Contains(found, guest) {
			found = append(found, guest)
		}
	}
	add(s.ByName(ref))
	add(s.ByID(ref))
	if id, err := uuid.Parse(ref); err == nil {
		add(s.ByUUID(id))
	}
	if addr, err := netip.ParseAddr(ref); err == nil {
		add(s.ByAddr(addr))
	}
	if mac, err := instance.ParseMAC(ref); err == nil {
		for _, guest := range s.ByMAC(mac) {
			add(guest, true)
		}
	}
	return found
}

// All gives every guest, sorted by name, byte by byte.
func (s *Snapshot) All() iter.Seq[*instance.Instance] {
	return func(yield func(*instance.Instance) bool) {
		s.trees.byName.Root().Walk(func(_ []byte, guest *instance.Instance) bool { return !yield(guest) })
	}
}

// Len is the number of guests.
func (s *Snapshot) Len() int { return s.trees.byUUID.Len() }

// Resting returns the addresses in quarantine, the earliest first. Those whose
// quarantine is over are among them until the next write.
func (s *Snapshot) Resting() []instance.Resting {
	resting := make([]instance.Resting, 0, s.trees.restSince.Len())
	s.trees.restSince.Root().Walk(func(_ []byte, r *instance.Resting) bool {
		resting = append(resting, *r)
		return false
	})
	return resting
}

// Spares returns the addresses that hosts have claimed beforehand, in order.
func (s *Snapshot) Spares() []instance.Spare {
	spares := make([]instance.Spare, 0, s.trees.spares.Len())
	s.trees.spares.Root().Walk(func(_ []byte, spare *instance.Spare) bool {
		spares = append(spares, *spare)
		return false
	})
	return spares
}

// Table is a copy of all guests, sorted by name, of the addresses in quarantine,
// and of the spare ones.
func (s *Snapshot) Table() instance.Table {
	table := instance.Table{Instances: make([]instance.Instance, 0, s.Len()), Resting: s.Resting(), Spares: s.Spares()}
	for guest := range s.All() {
		table.Instances = append(table.Instances, *guest)
	}
	return table
}

// Revision counts the writes since the inventory was opened: of two snapshots
// the one with the higher revision is the newer one.
func (s *Snapshot) Revision() uint64 { return s.revision }
