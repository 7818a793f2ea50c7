package object

import (
	"math"
	"math/big"
	"strconv"
	"strings"

	"mdserver/stpl/internal/number"
)

func setupConstructors() {
	ObjectType.Constructor(NewBuiltin("object", "", func(*Thread, []Value) (Value, error) { return &plainObject{}, nil }))
	IntType.Constructor(NewBuiltin("int", "x? / base:int?", newInt))
	FloatType.Constructor(NewBuiltin("float", "x? /", newFloat))
	BoolType.Constructor(NewBuiltin("bool", "x? /", func(_ *Thread, a []Value) (Value, error) {
		return Bool(a[0] != nil && Truthy(a[0])), nil
	}))
	ListType.Constructor(NewBuiltin("list", "iterable? /", func(t *Thread, a []Value) (Value, error) {
		items, err := optionalItems(t, a[0])
		return NewList(items), err
	}))
	TupleType.Constructor(NewBuiltin("tuple", "iterable? /", func(t *Thread, a []Value) (Value, error) {
		if v, ok := a[0].(Tuple); ok {
			return v, nil
		}
		items, err := optionalItems(t, a[0])
		return Tuple(items), err
	}))
	DictType.Constructor(NewBuiltin("dict", "iterable? / **kwargs", newDict))
	SetType.Constructor(NewBuiltin("set", "iterable? /", newSet(false)))
	FrozenSetType.Constructor(NewBuiltin("frozenset", "iterable? /", newSet(true)))
	RangeType.Constructor(NewBuiltin("range", "start:int stop:int? step:int? /", newRange))
	SliceType.Constructor(NewBuiltin("slice", "start stop? step? /", func(_ *Thread, a []Value) (Value, error) {
		if a[1] == nil {
			return &Slice{None, a[0], None}, nil
		}
		return &Slice{a[0], a[1], OrNone(a[2])}, nil
	}))
	TypeType.Constructor(NewBuiltin("type", "object /", func(_ *Thread, a []Value) (Value, error) { return a[0].Class(), nil }))
	FloatType.Define(
		NewBuiltin("is_integer", "/", func(_ *Thread, a []Value) (Value, error) {
			f := float64(a[0].(Float))
			return Bool(f == math.Trunc(f) && !math.IsInf(f, 0)), nil
		}),
		NewBuiltin("hex", "/", func(_ *Thread, a []Value) (Value, error) { return Str(number.Hex(float64(a[0].(Float)))), nil }),
	)
	IntType.Define(
		NewBuiltin("bit_length", "/", func(_ *Thread, a []Value) (Value, error) {
			i, _ := BigInt(a[0])
			return Int(i.BitLen()), nil
		}),
	)
}

// plainObject is what object() makes: something only equal to itself.
type plainObject struct{ _ byte }

func optionalItems(t *Thread, v Value) ([]Value, error) {
	if v == nil {
		return nil, nil
	}
	return ToSlice(t, v)
}

// parseInt reads the text of an integer.
func parseInt(t *Thread, text string, base int) (Value, error) {
	if base == 10 { // the usual case
		if i, err := strconv.ParseInt(text, 10, 64); err == nil {
			return Int(i), nil
		}
	}
	i, err := number.ParseInt(&t.Meter, text, base)
	switch {
	case err == number.ErrSyntax:
		return nil, Raise(ValueError, "invalid literal for int() with base %d: %s", base, PlainRepr(Str(text)))
	case err != nil:
		return nil, numberError(err)
	}
	return MakeInt(i), nil
}

// parseFloat reads the text of a float.
func parseFloat(t *Thread, text string) (Value, error) {
	if err := t.Work(len(text)); err != nil {
		return nil, err
	}
	f, err := number.ParseFloat(text)
	if err != nil {
		return nil, Raise(ValueError, "could not convert string to float: %s", PlainRepr(Str(text)))
	}
	return Float(f), nil
}

// Integer is a value of another package that int() accepts.
type Integer interface{ Integer() *big.Int }

func newInt(t *Thread, a []Value) (Value, error) {
	if a[1] != nil {
		base := IntOr(a[1], 0)
		if base != 0 && (base < 2 || base > 36) {
			return nil, Raise(ValueError, "int() base must be >= 2 and <= 36, or 0")
		}
		switch s := a[0].(type) {
		case Str:
			return parseInt(t, string(s), base)
		case Bytes:
			return ofBytes(s, func(text string) (Value, error) { return parseInt(t, text, base) })
		}
		if a[0] == nil {
			return nil, Raise(TypeError, "int() missing string argument")
		}
		return nil, Raise(TypeError, "int() can't convert non-string with explicit base")
	}
	switch v := a[0].(type) {
	case nil:
		return Int(0), nil
	case Int, *Big:
		return v, nil
	case Bool:
		return boolInt(v), nil
	case Float:
		return FloatToInt(float64(v))
	case Str:
		return parseInt(t, string(v), 10)
	case Bytes:
		return ofBytes(v, func(text string) (Value, error) { return parseInt(t, text, 10) })
	case Integer:
		return MakeInt(v.Integer()), nil
	}
	return nil, Raise(TypeError, "int() argument must be a string, a bytes-like object or a real number, not '%s'", TypeName(a[0]))
}

// ofBytes parses bytes as text, but shows them as bytes where that fails.
func ofBytes(b Bytes, parse func(text string) (Value, error)) (Value, error) {
	v, err := parse(string(b))
	if e, ok := err.(*Exception); ok && e.Kind == ValueError {
		message := strings.Replace(e.Message(), PlainRepr(Str(b)), PlainRepr(b), 1)
		return nil, Raise(ValueError, "%s", message)
	}
	return v, err
}

func newFloat(t *Thread, a []Value) (Value, error) {
	switch v := a[0].(type) {
	case nil:
		return Float(0), nil
	case Float:
		return v, nil
	case Int, Bool, *Big:
		f, _ := AsFloat(v)
		return Float(f), bigFits(v)
	case Str:
		return parseFloat(t, string(v))
	case Bytes:
		return ofBytes(v, func(text string) (Value, error) { return parseFloat(t, text) })
	case Texter:
		if _, ok := v.(Truth); ok { // a number of a module
			return parseFloat(t, v.Text())
		}
	}
	return nil, Raise(TypeError, "float() argument must be a string or a real number, not '%s'", TypeName(a[0]))
}

func newDict(t *Thread, a []Value) (Value, error) {
	if a[0] == nil {
		return a[1], nil
	}
	d := NewDict()
	if err := d.Update(t, a[0]); err != nil {
		return nil, err
	}
	return d, d.Update(t, a[1])
}

func newSet(frozen bool) Func {
	return func(t *Thread, a []Value) (Value, error) {
		s := NewSet()
		if a[0] != nil {
			var err error
			if s, err = toSet(t, a[0]); err != nil {
				return nil, err
			}
		}
		s.frozen = frozen
		return s, nil
	}
}

// maxRange bounds the parts of a range so that its arithmetic cannot overflow.
const maxRange = 1 << 60

func newRange(_ *Thread, a []Value) (Value, error) {
	r := &Range{step: 1}
	parts := []*int64{&r.start, &r.stop, &r.step}
	if a[1] == nil {
		parts, a = parts[1:2], a[:1]
	}
	for i, p := range parts {
		n := IntOr(a[i], int(*p))
		if n > maxRange || n < -maxRange {
			return nil, Raise(OverflowError, "range of more than %d is not supported", maxRange)
		}
		*p = int64(n)
	}
	if r.step == 0 {
		return nil, Raise(ValueError, "range() arg 3 must not be zero")
	}
	return r, nil
}
