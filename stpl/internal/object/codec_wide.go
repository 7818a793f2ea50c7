package object

import (
	endian "encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"mdserver/stpl/internal/character"
)

// charmaps are the encodings of one byte for each character that need a table.
var charmaps = map[string]*charmap.Charmap{
	"cp437": charmap.CodePage437, "cp850": charmap.CodePage850, "cp852": charmap.CodePage852, "cp858": charmap.CodePage858, "cp866": charmap.CodePage866,
	"cp1250": charmap.Windows1250, "cp1251": charmap.Windows1251, "cp1252": charmap.Windows1252, "cp1253": charmap.Windows1253,
	"cp1254": charmap.Windows1254, "cp1257": charmap.Windows1257,
	"iso8859-2": charmap.ISO8859_2, "iso8859-5": charmap.ISO8859_5, "iso8859-7": charmap.ISO8859_7, "iso8859-9": charmap.ISO8859_9,
	"iso8859-15": charmap.ISO8859_15, "koi8-r": charmap.KOI8R, "koi8-u": charmap.KOI8U,
}

// findCharmap returns the table of an encoding, nil if there is none. Windows'
// tables of package charmap are the Web's, which give control characters to
// bytes that Python does not define.
func findCharmap(name string) *table {
	name = strings.ReplaceAll(strings.ReplaceAll(name, "windows-", "cp"), "iso-8859", "iso8859")
	switch name {
	case "latin9", "latin-9", "l9":
		name = "iso8859-15"
	case "latin2", "latin-2", "l2":
		name = "iso8859-2"
	}
	if m := charmaps[name]; m != nil {
		return &table{m, strings.HasPrefix(name, "cp125")}
	}
	return nil
}

type table struct {
	*charmap.Charmap
	windows bool
}

func (m *table) defined(r rune) bool {
	return r != utf8.RuneError && (!m.windows || r < 0x80 || r > 0x9f)
}

func (m *table) encode(r rune) (byte, bool) {
	b, ok := m.EncodeRune(r)
	return b, ok && m.defined(r)
}

func (m *table) decode(b byte) (rune, bool) {
	r := m.DecodeByte(b)
	return r, m.defined(r)
}

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

func (w wide) encode(t *Thread, s string) (Value, error) {
	if err := t.Charge(8*(len(s)+2), len(s)); err != nil {
		return nil, err
	}
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
	return Bytes(out), nil
}

func (w wide) unit(s string) rune {
	if w.size == 2 {
		return rune(w.order.Uint16([]byte(s[:2])))
	}
	return rune(w.order.Uint32([]byte(s[:4])))
}

func (w wide) decode(t *Thread, s, errors string) (Value, error) {
	if err := t.Charge(4*len(s), len(s)); err != nil {
		return nil, err
	}
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

// decodeWith decodes s from a place on. Next reads the character that a text
// begins with, of n bytes, or says why there is none.
func decodeWith(name, s string, at int, errors string, next func(s string) (r rune, n int, reason string)) (Value, error) {
	var b strings.Builder
	for at < len(s) {
		r, n, reason := next(s[at:])
		if reason == "" {
			b.WriteRune(r)
		} else if err := decodeProblem(&b, name, s, at, n, reason, errors); err != nil {
			return nil, err
		}
		at += n
	}
	return Str(b.String()), nil
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

// decodeProblem does what errors says about n bytes that cannot be decoded.
func decodeProblem(b *strings.Builder, name, s string, at, n int, reason, errors string) error {
	switch errors {
	case "ignore":
	case "replace":
		b.WriteRune(utf8.RuneError)
	case "backslashreplace":
		for _, c := range []byte(s[at : at+n]) {
			b.Write(character.AppendEscape(nil, rune(c)))
		}
	case "strict":
		what := fmt.Sprintf("byte 0x%02x in position %d", s[at], at)
		if n > 1 {
			what = fmt.Sprintf("bytes in position %d-%d", at, at+n-1)
		}
		return Raise(UnicodeDecodeError, "'%s' codec can't decode %s: %s", name, what, reason)
	default:
		return Raise(LookupError, "unknown error handler name '%s'", errors)
	}
	return nil
}
