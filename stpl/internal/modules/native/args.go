package native

import (
	"math/big"

	"mdserver/stpl/internal/object"
)

// IsNone reports an argument that was not given, or given as None.
func IsNone(v object.Value) bool { return v == nil || v == object.None }

// Truth is a flag with a default.
func Truth(v object.Value, def bool) bool {
	if v == nil {
		return def
	}
	return object.Truthy(v)
}

// StrOr is a string argument with a default; the signature wants a str.
func StrOr(v object.Value, def string) string {
	if IsNone(v) {
		return def
	}
	return object.Text(v)
}

// Text is an argument that must be a string.
func Text(v object.Value) (string, error) {
	s, ok := v.(object.Str)
	if !ok {
		return "", object.Raise(object.TypeError, "expected str, not %s", object.TypeName(v))
	}
	return string(s), nil
}

// TextOrBytes is an argument that must be a string or bytes.
func TextOrBytes(v object.Value) (s string, isBytes bool, err error) {
	switch v := v.(type) {
	case object.Str:
		return string(v), false, nil
	case object.Bytes:
		return string(v), true, nil
	}
	return "", false, object.Raise(object.TypeError, "expected string or bytes-like object, got '%s'", object.TypeName(v))
}

// ASCII is an argument that may be bytes or ASCII text.
func ASCII(v object.Value) (string, error) {
	switch v := v.(type) {
	case object.Bytes:
		return string(v), nil
	case object.Str:
		for i := range len(v) {
			if v[i] >= 0x80 {
				return "", object.Raise(object.ValueError, "string argument should contain only ASCII characters")
			}
		}
		return string(v), nil
	}
	return "", object.Raise(object.TypeError, "argument should be a bytes-like object or ASCII string, not '%s'", object.TypeName(v))
}

// Number is an argument that must be a real number; the signature wants a float.
func Number(v object.Value) float64 {
	f, _ := object.AsFloat(v)
	return f
}

// Integer is an argument that must be an integer; the signature wants an int.
func Integer(v object.Value) *big.Int {
	i, _ := object.BigInt(v)
	return i
}

// Count is an argument that must be a number of things.
func Count(v object.Value, negative string) (int, error) {
	n, err := object.IndexArg(v)
	if err == nil && n < 0 {
		err = object.Raise(object.ValueError, "%s", negative)
	}
	return n, err
}

// Choice is an item of a sequence. Below returns the number of one of n.
func Choice(t *object.Thread, seq object.Value, below func(n int) int) (object.Value, error) {
	n, err := object.Len(seq)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, object.Raise(object.IndexError, "Cannot choose from an empty sequence")
	}
	return object.Index(t, seq, object.Int(below(n)))
}

// Ints are integers as values.
func Ints(list ...int) []object.Value {
	values := make([]object.Value, len(list))
	for i, n := range list {
		values[i] = object.Int(n)
	}
	return values
}

// IsLetter reports a letter of ASCII.
func IsLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// Charge asks for the memory and the steps of handling n bytes.
func Charge(t *object.Thread, n int) error { return t.Charge(n, n) }

// Runes returns the characters of a string, charged for.
func Runes(t *object.Thread, s string) ([]rune, error) {
	if err := t.AllocN(len(s), 4); err != nil {
		return nil, err
	}
	return []rune(s), t.Work(len(s))
}
