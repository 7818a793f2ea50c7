package native

import (
	"context"
	"math/big"
	"time"

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

// IntOr is an integer argument with a default.
func IntOr(v object.Value, def int) (int, error) {
	if v == nil {
		return def, nil
	}
	return object.IndexArg(v)
}

// StrOr is a string argument with a default.
func StrOr(v object.Value, def string) (string, error) {
	if v == nil {
		return def, nil
	}
	return Text(v)
}

// Text is an argument that must be a string.
func Text(v object.Value) (string, error) {
	s, ok := v.(object.Str)
	if !ok {
		return "", object.Raise(object.TypeError, "expected str, not %s", object.TypeName(v))
	}
	return string(s), nil
}

// Bytes is an argument that must be bytes.
func Bytes(v object.Value) (string, error) {
	b, ok := v.(object.Bytes)
	if !ok {
		return "", object.Raise(object.TypeError, "a bytes-like object is required, not '%s'", object.TypeName(v))
	}
	return string(b), nil
}

// OrNone is an optional argument, or None.
func OrNone(v object.Value) object.Value {
	if v == nil {
		return object.None
	}
	return v
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

// Number is an argument that must be a real number.
func Number(v object.Value) (float64, error) {
	f, ok := object.AsFloat(v)
	if !ok {
		return 0, object.Raise(object.TypeError, "must be real number, not %s", object.TypeName(v))
	}
	if i, ok := object.BigInt(v); ok && i.BitLen() > 1024 {
		return 0, object.Raise(object.OverflowError, "int too large to convert to float")
	}
	return f, nil
}

// Integer is an argument that must be an integer.
func Integer(v object.Value) (*big.Int, error) {
	i, ok := object.BigInt(v)
	if !ok {
		return nil, object.Raise(object.TypeError, "'%s' object cannot be interpreted as an integer", object.TypeName(v))
	}
	return i, nil
}

// Count is an argument that must be a number of things.
func Count(v object.Value, negative string) (int, error) {
	n, err := object.IndexArg(v)
	if err == nil && n < 0 {
		err = object.Raise(object.ValueError, "%s", negative)
	}
	return n, err
}

// IsLetter reports a letter of ASCII.
func IsLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// Charge asks for the memory and the steps of handling n bytes.
func Charge(t *object.Thread, n int) error {
	return ChargeFor(t, n, n)
}

// ChargeFor asks for so many bytes of memory and for the steps of handling n
// bytes.
func ChargeFor(t *object.Thread, memory, n int) error {
	if err := t.Alloc(memory); err != nil {
		return err
	}
	return t.Work(n)
}

// Runes returns the characters of a string, charged for.
func Runes(t *object.Thread, s string) ([]rune, error) {
	if err := t.AllocN(len(s), 4); err != nil {
		return nil, err
	}
	return []rune(s), t.Work(len(s))
}

// messageLimits are for the text of a message, too small for its time to be
// measured.
var messageLimits = object.Limits{Steps: 10000, Memory: 1 << 16, Time: time.Hour, Recursion: 20}

// Repr is the repr of a short value within a message or a repr.
func Repr(v object.Value) string {
	t := object.NewThread(context.Background(), object.NewBudget(messageLimits), nil)
	s, err := object.Repr(t, v)
	if err != nil {
		return "<" + object.TypeName(v) + " object>"
	}
	return s
}
