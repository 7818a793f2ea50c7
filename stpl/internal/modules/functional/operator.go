package functional

import (
	"strings"

	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

// Operator makes the module operator.
func Operator() native.Members {
	m := native.Functions(
		order("lt", object.Less), order("le", object.LessEqual), order("gt", object.Greater), order("ge", object.GreaterEqual),
		object.NewBuiltin("eq", "a b /", func(t *object.Thread, a []object.Value) (object.Value, error) {
			same, err := object.Equal(t, a[0], a[1])
			return object.Bool(same), err
		}),
		object.NewBuiltin("ne", "a b /", func(t *object.Thread, a []object.Value) (object.Value, error) {
			same, err := object.Equal(t, a[0], a[1])
			return object.Bool(!same), err
		}),
		object.NewBuiltin("contains", "a b /", func(t *object.Thread, a []object.Value) (object.Value, error) {
			found, err := object.Contains(t, a[0], a[1])
			return object.Bool(found), err
		}),
		object.NewBuiltin("getitem", "a b /", func(t *object.Thread, a []object.Value) (object.Value, error) { return object.Index(t, a[0], a[1]) }),
		object.NewBuiltin("itemgetter", "item / *items", func(_ *object.Thread, a []object.Value) (object.Value, error) {
			return getter("itemgetter", object.Index, append(object.Tuple{a[0]}, a[1].(object.Tuple)...)), nil
		}),
		object.NewBuiltin("attrgetter", "attr / *attrs", func(_ *object.Thread, a []object.Value) (object.Value, error) {
			names := append(object.Tuple{a[0]}, a[1].(object.Tuple)...)
			for _, name := range names {
				if _, ok := name.(object.Str); !ok {
					return nil, object.Raise(object.TypeError, "attribute name must be a string")
				}
			}
			return getter("attrgetter", dottedAttr, names), nil
		}),
	)
	for name, op := range map[string]object.Op{
		"add": object.Add, "sub": object.Sub, "mul": object.Mul, "truediv": object.Div, "floordiv": object.FloorDiv, "mod": object.Mod,
		"pow": object.Pow, "lshift": object.LShift, "rshift": object.RShift, "and_": object.And, "or_": object.Or, "xor": object.Xor, "concat": object.Add,
	} {
		m[name] = object.NewBuiltin(name, "a b /", func(t *object.Thread, a []object.Value) (object.Value, error) {
			return object.Binary(t, op, a[0], a[1])
		})
	}
	return m
}

func order(name string, o object.Order) *object.Builtin {
	return object.NewBuiltin(name, "a b /", func(t *object.Thread, a []object.Value) (object.Value, error) {
		holds, err := object.Ordered(t, o, a[0], a[1])
		return object.Bool(holds), err
	})
}

// getter makes a function that gets one thing from its argument, or a tuple of
// several.
func getter(name string, get func(t *object.Thread, v, key object.Value) (object.Value, error), keys object.Tuple) object.Value {
	return object.NewBuiltin(name, "obj /", func(t *object.Thread, a []object.Value) (object.Value, error) {
		if err := t.AllocSlots(len(keys)); err != nil {
			return nil, err
		}
		got := make(object.Tuple, len(keys))
		for i, key := range keys {
			var err error
			if got[i], err = get(t, a[0], key); err != nil {
				return nil, err
			}
		}
		if len(got) == 1 {
			return got[0], nil
		}
		return got, nil
	})
}

func dottedAttr(t *object.Thread, v, name object.Value) (object.Value, error) {
	for part := range strings.SplitSeq(string(name.(object.Str)), ".") {
		var err error
		if v, err = object.GetAttr(t, v, part); err != nil {
			return nil, err
		}
	}
	return v, nil
}
