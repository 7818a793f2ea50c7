package etcdstore

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/google/uuid"
	clientv3 "go.etcd.io/etcd/client/v3"

	"mdserver/internal/instance"
)

const (
	// maxOperations is etcd's default for --max-txn-ops, which bounds comparisons
	// and operations alike, without the one for the fence.
	maxOperations = 128 - 1
	// maxBytes is below etcd's default for --max-request-bytes, 1.5 MiB.
	maxBytes = 1 << 20
)

// plan is what one transaction does. Keys have no prefix.
type plan struct {
	revisions map[string]int64  // comparisons: the key's revision; 0: it is not there
	puts      map[string]string // values by key
	deletes   map[string]bool
	linked    []string // keys of other plans that belong into the same transaction
	parts     int      // plans that it is made of
}

func newPlan() *plan {
	return &plan{revisions: map[string]int64{}, puts: map[string]string{}, deletes: map[string]bool{}}
}

func (p *plan) put(key, value string) {
	delete(p.deletes, key)
	p.puts[key] = value
}

func (p *plan) remove(key string) {
	if _, put := p.puts[key]; !put {
		p.deletes[key] = true
	}
}

// combine adds another plan. What one puts is not deleted by the other.
func (p *plan) combine(other *plan) {
	maps.Copy(p.revisions, other.revisions)
	for key, value := range other.puts {
		p.put(key, value)
	}
	for key := range other.deletes {
		p.remove(key)
	}
}

func (p *plan) empty() bool { return len(p.puts)+len(p.deletes) == 0 }

// operationCount is what etcd bounds by maxOperations.
func (p *plan) operationCount() int { return max(len(p.revisions), len(p.puts)+len(p.deletes)) }

func (p *plan) bytes() int {
	size := 0
	for key, value := range p.puts {
		size += len(key) + len(value)
	}
	return size
}

// fits reports whether etcd takes the plan as one transaction.
func (p *plan) fits() bool {
	return p.operationCount() <= maxOperations && p.bytes() <= maxBytes
}

// weight is the part of the largest transaction that the plan takes. Comparisons and
// operations count apart, so it is at least what the plan adds to another one.
func (p *plan) weight() float64 {
	return max(float64(p.operationCount())/maxOperations, float64(p.bytes())/maxBytes)
}

func (p *plan) checkSize() error {
	if p.fits() {
		return nil
	}
	return fmt.Errorf("%w: it has %d keys and %d bytes; etcd takes %d and %d", ErrTooLarge,
		p.operationCount(), p.bytes(), maxOperations, maxBytes)
}

// keys are all keys that the plan compares or changes, or is linked to.
func (p *plan) keys() []string {
	keys := slices.Collect(maps.Keys(p.revisions))
	keys = slices.AppendSeq(keys, maps.Keys(p.puts))
	keys = slices.AppendSeq(keys, maps.Keys(p.deletes))
	return append(keys, p.linked...)
}

func (p *plan) comparisons(prefix string) []clientv3.Cmp {
	var list []clientv3.Cmp
	for key, revision := range p.revisions {
		list = append(list, clientv3.Compare(clientv3.ModRevision(prefix+key), "=", revision))
	}
	return list
}

func (p *plan) operations(prefix string) []clientv3.Op {
	var list []clientv3.Op
	for key, value := range p.puts {
		list = append(list, clientv3.OpPut(prefix+key, value))
	}
	for key := range p.deletes {
		list = append(list, clientv3.OpDelete(prefix+key))
	}
	return list
}

// final is what changes leave of all records that they touch; nil for none.
type final struct {
	guests  map[uuid.UUID]*instance.Instance
	resting map[netip.Addr]*instance.Resting
	spares  map[netip.Addr]*instance.Spare
	free    map[string]bool
}

func finalOf(changes []instance.Change) final {
	f := final{map[uuid.UUID]*instance.Instance{}, map[netip.Addr]*instance.Resting{}, map[netip.Addr]*instance.Spare{}, map[string]bool{}}
	for _, c := range changes {
		for _, id := range c.Delete {
			f.guests[id] = nil
		}
		for i := range c.Put {
			f.guests[c.Put[i].UUID] = &c.Put[i]
		}
		for _, addr := range c.Wake {
			f.resting[addr] = nil
		}
		for i := range c.Rest {
			f.resting[c.Rest[i].Addr] = &c.Rest[i]
		}
		for _, addr := range c.Drop {
			f.spares[addr] = nil
		}
		for i := range c.Hold {
			f.spares[c.Hold[i].Addr] = &c.Hold[i]
		}
		for _, name := range c.Free {
			f.free[hostnameClaim(name)] = true
		}
	}
	return f
}

