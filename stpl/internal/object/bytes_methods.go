package object

import (
	"strings"
	"unicode/utf8"

	"mdserver/stpl/internal/character"
)

// byteBase is where bytes above 0x7f lie while a method of str works on them:
// a private area, whose characters are no letters, digits or white space.
const byteBase = 0xf700

func setupBytes() {
	for _, name := range strings.Fields(`isalpha isdigit isalnum isspace isascii isupper islower istitle
		upper lower title capitalize swapcase find rfind index rindex startswith endswith count replace
		removeprefix removesuffix split rsplit partition rpartition join strip lstrip rstrip
		ljust rjust center zfill expandtabs`) {
		BytesType.Define(viaStr(StrType.methods[name]))
	}
	BytesType.Define(
		NewBuiltin("decode", codecSignature, func(t *Thread, a []Value) (Value, error) {
			encoding, errors := codecArgs(a[1:])
			return Decode(t, string(a[0].(Bytes)), encoding, errors)
		}),
		NewBuiltin("hex", "sep:str? bytes_per_sep:int?", bytesHex),
		NewBuiltin("splitlines", "keepends?", func(t *Thread, a []Value) (Value, error) {
			s := string(a[0].(Bytes))
			p := parts{t: t}
			p.lines(s, Flag(a[1]), func(r rune) bool { return r == '\n' || r == '\r' })
			for i, line := range p.items {
				p.items[i] = Bytes(line.(Str))
			}
			if p.err != nil {
				return nil, p.err
			}
			return NewList(p.items), t.Work(len(s))
		}),
	)
	BytesType.Static("fromhex", NewBuiltin("fromhex", "string:str /", bytesFromHex))
	IntType.Static("from_bytes", NewBuiltin("from_bytes", "bytes byteorder? * signed?", intFromBytes))
}

// isByteSpace tells the white space of bytes from what only str takes for it.
func isByteSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// isPlainByte reports whether a method of str treats a byte as one of bytes
// would.
func isPlainByte(c byte) bool {
	return c < utf8.RuneSelf && (isByteSpace(c) || !character.IsSpace(rune(c)))
}

func widen(t *Thread, b Bytes) (Str, error) {
	plain := true
	for i := range len(b) {
		plain = plain && isPlainByte(b[i])
	}
	if plain {
		return Str(b), t.Work(len(b))
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
	return Str(s.String()), t.Work(len(b))
}

func narrow(s Str) Bytes {
	if character.IsASCII(string(s)) {
		return Bytes(s)
	}
	var b strings.Builder
	for _, r := range string(s) {
		b.WriteByte(byte(r)) // byteBase is a multiple of 256
	}
	return Bytes(b.String())
}

// widenArg prepares an argument of the named method for that of str.
func widenArg(t *Thread, name string, v Value) (Value, error) {
	switch v := v.(type) {
	case Bytes:
		return widen(t, v)
	case Str:
		return nil, notBytes(name, v)
	case Int:
		if !byteSearches[name] {
			return v, nil
		}
		if v < 0 || v > 255 {
			return nil, Raise(ValueError, "byte must be in range(0, 256)")
		}
		return widen(t, Bytes([]byte{byte(v)}))
	}
	if _, ok := v.(Tuple); ok || name == "join" {
		return widenItems(t, name, v)
	}
	return v, nil
}

func widenItems(t *Thread, name string, v Value) (Value, error) {
	items, err := ToSlice(t, v)
	if err != nil {
		return nil, err
	}
	for i := range items {
		b, ok := items[i].(Bytes)
		switch {
		case !ok && name == "join":
			return nil, Raise(TypeError, "sequence item %d: expected a bytes-like object, %s found", i, TypeName(items[i]))
		case !ok:
			return nil, Raise(TypeError, "a bytes-like object is required, not '%s'", TypeName(items[i]))
		}
		if items[i], err = widen(t, b); err != nil {
			return nil, err
		}
	}
	return Tuple(items), nil
}

// byteSearches are the methods that look for bytes or for the number of one.
var byteSearches = map[string]bool{"find": true, "rfind": true, "index": true, "rindex": true, "count": true}

// notBytes says that a method got text.
func notBytes(name string, v Value) error {
	switch name {
	case "find", "rfind", "index", "rindex", "count":
		return Raise(TypeError, "argument should be integer or bytes-like object, not '%s'", TypeName(v))
	case "startswith", "endswith":
		return Raise(TypeError, "%s first arg must be bytes or a tuple of bytes, not %s", name, TypeName(v))
	case "ljust", "rjust", "center":
		return Raise(TypeError, "%s() argument 2 must be a byte string of length 1, not %s", name, TypeName(v))
	}
	return Raise(TypeError, "a bytes-like object is required, not '%s'", TypeName(v))
}

func narrowValue(v Value) Value {
	switch v := v.(type) {
	case Str:
		return narrow(v)
	case Tuple:
		for i := range v {
			v[i] = narrowValue(v[i])
		}
	case *List:
		for i := range v.items {
			v.items[i] = narrowValue(v.items[i])
		}
	}
	return v
}

// viaStr makes the bytes method that works as the str method does.
func viaStr(m *Builtin) *Builtin {
	fn := func(t *Thread, a []Value) (Value, error) {
		args := make([]Value, len(a))
		for i, v := range a {
			if v == nil {
				continue
			}
			var err error
			if args[i], err = widenArg(t, m.Name, v); err != nil {
				return nil, err
			}
		}
		if err := m.checkTypes(args[1:]); err != nil {
			return nil, err
		}
		r, err := m.fn(t, args)
		if e, ok := err.(*Exception); ok && e.Message() == "substring not found" {
			return nil, Raise(ValueError, "subsection not found")
		}
		if err != nil {
			return nil, err
		}
		return narrowValue(r), nil
	}
	sig := m.sig
	sig.typed = false // fn checks what becomes of the arguments
	return &Builtin{definition: &definition{Name: m.Name, sig: sig, fn: fn}}
}

func bytesContains(t *Thread, b Bytes, item Value) (bool, error) {
	if err := t.Work(len(b)); err != nil {
		return false, err
	}
	switch v := item.(type) {
	case Bytes:
		return strings.Contains(string(b), string(v)), nil
	case Int, Bool, *Big:
		i, ok := AsInt(v)
		if !ok || i < 0 || i > 255 {
			return false, Raise(ValueError, "byte must be in range(0, 256)")
		}
		return strings.IndexByte(string(b), byte(i)) >= 0, nil
	}
	return false, Raise(TypeError, "a bytes-like object is required, not '%s'", TypeName(item))
}
