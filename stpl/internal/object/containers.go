package object

import "sort"

func setupSequences() {
	ListType.Define(listMethods()...)
	TupleType.Define(
		method("count", "value /", func(t *Thread, a []Value) (Value, error) {
			items, _ := asTuple(a[0])
			return countOf(t, items, a[1])
		}),
		method("index", "value start? stop? /", func(t *Thread, a []Value) (Value, error) {
			items, _ := asTuple(a[0])
			return indexOf(t, items, a[1:], "tuple.index(x): x not in tuple")
		}),
	)
	RangeType.Define(
		method("count", "value /", func(t *Thread, a []Value) (Value, error) {
			ok, err := Contains(t, a[0], a[1])
			return boolInt(Bool(ok)), err
		}),
		method("index", "value /", func(t *Thread, a []Value) (Value, error) {
			r := a[0].(*Range)
			i, ok := AsInt(a[1])
			if !ok || !r.contains(i) {
				return nil, Raise(ValueError, "%s is not in range", plainRepr(a[1]))
			}
			return Int((i - r.start) / r.step), nil
		}),
	)
}

func countOf(t *Thread, items []Value, v Value) (Value, error) {
	n := Int(0)
	for _, item := range items {
		if err := t.Step(1); err != nil {
			return nil, err
		}
		ok, err := same(t, item, v)
		if err != nil {
			return nil, err
		}
		if ok {
			n++
		}
	}
	return n, nil
}

// indexOf searches for a[0] between the optional a[1] and a[2].
func indexOf(t *Thread, items []Value, a []Value, message string) (Value, error) {
	s := Slice{Start: orNone(a[1]), Stop: orNone(a[2]), Step: None}
	start, stop, _, err := s.bounds(len(items))
	if err != nil {
		return nil, err
	}
	for i := start; i < stop && i < len(items); i++ {
		if err := t.Step(1); err != nil {
			return nil, err
		}
		ok, err := same(t, items[i], a[0])
		if err != nil {
			return nil, err
		}
		if ok {
			return Int(i), nil
		}
	}
	if message == "" {
		message = plainRepr(a[0]) + " is not in list"
	}
	return nil, Raise(ValueError, "%s", message)
}

func listMethods() []*Builtin {
	on := func(name, sig string, f func(t *Thread, l *List, a []Value) (Value, error)) *Builtin {
		return method(name, sig, func(t *Thread, a []Value) (Value, error) { return f(t, a[0].(*List), a[1:]) })
	}
	return []*Builtin{
		on("append", "object /", func(t *Thread, l *List, a []Value) (Value, error) { return None, l.Append(t, a[0]) }),
		on("extend", "iterable /", func(t *Thread, l *List, a []Value) (Value, error) { return None, l.Extend(t, a[0]) }),
		on("insert", "index:int object /", func(t *Thread, l *List, a []Value) (Value, error) {
			return None, l.insert(t, IntOr(a[0], 0), a[1])
		}),
		on("pop", "index:int? /", listPop),
		on("remove", "value /", func(t *Thread, l *List, a []Value) (Value, error) {
			i, err := indexOf(t, l.items, []Value{a[0], nil, nil}, "list.remove(x): x not in list")
			if err != nil {
				return nil, err
			}
			l.removeAt(int(i.(Int)))
			return None, nil
		}),
		on("clear", "/", func(t *Thread, l *List, a []Value) (Value, error) { l.items = nil; return None, nil }),
		on("count", "value /", func(t *Thread, l *List, a []Value) (Value, error) { return countOf(t, l.items, a[0]) }),
		on("index", "value start? stop? /", func(t *Thread, l *List, a []Value) (Value, error) { return indexOf(t, l.items, a, "") }),
		on("reverse", "/", func(t *Thread, l *List, a []Value) (Value, error) {
			reverse(l.items)
			return None, t.Work(len(l.items))
		}),
		on("copy", "/", func(t *Thread, l *List, a []Value) (Value, error) {
			items, err := copySlots(t, l.items)
			return NewList(items), err
		}),
		on("sort", "* key? reverse?", func(t *Thread, l *List, a []Value) (Value, error) {
			items, err := copySlots(t, l.items)
			if err != nil {
				return nil, err
			}
			if err := sortValues(t, items, a[0], Flag(a[1])); err != nil {
				return nil, err
			}
			l.items = items
			return None, nil
		}),
	}
}

func listPop(t *Thread, l *List, a []Value) (Value, error) {
	if len(l.items) == 0 {
		return nil, Raise(IndexError, "pop from empty list")
	}
	key := a[0]
	if key == nil {
		key = Int(-1)
	}
	i, err := l.position(key, "pop index out of range")
	if err != nil {
		return nil, err
	}
	v := l.items[i]
	if err := t.Work(len(l.items) - i); err != nil {
		return nil, err
	}
	l.removeAt(i)
	return v, nil
}

// sorter sorts values by their keys. It remembers the first error and then
// compares no more.
type sorter struct {
	t       *Thread
	values  []Value
	keys    []Value
	reverse bool
	err     error
}

func (s *sorter) Len() int { return len(s.values) }

func (s *sorter) Swap(i, j int) {
	s.values[i], s.values[j] = s.values[j], s.values[i]
	if len(s.keys) > 0 && &s.keys[0] != &s.values[0] {
		s.keys[i], s.keys[j] = s.keys[j], s.keys[i]
	}
}

func (s *sorter) Less(i, j int) bool {
	if s.err != nil {
		return false
	}
	if s.err = s.t.Step(1); s.err != nil {
		return false
	}
	if s.reverse {
		i, j = j, i
	}
	var less bool
	less, s.err = Ordered(s.t, Less, s.keys[i], s.keys[j])
	return less
}

func sortValues(t *Thread, items []Value, key Value, reversed bool) error {
	keys := items
	if key != nil && key != None {
		if err := t.AllocSlots(len(items)); err != nil {
			return err
		}
		keys = make([]Value, len(items))
		for i, v := range items {
			k, err := CallPos(t, key, v)
			if err != nil {
				return err
			}
			keys[i] = k
		}
	}
	s := &sorter{t: t, values: items, keys: keys, reverse: reversed}
	sort.Stable(s)
	return s.err
}
