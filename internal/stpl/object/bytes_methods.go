package object

import (
	"encoding/hex"
	"math/big"
	"strings"
	"unicode/utf8"
)

// byteBase is where bytes above 0x7f lie while a method of str works on them:
// a private area, whose characters are no letters, digits or white space.
const byteBase = 0xf700

func setupBytes() {
	for _, name := range strings.Fields(`isalpha isdigit isalnum isspace isascii isupper islower istitle
		upper lower title capitalize swapcase find rfind index rindex startswith endswith count replace
		removeprefix removesuffix split rsplit partition rpartition join strip lstrip rstrip
		ljust rjust center zfill expandtabs`) {
		BytesType.Define(viaStr(StrType.methods[name]))
	}
	BytesType.Define(
		method("decode", "encoding? errors?", func(t *Thread, a []Value) (Value, error) {
			enc, errs, err := codecArgs(a[1], a[2])
			if err != nil {
				return nil, err
			}
			return Decode(t, string(a[0].(Bytes)), enc, errs)
		}),
		method("hex", "sep?", bytesHex),
		method("splitlines", "keepends?", func(t *Thread, a []Value) (Value, error) {
			s := string(a[0].(Bytes))
			if err := t.AllocSlots(1 + strings.Count(s, "\n") + strings.Count(s, "\r")); err != nil {
				return nil, err
			}
			var out []Value
			end := func(r rune) bool { return r == '\n' || r == '\r' }
			for _, l := range splitLines(s, a[1] != nil && Truthy(a[1]), end) {
				out = append(out, Bytes(l))
			}
			return NewList(out), t.Work(len(s))
		}),
	)
	BytesType.Static("fromhex", NewBuiltin("fromhex", "string", func(t *Thread, a []Value) (Value, error) {
		s, err := StrArg(a[0], "fromhex")
		if err != nil {
			return nil, err
		}
		if err := t.Alloc(len(s)); err != nil {
			return nil, err
		}
		b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
		if err != nil {
			return nil, Raise(ValueError, "non-hexadecimal number found in fromhex() arg")
		}
		return Bytes(b), nil
	}))
	IntType.Static("from_bytes", NewBuiltin("from_bytes", "bytes byteorder? * signed?", intFromBytes))
}

func widen(b Bytes) Str {
	if isASCII(string(b)) {
		return Str(b)
	}
	var s strings.Builder
	for i := 0; i < len(b); i++ {
		if b[i] < utf8.RuneSelf {
			s.WriteByte(b[i])
		} else {
			s.WriteRune(byteBase + rune(b[i]))
		}
	}
	return Str(s.String())
}

func narrow(s Str) Bytes {
	if isASCII(string(s)) {
		return Bytes(s)
	}
	var b strings.Builder
	for _, r := range string(s) {
		b.WriteByte(byte(r)) // byteBase is a multiple of 256
	}
	return Bytes(b.String())
}

func widenValue(t *Thread, v Value) (Value, error) {
	switch v := v.(type) {
	case Bytes:
		return widen(v), t.AllocN(len(v), 3)
	case Str:
		return nil, Raise(TypeError, "a bytes-like object is required, not 'str'")
	case Tuple, *List, *iterValue:
		items, err := ToSlice(t, v)
		if err != nil {
			return nil, err
		}
		for i := range items {
			if items[i], err = widenValue(t, items[i]); err != nil {
				return nil, err
			}
		}
		return Tuple(items), nil
	}
	return v, nil
}

func narrowValue(v Value) Value {
	switch v := v.(type) {
	case Str:
		return narrow(v)
	case Tuple:
		for i := range v {
			v[i] = narrowValue(v[i])
		}
	case *List:
		for i := range v.items {
			v.items[i] = narrowValue(v.items[i])
		}
	}
	return v
}

// viaStr makes the bytes method that works as the str method does.
func viaStr(m *Builtin) *Builtin {
	fn := func(t *Thread, a []Value) (Value, error) {
		args := make([]Value, len(a))
		for i, v := range a {
			if v == nil {
				continue
			}
			var err error
			if args[i], err = widenValue(t, v); err != nil {
				return nil, err
			}
		}
		r, err := m.fn(t, args)
		if err != nil {
			return nil, err
		}
		return narrowValue(r), nil
	}
	return &Builtin{definition: &definition{Name: m.Name, sig: m.sig, fn: fn}}
}

func bytesContains(t *Thread, b Bytes, item Value) (bool, error) {
	if err := t.Work(len(b)); err != nil {
		return false, err
	}
	switch v := item.(type) {
	case Bytes:
		return strings.Contains(string(b), string(v)), nil
	case Int:
		if v < 0 || v > 255 {
			return false, Raise(ValueError, "byte must be in range(0, 256)")
		}
		return strings.IndexByte(string(b), byte(v)) >= 0, nil
	}
	return false, Raise(TypeError, "a bytes-like object is required, not '%s'", TypeName(item))
}

func bytesHex(t *Thread, a []Value) (Value, error) {
	s := string(a[0].(Bytes))
	if err := t.AllocN(len(s), 4); err != nil {
		return nil, err
	}
	if a[1] == nil {
		return Str(hex.EncodeToString([]byte(s))), nil
	}
	sep, err := StrArg(a[1], "hex")
	if err != nil {
		return nil, err
	}
	if runeLen(sep) != 1 {
		return nil, Raise(ValueError, "sep must be length 1.")
	}
	parts := make([]string, len(s))
	for i := range len(s) {
		parts[i] = hex.EncodeToString([]byte{s[i]})
	}
	return Str(strings.Join(parts, sep)), nil
}

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
		enc, errs, err := codecArgs(a[1], a[2])
		if err != nil {
			return nil, err
		}
		return Encode(t, string(v), enc, errs)
	case Int, Bool, *Big:
		n, err := IndexArg(v)
		if err != nil {
			return nil, err
		}
		if n < 0 {
			return nil, Raise(ValueError, "negative count")
		}
		s, err := RepeatString(t, "\x00", n)
		return Bytes(s), err
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
	if len(b) > maxBits/8 {
		return nil, Raise(OverflowError, "integers of more than %d bits are not supported", maxBits)
	}
	big1, err := bigEndian(a[1])
	if err != nil {
		return nil, err
	}
	if !big1 {
		reverse(b)
	}
	i := new(big.Int).SetBytes(b)
	if a[2] != nil && Truthy(a[2]) && len(b) > 0 && b[0]&0x80 != 0 {
		i.Sub(i, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return MakeInt(i), nil
}

func intToBytes(t *Thread, a []Value) (Value, error) {
	i, _ := toBig(a[0])
	n := 1
	if a[1] != nil {
		var err error
		if n, err = IndexArg(a[1]); err != nil {
			return nil, err
		}
	}
	if n < 0 {
		return nil, Raise(ValueError, "length argument must be non-negative")
	}
	bigEnd, err := bigEndian(a[2])
	if err != nil {
		return nil, err
	}
	signed := a[3] != nil && Truthy(a[3])
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
		reverse(b)
	}
	return Bytes(b), nil
}
