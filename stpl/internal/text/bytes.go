package text

import (
	"strings"
	"unicode/utf8"

	"mdserver/stpl/internal/character"
	"mdserver/stpl/internal/object"
)

// byteBase is where bytes above 0x7f lie while a method of str works on them:
// a private area, whose characters are no letters, digits or white space.
const byteBase = 0xf700

func setupBytes() {
	object.BytesType.Constructor(object.NewBuiltin("bytes", "source? "+codecSignature, toBytes))
	for _, name := range strings.Fields(`isalpha isdigit isalnum isspace isascii isupper islower istitle
		upper lower title capitalize swapcase find rfind index rindex startswith endswith count replace
		removeprefix removesuffix split rsplit partition rpartition join strip lstrip rstrip
		ljust rjust center zfill expandtabs`) {
		object.BytesType.Define(viaStr(object.StrType.Method(name)))
	}
	object.BytesType.Define(
		object.NewBuiltin("decode", codecSignature, func(t *object.Thread, a []object.Value) (object.Value, error) {
			encoding, errors := codecArgs(a[1:])
			return object.Decode(t, string(a[0].(object.Bytes)), encoding, errors)
		}),
		object.NewBuiltin("hex", "sep:str? bytes_per_sep:int?", bytesHex),
		object.NewBuiltin("splitlines", "keepends?", func(t *object.Thread, a []object.Value) (object.Value, error) {
			s := string(a[0].(object.Bytes))
			p := parts{t: t}
			p.lines(s, object.Flag(a[1]), func(r rune) bool { return r == '\n' || r == '\r' })
			for i, line := range p.items {
				p.items[i] = object.Bytes(line.(object.Str))
			}
			if p.err != nil {
				return nil, p.err
			}
			return object.NewList(p.items), t.Work(len(s))
		}),
	)
	object.BytesType.Static("fromhex", object.NewBuiltin("fromhex", "string:str /", bytesFromHex))
	object.IntType.Define(object.NewBuiltin("to_bytes", "length:int? byteorder? * signed?", intToBytes))
	object.IntType.Static("from_bytes", object.NewBuiltin("from_bytes", "bytes byteorder? * signed?", intFromBytes))
}

// isByteSpace tells the white space of bytes from what only str takes for it.
func isByteSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// isPlainByte reports whether a method of str treats a byte as one of bytes
// would.
func isPlainByte(c byte) bool {
	return c < utf8.RuneSelf && (isByteSpace(c) || !character.IsSpace(rune(c)))
}

func widen(t *object.Thread, b object.Bytes) (object.Str, error) {
	plain := true
	for i := range len(b) {
		plain = plain && isPlainByte(b[i])
	}
	if plain {
		return object.Str(b), t.Work(len(b))
	}
	if err := t.AllocN(len(b), 3); err != nil {
		return "", err
	}
	var s strings.Builder
	for i := range len(b) {
		if isPlainByte(b[i]) {
			s.WriteByte(b[i])
		} else {
			s.WriteRune(byteBase + rune(b[i]))
		}
	}
	return object.Str(s.String()), t.Work(len(b))
}

func narrow(s object.Str) object.Bytes {
	if character.IsASCII(string(s)) {
		return object.Bytes(s)
	}
	var b strings.Builder
	for _, r := range string(s) {
		b.WriteByte(byte(r)) // byteBase is a multiple of 256
	}
	return object.Bytes(b.String())
}

// widenArg prepares an argument of the named method for that of str.
func widenArg(t *object.Thread, name string, v object.Value) (object.Value, error) {
	switch v := v.(type) {
	case object.Bytes:
		return widen(t, v)
	case object.Str:
		return nil, notBytes(name, v)
	case object.Int:
		if !byteSearches[name] {
			return v, nil
		}
		if v < 0 || v > 255 {
			return nil, object.Raise(object.ValueError, "byte must be in range(0, 256)")
		}
		return widen(t, object.Bytes([]byte{byte(v)}))
	}
	if _, ok := v.(object.Tuple); ok || name == "join" {
		return widenItems(t, name, v)
	}
	return v, nil
}

func widenItems(t *object.Thread, name string, v object.Value) (object.Value, error) {
	items, err := object.ToSlice(t, v)
	if err != nil {
		return nil, err
	}
	for i := range items {
		b, ok := items[i].(object.Bytes)
		switch {
		case !ok && name == "join":
			return nil, object.Raise(object.TypeError, "sequence item %d: expected a bytes-like object, %s found", i, object.TypeName(items[i]))
		case !ok:
			return nil, object.Raise(object.TypeError, "a bytes-like object is required, not '%s'", object.TypeName(items[i]))
		}
		if items[i], err = widen(t, b); err != nil {
			return nil, err
		}
	}
	return object.Tuple(items), nil
}

// byteSearches are the methods that look for bytes or for the number of one.
var byteSearches = map[string]bool{"find": true, "rfind": true, "index": true, "rindex": true, "count": true}

// notBytes says that a method got text.
func notBytes(name string, v object.Value) error {
	switch name {
	case "find", "rfind", "index", "rindex", "count":
		return object.Raise(object.TypeError, "argument should be integer or bytes-like object, not '%s'", object.TypeName(v))
	case "startswith", "endswith":
		return object.Raise(object.TypeError, "%s first arg must be bytes or a tuple of bytes, not %s", name, object.TypeName(v))
	case "ljust", "rjust", "center":
		return object.Raise(object.TypeError, "%s() argument 2 must be a byte string of length 1, not %s", name, object.TypeName(v))
	}
	return object.Raise(object.TypeError, "a bytes-like object is required, not '%s'", object.TypeName(v))
}

func narrowValue(v object.Value) object.Value {
	switch v := v.(type) {
	case object.Str:
		return narrow(v)
	case object.Tuple:
		for i := range v {
			v[i] = narrowValue(v[i])
		}
	case *object.List:
		items := v.Items()
		for i := range items {
			items[i] = narrowValue(items[i])
		}
	}
	return v
}

// viaStr makes the bytes method that works as the str method does.
func viaStr(m *object.Builtin) *object.Builtin {
	return m.Around(func(t *object.Thread, run object.Func, a []object.Value) (object.Value, error) {
		args := make([]object.Value, len(a))
		for i, v := range a {
			if v == nil {
				continue
			}
			var err error
			if args[i], err = widenArg(t, m.Name, v); err != nil {
				return nil, err
			}
		}
		r, err := run(t, args)
		if e, ok := err.(*object.Exception); ok && e.Message() == "substring not found" {
			return nil, object.Raise(object.ValueError, "subsection not found")
		}
		if err != nil {
			return nil, err
		}
		return narrowValue(r), nil
	})
}
