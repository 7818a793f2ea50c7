package builtins

import (
	"strconv"
	"unicode/utf8"

	"mdserver/stpl/internal/object"
)

func iterableFunctions() []*object.Builtin {
	return []*object.Builtin{
		object.NewBuiltin("len", "obj /", builtinLen),
		object.NewBuiltin("sorted", "iterable / * key? reverse?", func(t *object.Thread, a []object.Value) (object.Value, error) {
			items, err := object.ToSlice(t, a[0])
			if err != nil {
				return nil, err
			}
			return object.NewList(items), object.Sort(t, items, a[1], object.Flag(a[2]))
		}),
		object.NewBuiltin("reversed", "sequence /", func(t *object.Thread, a []object.Value) (object.Value, error) { return object.Reversed(t, a[0]) }),
		object.NewBuiltin("enumerate", "iterable start:int?", builtinEnumerate),
		object.NewBuiltin("zip", "*iterables strict?", builtinZip),
		object.NewBuiltin("map", "func / *iterables", builtinMap),
		object.NewBuiltin("filter", "function iterable /", builtinFilter),
		object.NewBuiltin("iter", "iterable sentinel? /", builtinIter),
		object.NewBuiltin("next", "iterator default? /", builtinNext),
		object.NewBuiltin("any", "iterable /", builtinAny(true)),
		object.NewBuiltin("all", "iterable /", builtinAny(false)),
		object.NewBuiltin("sum", "iterable / start?", builtinSum),
		object.NewBuiltin("min", "*args key? default?", builtinExtreme("min", object.Less)),
		object.NewBuiltin("max", "*args key? default?", builtinExtreme("max", object.Greater)),
	}
}

// isIterator reports whether v is what iter returns.
func isIterator(v object.Value) bool {
	return v.Class() == object.IteratorType || v.Class() == object.GeneratorType
}

func builtinIter(t *object.Thread, a []object.Value) (object.Value, error) {
	if a[1] != nil {
		return untilSentinel(a[0], a[1])
	}
	if isIterator(a[0]) {
		return a[0], nil
	}
	it, err := object.Iterate(t, a[0])
	if err != nil {
		return nil, err
	}
	return object.NewIterator(it), nil
}

