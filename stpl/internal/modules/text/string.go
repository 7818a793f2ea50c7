// Package text is Python's string, textwrap, shlex and html.
package text

import (
	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

// String makes the module string.
func String() native.Members {
	const lower, upper, digits = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
	const punctuation, whitespace = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", " \t\n\r\v\f"
	m := native.Members{
		"ascii_lowercase": object.Str(lower),
		"ascii_uppercase": object.Str(upper),
		"ascii_letters":   object.Str(lower + upper),
		"digits":          object.Str(digits),
		"hexdigits":       object.Str(digits + "abcdefABCDEF"),
		"octdigits":       object.Str("01234567"),
		"punctuation":     object.Str(punctuation),
		"whitespace":      object.Str(whitespace),
		"printable":       object.Str(digits + lower + upper + punctuation + whitespace),
		"capwords":        native.Func("capwords", "s sep?", capwords),
	}
	native.Refuse(m, "string", "this text is a template already", "Template")
	native.Refuse(m, "string", "use str.format", "Formatter")
	return m
}

func capwords(t *object.Thread, a []object.Value) (object.Value, error) {
	sep := object.Value(object.Str(" "))
	var split []object.Value
	if !native.IsNone(a[1]) {
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
