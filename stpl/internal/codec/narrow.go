package codec

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"mdserver/stpl/internal/character"
)

// narrow is an encoding that has a byte for each character, or UTF-8.
type narrow struct {
	name string
	high rune   // the highest code point, 0x10ffff for UTF-8
	mark bool   // a byte order mark begins the bytes
	with *table // nil if the byte is the code point
}

func findNarrow(name string) (e narrow, ok bool) {
	switch name {
	case "utf-8", "utf8", "u8":
		return narrow{name: "utf-8", high: 0x10ffff}, true
	case "utf-8-sig", "utf8-sig":
		return narrow{name: "utf-8", high: 0x10ffff, mark: true}, true
	case "ascii", "us-ascii", "646":
		return narrow{name: "ascii", high: 0x7f}, true
	case "latin-1", "latin1", "iso-8859-1", "iso8859-1", "l1", "8859":
		return narrow{name: "latin-1", high: 0xff}, true
	}
	with := findCharmap(name)
	return narrow{name: "charmap", with: with}, with != nil
}

// Size is for Codec.
func (e narrow) Size(n int) int { return 4*n + len(utf8Mark) }

// char returns the byte of a character.
func (e narrow) char(r rune) (byte, bool) {
	if e.with != nil {
		return e.with.encode(r)
	}
	return byte(r), r <= e.high
}

const utf8Mark = "\ufeff"

// Encode is for Codec.
func (e narrow) Encode(s, errors string) (string, error) {
	if e.mark {
		return utf8Mark + s, nil
	}
	if e.name == "utf-8" || character.IsASCII(s) {
		return s, nil
	}
	var b strings.Builder
	n := 0
	for i, r := range s {
		c, ok := e.char(r)
		switch {
		case ok:
			b.WriteByte(c)
		case errors == "ignore":
		case errors == "replace":
			b.WriteByte('?')
		case errors == "xmlcharrefreplace":
			b.WriteString("&#" + strconv.Itoa(int(r)) + ";")
		case errors == "backslashreplace":
			b.WriteString(character.Escape(string(r)))
		case errors == "strict":
			return "", e.failure(s[i:], n)
		default:
			return "", unknownHandler(errors)
		}
		n++
	}
	return b.String(), nil
}

// failure says that the characters that s begins with, from position n on,
// have no code.
func (e narrow) failure(s string, n int) error {
	end := strings.IndexFunc(s, func(r rune) bool { _, ok := e.char(r); return ok })
	if end < 0 {
		end = len(s)
	}
	what := fmt.Sprintf("characters in position %d-%d", n, n+utf8.RuneCountInString(s[:end])-1)
	if bad, size := utf8.DecodeRuneInString(s); size == end {
		what = fmt.Sprintf("character '%s' in position %d", character.Escape(string(bad)), n)
	}
	reason := fmt.Sprintf("ordinal not in range(%d)", e.high+1)
	if e.with != nil {
		reason = "character maps to <undefined>"
	}
	return fmt.Errorf("'%s' codec can't encode %s: %s", e.name, what, reason)
}

// Decode is for Codec.
func (e narrow) Decode(s, errors string) (string, error) {
	if e.mark {
		s = strings.TrimPrefix(s, utf8Mark)
	}
	if character.IsASCII(s) || e.name == "utf-8" && utf8.ValidString(s) {
		return s, nil
	}
	return decodeWith(e.name, s, 0, errors, e.next)
}

// next is for decodeWith.
func (e narrow) next(s string) (r rune, n int, reason string) {
	switch {
	case e.with != nil:
		r, ok := e.with.decode(s[0])
		if !ok {
			reason = "character maps to <undefined>"
		}
		return r, 1, reason
	case e.name != "utf-8":
		if r = rune(s[0]); r > e.high {
			reason = "ordinal not in range(128)"
		}
		return r, 1, reason
	}
	if r, n = utf8.DecodeRuneInString(s); r != utf8.RuneError || n > 1 {
		return r, n, ""
	}
	return 0, badLength(s), utf8Problem(s)
}

// badLength is how many bytes at the start of s are a broken UTF-8 sequence: as
// many as could begin a right one.
func badLength(s string) int {
	n := 1
	for n < min(len(s), 4) && !utf8.FullRuneInString(s[:n]) && !utf8.RuneStart(s[n]) {
		n++
	}
	if n > 1 && utf8.FullRuneInString(s[:n]) {
		n--
	}
	return n
}

// utf8Problem says what is wrong with the broken sequence that s begins with.
func utf8Problem(s string) string {
	switch c := s[0]; {
	case c < 0xc2 || c > 0xf4:
		return "invalid start byte"
	case !utf8.FullRuneInString(s):
		return "unexpected end of data"
	}
	return "invalid continuation byte"
}

// charmaps are the encodings of one byte for each character that need a table.
var charmaps = map[string]*charmap.Charmap{
	"cp437": charmap.CodePage437, "cp850": charmap.CodePage850, "cp852": charmap.CodePage852, "cp858": charmap.CodePage858, "cp866": charmap.CodePage866,
	"cp1250": charmap.Windows1250, "cp1251": charmap.Windows1251, "cp1252": charmap.Windows1252, "cp1253": charmap.Windows1253,
	"cp1254": charmap.Windows1254, "cp1257": charmap.Windows1257,
	"iso8859-2": charmap.ISO8859_2, "iso8859-5": charmap.ISO8859_5, "iso8859-7": charmap.ISO8859_7, "iso8859-9": charmap.ISO8859_9,
	"iso8859-15": charmap.ISO8859_15, "koi8-r": charmap.KOI8R, "koi8-u": charmap.KOI8U,
}

// findCharmap returns the table of an encoding, nil if there is none. Package charmap
// has the Web's tables: Windows' give control characters to bytes that Python does
// not define, and those of ISO 8859 lack them.
func findCharmap(name string) *table {
	name = strings.ReplaceAll(strings.ReplaceAll(name, "windows-", "cp"), "iso-8859", "iso8859")
	switch name {
	case "latin9", "latin-9", "l9":
		name = "iso8859-15"
	case "latin2", "latin-2", "l2":
		name = "iso8859-2"
	}
	if m := charmaps[name]; m != nil {
		return &table{m, strings.HasPrefix(name, "iso8859")}
	}
	return nil
}

type table struct {
	*charmap.Charmap
	controls bool // the bytes 0x80 to 0x9f are control characters
}

func isControl(r rune) bool { return r >= 0x80 && r <= 0x9f }

func (m *table) encode(r rune) (byte, bool) {
	if isControl(r) {
		return byte(r), m.controls
	}
	b, ok := m.EncodeRune(r)
	return b, ok && r != utf8.RuneError
}

func (m *table) decode(b byte) (rune, bool) {
	if m.controls && isControl(rune(b)) {
		return rune(b), true
	}
	r := m.DecodeByte(b)
	return r, r != utf8.RuneError && !isControl(r)
}
