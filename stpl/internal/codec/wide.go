package codec

import (
	endian "encoding/binary"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// byteOrder reads and appends numbers.
type byteOrder interface {
	endian.ByteOrder
	endian.AppendByteOrder
}

// wide is UTF-16 or UTF-32.
type wide struct {
	name  string
	size  int
	order byteOrder
	mark  bool // a byte order mark is written, and read
}

var wides = map[string]wide{
	"utf16": {"utf-16", 2, endian.LittleEndian, true}, "utf16le": {"utf-16-le", 2, endian.LittleEndian, false}, "utf16be": {"utf-16-be", 2, endian.BigEndian, false},
	"utf32": {"utf-32", 4, endian.LittleEndian, true}, "utf32le": {"utf-32-le", 4, endian.LittleEndian, false}, "utf32be": {"utf-32-be", 4, endian.BigEndian, false},
}

// findWide returns the encoding of a name in lower case.
func findWide(name string) (wide, bool) {
	name = strings.ReplaceAll(name, "-", "")
	if name == "u16" || name == "u32" {
		name = "utf" + name[1:]
	}
	w, ok := wides[name]
	return w, ok
}

func (w wide) put(b []byte, unit rune) []byte {
	if w.size == 2 {
		return w.order.AppendUint16(b, uint16(unit))
	}
	return w.order.AppendUint32(b, uint32(unit))
}

// Size is for Codec.
func (w wide) Size(n int) int { return 8 * (n + 2) }

// Encode is for Codec. All characters have a code.
func (w wide) Encode(s, _ string) (string, error) {
	out := make([]byte, 0, 2*len(s)+4)
	if w.mark {
		out = w.put(out, 0xfeff)
	}
	for _, r := range s {
		if high, low := utf16.EncodeRune(r); w.size == 2 && high != utf8.RuneError {
			out = w.put(w.put(out, high), low)
			continue
		}
		out = w.put(out, r)
	}
	return string(out), nil
}

func (w wide) unit(s string) rune {
	if w.size == 2 {
		return rune(w.order.Uint16([]byte(s[:2])))
	}
	return rune(w.order.Uint32([]byte(s[:4])))
}

// Decode is for Codec.
func (w wide) Decode(s, errors string) (string, error) {
	at := 0
	if w.mark && len(s) >= w.size {
		big := wide{size: w.size, order: endian.BigEndian}
		switch {
		case w.unit(s) == 0xfeff:
			at = w.size
		case big.unit(s) == 0xfeff:
			w.order, at = big.order, w.size
		}
	}
	name := w.name
	switch {
	case w.mark && w.order == endian.BigEndian:
		name += "-be"
	case w.mark:
		name += "-le"
	}
	return decodeWith(name, s, at, errors, w.next)
}

// next is for decodeWith.
func (w wide) next(s string) (r rune, n int, reason string) {
	if len(s) < w.size {
		return 0, len(s), "truncated data"
	}
	r = w.unit(s)
	switch {
	case w.size == 4 && (r < 0 || r > utf8.MaxRune):
		return 0, 4, "code point not in range(0x110000)"
	case w.size == 4 && utf16.IsSurrogate(r):
		return 0, 4, "code point in surrogate code point range(0xd800, 0xe000)"
	case !utf16.IsSurrogate(r):
		return r, w.size, ""
	case r >= 0xdc00:
		return 0, 2, "illegal encoding"
	case len(s) < 4:
		return 0, len(s), "unexpected end of data"
	}
	if full := utf16.DecodeRune(r, w.unit(s[2:])); full != utf8.RuneError {
		return full, 4, ""
	}
	return 0, 2, "illegal UTF-16 surrogate"
}
