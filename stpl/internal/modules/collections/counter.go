package collections

import (
	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

func counterMethods() []*object.Builtin {
	return []*object.Builtin{
		object.Method("update", "iterable? / **kwds", func(t *object.Thread, d *object.Dict, a []object.Value) (object.Value, error) {
			return object.None, countAll(t, d, a, object.Add)
		}),
		object.Method("subtract", "iterable? / **kwds", func(t *object.Thread, d *object.Dict, a []object.Value) (object.Value, error) {
			return object.None, countAll(t, d, a, object.Sub)
		}),
		object.Method("most_common", "n:none+int?", func(t *object.Thread, d *object.Dict, a []object.Value) (object.Value, error) {
			items, err := mostCommon(t, d)
			n := object.IntOr(a[0], len(items))
			return object.NewList(items[:max(0, min(n, len(items)))]), err
		}),
		object.Method("elements", "", func(t *object.Thread, d *object.Dict, _ []object.Value) (object.Value, error) {
			out := object.NewList(nil)
			for key, v := range d.All {
				n, err := object.IndexArg(v)
				if err != nil {
					return nil, err
				}
				for range n {
					if err := out.Append(t, key); err != nil {
						return nil, err
					}
				}
			}
			it, err := object.Iterate(t, out)
			return object.NewIterator(it), err
		}),
		object.Method("total", "", func(t *object.Thread, d *object.Dict, _ []object.Value) (object.Value, error) {
			var total object.Value = object.Int(0)
			for _, n := range d.All {
				var err error
				if total, err = object.Binary(t, object.Add, total, n); err != nil {
					return nil, err
				}
			}
			return total, t.Work(d.Len())
		}),
	}
}

// countAll adds the counts of a mapping, or one for each item of an iterable,
// and those of the keywords.
func countAll(t *object.Thread, d *object.Dict, a []object.Value, op object.Op) error {
	for _, from := range a {
		if native.IsNone(from) {
			continue
		}
		counts, ok := from.(*object.Dict)
		if !ok {
			if err := object.Each(t, from, func(key object.Value) error { return addCount(t, d, key, object.Int(1), op) }); err != nil {
				return err
			}
			continue
		}
		if err := t.Work(counts.Len()); err != nil {
			return err
		}
		for key, n := range counts.All {
			if err := addCount(t, d, key, n, op); err != nil {
				return err
			}
		}
	}
	return nil
}

func addCount(t *object.Thread, d *object.Dict, key, n object.Value, op object.Op) error {
	old, ok, err := d.Get(t, key)
	if err != nil {
		return err
	}
	if !ok {
		old = object.Int(0)
	}
	sum, err := object.Binary(t, op, old, n)
	if err != nil {
		return err
	}
	return d.Set(t, key, sum)
}

// mostCommon are the items of a counter, the largest counts first.
func mostCommon(t *object.Thread, d *object.Dict) ([]object.Value, error) {
	items, err := pairs(t, d)
	if err != nil {
		return nil, err
	}
	count := object.NewBuiltin("count", "item", func(_ *object.Thread, a []object.Value) (object.Value, error) {
		return a[0].(object.Tuple)[1], nil
	})
	return items, object.Sort(t, items, count, true)
}

func counterParts(t *object.Thread, d *object.Dict) ([]any, error) {
	if d.Len() == 0 {
		return []any{"Counter()"}, nil
	}
	items, err := mostCommon(t, d)
	if err != nil {
		return nil, err
	}
	shown := object.NewDict()
	return []any{"Counter(", shown, ")"}, shown.Update(t, object.NewList(items))
}

// counterBinary combines two counters and keeps the positive counts.
func counterBinary(t *object.Thread, op object.Op, a, b *object.Dict) (object.Value, error) {
	if op != object.Add && op != object.Sub && op != object.Or && op != object.And {
		return nil, nil
	}
	keys, err := pairs(t, a)
	if err != nil {
		return nil, err
	}
	more, err := pairs(t, b)
	if err != nil {
		return nil, err
	}
	out := object.NewDictOfClass(&counter)
	for _, item := range append(keys, more...) {
		key := item.(object.Tuple)[0]
		n, err := combined(t, op, counted(t, a, key), counted(t, b, key))
		if err != nil {
			return nil, err
		}
		positive, err := object.Ordered(t, object.Greater, n, object.Int(0))
		if err != nil {
			return nil, err
		}
		if positive {
			if err := out.Set(t, key, n); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// counted is the count of a key that is known to be hashable.
func counted(t *object.Thread, d *object.Dict, key object.Value) object.Value {
	if v, ok, err := d.Get(t, key); ok && err == nil {
		return v
	}
	return object.Int(0)
}

func combined(t *object.Thread, op object.Op, x, y object.Value) (object.Value, error) {
	switch op {
	case object.Or, object.And:
		less, err := object.Ordered(t, object.Less, x, y)
		if less == (op == object.Or) {
			return y, err
		}
		return x, err
	}
	return object.Binary(t, op, x, y)
}
