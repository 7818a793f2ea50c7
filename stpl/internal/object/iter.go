package object

import (
	"slices"
	"unicode/utf8"
)

// Iterator yields values; Next returns nil, nil at the end.
type Iterator interface {
	Next(t *Thread) (Value, error)
}

// Iterable is a value of another package that can be iterated over.
type Iterable interface {
	Iterate(t *Thread) (Iterator, error)
}

// IteratorType is the type of all iterators: the names that Python gives to
// each kind are not kept.
var IteratorType = &Type{Name: "iterator", Base: ObjectType}

// GeneratorType is the type of generator expressions.
var GeneratorType = &Type{Name: "generator", Base: ObjectType}

// iterValue is an iterator as a value.
type iterValue struct {
	it   Iterator
	kind *Type
}

// NewIterator makes a value of an iterator.
func NewIterator(it Iterator) Value { return &iterValue{it, IteratorType} }

// NewGenerator makes a generator of an iterator.
func NewGenerator(it Iterator) Value { return &iterValue{it, GeneratorType} }

// Iterate returns an iterator over v.
func Iterate(t *Thread, v Value) (Iterator, error) {
	switch v := v.(type) {
	case *List:
		return t.listIter(v), nil
	case Tuple:
		return &sliceIter{items: v}, nil
	case Str:
		return &strIter{s: string(v)}, nil
	case Bytes:
		i := -1
		return IterFunc(func(*Thread) (Value, error) {
			if i++; i >= len(v) {
				return nil, nil
			}
			return Int(v[i]), nil
		}), nil
	case *Dict:
		return newDictIter(v, viewKeys), nil
	case *dictView:
		return newDictIter(v.d, v.kind), nil
	case *Set:
		it := newDictIter(&v.d, viewKeys)
		it.owner = "Set"
		return it, nil
	case *Range:
		return &rangeIter{r: v}, nil
	case *iterValue:
		return v.it, nil
	case Iterable:
		return v.Iterate(t)
	}
	return nil, Raise(TypeError, "'%s' object is not iterable", TypeName(v))
}

// Iterators returns an iterator over each of the values.
func Iterators(t *Thread, vs []Value) ([]Iterator, error) {
	its := make([]Iterator, len(vs))
	for i, v := range vs {
		var err error
		if its[i], err = Iterate(t, v); err != nil {
			return nil, err
		}
	}
	return its, nil
}

// Each calls f for every item of v.
func Each(t *Thread, v Value, f func(Value) error) error {
	it, err := Iterate(t, v)
	if err != nil {
		return err
	}
	for {
		if err := t.Step(1); err != nil {
			return err
		}
		item, err := it.Next(t)
		if item == nil || err != nil {
			return err
		}
		if err := f(item); err != nil {
			return err
		}
	}
}

// ToSlice collects the items of v. The slice is the caller's.
func ToSlice(t *Thread, v Value) ([]Value, error) {
	switch s := v.(type) {
	case *List:
		return copySlots(t, s.items)
	case Tuple:
		return copySlots(t, s)
	case *Range:
		return s.items(t)
	}
	var out []Value
	err := Each(t, v, func(item Value) error {
		if err := t.AllocSlots(1); err != nil {
			return err
		}
		out = append(out, item)
		return nil
	})
	return out, err
}

func (r *Range) items(t *Thread) ([]Value, error) {
	n := int(r.len())
	if err := t.AllocSlots(n); err != nil {
		return nil, err
	}
	if err := t.Step(n); err != nil {
		return nil, err
	}
	out := make([]Value, n)
	for i := range out {
		out[i] = Int(r.start + int64(i)*r.step)
	}
	return out, nil
}

func copySlots(t *Thread, items []Value) ([]Value, error) {
	if err := t.ChargeSlots(len(items)); err != nil {
		return nil, err
	}
	return append([]Value(nil), items...), nil
}

type listIter struct {
	l *List
	i int
}

