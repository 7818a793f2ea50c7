// Package visible makes text that others chose safe to print: on a terminal, in
// a log, in JSON. A character that moves the cursor, hides, reorders or breaks
// lines is written as its escape sequence in Go, such as \x1b or \u202e; all
// others stay as they are.
//
//	fmt.Println(visible.String(path))     // one line for any path
//	out := &visible.Writer{W: os.Stdout}  // a net below: lines pass, the rest is escaped
package visible

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Rune reports whether a character can be seen and does nothing but be seen.
// The space is visible; all other spaces, and characters without a width, such
// as variation selectors and fillers, are not.
func Rune(r rune) bool {
	if r < utf8.RuneSelf {
		return ' ' <= r && r <= '~'
	}
	return unicode.IsPrint(r) && !hidden(r)
}

// brailleBlank is a pattern without dots.
const brailleBlank = '\u2800'

// del is the one control character that slog's text format does not quote.
const del = '\x7f'

// hidden is what shows nothing, although unicode.IsPrint takes it for printable or
// a log's format for harmless.
func hidden(r rune) bool {
	return r == del || r >= utf8.RuneSelf && (r == brailleBlank || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector))
}

// String escapes all that is not visible in s, line breaks and tabs included.
// To escape the result again changes nothing.
func String(s string) string {
	if plain(s) {
		return s
	}
	return string(appendText(make([]byte, 0, len(s)+16), s, shown))
}

// ellipsis ends a text that was cut.
const ellipsis = "…"

// Limit is String for a result of at most limit bytes. What is cut off is
// replaced by an ellipsis.
func Limit(s string, limit int) string {
	if len(s) <= limit && plain(s) {
		return s
	}
	return String(cut(s, limit, shownLen))
}

// Quotable prepares a field of a log whose handler quotes values as
// strconv.Quote does: the text is cut so that it has at most limit bytes, its
// quoted form too, and what strconv.Quote would leave invisible is escaped.
func Quotable(s string, limit int) string {
	if len(s) <= limit && plain(s) {
		return s
	}
	s = cut(s, limit, quotedLen)
	if !strings.ContainsFunc(s, hidden) {
		return s
	}
	return string(appendText(nil, s, func(_ string, r rune) bool { return !hidden(r) }))
}

// plain reports whether s is ASCII that is visible and needs no escapes between
// quotes.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// cut shortens s until the lengths of its characters come to limit at most.
func cut(s string, limit int, length func(char string, r rune) int) string {
	size, end := 0, 0 // end is where the ellipsis still fits
	for rest := s; rest != ""; {
		r, width := utf8.DecodeRuneInString(rest)
		size += length(rest[:width], r)
		rest = rest[width:]
		if size > limit {
			return s[:end] + ellipsis
		}
		if size <= limit-len(ellipsis) {
			end = len(s) - len(rest)
		}
	}
	return s
}

// shownLen is how many bytes String makes of a character.
func shownLen(char string, r rune) int {
	if shown(char, r) {
		return len(char)
	}
	return escapedLen(char, r)
}

// quotedLen is how many bytes strconv.Quote makes of a character, at most. The
// backslash of an escape sequence that it is given is doubled.
func quotedLen(char string, r rune) int {
	switch {
	case r == '"' || r == '\\':
		return len(`\\`)
	case hidden(r):
		return 1 + escapedLen(char, r)
	}
	return shownLen(char, r)
}

func escapedLen(char string, r rune) int {
	var space [len(`\U0010ffff`)]byte
	return len(appendEscape(space[:0], char, r))
}

// shown is Rune for a decoded character: bytes that are no UTF-8 are not shown.
func shown(char string, r rune) bool {
	return Rune(r) && (r != utf8.RuneError || len(char) > 1)
}

// appendText appends s with escapes for what may not pass.
func appendText(dst []byte, s string, passes func(char string, r rune) bool) []byte {
	for len(s) > 0 {
		r, width := utf8.DecodeRuneInString(s)
		if passes(s[:width], r) {
			dst = append(dst, s[:width]...)
		} else {
			dst = appendEscape(dst, s[:width], r)
		}
		s = s[width:]
	}
	return dst
}

// appendEscape appends one character as strconv.Quote would, if it took it for
// unprintable.
func appendEscape(dst []byte, char string, r rune) []byte {
	if r == utf8.RuneError && len(char) == 1 {
		return appendHex(append(dst, `\x`...), uint32(char[0]), 2)
	}
	switch {
	case r == '\n':
		return append(dst, `\n`...)
	case r == '\r':
		return append(dst, `\r`...)
	case r == '\t':
		return append(dst, `\t`...)
	case r < utf8.RuneSelf:
		return appendHex(append(dst, `\x`...), uint32(r), 2)
	case r < 0x10000:
		return appendHex(append(dst, `\u`...), uint32(r), 4)
	}
	return appendHex(append(dst, `\U`...), uint32(r), 8)
}

func appendHex(dst []byte, value uint32, digits int) []byte {
	text := strconv.FormatUint(uint64(value), 16)
	for range digits - len(text) {
		dst = append(dst, '0')
	}
	return append(dst, text...)
}
