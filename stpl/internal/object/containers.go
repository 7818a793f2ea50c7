package object

import (
	"slices"
)

func setupSequences() {
	ListType.Define(listMethods()...)
	TupleType.Define(
		NewBuiltin("count", "value /", func(t *Thread, a []Value) (Value, error) {
			items, _ := asTuple(a[0])
			return countOf(t, items, a[1])
		}),
		NewBuiltin("index", "value start? stop? /", func(t *Thread, a []Value) (Value, error) {
			items, _ := asTuple(a[0])
			return indexOf(t, items, a[1:], "tuple.index(x): x not in tuple")
		}),
	)
	RangeType.Define(
		NewBuiltin("count", "value /", func(t *Thread, a []Value) (Value, error) {
			ok, err := Contains(t, a[0], a[1])
			return boolInt(Bool(ok)), err
		}),
		NewBuiltin("index", "value /", func(t *Thread, a []Value) (Value, error) {
			r := a[0].(*Range)
			i, ok := AsInt(a[1])
			if !ok || !r.contains(i) {
				return nil, Raise(ValueError, "%s is not in range", PlainRepr(a[1]))
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
	s := Slice{Start: OrNone(a[1]), Stop: OrNone(a[2]), Step: None}
	start, stop, _, err := s.Bounds(len(items))
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
		message = PlainRepr(a[0]) + " is not in list"
	}
	return nil, Raise(ValueError, "%s", message)
}

func listMethods() []*Builtin {
	return []*Builtin{
		Method("append", "object /", func(t *Thread, l *List, a []Value) (Value, error) { return None, l.Append(t, a[0]) }),
		Method("extend", "iterable /", func(t *Thread, l *List, a []Value) (Value, error) { return None, l.Extend(t, a[0]) }),
		Method("insert", "index:size object /", func(t *Thread, l *List, a []Value) (Value, error) {
			return None, l.insert(t, IntOr(a[0], 0), a[1])
		}),
		Method("pop", "index:size? /", listPop),
		Method("remove", "value /", func(t *Thread, l *List, a []Value) (Value, error) {
			i, err := indexOf(t, l.items, []Value{a[0], nil, nil}, "list.remove(x): x not in list")
			if err != nil {
				return nil, err
			}
			l.removeAt(int(i.(Int)))
			return None, nil
		}),
		Method("clear", "/", func(t *Thread, l *List, a []Value) (Value, error) { l.items = nil; return None, nil }),
		Method("count", "value /", func(t *Thread, l *List, a []Value) (Value, error) { return countOf(t, l.items, a[0]) }),
		Method("index", "value start? stop? /", func(t *Thread, l *List, a []Value) (Value, error) { return indexOf(t, l.items, a, "") }),
		Method("reverse", "/", func(t *Thread, l *List, a []Value) (Value, error) {
			slices.Reverse(l.items)
			return None, t.Work(len(l.items))
		}),
		Method("copy", "/", func(t *Thread, l *List, a []Value) (Value, error) {
			items, err := copySlots(t, l.items)
			return NewList(items), err
		}),
		Method("sort", "* key? reverse?", func(t *Thread, l *List, a []Value) (Value, error) {
			items, err := copySlots(t, l.items)
			if err != nil {
				return nil, err
			}
			if err := Sort(t, items, a[0], Flag(a[1])); err != nil {
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
	i, err := position(l, Int(IntOr(a[0], -1)), len(l.items), "pop index out of range")
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

// keyed is a value with what it is sorted by.
type keyed struct{ key, value Value }

// Sort sorts items in place, by what key makes of each unless it is nil or None.
// After the first error it compares no more.
func Sort(t *Thread, items []Value, key Value, reversed bool) (err error) {
	if err := t.AllocSlots(len(items)); err != nil {
		return err
	}
	pairs := make([]keyed, len(items))
	for i, v := range items {
		pairs[i] = keyed{v, v}
		if key == nil || key == None {
			continue
		}
		if pairs[i].key, err = CallPos(t, key, v); err != nil {
			return err
		}
	}
	slices.SortStableFunc(pairs, func(a, b keyed) int { // the sort only asks whether a is less
		if err == nil {
			err = t.Step(1)
		}
		if err != nil {
			return 0
		}
		if reversed {
			a, b = b, a
		}
		var less bool
		if less, err = Ordered(t, Less, a.key, b.key); less {
			return -1
		}
		return 0
	})
	for i, p := range pairs {
		items[i] = p.value
	}
	return err
}
