package collections

import (
	"slices"
	"strconv"

	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

// deque is a collections.deque, kept as a list. At most max items stay, or any
// number if max is negative.
type deque struct {
	list *object.List
	max  int
}

var dequeType = object.NewType("deque", "collections", func(_ *object.Thread, v object.Value, name string) (object.Value, error) {
	if name != "maxlen" {
		return nil, nil
	}
	if n := v.(*deque).max; n >= 0 {
		return object.Int(n), nil
	}
	return object.None, nil
})

func init() {
	dequeType.Constructor(object.NewBuiltin("deque", "iterable? maxlen:none+int?", newDeque)).Define(
		onDeque("append", "x /", func(t *object.Thread, d *deque, a []object.Value) error { return d.add(t, a[0], false) }),
		onDeque("appendleft", "x /", func(t *object.Thread, d *deque, a []object.Value) error { return d.add(t, a[0], true) }),
		onDeque("extend", "iterable /", func(t *object.Thread, d *deque, a []object.Value) error { return d.extend(t, a[0], false) }),
		onDeque("extendleft", "iterable /", func(t *object.Thread, d *deque, a []object.Value) error { return d.extend(t, a[0], true) }),
		onDeque("clear", "", func(_ *object.Thread, d *deque, _ []object.Value) error { d.set(nil); return nil }),
		onDeque("reverse", "", func(t *object.Thread, d *deque, _ []object.Value) error {
			slices.Reverse(d.list.Items())
			return t.Work(d.Len())
		}),
		onDeque("rotate", "n:size? /", func(t *object.Thread, d *deque, a []object.Value) error {
			n, items := object.IntOr(a[0], 1), d.list.Items()
			if len(items) == 0 {
				return nil
			}
			at := ((-n)%len(items) + len(items)) % len(items)
			if err := t.AllocSlots(len(items)); err != nil {
				return err
			}
			d.set(slices.Concat(items[at:], items[:at]))
			return nil
		}),
		object.Method("pop", "", func(_ *object.Thread, d *deque, _ []object.Value) (object.Value, error) { return d.pop(false) }),
		object.Method("popleft", "", func(_ *object.Thread, d *deque, _ []object.Value) (object.Value, error) { return d.pop(true) }),
		object.Method("copy", "", func(t *object.Thread, d *deque, _ []object.Value) (object.Value, error) {
			out := &deque{list: object.NewList(nil), max: d.max}
			return out, out.extend(t, d.list, false)
		}),
		object.Method("count", "x /", func(t *object.Thread, d *deque, a []object.Value) (object.Value, error) {
			return object.CallMethod(t, d.list, "count", &object.Args{Pos: a})
		}),
	)
}

func onDeque(name, signature string, f func(t *object.Thread, d *deque, a []object.Value) error) *object.Builtin {
	return object.Method(name, signature, func(t *object.Thread, d *deque, a []object.Value) (object.Value, error) {
		return object.None, f(t, d, a)
	})
}

func newDeque(t *object.Thread, a []object.Value) (object.Value, error) {
	d := &deque{list: object.NewList(nil), max: -1}
	if !native.IsNone(a[1]) {
		if d.max = object.IntOr(a[1], 0); d.max < 0 {
			return nil, object.Raise(object.ValueError, "maxlen must be non-negative")
		}
	}
	if a[0] == nil {
		return d, t.Alloc(64)
	}
	return d, d.extend(t, a[0], false)
}

func (d *deque) set(items []object.Value) { d.list = object.NewList(items) }

// add puts a value at the right or left end and drops what is too much at the
// other.
func (d *deque) add(t *object.Thread, v object.Value, left bool) error {
	if d.max == 0 {
		return nil
	}
	if left {
		if err := t.AllocSlots(1 + d.Len()); err != nil {
			return err
		}
		items := slices.Insert(slices.Clone(d.list.Items()), 0, v)
		if d.max > 0 && len(items) > d.max {
			items = items[:d.max]
		}
		d.set(items)
		return nil
	}
	if d.Len() == d.max {
		d.set(d.list.Items()[1:])
	}
	return d.list.Append(t, v)
}

func (d *deque) extend(t *object.Thread, from object.Value, left bool) error {
	items, err := object.ToSlice(t, from) // before d changes, which it may be
	if err != nil {
		return err
	}
	for _, v := range items {
		if err := d.add(t, v, left); err != nil {
			return err
		}
	}
	return nil
}

func (d *deque) pop(left bool) (object.Value, error) {
	items := d.list.Items()
	if len(items) == 0 {
		return nil, object.Raise(object.IndexError, "pop from an empty deque")
	}
	if left {
		d.set(items[1:])
		return items[0], nil
	}
	d.set(items[:len(items)-1])
	return items[len(items)-1], nil
}

// Class, Len and Reversible implement object.Value, object.Sized and object.Reversible.
func (*deque) Class() *object.Type { return dequeType }
func (d *deque) Len() int          { return len(d.list.Items()) }
func (*deque) Reversible()         {}

// HashKey implements object.Hashable: what changes has none.
func (*deque) HashKey() any { return nil }

// Truth implements object.Truth.
func (d *deque) Truth() bool { return d.Len() > 0 }

// Index implements object.Indexed.
func (d *deque) Index(t *object.Thread, key object.Value) (object.Value, error) {
	if _, isSlice := key.(*object.Slice); isSlice {
		return nil, object.Raise(object.TypeError, "sequence index must be integer, not 'slice'")
	}
	if i, ok := object.AsInt(key); ok && (i >= int64(d.Len()) || i < -int64(d.Len())) {
		return nil, object.Raise(object.IndexError, "deque index out of range")
	}
	return object.Index(t, d.list, key)
}

// Iterate implements object.Iterable.
func (d *deque) Iterate(t *object.Thread) (object.Iterator, error) { return object.Iterate(t, d.list) }

// ReprParts implements object.Composed.
func (d *deque) ReprParts(*object.Thread) ([]any, error) {
	end := ")"
	if d.max >= 0 {
		end = ", maxlen=" + strconv.Itoa(d.max) + ")"
	}
	return []any{"deque(", d.list, end}, nil
}
