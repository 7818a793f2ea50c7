package object

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
	if set, ok := v.(*Set); ok && !set.frozen { // an equal frozenset may be in s
		v = &Set{d: set.d, frozen: true}
	}
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

// NewSetOf makes a set of items.
func NewSetOf(t *Thread, items []Value) (Value, error) {
	s := NewSet()
	for _, item := range items {
		if err := s.Add(t, item); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// toSet makes a set of the items of an iterable.
func toSet(t *Thread, v Value) (*Set, error) {
	if s, ok := v.(*Set); ok {
		return s.copy(t)
	}
	s := NewSet()
	return s, Each(t, v, func(item Value) error { return s.Add(t, item) })
}

// asSet returns sets and the keys and items of dicts, which take part in set
// operators; nil for anything else.
func asSet(t *Thread, v Value) (*Set, error) {
	switch v := v.(type) {
	case *Set:
		return v, nil
	case *dictView:
		switch v.kind {
		case viewKeys:
			return v.set(), nil
		case viewItems:
			return toSet(t, v)
		}
	}
	return nil, nil
}

// bothSets returns both operands as sets, nil if one is none.
func bothSets(t *Thread, a, b Value) (x, y *Set, err error) {
	if x, err = asSet(t, a); x == nil || err != nil {
		return nil, nil, err
	}
	if y, err = asSet(t, b); y == nil || err != nil {
		return nil, nil, err
	}
	return x, y, nil
}

// operandSets is bothSets for an operator: a view of a dict goes with any
// iterable.
func operandSets(t *Thread, a, b Value) (x, y *Set, err error) {
	x, y, err = bothSets(t, a, b)
	if x != nil || err != nil || !isSetView(a) && !isSetView(b) {
		return x, y, err
	}
	if x, err = toSet(t, a); err != nil {
		return nil, nil, err
	}
	y, err = toSet(t, b)
	return x, y, err
}

func isSetView(v Value) bool {
	d, ok := v.(*dictView)
	return ok && d.kind != viewValues
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
	for e := range x.d.present {
		if y.d.find(e.hash) < 0 {
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
	x, y, err := operandSets(t, a, b)
	if x == nil || err != nil {
		return nil, err
	}
	r, err := combine(t, op, x, y)
	if err != nil {
		return nil, err
	}
	r.frozen = x.frozen && !isSetView(b)
	return r, nil
}

func setInPlace(t *Thread, op Op, x *Set, b Value) (Value, error) {
	y, err := asSet(t, b)
	if y == nil || err != nil || x.frozen {
		return nil, err
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
		for e := range from.d.present {
			if other != nil && (other.d.find(e.hash) >= 0) != want {
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
