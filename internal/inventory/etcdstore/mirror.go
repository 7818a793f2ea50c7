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
	writer   string // the ID of this host
	revision int64
	guests   map[uuid.UUID]entry[instance.Instance]
	resting  map[netip.Addr]entry[instance.Resting]
	spares   map[netip.Addr]entry[instance.Spare]
	fence    int64 // revision of this host's last transaction; 0: none
}

// entry is a record that etcd has.
type entry[T any] struct {
	revision int64
	record   *T
	unknown  *unknown
	by       string // the host that wrote it, or "" if the record does not say
}

// newMirror makes an empty mirror for a host with an ID. One that is only read needs none.
func newMirror(writer string) *mirror {
	return &mirror{writer: writer, guests: map[uuid.UUID]entry[instance.Instance]{},
		resting: map[netip.Addr]entry[instance.Resting]{}, spares: map[netip.Addr]entry[instance.Spare]{}}
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
	for _, entry := range m.spares {
		table.Spares = append(table.Spares, *entry.record)
	}
	return table
}

// step is a change of etcd's keys at one revision, decoded.
type step struct {
	revision int64
	whole    *mirror                                 // it replaces all, if it is not nil
	guests   map[uuid.UUID]*entry[instance.Instance] // nil: it was removed
	resting  map[netip.Addr]*entry[instance.Resting]
	spares   map[netip.Addr]*entry[instance.Spare]
	fence    int64
}

func newStep(revision int64) *step {
	return &step{revision: revision, guests: map[uuid.UUID]*entry[instance.Instance]{},
		resting: map[netip.Addr]*entry[instance.Resting]{}, spares: map[netip.Addr]*entry[instance.Spare]{}}
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
		return read(s.guests, "guest", id, kv, guestShape, func(r *instance.Instance) uuid.UUID { return r.UUID })
	case restingKey, sparesKey:
		addr, err := netip.ParseAddr(name)
		if err != nil {
			return fmt.Errorf("the key %q is not an address's: %w", key, err)
		}
		if kind+"/" == sparesKey {
			return read(s.spares, "spare address", addr, kv, spareShape, func(r *instance.Spare) netip.Addr { return r.Addr })
		}
		return read(s.resting, "address", addr, kv, restingShape, func(r *instance.Resting) netip.Addr { return r.Addr })
	case writersKey:
		if key == fence && kv != nil {
			s.fence = kv.ModRevision
		}
	}
	return nil
}

// read notes the record of a thing, such as a guest, which has an identity; kv is nil
// if it was removed.
func read[ID comparable, T any](records map[ID]*entry[T], thing string, id ID, kv *keyValue, shape *shape, identity func(*T) ID) error {
	if kv == nil {
		records[id] = nil
		return nil
	}
	e, err := decode[T](kv.Value, shape)
	if err == nil && identity(e.record) != id {
		err = fmt.Errorf("it belongs to another %s, %v", thing, identity(e.record))
	}
	if err != nil {
		return fmt.Errorf("the record of the %s %v: %w", thing, id, err)
	}
	e.revision = kv.ModRevision
	records[id] = &e
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
	for addr, entry := range s.spares {
		if entry == nil {
			c.Drop = append(c.Drop, addr)
		} else {
			c.Hold = append(c.Hold, *entry.record)
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
	replace(m.guests, s.guests)
	replace(m.resting, s.resting)
	replace(m.spares, s.spares)
}

func replace[ID comparable, T any](records map[ID]entry[T], changes map[ID]*entry[T]) {
	for id, e := range changes {
		if e == nil {
			delete(records, id)
		} else {
			records[id] = *e
		}
	}
}
