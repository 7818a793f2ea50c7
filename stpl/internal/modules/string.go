package modules

import (
	"strings"

	"mdserver/stpl/internal/object"
)

func stringModule() members {
	const lower, upper, digits = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
	const punctuation, whitespace = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", " \t\n\r\v\f"
	return members{
		"ascii_lowercase": object.Str(lower),
		"ascii_uppercase": object.Str(upper),
		"ascii_letters":   object.Str(lower + upper),
		"digits":          object.Str(digits),
		"hexdigits":       object.Str(digits + "abcdefABCDEF"),
		"octdigits":       object.Str("01234567"),
		"punctuation":     object.Str(punctuation),
		"whitespace":      object.Str(whitespace),
		"printable":       object.Str(digits + lower + upper + punctuation + whitespace),
		"capwords":        fn("capwords", "s sep?", capwords),
		"Template":        templateType,
	}
}

func capwords(t *object.Thread, a []object.Value) (object.Value, error) {
	sep := object.Value(object.Str(" "))
	var split []object.Value
	if !isNone(a[1]) {
		sep, split = a[1], []object.Value{a[1]}
	}
	words, err := object.CallMethod(t, a[0], "split", &object.Args{Pos: split})
	if err != nil {
		return nil, err
	}
	items, err := object.ToSlice(t, words)
	if err != nil {
		return nil, err
	}
	for i, w := range items {
		if items[i], err = object.CallMethod(t, w, "capitalize", &object.Args{}); err != nil {
			return nil, err
		}
	}
	return object.CallMethod(t, sep, "join", &object.Args{Pos: []object.Value{object.NewList(items)}})
}

// stringTemplate is string.Template, with $name and ${name}.
type stringTemplate struct{ text string }

var templateType = object.NewType("Template", "string", func(_ *object.Thread, v object.Value, name string) (object.Value, error) {
	if name == "template" {
		return object.Str(v.(*stringTemplate).text), nil
	}
	return nil, nil
}).Constructor(fn("Template", "template", func(_ *object.Thread, a []object.Value) (object.Value, error) {
	s, err := text(a[0])
	return &stringTemplate{s}, err
})).Define(
	fn("substitute", "mapping? **kws", func(t *object.Thread, a []object.Value) (object.Value, error) {
		return a[0].(*stringTemplate).substitute(t, a[1], a[2].(*object.Dict), false)
	}),
	fn("safe_substitute", "mapping? **kws", func(t *object.Thread, a []object.Value) (object.Value, error) {
		return a[0].(*stringTemplate).substitute(t, a[1], a[2].(*object.Dict), true)
	}),
)

// Class implements object.Value.
func (*stringTemplate) Class() *object.Type { return templateType }

func (s *stringTemplate) substitute(t *object.Thread, mapping object.Value, kw *object.Dict, safe bool) (object.Value, error) {
	if err := t.Work(len(s.text)); err != nil {
		return nil, err
	}
	b := object.NewBuilder(t)
	rest := s.text
	for {
		i := strings.IndexByte(rest, '$')
		if i < 0 {
			err := b.Write(rest)
			return object.Str(b.String()), err
		}
		if err := b.Write(rest[:i]); err != nil {
			return nil, err
		}
		name, source := placeholder(rest[i:])
		value := "$"
		switch {
		case name == "$":
			source = "$$"
		case name == "" && !safe:
			return nil, s.invalid(len(s.text) - len(rest) + i)
		case name == "":
			source = "$"
		default:
			v, err := lookup(t, mapping, kw, name)
			switch {
			case err == nil:
				value, err = object.ToStr(t, v)
			case safe && isKeyError(err):
				value, err = source, nil
			}
			if err != nil {
				return nil, err
			}
		}
		if err := b.Write(value); err != nil {
			return nil, err
		}
		rest = rest[i+len(source):]
	}
}

func isKeyError(err error) bool {
	e, ok := err.(*object.Exception)
	return ok && e.Kind == object.KeyError
}

func lookup(t *object.Thread, mapping object.Value, kw *object.Dict, name string) (object.Value, error) {
	if v, ok := kw.GetStr(name); ok {
		return v, nil
	}
	if mapping == nil {
		return nil, object.RaiseValue(object.KeyError, object.Str(name))
	}
	return object.Index(t, mapping, object.Str(name))
}

// placeholder reads what follows a dollar sign: the name, "$" for a doubled
// sign or "" for neither, and its whole text.
func placeholder(s string) (name, source string) {
	rest := s[1:]
	if strings.HasPrefix(rest, "$") {
		return "$", "$$"
	}
	braced := strings.HasPrefix(rest, "{")
	if braced {
		rest = rest[1:]
	}
	n := 0
	for n < len(rest) && (rest[n] == '_' || isLetter(rest[n]) || n > 0 && rest[n] >= '0' && rest[n] <= '9') {
		n++
	}
	switch {
	case n == 0:
		return "", ""
	case !braced:
		return rest[:n], s[:1+n]
	case n < len(rest) && rest[n] == '}':
		return rest[:n], s[:3+n]
	}
	return "", ""
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func (s *stringTemplate) invalid(at int) error {
	before := s.text[:at]
	line := strings.Count(before, "\n") + 1
	column := len([]rune(before[strings.LastIndexByte(before, '\n')+1:])) + 1
	return object.Raise(object.ValueError, "Invalid placeholder in string: line %d, col %d", line, column)
}