// plans works out how etcd's keys change. Each plan is as small as it can be
// without separating records that exchange something.
func (m *mirror) plans(changes []instance.Change) ([]*plan, error) {
	f := finalOf(changes)
	released := map[string]bool{}
	for id := range f.guests {
		if old, ok := m.guests[id]; ok {
			for _, key := range claims(old.record) {
				released[key] = true
			}
		}
	}
	for addr := range f.spares {
		if _, ok := m.spares[addr]; ok {
			released[addressClaim(addr)] = true
		}
	}
	var list []*plan
	for id, guest := range f.guests {
		p, err := m.planGuest(id, guest, released)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	for addr, resting := range f.resting {
		p, err := m.planResting(addr, resting, released)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	for addr, spare := range f.spares {
		p, err := m.planSpare(addr, spare, released)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	joined := join(list)
	for key := range f.free {
		if !released[key] {
			for _, p := range joined {
				p.revisions[key] = 0
			}
		}
	}
	return joined, nil
}

func (m *mirror) planGuest(id uuid.UUID, guest *instance.Instance, released map[string]bool) (*plan, error) {
	p := newPlan()
	old, known := m.guests[id]
	if !known && guest == nil {
		return p, nil
	}
	p.revisions[guestKey(id)] = old.revision
	if known {
		for _, key := range claims(old.record) {
			p.remove(key)
		}
	}
	if guest == nil {
		p.remove(guestKey(id))
		return p, nil
	}
	text, err := encode(guest, guestShape, old.unknown, m.writer)
	if err != nil {
		return nil, err
	}
	p.put(guestKey(id), text)
	for _, key := range claims(guest) {
		switch {
		case p.deletes[key]: // it stays the guest's own
			delete(p.deletes, key)
			continue
		case !released[key]:
			p.revisions[key] = 0
		}
		p.put(key, id.String())
	}
	for _, addr := range guest.Addrs() {
		if p.puts[addressClaim(addr)] != "" {
			p.revisions[restKey(addr)] = m.resting[addr].revision
		}
	}
	return p, nil
}

func (m *mirror) planResting(addr netip.Addr, resting *instance.Resting, released map[string]bool) (*plan, error) {
	p := newPlan()
	old, known := m.resting[addr]
	if !known && resting == nil {
		return p, nil
	}
	p.revisions[restKey(addr)] = old.revision
	if resting == nil {
		p.remove(restKey(addr))
		return p, nil
	}
	p.linked = []string{addressClaim(addr)}
	if !released[addressClaim(addr)] {
		p.revisions[addressClaim(addr)] = 0
	}
	text, err := encode(resting, restingShape, old.unknown, m.writer)
	if err != nil {
		return nil, err
	}
	p.put(restKey(addr), text)
	return p, nil
}

func (m *mirror) planSpare(addr netip.Addr, spare *instance.Spare, released map[string]bool) (*plan, error) {
	p := newPlan()
	old, known := m.spares[addr]
	if !known && spare == nil {
		return p, nil
	}
	p.revisions[spareKey(addr)] = old.revision
	if spare == nil {
		p.remove(spareKey(addr))
		p.remove(addressClaim(addr))
		return p, nil
	}
	if !released[addressClaim(addr)] {
		p.revisions[addressClaim(addr)] = 0
	}
	p.revisions[restKey(addr)] = m.resting[addr].revision
	text, err := encode(spare, spareShape, old.unknown, m.writer)
	if err != nil {
		return nil, err
	}
	p.put(spareKey(addr), text)
	p.put(addressClaim(addr), "spare/"+spare.Owner)
	return p, nil
}

// join merges plans with common keys, because a transaction between them would see
// one thing twice or a thing of no guest.
func join(list []*plan) []*plan {
	owner := map[string]*plan{}
	parent := map[*plan]*plan{}
	var root func(*plan) *plan
	root = func(p *plan) *plan {
		if parent[p] == nil {
			return p
		}
		parent[p] = root(parent[p])
		return parent[p]
	}
	for _, p := range list {
		for _, key := range p.keys() {
			if other, ok := owner[key]; ok && root(other) != root(p) {
				parent[root(p)] = root(other)
			}
			owner[key] = p
		}
	}
	merged := map[*plan]*plan{}
	var order []*plan
	for _, p := range list {
		r := root(p)
		if merged[r] == nil {
			merged[r] = newPlan()
			order = append(order, merged[r])
		}
		merged[r].combine(p)
	}
	return slices.DeleteFunc(order, (*plan).empty)
}

// pack puts plans together, as many as fit.
func pack(list []*plan) []*plan {
	var packed []*plan
	for _, next := range list {
		if n := len(packed); n > 0 {
			both := newPlan()
			both.combine(packed[n-1])
			both.combine(next)
			both.parts = packed[n-1].parts + 1
			if both.fits() {
				packed[n-1] = both
				continue
			}
		}
		next.parts = 1
		packed = append(packed, next)
	}
	return packed
}
