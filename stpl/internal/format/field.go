package format

import "strings"

// Part is a piece of a format string of str.format: text, and the replacement
// field behind it, such as {0.name!r:>10}.
type Part struct {
	Text  string
	Field bool   // whether there is a field
	First string // what it begins with: a number, a name or nothing
	Path  string // what follows, such as .name[key]; see CutStep
	Conv  byte   // the letter behind the "!", 0 if absent
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
	field, rest, err := cutField(s[i+1:])
	if err != nil {
		return p, "", err
	}
	p = Part{Text: s[:i], Field: true}
	return p, rest, p.parse(field)
}

// cutField splits s after the brace that closes the replacement field.
func cutField(s string) (field, rest string, err error) {
	if s == "" {
		return "", "", invalid("Single '{' encountered in format string")
	}
	depth := 1
	name, key := true, false // within the field's name, and within brackets there
	for i := range len(s) {
		switch c := s[i]; {
		case key:
			key = c != ']'
		case name && c == '[':
			key = true
		case c == '!' || c == ':':
			name = false
		case c == '{':
			depth++
		case c == '}':
			if depth--; depth == 0 {
				return s[:i], s[i+1:], nil
			}
		}
	}
	if !name {
		return "", "", invalid("unmatched '{' in format spec")
	}
	return "", "", invalid("expected '}' before end of string")
}

func (p *Part) parse(field string) error {
	end := len(field)
	bracket := false
	for i := 0; i < len(field) && end == len(field); i++ {
		switch c := field[i]; {
		case c == '[':
			bracket = true
		case c == ']':
			bracket = false
		case !bracket && (c == '!' || c == ':'):
			end = i
		case !bracket && c == '{':
			return invalid("unexpected '{' in field name")
		}
	}
	name, rest := field[:end], field[end:]
	p.First = name
	if i := strings.IndexAny(name, ".["); i >= 0 {
		p.First, p.Path = name[:i], name[i:]
	}
	if strings.HasPrefix(rest, "!") {
		if len(rest) < 2 {
			return invalid("unmatched '{' in format spec")
		}
		p.Conv, rest = rest[1], rest[2:]
		if rest != "" && rest[0] != ':' {
			return invalid("expected ':' after conversion specifier")
		}
	}
	p.Spec = strings.TrimPrefix(rest, ":")
	return nil
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
