package object

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// codecArgs reads the encoding and errors arguments.
func codecArgs(encoding, errors Value) (enc, errs string, err error) {
	enc, errs = "utf-8", "strict"
	if encoding != nil {
		if enc, err = StrArg(encoding, "encode"); err != nil {
			return "", "", err
		}
	}
	if errors != nil {
		if errs, err = StrArg(errors, "encode"); err != nil {
			return "", "", err
		}
	}
	return enc, errs, nil
}

// codec returns the highest code point of an encoding, 0x10ffff for UTF-8.
func codec(name string) (high rune, canonical string, err error) {
	switch strings.ReplaceAll(strings.ToLower(name), "_", "-") {
	case "utf-8", "utf8", "u8":
		return 0x10ffff, "utf-8", nil
	case "ascii", "us-ascii", "646":
		return 0x7f, "ascii", nil
	case "latin-1", "latin1", "iso-8859-1", "iso8859-1", "l1", "8859":
		return 0xff, "latin-1", nil
	}
	return 0, "", Raise(LookupError, "unknown encoding: %s", name)
}

// Encode is str.encode for UTF-8, ASCII and Latin-1.
func Encode(t *Thread, s, encoding, errors string) (Value, error) {
	high, name, err := codec(encoding)
	if err != nil {
		return nil, err
	}
	if err := t.AllocN(len(s), 4); err != nil {
		return nil, err
	}
	if err := t.Work(len(s)); err != nil {
		return nil, err
	}
	if name == "utf-8" || isASCII(s) {
		return Bytes(s), nil
	}
	var b strings.Builder
	n := 0
	for i, r := range s {
		switch {
		case r <= high:
			b.WriteByte(byte(r))
		case errors == "ignore":
		case errors == "replace":
			b.WriteByte('?')
		case errors == "xmlcharrefreplace":
			b.WriteString("&#" + simpleRepr(Int(r)) + ";")
		case errors == "backslashreplace":
			q, _ := ASCII(messageThread(), Str(string(r)))
			b.WriteString(q[1 : len(q)-1])
		case errors == "strict":
			return nil, encodeError(name, s[i:], n, high)
		default:
			return nil, Raise(LookupError, "unknown error handler name '%s'", errors)
		}
		n++
	}
	return Bytes(b.String()), nil
}

// encodeError says that the characters that s begins with, from position n on,
// have no code below high.
func encodeError(name, s string, n int, high rune) error {
	end := strings.IndexFunc(s, func(r rune) bool { return r <= high })
	if end < 0 {
		end = len(s)
	}
	what := fmt.Sprintf("characters in position %d-%d", n, n+runeLen(s[:end])-1)
	if bad, size := utf8.DecodeRuneInString(s); size == end {
		text, _ := ASCII(messageThread(), Str(string(bad)))
		what = fmt.Sprintf("character %s in position %d", text, n)
	}
	return Raise(UnicodeEncodeError, "'%s' codec can't encode %s: ordinal not in range(%d)", name, what, high+1)
}

// Decode is bytes.decode for UTF-8, ASCII and Latin-1.
func Decode(t *Thread, s, encoding, errors string) (Value, error) {
	high, name, err := codec(encoding)
	if err != nil {
		return nil, err
	}
	if err := t.AllocN(len(s), 4); err != nil {
		return nil, err
	}
	if err := t.Work(len(s)); err != nil {
		return nil, err
	}
	if isASCII(s) || name == "utf-8" && utf8.ValidString(s) {
		return Str(s), nil
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := rune(s[i]), 1
		if name == "utf-8" {
			r, n = utf8.DecodeRuneInString(s[i:])
		}
		bad := r > high || name == "utf-8" && r == utf8.RuneError && n == 1
		if bad && name == "utf-8" {
			n = badLength(s[i:])
		}
		switch {
		case !bad:
			b.WriteRune(r)
		case errors == "ignore":
		case errors == "replace":
			b.WriteRune(utf8.RuneError)
		case errors == "backslashreplace":
			for _, c := range []byte(s[i : i+n]) {
				b.Write(appendHex([]byte(`\x`), rune(c), 2))
			}
		case errors == "strict":
			return nil, decodeError(name, s, i)
		default:
			return nil, Raise(LookupError, "unknown error handler name '%s'", errors)
		}
		i += n
	}
	return Str(b.String()), nil
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

func decodeError(name, s string, i int) error {
	reason := "ordinal not in range(128)"
	if name == "utf-8" {
		switch c := s[i]; {
		case c < 0xc2 || c > 0xf4:
			reason = "invalid start byte"
		case !utf8.FullRuneInString(s[i:]):
			reason = "unexpected end of data"
		default:
			reason = "invalid continuation byte"
		}
	}
	what := fmt.Sprintf("byte 0x%02x in position %d", s[i], i)
	if n := badLength(s[i:]); n > 1 && name == "utf-8" {
		what = fmt.Sprintf("bytes in position %d-%d", i, i+n-1)
	}
	return Raise(UnicodeDecodeError, "'%s' codec can't decode %s: %s", name, what, reason)
}
