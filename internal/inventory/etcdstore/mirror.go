package etcdstore

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/google/uuid"

	"mdserver/internal/instance"
)

// mirror is what etcd has at one revision. It belongs to the inventory's writer,
// so that it is always in step with the table that changes are worked out on.
type mirror struct {
	revision int64
	guests   map[uuid.UUID]guestEntry
	resting  map[netip.Addr]restEntry
	fence    int64 // revision of this host's last transaction; 0: none
}

type guestEntry struct {
	revision int64
	record   *instance.Instance
	unknown  members
}

type restEntry struct {
	revision int64
	record   *instance.Resting
	unknown  members
}

func newMirror() *mirror {
	return &mirror{guests: map[uuid.UUID]guestEntry{}, resting: map[netip.Addr]restEntry{}}
}

// table is all that the mirror has.
func (m *mirror) table() instance.Table {
	var table instance.Table
	for _, entry := range m.guests {
		table.Instances = append(table.Instances, *entry.record)
	}
	for _, entry := range m.resting {
		table.Resting = append(table.Resting, *entry.record)
	}
	return table
}

// step is a change of etcd's keys at one revision, decoded.
type step struct {
	revision int64
	whole    *mirror // it replaces all, if it is not nil
	guests   map[uuid.UUID]*guestEntry
	resting  map[netip.Addr]*restEntry
	fence    int64
}

func newStep(revision int64) *step {
	return &step{revision: revision, guests: map[uuid.UUID]*guestEntry{}, resting: map[netip.Addr]*restEntry{}}
}

// set notes a key without the prefix. The value is nil if the key was removed.
// Keys that are no records are no errors.
func (s *step) set(key string, kv *keyValue, fence string) error {
	kind, name, _ := strings.Cut(key, "/")
	switch kind + "/" {
	case guestsKey:
		id, err := uuid.Parse(name)
		if err != nil {
			return fmt.Errorf("the key %q is not a guest's: %w", key, err)
		}
		return s.setGuest(id, kv)
	case restingKey:
		addr, err := netip.ParseAddr(name)
		if err != nil {
			return fmt.Errorf("the key %q is not an address's: %w", key, err)
		}
		return s.setResting(addr, kv)
	case writersKey:
		if key == fence && kv != nil {
			s.fence = kv.ModRevision
		}
	}
	return nil
}

func (s *step) setGuest(id uuid.UUID, kv *keyValue) error {
	if kv == nil {
		s.guests[id] = nil
		return nil
	}
	record, unknown, err := decode[instance.Instance](kv.Value, guestMembers)
	if err == nil && record.UUID != id {
		err = fmt.Errorf("it belongs to another guest, %s", record.UUID)
	}
	if err != nil {
		return fmt.Errorf("the record of the guest %s: %w", id, err)
	}
	s.guests[id] = &guestEntry{kv.ModRevision, &record, unknown}
	return nil
}

func (s *step) setResting(addr netip.Addr, kv *keyValue) error {
	if kv == nil {
		s.resting[addr] = nil
		return nil
	}
	record, unknown, err := decode[instance.Resting](kv.Value, restingMembers)
	if err == nil && record.Addr != addr {
		err = fmt.Errorf("it belongs to another address, %s", record.Addr)
	}
	if err != nil {
		return fmt.Errorf("the record of the address %s: %w", addr, err)
	}
	s.resting[addr] = &restEntry{kv.ModRevision, &record, unknown}
	return nil
}

// change is the step as the inventory reads it.
func (s *step) change() instance.Change {
	var c instance.Change
	for id, entry := range s.guests {
		if entry == nil {
			c.Delete = append(c.Delete, id)
		} else {
			c.Put = append(c.Put, *entry.record)
		}
	}
	for addr, entry := range s.resting {
		if entry == nil {
			c.Wake = append(c.Wake, addr)
		} else {
			c.Rest = append(c.Rest, *entry.record)
		}
	}
	return c
}

// apply brings the mirror to the step's revision.
func (m *mirror) apply(s *step) {
	if s.whole != nil {
		*m = *s.whole
		return
	}
	m.revision = s.revision
	m.fence = max(m.fence, s.fence)
	for id, entry := range s.guests {
		if entry == nil {
			delete(m.guests, id)
		} else {
			m.guests[id] = *entry
		}
	}
	for addr, entry := range s.resting {
		if entry == nil {
			delete(m.resting, addr)
		} else {
			m.resting[addr] = *entry
		}
	}
}
