package object

import (
	"fmt"
	"sort"
	"strings"
)

// Set is a set or a frozenset. It keeps insertion order, which Python leaves
// open.
type Set struct {
	d      Dict
	frozen bool
}

// Class returns the value's type.
func (s *Set) Class() *Type {
	if s.frozen {
		return FrozenSetType
	}
	return SetType
}

// NewSet makes an empty set.
func NewSet() *Set { return &Set{} }

// Add adds an item.
func (s *Set) Add(t *Thread, v Value) error { return s.d.Set(t, v, None) }

func (s *Set) has(t *Thread, v Value) (bool, error) {
	_, ok, err := s.d.Get(t, v)
	return ok, err
}

func (s *Set) copy(t *Thread) (*Set, error) {
	d, err := s.d.Copy(t)
	if err != nil {
		return nil, err
	}
	return &Set{d: *d, frozen: s.frozen}, nil
}

func pointerText(v any) string { return fmt.Sprintf("%T%p%v", v, v, v) }

func setHash(s *Set) (any, error) {
	var parts []string
	for _, e := range s.d.entries {
		if e.key != nil {
			var b strings.Builder
			writeHash(&b, e.hash)
			parts = append(parts, b.String())
		}
	}
	sort.Strings(parts)
	return setKey(strings.Join(parts, ",")), nil
}

// toSet makes a set of the items of an iterable.
func toSet(t *Thread, v Value) (*Set, error) {
	if s, ok := v.(*Set); ok {
		return s.copy(t)
	}
	s := NewSet()
	return s, Each(t, v, func(item Value) error { return s.Add(t, item) })
}

// asSet returns sets and the key views of dicts, which take part in set
// operators.
func asSet(v Value) (*Set, bool) {
	switch v := v.(type) {
	case *Set:
		return v, true
	case *dictView:
		if v.kind == viewKeys {
			return v.set(), true
		}
	}
	return nil, false
}

func setEqual(t *Thread, x, y *Set) (bool, error) {
	if x.d.live != y.d.live {
		return false, nil
	}
	return subset(t, x, y)
}

func subset(t *Thread, x, y *Set) (bool, error) {
	if err := t.Work(16 * x.d.live); err != nil {
		return false, err
	}
	for _, e := range x.d.entries {
		if e.key != nil && y.d.find(e.hash) < 0 {
			return false, nil
		}
	}
	return true, nil
}

func setOrdered(t *Thread, o Order, x, y *Set) (bool, error) {
	if o == Greater || o == GreaterEqual {
		x, y = y, x
	}
	if (o == Less || o == Greater) && x.d.live >= y.d.live {
		return false, nil
	}
	return subset(t, x, y)
}

func setOperator(t *Thread, op Op, a, b Value) (Value, error) {
	if x, ok := a.(*Dict); ok && op == Or {
		y, ok := b.(*Dict)
		if !ok {
			return nil, nil
		}
		c, err := x.Copy(t)
		if err != nil {
			return nil, err
		}
		return c, c.Update(t, y)
	}
	x, ok := asSet(a)
	if !ok {
		return nil, nil
	}
	y, ok := asSet(b)
	if !ok {
		return nil, nil
	}
	r, err := combine(t, op, x, y)
	if err != nil {
		return nil, err
	}
	r.frozen = x.frozen
	return r, nil
}

func setInPlace(t *Thread, op Op, x *Set, b Value) (Value, error) {
	y, ok := asSet(b)
	if !ok || x.frozen {
		return nil, nil
	}
	switch op {
	case Or, And, Sub, Xor:
		r, err := combine(t, op, x, y)
		if err != nil {
			return nil, err
		}
		x.d = r.d
		return x, nil
	}
	return nil, nil
}

// combine computes the union, intersection, difference or symmetric difference.
func combine(t *Thread, op Op, x, y *Set) (*Set, error) {
	r := NewSet()
	add := func(from, other *Set, want bool) error {
		for _, e := range from.d.entries {
			if e.key == nil || (other != nil && (other.d.find(e.hash) >= 0) != want) {
				continue
			}
			if err := t.Step(1); err != nil {
				return err
			}
			if err := r.Add(t, e.key); err != nil {
				return err
			}
		}
		return nil
	}
	var err error
	switch op {
	case Or:
		if err = add(x, nil, true); err == nil {
			err = add(y, nil, true)
		}
	case And:
		err = add(x, y, true)
	case Sub:
		err = add(x, y, false)
	case Xor:
		if err = add(x, y, false); err == nil {
			err = add(y, x, false)
		}
	}
	return r, err
}