func (it *listIter) Next(*Thread) (Value, error) {
	if it.l == nil || it.i >= len(it.l.items) {
		it.l = nil
		return nil, nil
	}
	it.i++
	return it.l.items[it.i-1], nil
}

type sliceIter struct {
	items []Value
	i     int
}

func (it *sliceIter) Next(*Thread) (Value, error) {
	if it.i >= len(it.items) {
		return nil, nil
	}
	it.i++
	return it.items[it.i-1], nil
}

type strIter struct{ s string }

func (it *strIter) Next(*Thread) (Value, error) {
	if it.s == "" {
		return nil, nil
	}
	_, n := utf8.DecodeRuneInString(it.s)
	c := it.s[:n]
	it.s = it.s[n:]
	return Str(c), nil
}

type viewKind uint8

const (
	viewKeys viewKind = iota
	viewValues
	viewItems
)

type dictIter struct {
	d     *Dict
	kind  viewKind
	i     int
	live  int
	owner string // "dictionary" or "Set", for the message
}

func newDictIter(d *Dict, kind viewKind) *dictIter {
	return &dictIter{d: d, kind: kind, live: d.live, owner: "dictionary"}
}

func (it *dictIter) Next(t *Thread) (Value, error) {
	if it.d == nil {
		return nil, nil
	}
	if it.d.live != it.live {
		return nil, Raise(RuntimeError, "%s changed size during iteration", it.owner)
	}
	for it.i < len(it.d.entries) {
		e := it.d.entries[it.i]
		it.i++
		if e.key == nil {
			continue
		}
		switch it.kind {
		case viewKeys:
			return e.key, nil
		case viewValues:
			return e.value, nil
		}
		return t.pair(e.key, e.value), t.AllocSlots(2)
	}
	it.d = nil
	return nil, nil
}

type rangeIter struct {
	r *Range
	i int64
}

func (it *rangeIter) Next(*Thread) (Value, error) {
	if it.i >= it.r.len() {
		return nil, nil
	}
	it.i++
	return Int(it.r.start + (it.i-1)*it.r.step), nil
}

// IterFunc makes an iterator of a function.
type IterFunc func(t *Thread) (Value, error)

// Next calls the function.
func (f IterFunc) Next(t *Thread) (Value, error) { return f(t) }

// dictView is what keys(), values() and items() return.
type dictView struct {
	d    *Dict
	kind viewKind
}

var viewTypes = [...]*Type{
	{Name: "dict_keys", Base: ObjectType}, {Name: "dict_values", Base: ObjectType}, {Name: "dict_items", Base: ObjectType},
}

// Contains reports whether the view has the item.
func (v *dictView) Contains(t *Thread, item Value) (bool, error) {
	switch v.kind {
	case viewKeys:
		_, ok, err := v.d.Get(t, item)
		return ok, err
	case viewItems:
		pair, ok := item.(Tuple)
		if !ok || len(pair) != 2 {
			return false, nil
		}
		val, ok, err := v.d.Get(t, pair[0])
		if !ok || err != nil {
			return false, err
		}
		return same(t, val, pair[1])
	}
	return containsIter(t, NewIterator(newDictIter(v.d, viewValues)), item)
}

// set returns the keys as a set that shares the dict's entries; it is only read.
func (v *dictView) set() *Set { return &Set{d: *v.d} }

// Reversible is a value of another package that Reversed takes.
type Reversible interface{ Reversible() }

// Reversed is reversed(v): an iterator over a sequence or a dict from its end.
func Reversed(t *Thread, v Value) (Value, error) {
	switch v := v.(type) {
	case *Range:
		return NewIterator(&rangeIter{r: &Range{v.start + (v.len()-1)*v.step, v.start - v.step, -v.step}}), nil
	case *Dict, *dictView, *List, Tuple, Str, Bytes, TupleLike, Reversible:
		items, err := ToSlice(t, v)
		if err != nil {
			return nil, err
		}
		slices.Reverse(items)
		return NewIterator(&sliceIter{items: items}), nil
	}
	return nil, Raise(TypeError, "'%s' object is not reversible", TypeName(v))
}
