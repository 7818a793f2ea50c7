package text

import (
	"strings"
	"unicode/utf8"

	"mdserver/stpl/internal/character"
	"mdserver/stpl/internal/format"
	"mdserver/stpl/internal/object"
)

func strParts() []*object.Builtin {
	return []*object.Builtin{
		object.NewBuiltin("split", "sep? maxsplit:size?", strSplit(false)),
		object.NewBuiltin("rsplit", "sep? maxsplit:size?", strSplit(true)),
		object.NewBuiltin("splitlines", "keepends?", func(t *object.Thread, a []object.Value) (object.Value, error) {
			s := string(a[0].(object.Str))
			if err := t.Work(len(s) * 4); err != nil {
				return nil, err
			}
			p := parts{t: t}
			p.lines(s, object.Flag(a[1]), character.IsLineEnd)
			return p.list()
		}),
		object.NewBuiltin("partition", "sep /", strPartition(false)),
		object.NewBuiltin("rpartition", "sep /", strPartition(true)),
		object.NewBuiltin("join", "iterable /", strJoin),
		object.NewBuiltin("strip", "chars? /", strStrip("strip", true, true)),
		object.NewBuiltin("lstrip", "chars? /", strStrip("lstrip", true, false)),
		object.NewBuiltin("rstrip", "chars? /", strStrip("rstrip", false, true)),
		object.NewBuiltin("encode", codecSignature, func(t *object.Thread, a []object.Value) (object.Value, error) {
			encoding, errors := codecArgs(a[1:])
			return object.Encode(t, object.Text(a[0]), encoding, errors)
		}),
	}
}

func strSplit(right bool) object.Func {
	return func(t *object.Thread, a []object.Value) (object.Value, error) {
		s, limit := object.Text(a[0]), object.IntOr(a[2], -1)
		if err := t.Work(len(s)); err != nil {
			return nil, err
		}
		p := parts{t: t}
		if a[1] == nil || a[1] == object.None {
			if right {
				p.rspaces(s, limit)
			} else {
				p.spaces(s, limit)
			}
			return p.list()
		}
		sep, ok := a[1].(object.Str)
		if !ok {
			return nil, object.Raise(object.TypeError, "must be str or None, not %s", object.TypeName(a[1]))
		}
		if sep == "" {
			return nil, object.Raise(object.ValueError, "empty separator")
		}
		if right {
			p.rsplit(s, string(sep), limit)
		} else {
			p.split(s, string(sep), limit)
		}
		return p.list()
	}
}

func strPartition(last bool) object.Func {
	return func(t *object.Thread, a []object.Value) (object.Value, error) {
		s := a[0].(object.Str)
		sep, ok := a[1].(object.Str)
		if !ok {
			return nil, object.Raise(object.TypeError, "must be str, not %s", object.TypeName(a[1]))
		}
		if sep == "" {
			return nil, object.Raise(object.ValueError, "empty separator")
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
			return object.Tuple{s[:i], sep, s[i+len(sep):]}, nil
		case last:
			return object.Tuple{object.Str(""), object.Str(""), s}, nil
		}
		return object.Tuple{s, object.Str(""), object.Str("")}, nil
	}
}

func strJoin(t *object.Thread, a []object.Value) (object.Value, error) {
	sep := string(a[0].(object.Str))
	b := object.NewBuilder(t)
	b.Grow(joinedSize(a[1], len(sep)))
	n := 0
	err := object.Each(t, a[1], func(v object.Value) error {
		s, ok := v.(object.Str)
		if !ok {
			return object.Raise(object.TypeError, "sequence item %d: expected str instance, %s found", n, object.TypeName(v))
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
		if e, ok := err.(*object.Exception); ok && n == 0 && e.Kind == object.TypeError && strings.HasSuffix(e.Message(), "is not iterable") {
			return nil, object.Raise(object.TypeError, "can only join an iterable")
		}
		return nil, err
	}
	return object.NewStr(b.Text())
}

// joinedSize is the length of a joined list or tuple, 0 for a value that must be
// iterated over first. It must be of strings alone.
func joinedSize(v object.Value, sep int) int {
	items, ok := v.(object.Tuple)
	if l, isList := v.(*object.List); isList {
		items, ok = l.Items(), true
	}
	if !ok {
		return 0
	}
	n := sep * max(len(items)-1, 0)
	for _, item := range items {
		s, _ := item.(object.Str)
		n += len(s)
	}
	return n
}

func strStrip(name string, left, right bool) object.Func {
	return func(t *object.Thread, a []object.Value) (object.Value, error) {
		s := string(a[0].(object.Str))
		cut := character.IsSpace
		if a[1] != nil && a[1] != object.None {
			chars, ok := a[1].(object.Str)
			if !ok {
				return nil, object.Raise(object.TypeError, "%s arg must be None or str", name)
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
		whole := a[0].(object.Str)
		if len(s) == len(whole) {
			return a[0], t.Work(len(whole))
		}
		return object.Str(s), t.Work(len(whole))
	}
}

func strPads() []*object.Builtin {
	return []*object.Builtin{
		object.NewBuiltin("ljust", "width:size fillchar? /", strPad('<')),
		object.NewBuiltin("rjust", "width:size fillchar? /", strPad('>')),
		object.NewBuiltin("center", "width:size fillchar? /", strPad('^')),
		object.NewBuiltin("zfill", "width:size /", strZfill),
		object.NewBuiltin("expandtabs", "tabsize:int?", strExpandTabs),
	}
}

func strPad(align byte) object.Func {
	return func(t *object.Thread, a []object.Value) (object.Value, error) {
		f := format.Spec{Fill: ' ', Align: align, Width: max(object.IntOr(a[1], 0), 0)}
		if a[2] != nil {
			fill, ok := a[2].(object.Str)
			switch {
			case !ok:
				return nil, object.Raise(object.TypeError, "The fill character must be a unicode character, not %s", object.TypeName(a[2]))
			case utf8.RuneCountInString(string(fill)) != 1:
				return nil, object.Raise(object.TypeError, "The fill character must be exactly one character long")
			}
			f.Fill, _ = utf8.DecodeRuneInString(string(fill))
		}
		s := object.Text(a[0])
		if n := f.Width - utf8.RuneCountInString(s); align == '^' && n > 0 && n&f.Width&1 == 1 {
			s = string(f.Fill) + s // of an odd number more are on the left if the width is odd
		}
		return object.NewStr(f.Pad(&t.Meter, "", s, align))
	}
}

func strZfill(t *object.Thread, a []object.Value) (object.Value, error) {
	sign, digits := "", object.Text(a[0])
	if digits != "" && (digits[0] == '+' || digits[0] == '-') {
		sign, digits = digits[:1], digits[1:]
	}
	return object.NewStr((&format.Spec{Fill: '0', Align: '=', Width: max(object.IntOr(a[1], 0), 0)}).Pad(&t.Meter, sign, digits, '='))
}

func strExpandTabs(t *object.Thread, a []object.Value) (object.Value, error) {
	size := object.IntOr(a[1], 8)
	if size > format.MaxWidth {
		return nil, object.Raise(object.OverflowError, "result too long")
	}
	b := object.NewBuilder(t)
	col := 0
	for _, r := range string(a[0].(object.Str)) {
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
	return object.NewStr(b.Text())
}
