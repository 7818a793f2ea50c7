package binary

import (
	endian "encoding/binary"
	"math/big"
	"slices"
	"strings"

	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

var structError = object.NewExceptionType("error", object.ExceptionType)

// Struct makes the module struct.
func Struct() native.Members {
	m := native.Functions(
		object.NewBuiltin("calcsize", "format /", func(t *object.Thread, a []object.Value) (object.Value, error) {
			l, err := structLayout(t, a[0])
			return object.Int(l.size), err
		}),
		object.NewBuiltin("pack", "format *values", structPack),
		object.NewBuiltin("unpack", "format buffer /", func(t *object.Thread, a []object.Value) (object.Value, error) {
			return structUnpack(t, a[0], a[1], 0, true)
		}),
		object.NewBuiltin("unpack_from", "format buffer offset:int?", func(t *object.Thread, a []object.Value) (object.Value, error) {
			offset := object.IntOr(a[2], 0)
			return structUnpack(t, a[0], a[1], offset, false)
		}),
	)
	m["error"] = structError
	return m
}

// structItem is one value, or padding, of a packed structure.
type structItem struct {
	code       byte
	at, length int
}

type layout struct {
	bigEndian bool
	items     []structItem
	size      int
	native    bool // order, sizes and alignment are the machine's
}

// nativeSizes are for "@", which also aligns; the others have standard sizes.
var (
	standardSizes = map[byte]int{'x': 1, 'c': 1, 'b': 1, 'B': 1, '?': 1, 'h': 2, 'H': 2, 'i': 4, 'I': 4, 'l': 4, 'L': 4, 'q': 8, 'Q': 8, 's': 1}
	nativeSizes   = map[byte]int{'x': 1, 'c': 1, 'b': 1, 'B': 1, '?': 1, 'h': 2, 'H': 2, 'i': 4, 'I': 4, 'l': 8, 'L': 8, 'q': 8, 'Q': 8, 's': 1}
)

// maxStruct bounds the size of a structure in bytes.
const maxStruct = 1 << 24

// structLayout reads a format.
func structLayout(t *object.Thread, v object.Value) (layout, error) {
	var l layout
	format, _, err := native.TextOrBytes(v)
	if err != nil {
		return l, object.Raise(object.TypeError, "Struct() argument 1 must be a str or bytes object, not %s", object.TypeName(v))
	}
	if err := native.Charge(t, len(format)); err != nil {
		return l, err
	}
	sizes := nativeSizes
	l.native = true
	if format != "" && strings.IndexByte("@=<>!", format[0]) >= 0 {
		l.bigEndian = format[0] == '>' || format[0] == '!'
		if l.native = format[0] == '@'; !l.native {
			sizes = standardSizes
		}
		format = format[1:]
	}
	for i := 0; i < len(format); i++ {
		if strings.IndexByte(" \t\n\r\f\v", format[i]) >= 0 {
			continue
		}
		count, digits := 0, false
		for ; i < len(format) && format[i] >= '0' && format[i] <= '9'; i++ {
			if count, digits = count*10+int(format[i]-'0'), true; count > maxStruct {
				return l, object.Raise(structError, "total struct size too long")
			}
		}
		if i == len(format) {
			return l, object.Raise(structError, "repeat count given without format specifier")
		}
		if !digits {
			count = 1
		}
		size := sizes[format[i]]
		if size == 0 {
			return l, object.Raise(structError, "bad char in struct format")
		}
		if l.native && size > 1 {
			l.size = (l.size + size - 1) / size * size
		}
		if err := l.add(t, format[i], count, size); err != nil {
			return l, err
		}
	}
	return l, nil
}

func (l *layout) add(t *object.Thread, code byte, count, size int) error {
	if l.size+count*size > maxStruct {
		return object.Raise(structError, "total struct size too long")
	}
	switch code {
	case 'x':
		l.size += count
		return nil
	case 's':
		l.items = append(l.items, structItem{code, l.size, count})
		l.size += count
		return t.Alloc(64)
	}
	if err := t.AllocN(count, 64); err != nil {
		return err
	}
	for range count {
		l.items = append(l.items, structItem{code, l.size, size})
		l.size += size
	}
	return nil
}

func structPack(t *object.Thread, a []object.Value) (object.Value, error) {
	l, err := structLayout(t, a[0])
	if err != nil {
		return nil, err
	}
	values := a[1].(object.Tuple)
	if len(values) != len(l.items) {
		return nil, object.Raise(structError, "pack expected %d items for packing (got %d)", len(l.items), len(values))
	}
	if err := native.Charge(t, 2*l.size); err != nil {
		return nil, err
	}
	out := make([]byte, l.size)
	for i, item := range l.items {
		if err := l.put(out[item.at:item.at+item.length], item.code, values[i]); err != nil {
			return nil, err
		}
	}
	return object.Bytes(out), nil
}

func (l *layout) put(to []byte, code byte, v object.Value) error {
	switch code {
	case 's', 'c':
		b, ok := v.(object.Bytes)
		switch {
		case code == 'c' && (!ok || len(b) != 1):
			return object.Raise(structError, "char format requires a bytes object of length 1")
		case !ok:
			return object.Raise(structError, "argument for '%c' must be a bytes object", code)
		default:
			copy(to, b)
		}
		return nil
	case '?':
		if object.Truthy(v) {
			to[0] = 1
		}
		return nil
	}
	n, ok := object.BigInt(v)
	if !ok {
		return object.Raise(structError, "required argument is not an integer")
	}
	return l.putInt(to, code, n)
}

// signed reports whether a code is of a signed integer: those in lower case.
func signed(code byte) bool { return code >= 'a' }

func (l *layout) putInt(to []byte, code byte, n *big.Int) error {
	bits := uint(8 * len(to))
	low, high := new(big.Int), new(big.Int).Lsh(big.NewInt(1), bits)
	if signed(code) {
		high.Rsh(high, 1)
		low.Neg(high)
	}
	high.Sub(high, big.NewInt(1))
	if n.Cmp(low) < 0 || n.Cmp(high) > 0 {
		return outside(code, len(to), n, low, high)
	}
	u := n.Uint64()
	if n.Sign() < 0 {
		u = uint64(n.Int64())
	}
	copy(to, endian.LittleEndian.AppendUint64(nil, u))
	if l.bigEndian {
		slices.Reverse(to)
	}
	return nil
}

// outside says which integers fit; its wordings are CPython's.
func outside(code byte, size int, n, low, high *big.Int) error {
	switch {
	case code == 'b':
		return object.Raise(structError, "byte format requires -128 <= number <= 127")
	case code == 'B':
		return object.Raise(structError, "ubyte format requires 0 <= number <= 255")
	case code == 'h':
		return object.Raise(structError, "short format requires -32768 <= number <= 32767")
	case code == 'H':
		return object.Raise(structError, "ushort format requires 0 <= number <= 65535")
	case size == 8 || n.BitLen() > 63 || n.Sign() < 0 && low.Sign() == 0:
		return object.Raise(structError, "argument out of range")
	}
	return object.Raise(structError, "'%c' format requires %d <= number <= %d", code, low, high)
}

func structUnpack(t *object.Thread, format, buffer object.Value, offset int, exact bool) (object.Value, error) {
	l, err := structLayout(t, format)
	if err != nil {
		return nil, err
	}
	data, ok := buffer.(object.Bytes)
	if !ok {
		return nil, object.Raise(object.TypeError, "a bytes-like object is required, not '%s'", object.TypeName(buffer))
	}
	if offset < 0 {
		offset += len(data)
	}
	switch {
	case exact && len(data) != l.size:
		return nil, object.Raise(structError, "unpack requires a buffer of %d bytes", l.size)
	case offset < 0 || len(data)-offset < l.size:
		return nil, object.Raise(structError, "unpack_from requires a buffer of at least %d bytes for unpacking %d bytes at offset %d (actual buffer size is %d)",
			l.size+offset, l.size, offset, len(data))
	}
	if err := native.Charge(t, l.size+16*len(l.items)); err != nil {
		return nil, err
	}
	out := make(object.Tuple, len(l.items))
	for i, item := range l.items {
		out[i], err = l.get([]byte(data[offset+item.at:offset+item.at+item.length]), item.code)
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (l *layout) get(from []byte, code byte) (object.Value, error) {
	switch code {
	case 's', 'c':
		return object.Bytes(from), nil
	case '?':
		return object.Bool(from[0] != 0), nil
	}
	if l.bigEndian {
		slices.Reverse(from)
	}
	u := endian.LittleEndian.Uint64(append(from, make([]byte, 8)...))
	if signed(code) {
		shift := 64 - 8*len(from)
		return object.Int(int64(u<<shift) >> shift), nil
	}
	return object.MakeInt(new(big.Int).SetUint64(u)), nil
}
