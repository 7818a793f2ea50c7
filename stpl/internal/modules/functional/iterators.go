package functional

import (
	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

func itAccumulate(t *object.Thread, a []object.Value) (object.Value, error) {
	it, err := object.Iterate(t, a[0])
	if err != nil {
		return nil, err
	}
	var total object.Value
	if !native.IsNone(a[2]) {
		total = a[2]
	}
	given := total != nil
	return yield(func(t *object.Thread) (object.Value, error) {
		if given {
			given = false
			return total, nil
		}
		v, err := it.Next(t)
		if v == nil || err != nil {
			return nil, err
		}
		switch {
		case total == nil:
			total = v
		case native.IsNone(a[1]):
			total, err = object.Binary(t, object.Add, total, v)
		default:
			total, err = object.CallPos(t, a[1], total, v)
		}
		return total, err
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

func iterators(t *object.Thread, vs object.Tuple) ([]object.Iterator, error) {
	out := make([]object.Iterator, len(vs))
	for i, v := range vs {
		var err error
		if out[i], err = object.Iterate(t, v); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func itZipLongest(t *object.Thread, a []object.Value) (object.Value, error) {
	its, err := iterators(t, a[1].(object.Tuple))
	if err != nil {
		return nil, err
	}
	fill := native.OrNone(a[0])
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

func itStarMap(t *object.Thread, a []object.Value) (object.Value, error) {
	it, err := object.Iterate(t, a[1])
	if err != nil {
		return nil, err
	}
	return yield(func(t *object.Thread) (object.Value, error) {
		v, err := it.Next(t)
		if v == nil || err != nil {
			return nil, err
		}
		args, err := object.ToSlice(t, v)
		if err != nil {
			return nil, err
		}
		return object.CallPos(t, a[0], args...)
	}), nil
}

// satisfies applies a predicate; None asks for the truth of the value.
func satisfies(t *object.Thread, predicate, v object.Value) (bool, error) {
	if native.IsNone(predicate) {
		return object.Truthy(v), nil
	}
	answer, err := object.CallPos(t, predicate, v)
	return err == nil && object.Truthy(answer), err
}

func itTakeWhile(t *object.Thread, a []object.Value) (object.Value, error) {
	it, err := object.Iterate(t, a[1])
	if err != nil {
		return nil, err
	}
	done := false
	return yield(func(t *object.Thread) (object.Value, error) {
		if done {
			return nil, nil
		}
		v, err := it.Next(t)
		if v == nil || err != nil {
			return nil, err
		}
		ok, err := satisfies(t, a[0], v)
		if done = !ok; done {
			return nil, err
		}
		return v, nil
	}), nil
}

func itDropWhile(t *object.Thread, a []object.Value) (object.Value, error) {
	dropping := true
	return filtered(t, a, func(ok bool) bool {
		dropping = dropping && ok
		return !dropping
	})
}

func itFilterFalse(t *object.Thread, a []object.Value) (object.Value, error) {
	return filtered(t, a, func(ok bool) bool { return !ok })
}

// filtered yields the items that keep wants, by what the predicate says.
func filtered(t *object.Thread, a []object.Value, keep func(ok bool) bool) (object.Value, error) {
	it, err := object.Iterate(t, a[1])
	if err != nil {
		return nil, err
	}
	return yield(func(t *object.Thread) (object.Value, error) {
		for {
			if err := t.Step(1); err != nil {
				return nil, err
			}
			v, err := it.Next(t)
			if v == nil || err != nil {
				return nil, err
			}
			ok, err := satisfies(t, a[0], v)
			if err != nil {
				return nil, err
			}
			if keep(ok) {
				return v, nil
			}
		}
	}), nil
}

func itPairwise(t *object.Thread, a []object.Value) (object.Value, error) {
	it, err := object.Iterate(t, a[0])
	if err != nil {
		return nil, err
	}
	var before object.Value
	return yield(func(t *object.Thread) (object.Value, error) {
		if before == nil {
			if before, err = it.Next(t); before == nil || err != nil {
				return nil, err
			}
		}
		v, err := it.Next(t)
		if v == nil || err != nil {
			return nil, err
		}
		pair := object.Tuple{before, v}
		before = v
		return pair, nil
	}), nil
}
