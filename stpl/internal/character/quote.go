package character

import (
	"strings"
	"unicode/utf8"
)

// QuotedLen is no less than the length of Quote's text.
func QuotedLen(s string) int {
	n := 2
	for _, r := range s {
		switch {
		case r >= ' ' && r < 0x7f && r != '\'' && r != '\\':
			n++
		case r < 0x80:
			n += 4
		default:
			n += 10
		}
	}
	return n
}

// Quote is repr of a str.
func Quote(s string) string {
	q := quoteFor(s)
	b := append(make([]byte, 0, QuotedLen(s)), q)
	for _, r := range s {
		b = appendQuoted(b, r, q)
	}
	return string(append(b, q))
}

// QuoteBytes is repr of a bytes.
func QuoteBytes(s string) string {
	q := quoteFor(s)
	b := append(make([]byte, 0, len(s)+3), 'b', q)
	for i := range len(s) {
		if s[i] < utf8.RuneSelf {
			b = appendQuoted(b, rune(s[i]), q)
		} else {
			b = AppendEscape(b, rune(s[i]))
		}
	}
	return string(append(b, q))
}

// quoteFor is the quotation mark for a text.
func quoteFor(s string) byte {
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		return '"'
	}
	return '\''
}

func appendQuoted(b []byte, r rune, q byte) []byte {
	switch {
	case r == rune(q) || r == '\\':
		return append(b, '\\', byte(r))
	case r == '\n':
		return append(b, '\\', 'n')
	case r == '\r':
		return append(b, '\\', 'r')
	case r == '\t':
		return append(b, '\\', 't')
	case r >= ' ' && r < 0x7f || IsPrintable(r):
		return utf8.AppendRune(b, r)
	}
	return AppendEscape(b, r)
}

// Escape escapes what is not ASCII. The text may become ten times as long.
func Escape(s string) string {
	var b []byte
	for _, r := range s {
		if r < utf8.RuneSelf {
			b = append(b, byte(r))
		} else {
			b = AppendEscape(b, r)
		}
	}
	return string(b)
}

// AppendEscape appends the shortest of \x12, \u1234 and \U12345678 for r.
func AppendEscape(b []byte, r rune) []byte {
	const digits = "0123456789abcdef"
	letter, width := byte('x'), 2
	switch {
	case r >= 0x10000:
		letter, width = 'U', 8
	case r >= 0x100:
		letter, width = 'u', 4
	}
	b = append(b, '\\', letter)
	for i := width - 1; i >= 0; i-- {
		b = append(b, digits[(r>>(4*i))&15])
	}
	return b
}
