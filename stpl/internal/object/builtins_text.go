package object

import "unicode/utf8"

func textBuiltins() []*Builtin {
	return []*Builtin{
		NewBuiltin("repr", "obj /", func(t *Thread, a []Value) (Value, error) {
			s, err := Repr(t, a[0])
			return Str(s), err
		}),
		NewBuiltin("ascii", "obj /", func(t *Thread, a []Value) (Value, error) {
			s, err := ASCII(t, a[0])
			return Str(s), err
		}),
		NewBuiltin("format", "value format_spec:str? /", func(t *Thread, a []Value) (Value, error) {
			s, err := Format(t, a[0], Text(a[1]))
			return Str(s), err
		}),
		NewBuiltin("chr", "i:int /", func(_ *Thread, a []Value) (Value, error) {
			i := IntOr(a[0], 0)
			if i < 0 || i > utf8.MaxRune {
				return nil, Raise(ValueError, "chr() arg not in range(0x110000)")
			}
			if !utf8.ValidRune(rune(i)) {
				return nil, Raise(ValueError, "chr() of a lone surrogate is not supported")
			}
			return Str(rune(i)), nil
		}),
		NewBuiltin("ord", "c /", func(_ *Thread, a []Value) (Value, error) {
			switch v := a[0].(type) {
			case Str:
				if r, n := utf8.DecodeRuneInString(string(v)); n > 0 && n == len(v) {
					return Int(r), nil
				}
				return nil, Raise(TypeError, "ord() expected a character, but string of length %d found", utf8.RuneCountInString(string(v)))
			case Bytes:
				if len(v) == 1 {
					return Int(v[0]), nil
				}
				return nil, Raise(TypeError, "ord() expected a character, but string of length %d found", len(v))
			}
			return nil, Raise(TypeError, "ord() expected string of length 1, but %s found", TypeName(a[0]))
		}),
		radix("bin", "#b"), radix("oct", "#o"), radix("hex", "#x"),
		// print goes nowhere: a template's text is its output.
		NewBuiltin("print", "*args sep? end? file? flush?", func(*Thread, []Value) (Value, error) { return None, nil }),
	}
}

func typeBuiltins() []*Builtin {
	return []*Builtin{
		NewBuiltin("isinstance", "obj class_or_tuple /", func(t *Thread, a []Value) (Value, error) {
			ok, err := IsInstance(t, a[0].Class(), a[1], "isinstance")
			return Bool(ok), err
		}),
		NewBuiltin("issubclass", "cls class_or_tuple /", func(t *Thread, a []Value) (Value, error) {
			c, ok := a[0].(*Type)
			if !ok {
				return nil, Raise(TypeError, "issubclass() arg 1 must be a class")
			}
			ok, err := IsInstance(t, c, a[1], "issubclass")
			return Bool(ok), err
		}),
		NewBuiltin("callable", "obj /", func(_ *Thread, a []Value) (Value, error) { return Bool(IsCallable(a[0])), nil }),
		NewBuiltin("hasattr", "obj name /", func(t *Thread, a []Value) (Value, error) {
			name, err := attrName(a[1])
			if err != nil {
				return nil, err
			}
			v, err := lookupAttr(t, a[0], name)
			return Bool(v != nil), err
		}),
		NewBuiltin("getattr", "obj name default? /", func(t *Thread, a []Value) (Value, error) {
			name, err := attrName(a[1])
			if err != nil {
				return nil, err
			}
			v, err := lookupAttr(t, a[0], name)
			if v == nil && err == nil {
				if a[2] == nil {
					return nil, noAttr(a[0], name)
				}
				v = a[2]
			}
			return v, err
		}),
		NewBuiltin("hash", "obj /", func(t *Thread, a []Value) (Value, error) {
			h, err := hashKey(t, a[0])
			if err != nil {
				return nil, err
			}
			if i, ok := h.(Int); ok {
				return Int(i), nil
			}
			part := hashPart(h)
			return Int(fnv(part)), t.Work(len(part))
		}),
		NewBuiltin("id", "obj /", func(t *Thread, a []Value) (Value, error) {
			s, _ := a[0].(Str)
			return Int(fnv(identity(a[0])) & 0x7fffffffffff), t.Work(4 * len(s))
		}),
	}
}

func attrName(v Value) (string, error) {
	name, ok := v.(Str)
	if !ok {
		return "", Raise(TypeError, "attribute name must be string, not '%s'", TypeName(v))
	}
	return string(name), nil
}

// fnv is a stable hash: unlike Python's it does not change from run to run.
func fnv(s string) int64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return int64(h >> 1)
}

// IsInstance reports whether class c is one of the classes in spec, a type or
// a tuple of types.
func IsInstance(t *Thread, c *Type, spec Value, function string) (bool, error) {
	switch s := spec.(type) {
	case *Type:
		return c.IsSubclass(s), nil
	case Tuple:
		if err := t.Enter(); err != nil {
			return false, err
		}
		defer t.Leave()
		for _, item := range s {
			if err := t.Step(1); err != nil {
				return false, err
			}
			if ok, err := IsInstance(t, c, item, function); ok || err != nil {
				return ok, err
			}
		}
		return false, nil
	}
	return false, Raise(TypeError, "%s() arg 2 must be a type, a tuple of types, or a union", function)
}
