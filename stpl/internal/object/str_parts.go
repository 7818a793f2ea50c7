package object

import (
	"strings"
	"unicode/utf8"

	"mdserver/stpl/internal/character"
	"mdserver/stpl/internal/format"
)

func strParts() []*Builtin {
	return []*Builtin{
		NewBuiltin("split", "sep? maxsplit:int?", strSplit(false)),
		NewBuiltin("rsplit", "sep? maxsplit:int?", strSplit(true)),
		NewBuiltin("splitlines", "keepends?", func(t *Thread, a []Value) (Value, error) {
			s := string(a[0].(Str))
			if err := t.Work(len(s) * 4); err != nil {
				return nil, err
			}
			p := parts{t: t}
			p.lines(s, Flag(a[1]), character.IsLineEnd)
			return p.list()
		}),
		NewBuiltin("partition", "sep /", strPartition(false)),
		NewBuiltin("rpartition", "sep /", strPartition(true)),
		NewBuiltin("join", "iterable /", strJoin),
		NewBuiltin("strip", "chars? /", strStrip("strip", true, true)),
		NewBuiltin("lstrip", "chars? /", strStrip("lstrip", true, false)),
		NewBuiltin("rstrip", "chars? /", strStrip("rstrip", false, true)),
		NewBuiltin("encode", codecSignature, func(t *Thread, a []Value) (Value, error) {
			encoding, errors := codecArgs(a[1:])
			return Encode(t, Text(a[0]), encoding, errors)
		}),
	}
}

func strSplit(right bool) Func {
	return func(t *Thread, a []Value) (Value, error) {
		s, limit := Text(a[0]), IntOr(a[2], -1)
		if err := t.Work(len(s)); err != nil {
			return nil, err
		}
		p := parts{t: t}
		if a[1] == nil || a[1] == None {
			if right {
				p.rspaces(s, limit)
			} else {
				p.spaces(s, limit)
			}
			return p.list()
		}
		sep, ok := a[1].(Str)
		if !ok {
			return nil, Raise(TypeError, "must be str or None, not %s", TypeName(a[1]))
		}
		if sep == "" {
			return nil, Raise(ValueError, "empty separator")
		}
		if right {
			p.rsplit(s, string(sep), limit)
		} else {
			p.split(s, string(sep), limit)
		}
		return p.list()
	}
}

func strPartition(last bool) Func {
	return func(t *Thread, a []Value) (Value, error) {
		s := a[0].(Str)
		sep, ok := a[1].(Str)
		if !ok {
			return nil, Raise(TypeError, "must be str, not %s", TypeName(a[1]))
		}
		if sep == "" {
			return nil, Raise(ValueError, "empty separator")
		}
		if err := t.Work(len(s)); err != nil {
			return nil, err
		}
		i := strings.Index(string(s), string(sep))
		if last {
			i = strings.LastIndex(string(s), string(sep))
		}
		switch {
		case i >= 0:
			return Tuple{s[:i], sep, s[i+len(sep):]}, nil
		case last:
			return Tuple{Str(""), Str(""), s}, nil
		}
		return Tuple{s, Str(""), Str("")}, nil
	}
}

func strJoin(t *Thread, a []Value) (Value, error) {
	sep := string(a[0].(Str))
	b := Builder{t: t}
	b.grow(joinedSize(a[1], len(sep)))
	n := 0
	err := Each(t, a[1], func(v Value) error {
		s, ok := v.(Str)
		if !ok {
			return Raise(TypeError, "sequence item %d: expected str instance, %s found", n, TypeName(v))
		}
		if n > 0 {
			_ = b.Write(sep)
		}
		n++
		if err := t.Work(len(s)); err != nil {
			return err
		}
		return b.Write(string(s))
	})
	if err != nil {
		if e, ok := err.(*Exception); ok && n == 0 && e.Kind == TypeError && strings.HasSuffix(e.Message(), "is not iterable") {
			return nil, Raise(TypeError, "can only join an iterable")
		}
		return nil, err
	}
	joined, err := b.Text()
	return Str(joined), err
}

