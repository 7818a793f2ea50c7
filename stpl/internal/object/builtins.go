package object

import "slices"

// Builtins returns the built-in names. The map is the caller's.
func Builtins() map[string]Value {
	m := map[string]Value{"Ellipsis": Ellipsis{}, "EnvironmentError": OSError, "IOError": OSError}
	for _, c := range []*Type{
		ObjectType, TypeType, StrType, BytesType, IntType, FloatType, BoolType, ListType,
		TupleType, DictType, SetType, FrozenSetType, RangeType, SliceType,
	} {
		m[c.Name] = c
	}
	for _, c := range exceptionTypes {
		m[c.Name] = c
	}
	for _, group := range [][]*Builtin{iterBuiltins(), numberBuiltins(), textBuiltins(), typeBuiltins()} {
		for _, b := range group {
			m[b.Name] = b
		}
	}
	return m
}

func iterBuiltins() []*Builtin {
	return []*Builtin{
		NewBuiltin("len", "obj /", builtinLen),
		NewBuiltin("sorted", "iterable / * key? reverse?", func(t *Thread, a []Value) (Value, error) {
			items, err := ToSlice(t, a[0])
			if err != nil {
				return nil, err
			}
			return NewList(items), sortValues(t, items, a[1], Flag(a[2]))
		}),
		NewBuiltin("reversed", "sequence /", builtinReversed),
		NewBuiltin("enumerate", "iterable start:int?", builtinEnumerate),
		NewBuiltin("zip", "*iterables strict?", builtinZip),
		NewBuiltin("map", "func / *iterables", builtinMap),
		NewBuiltin("filter", "function iterable /", builtinFilter),
		NewBuiltin("iter", "iterable sentinel? /", builtinIter),
		NewBuiltin("next", "iterator default? /", builtinNext),
		NewBuiltin("any", "iterable /", builtinAny(true)),
		NewBuiltin("all", "iterable /", builtinAny(false)),
		NewBuiltin("sum", "iterable / start?", builtinSum),
		NewBuiltin("min", "*args key? default?", builtinExtreme("min", Less)),
		NewBuiltin("max", "*args key? default?", builtinExtreme("max", Greater)),
	}
}

// Reversible is a value of another package that reversed takes.
type Reversible interface{ Reversible() }

