package text

import (
	"math/big"
	"slices"
	"strings"

	"mdserver/stpl/internal/number"
	"mdserver/stpl/internal/object"
)

// codecSignature is that of encode and decode; codecArgs reads their arguments.
const codecSignature = "encoding:str? errors:str?"

func codecArgs(a []object.Value) (encoding, errors string) {
	encoding, errors = "utf-8", "strict"
	if a[0] != nil {
		encoding = object.Text(a[0])
	}
	if a[1] != nil {
		errors = object.Text(a[1])
	}
	return encoding, errors
}

// newStr is the constructor of str.
func newStr(t *object.Thread, a []object.Value) (object.Value, error) {
	if a[0] == nil {
		return object.Str(""), nil
	}
	if a[1] != nil || a[2] != nil {
		b, ok := a[0].(object.Bytes)
		if _, isStr := a[0].(object.Str); isStr {
			return nil, object.Raise(object.TypeError, "decoding str is not supported")
		}
		if !ok {
			return nil, object.Raise(object.TypeError, "decoding to str: need a bytes-like object, %s found", object.TypeName(a[0]))
		}
		encoding, errors := codecArgs(a[1:])
		return object.Decode(t, string(b), encoding, errors)
	}
	return object.NewStr(object.ToStr(t, a[0]))
}

// toBytes is the constructor of bytes.
func toBytes(t *object.Thread, a []object.Value) (object.Value, error) {
	switch v := a[0].(type) {
	case nil:
		return object.Bytes(""), nil
	case object.Bytes:
		return v, nil
	case object.Str:
		if a[1] == nil {
			return nil, object.Raise(object.TypeError, "string argument without an encoding")
		}
		encoding, errors := codecArgs(a[1:])
		return object.Encode(t, string(v), encoding, errors)
	case object.Int, object.Bool, *object.Big:
		n := object.IntOr(v, 0)
		if n < 0 {
			return nil, object.Raise(object.ValueError, "negative count")
		}
		s, err := t.Repeat("\x00", n)
		return object.Bytes(s), err
	}
	if _, err := object.Iterate(t, a[0]); err != nil {
		return nil, object.Raise(object.TypeError, "cannot convert '%s' object to bytes", object.TypeName(a[0]))
	}
	var b strings.Builder
	err := object.Each(t, a[0], func(v object.Value) error {
		i, ok := object.AsInt(v)
		if !ok {
			return object.Raise(object.TypeError, "'%s' object cannot be interpreted as an integer", object.TypeName(v))
		}
		if i < 0 || i > 255 {
			return object.Raise(object.ValueError, "bytes must be in range(0, 256)")
		}
		b.WriteByte(byte(i))
		return t.Alloc(1)
	})
	return object.Bytes(b.String()), err
}

func bigEndian(v object.Value) (bool, error) {
	if v == nil {
		return true, nil
	}
	switch s, _ := v.(object.Str); s {
	case "big":
		return true, nil
	case "little":
		return false, nil
	}
	return false, object.Raise(object.ValueError, "byteorder must be either 'little' or 'big'")
}

func intFromBytes(t *object.Thread, a []object.Value) (object.Value, error) {
	v, err := toBytes(t, []object.Value{a[0], nil, nil})
	if err != nil {
		return nil, err
	}
	b := []byte(v.(object.Bytes))
	if len(b) > number.MaxBits/8 {
		return nil, object.RaiseValue(object.OverflowError, object.Str(number.ErrBits))
	}
	big1, err := bigEndian(a[1])
	if err != nil {
		return nil, err
	}
	if !big1 {
		slices.Reverse(b)
	}
	i := new(big.Int).SetBytes(b)
	if object.Flag(a[2]) && len(b) > 0 && b[0]&0x80 != 0 {
		i.Sub(i, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return object.MakeInt(i), nil
}

func intToBytes(t *object.Thread, a []object.Value) (object.Value, error) {
	i, _ := object.BigInt(a[0])
	n := object.IntOr(a[1], 1)
	if n < 0 {
		return nil, object.Raise(object.ValueError, "length argument must be non-negative")
	}
	bigEnd, err := bigEndian(a[2])
	if err != nil {
		return nil, err
	}
	signed := object.Flag(a[3])
	if i.Sign() < 0 && !signed {
		return nil, object.Raise(object.OverflowError, "can't convert negative int to unsigned")
	}
	if err := t.Alloc(n); err != nil {
		return nil, err
	}
	bits := i.BitLen()
	if signed {
		bits++
		if i.Sign() < 0 && int(i.TrailingZeroBits()) == i.BitLen()-1 {
			bits--
		}
	}
	if bits > 8*n {
		return nil, object.Raise(object.OverflowError, "int too big to convert")
	}
	if i.Sign() < 0 {
		i = new(big.Int).Add(i, new(big.Int).Lsh(big.NewInt(1), uint(8*n)))
	}
	b := i.FillBytes(make([]byte, n))
	if !bigEnd {
		slices.Reverse(b)
	}
	return object.Bytes(b), nil
}
