// Package functional is Python's itertools, functools and operator.
package functional

import (
	"cmp"

	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

// Itertools makes the module itertools.
func Itertools() native.Members {
	m := native.Functions(
		object.NewBuiltin("count", "start? step?", itCount), object.NewBuiltin("repeat", "object times:size?", itRepeat), object.NewBuiltin("cycle", "iterable", itCycle),
		object.NewBuiltin("islice", "iterable start stop? step? /", itSlice), object.NewBuiltin("product", "*iterables repeat:int?", itProduct),
		object.NewBuiltin("combinations", "iterable r", itCombinations),
		object.NewBuiltin("groupby", "iterable key?", itGroupBy), object.NewBuiltin("zip_longest", "*iterables fillvalue?", itZipLongest),
	)
	chain := object.NewType("chain", "itertools", nil)
	chain.Constructor(object.NewBuiltin("chain", "*iterables", chained))
	chain.Static("from_iterable", object.NewBuiltin("chain.from_iterable", "iterable /", chained))
	m["chain"] = chain
	return m
}

// yield makes an iterator value that charges a step for each item.
func yield(next func(t *object.Thread) (object.Value, error)) object.Value {
	return object.NewIterator(object.IterFunc(func(t *object.Thread) (object.Value, error) {
		if err := t.Step(1); err != nil {
			return nil, err
		}
		return next(t)
	}))
}

// tuple copies items into a new tuple, charged for.
func tuple(t *object.Thread, items []object.Value) (object.Value, error) {
	if err := t.AllocSlots(len(items)); err != nil {
		return nil, err
	}
	return append(object.Tuple{}, items...), nil
}

func chained(t *object.Thread, a []object.Value) (object.Value, error) {
	outer, err := object.Iterate(t, a[0])
	if err != nil {
		return nil, err
	}
	var inner object.Iterator
	return yield(func(t *object.Thread) (object.Value, error) {
		for {
			if inner != nil {
				if v, err := inner.Next(t); v != nil || err != nil {
					return v, err
				}
			}
			next, err := outer.Next(t)
			if next == nil || err != nil {
				return nil, err
			}
			if err := t.Step(1); err != nil {
				return nil, err
			}
			if inner, err = object.Iterate(t, next); err != nil {
				return nil, err
			}
		}
	}), nil
}

func itCount(_ *object.Thread, a []object.Value) (object.Value, error) {
	at, step := cmp.Or[object.Value](a[0], object.Int(0)), cmp.Or[object.Value](a[1], object.Int(1))
	return yield(func(t *object.Thread) (v object.Value, err error) {
		v = at
		at, err = object.Binary(t, object.Add, at, step)
		return v, err
	}), nil
}

func itRepeat(_ *object.Thread, a []object.Value) (object.Value, error) {
	left := object.IntOr(a[1], -1)
	if a[1] != nil {
		left = max(left, 0)
	}
	return yield(func(*object.Thread) (object.Value, error) {
		if left == 0 {
			return nil, nil
		}
		left--
		return a[0], nil
	}), nil
}

func itCycle(t *object.Thread, a []object.Value) (object.Value, error) {
	items, err := object.ToSlice(t, a[0])
	if err != nil {
		return nil, err
	}
	i := -1
	return yield(func(*object.Thread) (object.Value, error) {
		if len(items) == 0 {
			return nil, nil
		}
		i = (i + 1) % len(items)
		return items[i], nil
	}), nil
}

func itSlice(t *object.Thread, a []object.Value) (object.Value, error) {
	it, err := object.Iterate(t, a[0])
	if err != nil {
		return nil, err
	}
	bounds := [3]int{0, -1, 1}
	args := a[1:]
	if a[2] == nil { // a single bound is the stop
		args = []object.Value{nil, a[1]}
	}
	for i, v := range args {
		if native.IsNone(v) {
			continue
		}
		if bounds[i], err = object.IndexArg(v); err != nil || bounds[i] < 0 || i == 2 && bounds[i] == 0 {
			return nil, object.Raise(object.ValueError, "the arguments of islice() must be None or integers that are not negative")
		}
	}
	next, at := bounds[0], 0
	return yield(func(t *object.Thread) (object.Value, error) {
		for {
			if bounds[1] >= 0 && next >= bounds[1] {
				return nil, nil
			}
			v, err := it.Next(t)
			if v == nil || err != nil {
				return nil, err
			}
			if err := t.Step(1); err != nil {
				return nil, err
			}
			if at++; at > next {
				next += bounds[2]
				return v, nil
			}
		}
	}), nil
}

func itProduct(t *object.Thread, a []object.Value) (object.Value, error) {
	times := object.IntOr(a[0], 1)
	var pools [][]object.Value
	for _, v := range a[1].(object.Tuple) {
		items, err := object.ToSlice(t, v)
		if err != nil {
			return nil, err
		}
		pools = append(pools, items)
	}
	if len(pools) > 0 {
		if err := t.AllocN(max(times, 0), 64*len(pools)); err != nil {
			return nil, err
		}
	} else {
		times = 0
	}
	var all [][]object.Value
	for range times {
		all = append(all, pools...)
	}
	return yield(odometer(all)), nil
}

// odometer counts through all pools, the last one fastest.
func odometer(pools [][]object.Value) func(t *object.Thread) (object.Value, error) {
	at := make([]int, len(pools))
	done := false
	for _, p := range pools {
		done = done || len(p) == 0
	}
	return func(t *object.Thread) (object.Value, error) {
		if done {
			return nil, nil
		}
		if err := t.AllocSlots(len(pools)); err != nil {
			return nil, err
		}
		out := make(object.Tuple, len(pools))
		for i, p := range pools {
			out[i] = p[at[i]]
		}
		done = true
		for i := len(at) - 1; i >= 0; i-- {
			if at[i]++; at[i] < len(pools[i]) {
				done = false
				break
			}
			at[i] = 0
		}
		return out, t.Work(len(pools))
	}
}

func itCombinations(t *object.Thread, a []object.Value) (object.Value, error) {
	items, err := object.ToSlice(t, a[0])
	if err != nil {
		return nil, err
	}
	r, err := native.Count(a[1], "r must be non-negative")
	if err != nil {
		return nil, err
	}
	done := r > len(items)
	at := make([]int, min(r, len(items)))
	for i := range at {
		at[i] = i
	}
	return yield(func(t *object.Thread) (object.Value, error) {
		if done {
			return nil, nil
		}
		out := make([]object.Value, r)
		for i, j := range at {
			out[i] = items[j]
		}
		i := r - 1
		for i >= 0 && at[i] == i+len(items)-r {
			i--
		}
		if done = i < 0; !done {
			at[i]++
			for j := i + 1; j < r; j++ {
				at[j] = at[j-1] + 1
			}
		}
		return tuple(t, out)
	}), nil
}

// itGroupBy makes the groups as lists: each is whole when it is handed out.
func itGroupBy(t *object.Thread, a []object.Value) (object.Value, error) {
	it, err := object.Iterate(t, a[0])
	if err != nil {
		return nil, err
	}
	keyOf := func(t *object.Thread, v object.Value) (object.Value, error) {
		if native.IsNone(a[1]) {
			return v, nil
		}
		return object.CallPos(t, a[1], v)
	}
	var pending object.Value
	return yield(func(t *object.Thread) (object.Value, error) {
		if pending == nil {
			if pending, err = it.Next(t); pending == nil || err != nil {
				return nil, err
			}
		}
		key, err := keyOf(t, pending)
		if err != nil {
			return nil, err
		}
		group := object.NewList(nil)
		for {
			if err := t.Step(1); err != nil {
				return nil, err
			}
			if err := group.Append(t, pending); err != nil {
				return nil, err
			}
			if pending, err = it.Next(t); err != nil {
				return nil, err
			}
			if pending == nil {
				break
			}
			other, err := keyOf(t, pending)
			if err != nil {
				return nil, err
			}
			if same, err := object.Equal(t, key, other); err != nil || !same {
				if err != nil {
					return nil, err
				}
				break
			}
		}
		items, err := object.Iterate(t, group)
		return object.Tuple{key, object.NewIterator(items)}, err
	}), nil
}

func itZipLongest(t *object.Thread, a []object.Value) (object.Value, error) {
	its, err := object.Iterators(t, a[1].(object.Tuple))
	if err != nil {
		return nil, err
	}
	fill := object.OrNone(a[0])
	return yield(func(t *object.Thread) (object.Value, error) {
		if err := t.AllocSlots(len(its)); err != nil {
			return nil, err
		}
		out := make(object.Tuple, len(its))
		live := false
		for i, it := range its {
			out[i] = fill
			if it == nil {
				continue
			}
			v, err := it.Next(t)
			if err != nil {
				return nil, err
			}
			if v == nil {
				its[i] = nil
				continue
			}
			out[i], live = v, true
		}
		if !live {
			return nil, nil
		}
		return out, nil
	}), nil
}