func builtinReversed(t *Thread, a []Value) (Value, error) {
	switch v := a[0].(type) {
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
	return nil, Raise(TypeError, "'%s' object is not reversible", TypeName(a[0]))
}

func builtinIter(t *Thread, a []Value) (Value, error) {
	if a[1] != nil {
		return untilSentinel(a[0], a[1])
	}
	if v, ok := a[0].(*iterValue); ok {
		return v, nil
	}
	it, err := Iterate(t, a[0])
	if err != nil {
		return nil, err
	}
	return NewIterator(it), nil
}

// untilSentinel calls f for each value until that equals the sentinel.
func untilSentinel(f, sentinel Value) (Value, error) {
	if !IsCallable(f) {
		return nil, Raise(TypeError, "iter(v, w): v must be callable")
	}
	ended := false
	return NewIterator(IterFunc(func(t *Thread) (Value, error) {
		if ended {
			return nil, nil
		}
		v, err := CallPos(t, f)
		if e, ok := err.(*Exception); ok && e.Kind.IsSubclass(StopIteration) {
			ended = true
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		ended, err = Equal(t, v, sentinel)
		if ended || err != nil {
			return nil, err
		}
		return v, nil
	})), nil
}

func builtinLen(t *Thread, a []Value) (Value, error) {
	if s, ok := a[0].(Str); ok {
		return Int(runeLen(string(s))), t.Scan(len(s))
	}
	n, err := Len(a[0])
	return Int(n), err
}

func builtinEnumerate(t *Thread, a []Value) (Value, error) {
	it, err := Iterate(t, a[0])
	if err != nil {
		return nil, err
	}
	var n Value = Int(0)
	if a[1] != nil {
		n = a[1]
	}
	return NewIterator(IterFunc(func(t *Thread) (Value, error) {
		v, err := it.Next(t)
		if v == nil || err != nil {
			return nil, err
		}
		if err := t.AllocSlots(2); err != nil {
			return nil, err
		}
		pair := t.pair(n, v)
		n, err = Binary(t, Add, n, Int(1))
		return pair, err
	})), nil
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

func builtinZip(t *Thread, a []Value) (Value, error) {
	strict := Flag(a[0])
	its, err := Iterators(t, a[1].(Tuple))
	if err != nil {
		return nil, err
	}
	return NewIterator(IterFunc(func(t *Thread) (Value, error) {
		if len(its) == 0 {
			return nil, nil
		}
		if err := t.AllocSlots(len(its)); err != nil {
			return nil, err
		}
		row := make(Tuple, len(its))
		for i, it := range its {
			v, err := it.Next(t)
			if err != nil {
				return nil, err
			}
			if v == nil {
				return nil, zipEnd(t, its, i, strict)
			}
			row[i] = v
		}
		return row, nil
	})), nil
}

func zipEnd(t *Thread, its []Iterator, i int, strict bool) error {
	if !strict {
		return nil
	}
	if i > 0 {
		return Raise(ValueError, "zip() argument %d is shorter than argument%s", i+1, upTo(i))
	}
	for j := 1; j < len(its); j++ {
		if v, err := its[j].Next(t); v != nil || err != nil {
			if err != nil {
				return err
			}
			return Raise(ValueError, "zip() argument %d is longer than argument%s", j+1, upTo(j))
		}
	}
	return nil
}

func upTo(i int) string {
	if i == 1 {
		return " 1"
	}
	return "s 1-" + simpleRepr(Int(i))
}

func builtinMap(t *Thread, a []Value) (Value, error) {
	its, err := Iterators(t, a[1].(Tuple))
	if err != nil {
		return nil, err
	}
	if len(its) == 0 {
		return nil, Raise(TypeError, "map() must have at least two arguments.")
	}
	f := a[0]
	return NewIterator(IterFunc(func(t *Thread) (Value, error) {
		args := make([]Value, len(its))
		for i, it := range its {
			v, err := it.Next(t)
			if v == nil || err != nil {
				return nil, err
			}
			args[i] = v
		}
		return Call(t, f, &Args{Pos: args})
	})), nil
}

func builtinFilter(t *Thread, a []Value) (Value, error) {
	it, err := Iterate(t, a[1])
	if err != nil {
		return nil, err
	}
	f := a[0]
	return NewIterator(IterFunc(func(t *Thread) (Value, error) {
		for {
			v, err := it.Next(t)
			if v == nil || err != nil {
				return nil, err
			}
			keep := v
			if f != None {
				if keep, err = CallPos(t, f, v); err != nil {
					return nil, err
				}
			}
			if err := t.Step(1); err != nil {
				return nil, err
			}
			if Truthy(keep) {
				return v, nil
			}
		}
	})), nil
}

func builtinNext(t *Thread, a []Value) (Value, error) {
	it, ok := a[0].(*iterValue)
	if !ok {
		return nil, Raise(TypeError, "'%s' object is not an iterator", TypeName(a[0]))
	}
	v, err := it.it.Next(t)
	if v != nil || err != nil {
		return v, err
	}
	if a[1] != nil {
		return a[1], nil
	}
	return nil, &Exception{Kind: StopIteration}
}

// builtinAny makes any (want) and all (!want).
func builtinAny(want bool) Func {
	return func(t *Thread, a []Value) (Value, error) {
		it, err := Iterate(t, a[0])
		if err != nil {
			return nil, err
		}
		for {
			if err := t.Step(1); err != nil {
				return nil, err
			}
			v, err := it.Next(t)
			if err != nil {
				return nil, err
			}
			if v == nil {
				return Bool(!want), nil
			}
			if Truthy(v) == want {
				return Bool(want), nil
			}
		}
	}
}

func builtinSum(t *Thread, a []Value) (Value, error) {
	var total Value = Int(0)
	if a[1] != nil {
		total = a[1]
		if _, ok := total.(Str); ok {
			return nil, Raise(TypeError, "sum() can't sum strings [use ''.join(seq) instead]")
		}
	}
	err := Each(t, a[0], func(v Value) error {
		var err error
		total, err = Binary(t, Add, total, v)
		return err
	})
	return total, err
}

func builtinExtreme(name string, o Order) Func {
	return func(t *Thread, a []Value) (Value, error) {
		key, def, args := a[0], a[1], a[2].(Tuple)
		if len(args) == 0 {
			return nil, Raise(TypeError, "%s expected at least 1 argument, got 0", name)
		}
		var src Value = args
		switch {
		case len(args) == 1:
			src = args[0]
		case def != nil:
			return nil, Raise(TypeError, "Cannot specify a default for %s() with multiple positional arguments", name)
		}
		var best, bestKey Value
		err := Each(t, src, func(v Value) error {
			k := v
			var err error
			if key != nil && key != None {
				if k, err = CallPos(t, key, v); err != nil {
					return err
				}
			}
			if best == nil {
				best, bestKey = v, k
				return nil
			}
			better, err := Ordered(t, o, k, bestKey)
			if better {
				best, bestKey = v, k
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		if best == nil {
			if def != nil {
				return def, nil
			}
			return nil, Raise(ValueError, "%s() arg is an empty sequence", name)
		}
		return best, nil
	}
}