// untilSentinel calls f for each value until that equals the sentinel.
func untilSentinel(f, sentinel object.Value) (object.Value, error) {
	if !object.IsCallable(f) {
		return nil, object.Raise(object.TypeError, "iter(v, w): v must be callable")
	}
	ended := false
	return object.NewIterator(object.IterFunc(func(t *object.Thread) (object.Value, error) {
		if ended {
			return nil, nil
		}
		v, err := object.CallPos(t, f)
		if e, ok := err.(*object.Exception); ok && e.Kind.IsSubclass(object.StopIteration) {
			ended = true
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		ended, err = object.Equal(t, v, sentinel)
		if ended || err != nil {
			return nil, err
		}
		return v, nil
	})), nil
}

func builtinLen(t *object.Thread, a []object.Value) (object.Value, error) {
	if s, ok := a[0].(object.Str); ok {
		return object.Int(utf8.RuneCountInString(string(s))), t.Scan(len(s))
	}
	n, err := object.Len(a[0])
	return object.Int(n), err
}

func builtinEnumerate(t *object.Thread, a []object.Value) (object.Value, error) {
	it, err := object.Iterate(t, a[0])
	if err != nil {
		return nil, err
	}
	var n object.Value = object.Int(0)
	if a[1] != nil {
		n = a[1]
	}
	return object.NewIterator(object.IterFunc(func(t *object.Thread) (object.Value, error) {
		v, err := it.Next(t)
		if v == nil || err != nil {
			return nil, err
		}
		if err := t.AllocSlots(2); err != nil {
			return nil, err
		}
		pair := object.Tuple(t.Values(2))
		pair[0], pair[1] = n, v
		n, err = object.Binary(t, object.Add, n, object.Int(1))
		return pair, err
	})), nil
}

func builtinZip(t *object.Thread, a []object.Value) (object.Value, error) {
	strict := object.Flag(a[0])
	its, err := object.Iterators(t, a[1].(object.Tuple))
	if err != nil {
		return nil, err
	}
	return object.NewIterator(object.IterFunc(func(t *object.Thread) (object.Value, error) {
		if len(its) == 0 {
			return nil, nil
		}
		if err := t.AllocSlots(len(its)); err != nil {
			return nil, err
		}
		row := make(object.Tuple, len(its))
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

func zipEnd(t *object.Thread, its []object.Iterator, i int, strict bool) error {
	if !strict {
		return nil
	}
	if i > 0 {
		return object.Raise(object.ValueError, "zip() argument %d is shorter than argument%s", i+1, upTo(i))
	}
	for j := 1; j < len(its); j++ {
		if v, err := its[j].Next(t); v != nil || err != nil {
			if err != nil {
				return err
			}
			return object.Raise(object.ValueError, "zip() argument %d is longer than argument%s", j+1, upTo(j))
		}
	}
	return nil
}

func upTo(i int) string {
	if i == 1 {
		return " 1"
	}
	return "s 1-" + strconv.Itoa(i)
}

func builtinMap(t *object.Thread, a []object.Value) (object.Value, error) {
	its, err := object.Iterators(t, a[1].(object.Tuple))
	if err != nil {
		return nil, err
	}
	if len(its) == 0 {
		return nil, object.Raise(object.TypeError, "map() must have at least two arguments.")
	}
	f := a[0]
	return object.NewIterator(object.IterFunc(func(t *object.Thread) (object.Value, error) {
		args := make([]object.Value, len(its))
		for i, it := range its {
			v, err := it.Next(t)
			if v == nil || err != nil {
				return nil, err
			}
			args[i] = v
		}
		return object.Call(t, f, &object.Args{Pos: args})
	})), nil
}

func builtinFilter(t *object.Thread, a []object.Value) (object.Value, error) {
	it, err := object.Iterate(t, a[1])
	if err != nil {
		return nil, err
	}
	f := a[0]
	return object.NewIterator(object.IterFunc(func(t *object.Thread) (object.Value, error) {
		for {
			v, err := it.Next(t)
			if v == nil || err != nil {
				return nil, err
			}
			keep := v
			if f != object.None {
				if keep, err = object.CallPos(t, f, v); err != nil {
					return nil, err
				}
			}
			if err := t.Step(1); err != nil {
				return nil, err
			}
			if object.Truthy(keep) {
				return v, nil
			}
		}
	})), nil
}

func builtinNext(t *object.Thread, a []object.Value) (object.Value, error) {
	if !isIterator(a[0]) {
		return nil, object.Raise(object.TypeError, "'%s' object is not an iterator", object.TypeName(a[0]))
	}
	it, err := object.Iterate(t, a[0])
	if err != nil {
		return nil, err
	}
	v, err := it.Next(t)
	if v != nil || err != nil {
		return v, err
	}
	if a[1] != nil {
		return a[1], nil
	}
	return nil, &object.Exception{Kind: object.StopIteration}
}

// builtinAny makes any (want) and all (!want).
func builtinAny(want bool) object.Func {
	return func(t *object.Thread, a []object.Value) (object.Value, error) {
		it, err := object.Iterate(t, a[0])
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
				return object.Bool(!want), nil
			}
			if object.Truthy(v) == want {
				return object.Bool(want), nil
			}
		}
	}
}

func builtinSum(t *object.Thread, a []object.Value) (object.Value, error) {
	var total object.Value = object.Int(0)
	if a[1] != nil {
		total = a[1]
		if _, ok := total.(object.Str); ok {
			return nil, object.Raise(object.TypeError, "sum() can't sum strings [use ''.join(seq) instead]")
		}
	}
	err := object.Each(t, a[0], func(v object.Value) error {
		var err error
		total, err = object.Binary(t, object.Add, total, v)
		return err
	})
	return total, err
}

func builtinExtreme(name string, o object.Order) object.Func {
	return func(t *object.Thread, a []object.Value) (object.Value, error) {
		key, def, args := a[0], a[1], a[2].(object.Tuple)
		if len(args) == 0 {
			return nil, object.Raise(object.TypeError, "%s expected at least 1 argument, got 0", name)
		}
		var src object.Value = args
		switch {
		case len(args) == 1:
			src = args[0]
		case def != nil:
			return nil, object.Raise(object.TypeError, "Cannot specify a default for %s() with multiple positional arguments", name)
		}
		var best, bestKey object.Value
		err := object.Each(t, src, func(v object.Value) error {
			k := v
			var err error
			if key != nil && key != object.None {
				if k, err = object.CallPos(t, key, v); err != nil {
					return err
				}
			}
			if best == nil {
				best, bestKey = v, k
				return nil
			}
			better, err := object.Ordered(t, o, k, bestKey)
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
			return nil, object.Raise(object.ValueError, "%s() arg is an empty sequence", name)
		}
		return best, nil
	}
}
