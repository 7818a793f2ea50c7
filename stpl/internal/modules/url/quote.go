// Package url is Python's urllib.parse.
package url

import (
	"encoding/hex"
	"fmt"
	"strings"

	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

// Parse makes the module urllib.parse.
func Parse() native.Members {
	m := native.Functions(
		native.Func("urlparse", "url:str scheme:str? allow_fragments?", parser(parseResult)),
		native.Func("urlsplit", "url:str scheme:str? allow_fragments?", parser(splitResult)),
		native.Func("quote", "string safe:str? encoding? errors?", func(t *object.Thread, a []object.Value) (object.Value, error) {
			return quote(t, a[0], a[1], "/", false)
		}),
		native.Func("quote_plus", "string safe:str? encoding? errors?", func(t *object.Thread, a []object.Value) (object.Value, error) {
			return quote(t, a[0], a[1], "", true)
		}),
		native.Func("unquote", "string encoding? errors?", func(t *object.Thread, a []object.Value) (object.Value, error) {
			return unquote(t, a[0], false)
		}),
		native.Func("unquote_plus", "string encoding? errors?", func(t *object.Thread, a []object.Value) (object.Value, error) {
			return unquote(t, a[0], true)
		}),
		native.Func("urlencode", "query", urlencode),
	)
	m["ParseResult"], m["SplitResult"] = parseResult, splitResult
	return m
}

func quote(t *object.Thread, v, safe object.Value, def string, plus bool) (object.Value, error) {
	s, _, err := native.TextOrBytes(v)
	if err != nil {
		return nil, object.Raise(object.TypeError, "quote_from_bytes() expected bytes")
	}
	keep := native.StrOr(safe, def)
	if err := native.Charge(t, 3*len(s)); err != nil {
		return nil, err
	}
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case plus && c == ' ':
			b.WriteByte('+')
		case c < 128 && (native.IsLetter(c) || c >= '0' && c <= '9' || strings.IndexByte("_.-~", c) >= 0 || strings.IndexByte(keep, c) >= 0):
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return object.Str(b.String()), nil
}

func unquote(t *object.Thread, v object.Value, plus bool) (object.Value, error) {
	s, err := native.Text(v)
	if err != nil {
		return nil, err
	}
	if err := native.Charge(t, len(s)); err != nil {
		return nil, err
	}
	if plus {
		s = strings.ReplaceAll(s, "+", " ")
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if code, err := hex.DecodeString(s[i+1 : i+3]); err == nil {
				b.Write(code)
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return object.Decode(t, b.String(), "utf-8", "replace")
}

func urlencode(t *object.Thread, a []object.Value) (object.Value, error) {
	items := a[0]
	if d, ok := a[0].(*object.Dict); ok {
		v, err := object.CallMethod(t, d, "items", &object.Args{})
		if err != nil {
			return nil, err
		}
		items = v
	}
	var parts []string
	err := object.Each(t, items, func(item object.Value) error {
		pair, err := object.ToSlice(t, item)
		if err != nil || len(pair) != 2 {
			return object.Raise(object.TypeError, "not a valid non-string sequence or mapping object")
		}
		var both [2]string
		for i, v := range pair {
			s, err := object.ToStr(t, v)
			if b, ok := v.(object.Bytes); ok {
				s = string(b)
			}
			if err != nil {
				return err
			}
			q, err := quote(t, object.Str(s), nil, "", true)
			if err != nil {
				return err
			}
			both[i] = string(q.(object.Str))
		}
		parts = append(parts, both[0]+"="+both[1])
		return t.Alloc(2 * (len(both[0]) + len(both[1]) + 16))
	})
	return object.Str(strings.Join(parts, "&")), err
}

// Module makes the module urllib.
func Module() native.Members {
	return native.Members{"parse": object.NewModule("urllib.parse", Parse())}
}
