package object

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"mdserver/stpl/internal/character"
)

// codecSignature is that of encode and decode; codecArgs reads their arguments.
const codecSignature = "encoding:str? errors:str?"

func codecArgs(a []Value) (encoding, errors string) {
	encoding, errors = "utf-8", "strict"
	if a[0] != nil {
		encoding = Text(a[0])
	}
	if a[1] != nil {
		errors = Text(a[1])
	}
	return encoding, errors
}

// encoding is one that has a byte for each character, or UTF-8.
type encoding struct {
	name string
	high rune   // the highest code point, 0x10ffff for UTF-8
	mark bool   // a byte order mark begins the bytes
	with *table // nil if the byte is the code point
}

// findEncoding finds an encoding by its name in lower case.
func findEncoding(name string) (e encoding, ok bool) {
	switch name {
	case "utf-8", "utf8", "u8":
		return encoding{name: "utf-8", high: 0x10ffff}, true
	case "utf-8-sig", "utf8-sig":
		return encoding{name: "utf-8", high: 0x10ffff, mark: true}, true
	case "ascii", "us-ascii", "646":
		return encoding{name: "ascii", high: 0x7f}, true
	case "latin-1", "latin1", "iso-8859-1", "iso8859-1", "l1", "8859":
		return encoding{name: "latin-1", high: 0xff}, true
	}
	with := findCharmap(name)
	return encoding{name: "charmap", with: with}, with != nil
}

// encode returns the byte of a character.
func (e encoding) encode(r rune) (byte, bool) {
	if e.with != nil {
		return e.with.encode(r)
	}
	return byte(r), r <= e.high
}

const utf8Mark = "\ufeff"

func canonical(name string) string { return strings.ReplaceAll(strings.ToLower(name), "_", "-") }

// Encode is str.encode.
func Encode(t *Thread, s, name, errors string) (Value, error) {
	if w, ok := findWide(canonical(name)); ok {
		return w.encode(t, s)
	}
	e, ok := findEncoding(canonical(name))
	if !ok {
		return nil, Raise(LookupError, "unknown encoding: %s", name)
	}
	if err := t.Charge(4*len(s), len(s)); err != nil {
		return nil, err
	}
	if e.mark {
		return Bytes(utf8Mark + s), nil
	}
	if e.name == "utf-8" || character.IsASCII(s) {
		return Bytes(s), nil
	}
	var b strings.Builder
	n := 0
	for i, r := range s {
		c, ok := e.encode(r)
		switch {
		case ok:
			b.WriteByte(c)
		case errors == "ignore":
		case errors == "replace":
			b.WriteByte('?')
		case errors == "xmlcharrefreplace":
			b.WriteString("&#" + simpleRepr(Int(r)) + ";")
		case errors == "backslashreplace":
			b.WriteString(character.Escape(string(r)))
		case errors == "strict":
			return nil, e.failure(s[i:], n)
		default:
			return nil, Raise(LookupError, "unknown error handler name '%s'", errors)
		}
		n++
	}
	return Bytes(b.String()), nil
}

// failure says that the characters that s begins with, from position n on,
// have no code.
func (e encoding) failure(s string, n int) error {
	end := strings.IndexFunc(s, func(r rune) bool { _, ok := e.encode(r); return ok })
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
	return Raise(UnicodeEncodeError, "'%s' codec can't encode %s: %s", e.name, what, reason)
}

// Decode is bytes.decode.
func Decode(t *Thread, s, name, errors string) (Value, error) {
	if w, ok := findWide(canonical(name)); ok {
		return w.decode(t, s, errors)
	}
	e, ok := findEncoding(canonical(name))
	if !ok {
		return nil, Raise(LookupError, "unknown encoding: %s", name)
	}
	if err := t.Charge(4*len(s), len(s)); err != nil {
		return nil, err
	}
	if e.mark {
		s = strings.TrimPrefix(s, utf8Mark)
	}
	if character.IsASCII(s) || e.name == "utf-8" && utf8.ValidString(s) {
		return Str(s), nil
	}
	return decodeWith(e.name, s, 0, errors, e.next)
}

// next is for decodeWith.
func (e encoding) next(s string) (r rune, n int, reason string) {
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
