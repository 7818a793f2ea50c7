package object

import (
	"math/big"
	"slices"
	"strings"

	"mdserver/stpl/internal/number"
)

// toBytes is the bytes constructor.
func toBytes(t *Thread, a []Value) (Value, error) {
	switch v := a[0].(type) {
	case nil:
		return Bytes(""), nil
	case Bytes:
		return v, nil
	case Str:
		if a[1] == nil {
			return nil, Raise(TypeError, "string argument without an encoding")
		}
		encoding, errors := codecArgs(a[1:])
		return Encode(t, string(v), encoding, errors)
	case Int, Bool, *Big:
		n := IntOr(v, 0)
		if n < 0 {
			return nil, Raise(ValueError, "negative count")
		}
		s, err := t.Repeat("\x00", n)
		return Bytes(s), err
	}
	if _, err := Iterate(t, a[0]); err != nil {
		return nil, Raise(TypeError, "cannot convert '%s' object to bytes", TypeName(a[0]))
	}
	var b strings.Builder
	err := Each(t, a[0], func(v Value) error {
		i, ok := AsInt(v)
		if !ok {
			return Raise(TypeError, "'%s' object cannot be interpreted as an integer", TypeName(v))
		}
		if i < 0 || i > 255 {
			return Raise(ValueError, "bytes must be in range(0, 256)")
		}
		b.WriteByte(byte(i))
		return t.Alloc(1)
	})
	return Bytes(b.String()), err
}

func bigEndian(v Value) (bool, error) {
	if v == nil {
		return true, nil
	}
	switch s, _ := v.(Str); s {
	case "big":
		return true, nil
	case "little":
		return false, nil
	}
	return false, Raise(ValueError, "byteorder must be either 'little' or 'big'")
}

func intFromBytes(t *Thread, a []Value) (Value, error) {
	v, err := toBytes(t, []Value{a[0], nil, nil})
	if err != nil {
		return nil, err
	}
	b := []byte(v.(Bytes))
	if len(b) > number.MaxBits/8 {
		return nil, numberError(number.ErrBits)
	}
	big1, err := bigEndian(a[1])
	if err != nil {
		return nil, err
	}
	if !big1 {
		slices.Reverse(b)
	}
	i := new(big.Int).SetBytes(b)
	if Flag(a[2]) && len(b) > 0 && b[0]&0x80 != 0 {
		i.Sub(i, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return MakeInt(i), nil
}

func intToBytes(t *Thread, a []Value) (Value, error) {
	i, _ := BigInt(a[0])
	n := IntOr(a[1], 1)
	if n < 0 {
		return nil, Raise(ValueError, "length argument must be non-negative")
	}
	bigEnd, err := bigEndian(a[2])
	if err != nil {
		return nil, err
	}
	signed := Flag(a[3])
	if i.Sign() < 0 && !signed {
		return nil, Raise(OverflowError, "can't convert negative int to unsigned")
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
		return nil, Raise(OverflowError, "int too big to convert")
	}
	if i.Sign() < 0 {
		i = new(big.Int).Add(i, new(big.Int).Lsh(big.NewInt(1), uint(8*n)))
	}
	b := i.FillBytes(make([]byte, n))
	if !bigEnd {
		slices.Reverse(b)
	}
	return Bytes(b), nil
}
