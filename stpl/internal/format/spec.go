// Package format writes text and numbers by Python's little languages: those of
// format(), of str.format and of the operator %.
package format

import (
	"fmt"
	"strconv"
	"unicode/utf8"

	"mdserver/stpl/internal/character"
	"mdserver/stpl/internal/meter"
	"mdserver/stpl/internal/number"
)

// Spec is a parsed format specification:
// [[fill]align][sign][z][#][0][width][grouping][.precision][type].
type Spec struct {
	Fill      rune
	Align     byte // 0 if absent
	Sign      byte
	Alt       bool
	Zero      bool
	Width     int
	Group     byte
	Precision int // -1 if absent
	Verb      rune

	noMinusZero bool   // "z": a value that rounds to zero has no minus sign
	kind        string // the type of the value, for messages
}

func invalid(format string, args ...any) error {
	return number.ValueError(fmt.Sprintf(format, args...))
}

// MaxWidth bounds widths and precisions, as package fmt bounds them.
const MaxWidth = 1_000_000

func isAlign(r rune) bool { return r == '<' || r == '>' || r == '=' || r == '^' }

// parse reads the specification for a value of a type.
func parse(spec, kind string) (Spec, error) {
	f := Spec{Fill: ' ', Precision: -1, kind: kind}
	s, filled := spec, false
	if r, n := utf8.DecodeRuneInString(s); len(s) > n && isAlign(rune(s[n])) {
		f.Fill, f.Align, s, filled = r, s[n], s[n+1:], true
	} else if s != "" && isAlign(rune(s[0])) {
		f.Align, s = s[0], s[1:]
	}
	if s != "" && (s[0] == '+' || s[0] == '-' || s[0] == ' ') {
		f.Sign, s = s[0], s[1:]
	}
	if s != "" && s[0] == 'z' {
		f.noMinusZero, s = true, s[1:]
	}
	if s != "" && s[0] == '#' {
		f.Alt, s = true, s[1:]
	}
	if s != "" && s[0] == '0' {
		f.Zero, s = true, s[1:]
		if !filled {
			f.Fill = '0'
		}
		if f.Align == 0 && kind != "str" {
			f.Align = '='
		}
	}
	var err error
	if f.Width, s, err = CutNumber(s); err != nil {
		return f, err
	}
	f.Width = max(f.Width, 0)
	if s != "" && (s[0] == ',' || s[0] == '_') {
		f.Group, s = s[0], s[1:]
		if s != "" && (s[0] == ',' || s[0] == '_') {
			if s[0] == f.Group {
				return f, invalid("Cannot specify '%c' with '%c'.", f.Group, s[0])
			}
			return f, invalid("Cannot specify both ',' and '_'.")
		}
	}
	if s != "" && s[0] == '.' {
		if f.Precision, s, err = CutNumber(s[1:]); err != nil {
			return f, err
		}
		if f.Precision < 0 {
			return f, invalid("Format specifier missing precision")
		}
	}
	if s != "" {
		r, n := utf8.DecodeRuneInString(s)
		if len(s) > n {
			return f, invalid("Invalid format specifier '%s' for object of type '%s'", spec, kind)
		}
		f.Verb = r
	}
	return f, nil
}

// CutNumber reads leading digits, as many as a width or precision may have; -1 if
// there are none.
func CutNumber(s string) (int, string, error) {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	if n == 0 {
		return -1, s, nil
	}
	i, err := strconv.Atoi(s[:n])
	if err != nil || i > MaxWidth {
		return 0, s, invalid("Too many decimal digits in format string: more than %d is not supported", MaxWidth)
	}
	return i, s[n:], nil
}

// Pad brings a text to the spec's width; numbers of the sign-aware alignment
// give their sign and prefix apart. Align is for a spec that has none.
func (f *Spec) Pad(m *meter.Meter, prefix, body string, align byte) (string, error) {
	if f.Align != 0 {
		align = f.Align
	}
	if err := m.Scan(len(body)); err != nil {
		return "", err
	}
	n := f.Width - utf8.RuneCountInString(prefix) - utf8.RuneCountInString(body)
	if n <= 0 {
		return prefix + body, m.Alloc(len(prefix) + len(body))
	}
	fill, err := m.Repeat(string(f.Fill), n)
	if err != nil {
		return "", err
	}
	if err := m.Alloc(len(fill) + len(prefix) + len(body)); err != nil {
		return "", err
	}
	switch align {
	case '<':
		return prefix + body + fill, nil
	case '^':
		left := fill[:character.Offset(fill, n/2)]
		return left + prefix + body + fill[len(left):], nil
	case '=':
		return prefix + fill + body, nil
	}
	return fill + prefix + body, nil
}