// joinedSize is the length of a joined list or tuple, 0 for a value that must be
// iterated over first. It must be of strings alone.
func joinedSize(v Value, sep int) int {
	items, ok := v.(Tuple)
	if l, isList := v.(*List); isList {
		items, ok = l.items, true
	}
	if !ok {
		return 0
	}
	n := sep * max(len(items)-1, 0)
	for _, item := range items {
		s, _ := item.(Str)
		n += len(s)
	}
	return n
}

func strStrip(name string, left, right bool) Func {
	return func(t *Thread, a []Value) (Value, error) {
		s := string(a[0].(Str))
		cut := character.IsSpace
		if a[1] != nil && a[1] != None {
			chars, ok := a[1].(Str)
			if !ok {
				return nil, Raise(TypeError, "%s arg must be None or str", name)
			}
			if err := t.Step(1 + len(s)*len(chars)/64); err != nil {
				return nil, err
			}
			cut = func(r rune) bool { return strings.ContainsRune(string(chars), r) }
		}
		if left {
			s = strings.TrimLeftFunc(s, cut)
		}
		if right {
			s = strings.TrimRightFunc(s, cut)
		}
		whole := a[0].(Str)
		if len(s) == len(whole) {
			return a[0], t.Work(len(whole))
		}
		return Str(s), t.Work(len(whole))
	}
}

func strPads() []*Builtin {
	return []*Builtin{
		NewBuiltin("ljust", "width:int fillchar? /", strPad('<')),
		NewBuiltin("rjust", "width:int fillchar? /", strPad('>')),
		NewBuiltin("center", "width:int fillchar? /", strPad('^')),
		NewBuiltin("zfill", "width:int /", strZfill),
		NewBuiltin("expandtabs", "tabsize:int?", strExpandTabs),
	}
}

func strPad(align byte) Func {
	return func(t *Thread, a []Value) (Value, error) {
		f := format.Spec{Fill: ' ', Align: align, Width: max(IntOr(a[1], 0), 0)}
		if a[2] != nil {
			fill, ok := a[2].(Str)
			switch {
			case !ok:
				return nil, Raise(TypeError, "The fill character must be a unicode character, not %s", TypeName(a[2]))
			case utf8.RuneCountInString(string(fill)) != 1:
				return nil, Raise(TypeError, "The fill character must be exactly one character long")
			}
			f.Fill, _ = utf8.DecodeRuneInString(string(fill))
		}
		s := Text(a[0])
		if n := f.Width - utf8.RuneCountInString(s); align == '^' && n > 0 && n&f.Width&1 == 1 {
			s = string(f.Fill) + s // of an odd number more are on the left if the width is odd
		}
		out, err := f.Pad(&t.Meter, "", s, align)
		return Str(out), err
	}
}

func strZfill(t *Thread, a []Value) (Value, error) {
	sign, digits := "", Text(a[0])
	if digits != "" && (digits[0] == '+' || digits[0] == '-') {
		sign, digits = digits[:1], digits[1:]
	}
	out, err := (&format.Spec{Fill: '0', Align: '=', Width: max(IntOr(a[1], 0), 0)}).Pad(&t.Meter, sign, digits, '=')
	return Str(out), err
}

func strExpandTabs(t *Thread, a []Value) (Value, error) {
	size := IntOr(a[1], 8)
	if size > format.MaxWidth {
		return nil, Raise(OverflowError, "result too long")
	}
	b := Builder{t: t}
	col := 0
	for _, r := range string(a[0].(Str)) {
		if err := t.Step(1); err != nil {
			return nil, err
		}
		switch {
		case r == '\t' && size > 0:
			n := size - col%size
			if err := b.Write(strings.Repeat(" ", n)); err != nil {
				return nil, err
			}
			col += n
			continue
		case r == '\t':
			continue
		case r == '\n' || r == '\r':
			col = -1
		}
		_ = b.Write(string(r))
		col++
	}
	out, err := b.Text()
	return Str(out), err
}
