package object

import (
	"strconv"
	"unicode/utf8"

	"mdserver/stpl/internal/character"
)

// formatSpec is a parsed format specification:
// [[fill]align][sign][z][#][0][width][grouping][.precision][type].
type formatSpec struct {
	fill      rune
	align     byte // 0 if absent
	sign      byte
	alt       bool
	zero      bool
	width     int
	group     byte
	precision int // -1 if absent
	verb      rune

	noMinusZero bool // "z": a value that rounds to zero has no minus sign
}

// maxWidth bounds widths and precisions, as package fmt bounds them.
const maxWidth = 1_000_000

func isAlign(r rune) bool { return r == '<' || r == '>' || r == '=' || r == '^' }

func parseSpec(spec string, v Value) (formatSpec, error) {
	f := formatSpec{fill: ' ', precision: -1}
	s, filled := spec, false
	if r, n := utf8.DecodeRuneInString(s); n > 0 && len(s) > n && isAlign(rune(s[n])) {
		f.fill, f.align, s, filled = r, s[n], s[n+1:], true
	} else if s != "" && isAlign(rune(s[0])) {
		f.align, s = s[0], s[1:]
	}
	if s != "" && (s[0] == '+' || s[0] == '-' || s[0] == ' ') {
		f.sign, s = s[0], s[1:]
	}
	if s != "" && s[0] == 'z' {
		f.noMinusZero, s = true, s[1:]
	}
	if s != "" && s[0] == '#' {
		f.alt, s = true, s[1:]
	}
	if s != "" && s[0] == '0' {
		f.zero, s = true, s[1:]
		if !filled {
			f.fill = '0'
		}
		if f.align == 0 {
			f.align = '='
		}
	}
	var err error
	if f.width, s, err = cutNumber(s); err != nil {
		return f, err
	}
	f.width = max(f.width, 0)
	if s != "" && (s[0] == ',' || s[0] == '_') {
		f.group, s = s[0], s[1:]
		if s != "" && (s[0] == ',' || s[0] == '_') {
			if s[0] == f.group {
				return f, Raise(ValueError, "Cannot specify '%c' with '%c'.", f.group, s[0])
			}
			return f, Raise(ValueError, "Cannot specify both ',' and '_'.")
		}
	}
	if s != "" && s[0] == '.' {
		if f.precision, s, err = cutNumber(s[1:]); err != nil {
			return f, err
		}
		if f.precision < 0 {
			return f, Raise(ValueError, "Format specifier missing precision")
		}
	}
	if s != "" {
		r, n := utf8.DecodeRuneInString(s)
		if len(s) > n {
			return f, Raise(ValueError, "Invalid format specifier '%s' for object of type '%s'", spec, TypeName(v))
		}
		f.verb = r
	}
	return f, nil
}

// cutNumber reads leading digits; -1 if there are none.
func cutNumber(s string) (int, string, error) {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	if n == 0 {
		return -1, s, nil
	}
	i, err := strconv.Atoi(s[:n])
	if err != nil || i > maxWidth {
		return 0, s, Raise(ValueError, "Too many decimal digits in format string: more than %d is not supported", maxWidth)
	}
	return i, s[n:], nil
}

// pad brings a text to the spec's width; numbers of the sign-aware alignment
// give their sign and prefix apart.
func (f *formatSpec) pad(t *Thread, prefix, body string, align byte) (string, error) {
	if f.align != 0 {
		align = f.align
	}
	if err := t.Scan(len(body)); err != nil {
		return "", err
	}
	n := f.width - utf8.RuneCountInString(prefix) - utf8.RuneCountInString(body)
	if n <= 0 {
		return prefix + body, t.Alloc(len(prefix) + len(body))
	}
	fill, err := t.Repeat(string(f.fill), n)
	if err != nil {
		return "", err
	}
	if err := t.Alloc(len(fill) + len(prefix) + len(body)); err != nil {
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
