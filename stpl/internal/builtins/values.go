package builtins

import (
	"unicode/utf8"

	"mdserver/stpl/internal/object"
)

func textFunctions() []*object.Builtin {
	return []*object.Builtin{
		object.NewBuiltin("repr", "obj /", func(t *object.Thread, a []object.Value) (object.Value, error) {
			return object.NewStr(object.Repr(t, a[0]))
		}),
		object.NewBuiltin("ascii", "obj /", func(t *object.Thread, a []object.Value) (object.Value, error) {
			return object.NewStr(object.ASCII(t, a[0]))
		}),
		object.NewBuiltin("format", "value format_spec:str? /", func(t *object.Thread, a []object.Value) (object.Value, error) {
			return object.NewStr(object.Format(t, a[0], object.Text(a[1])))
		}),
		object.NewBuiltin("chr", "i:int /", func(_ *object.Thread, a []object.Value) (object.Value, error) {
			i := object.IntOr(a[0], 0)
			if i < 0 || i > utf8.MaxRune {
				return nil, object.Raise(object.ValueError, "chr() arg not in range(0x110000)")
			}
			if !utf8.ValidRune(rune(i)) {
				return nil, object.Raise(object.ValueError, "chr() of a lone surrogate is not supported")
			}
			return object.Str(rune(i)), nil
		}),
		object.NewBuiltin("ord", "c /", func(_ *object.Thread, a []object.Value) (object.Value, error) {
			switch v := a[0].(type) {
			case object.Str:
				if r, n := utf8.DecodeRuneInString(string(v)); n > 0 && n == len(v) {
					return object.Int(r), nil
				}
				return nil, object.Raise(object.TypeError, "ord() expected a character, but string of length %d found", utf8.RuneCountInString(string(v)))
			case object.Bytes:
				if len(v) == 1 {
					return object.Int(v[0]), nil
				}
				return nil, object.Raise(object.TypeError, "ord() expected a character, but string of length %d found", len(v))
			}
			return nil, object.Raise(object.TypeError, "ord() expected string of length 1, but %s found", object.TypeName(a[0]))
		}),
		radix("bin", "#b"), radix("oct", "#o"), radix("hex", "#x"),
		// print goes nowhere: a template's text is its output.
		object.NewBuiltin("print", "*args sep? end? file? flush?", func(*object.Thread, []object.Value) (object.Value, error) { return object.None, nil }),
	}
}

func typeFunctions() []*object.Builtin {
	return []*object.Builtin{
		object.NewBuiltin("isinstance", "obj class_or_tuple /", func(t *object.Thread, a []object.Value) (object.Value, error) {
			ok, err := object.IsInstance(t, a[0].Class(), a[1], "isinstance")
			return object.Bool(ok), err
		}),
		object.NewBuiltin("issubclass", "cls class_or_tuple /", func(t *object.Thread, a []object.Value) (object.Value, error) {
			c, ok := a[0].(*object.Type)
			if !ok {
				return nil, object.Raise(object.TypeError, "issubclass() arg 1 must be a class")
			}
			ok, err := object.IsInstance(t, c, a[1], "issubclass")
			return object.Bool(ok), err
		}),
		object.NewBuiltin("callable", "obj /", func(_ *object.Thread, a []object.Value) (object.Value, error) {
			return object.Bool(object.IsCallable(a[0])), nil
		}),
		object.NewBuiltin("hasattr", "obj name /", func(t *object.Thread, a []object.Value) (object.Value, error) {
			v, err := attribute(t, a[0], a[1])
			return object.Bool(v != nil), err
		}),
		object.NewBuiltin("getattr", "obj name default? /", func(t *object.Thread, a []object.Value) (object.Value, error) {
			v, err := attribute(t, a[0], a[1])
			switch {
			case v != nil || err != nil:
				return v, err
			case a[2] == nil:
				return object.GetAttr(t, a[0], object.Text(a[1]))
			}
			return a[2], nil
		}),
		object.NewBuiltin("hash", "obj /", func(t *object.Thread, a []object.Value) (object.Value, error) {
			h, err := object.Hash(t, a[0])
			return object.Int(h), err
		}),
		object.NewBuiltin("id", "obj /", func(t *object.Thread, a []object.Value) (object.Value, error) {
			id, err := object.Identity(t, a[0])
			return object.Int(id), err
		}),
	}
}

// attribute returns nil, nil if there is no such attribute.
func attribute(t *object.Thread, v, name object.Value) (object.Value, error) {
	s, ok := name.(object.Str)
	if !ok {
		return nil, object.Raise(object.TypeError, "attribute name must be string, not '%s'", object.TypeName(name))
	}
	return object.LookupAttr(t, v, string(s))
}
