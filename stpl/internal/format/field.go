package format

import (
	"strings"
	"unicode/utf8"
)

// Part is a piece of a format string of str.format: text, and the replacement
// field behind it, such as {0.name!r:>10}.
type Part struct {
	Text  string
	Field bool   // whether there is a field
	First string // what it begins with: a number, a name or nothing
	Path  string // what follows, such as .name[key]; see CutStep
	Conv  rune   // the character after the "!", 0 if absent
	Spec  string // may have fields itself
}

// CutPart splits the first part off a format string. The error is a ValueError.
func CutPart(s string) (p Part, rest string, err error) {
	i := strings.IndexAny(s, "{}")
	switch {
	case i < 0:
		return Part{Text: s}, "", nil
	case i+1 < len(s) && s[i+1] == s[i]: // a brace itself
		return Part{Text: s[:i+1]}, s[i+2:], nil
	case s[i] == '}':
		return p, "", invalid("Single '}' encountered in format string")
	}
	p = Part{Text: s[:i], Field: true}
	rest, err = p.cutField(s[i+1:])
	return p, rest, err
}

// cutField reads a replacement field from after its opening brace, and returns the
// text that follows it.
// Source: parse_field in CPython 3.11's Objects/stringlib/unicode_format.h.
func (p *Part) cutField(s string) (rest string, err error) {
	if s == "" {
		return "", invalid("Single '{' encountered in format string")
	}
	end := nameEnd(s)
	if end == len(s) {
		return "", invalid("expected '}' before end of string")
	}
	p.First = s[:end]
	if i := strings.IndexAny(p.First, ".["); i >= 0 {
		p.First, p.Path = s[:i], s[i:end]
	}
	mark, s := s[end], s[end+1:]
	switch mark {
	case '}':
		return s, nil
	case '{':
		return "", invalid("unexpected '{' in field name")
	case '!':
		if s == "" {
			return "", invalid("end of string while looking for conversion specifier")
		}
		conv, n := utf8.DecodeRuneInString(s)
		p.Conv, s = conv, s[n:]
		switch {
		case strings.HasPrefix(s, "}"):
			return s[1:], nil
		case s != "" && s[0] != ':':
			return "", invalid("expected ':' after conversion specifier")
		}
		s = strings.TrimPrefix(s, ":")
	}
	depth := 1
	for i := range len(s) {
		switch s[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				p.Spec = s[:i]
				return s[i+1:], nil
			}
		}
	}
	return "", invalid("unmatched '{' in format spec")
}

// nameEnd returns where the name of a field ends: before the first of {}:! that is not
// within brackets.
func nameEnd(s string) int {
	key := false
	for i := range len(s) {
		switch c := s[i]; {
		case key:
			key = c != ']'
		case c == '[':
			key = true
		case strings.IndexByte("{}:!", c) >= 0:
			return i
		}
	}
	return len(s)
}

// CutStep splits the first step off a path that is not empty: an attribute, or a
// key in brackets. The error is a ValueError.
func CutStep(path string) (name string, isKey bool, rest string, err error) {
	name = path[1:]
	switch path[0] {
	case '.':
		if end := strings.IndexAny(name, ".["); end >= 0 {
			name, rest = name[:end], name[end:]
		}
	case '[':
		var found bool
		if name, rest, found = strings.Cut(name, "]"); !found {
			return "", false, "", invalid("Missing ']' in format string")
		}
		isKey = true
	default:
		return "", false, "", invalid("Only '.' or '[' may follow ']' in format field specifier")
	}
	if name == "" {
		return "", false, "", invalid("Empty attribute in format string")
	}
	return name, isKey, rest, nil
}
