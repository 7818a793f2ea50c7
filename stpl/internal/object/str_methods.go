package object

import (
	"math"
	"strings"
	"unicode/utf8"

	"mdserver/stpl/internal/character"
)

func setupStr() {
	StrType.Define(strTests()...)
	StrType.Define(strCases()...)
	StrType.Define(strSearches()...)
	StrType.Define(strParts()...)
	StrType.Define(strPads()...)
	StrType.Static("maketrans", NewBuiltin("maketrans", "x y:str? z:str? /", strMakeTrans))
}

// window cuts the optional start and end of a search out of s. It returns the
// offset of the cut in bytes and false if the start lies beyond the end.
func window(t *Thread, s string, start, end Value) (string, int, bool, error) {
	if start == nil && end == nil {
		return s, 0, true, nil
	}
	sl := Slice{Start: OrNone(start), Stop: OrNone(end), Step: None}
	if err := t.Scan(len(s)); err != nil {
		return "", 0, false, err
	}
	n := utf8.RuneCountInString(s)
	from, to, _, err := sl.bounds(n)
	if err != nil {
		return "", 0, false, err
	}
	if i, ok := AsInt(OrNone(start)); from > to || ok && i > int64(n) {
		return "", 0, false, nil
	}
	lo := character.Offset(s, from)
	return s[lo : lo+character.Offset(s[lo:], to-from)], lo, true, nil
}

// OrNone returns an optional argument, or None.
func OrNone(v Value) Value {
	if v == nil {
		return None
	}
	return v
}

// subArg returns what find and its like look for.
func subArg(v Value) (string, error) {
	s, ok := v.(Str)
	if !ok {
		return "", Raise(TypeError, "must be str, not %s", TypeName(v))
	}
	return string(s), nil
}

// strFind makes find, rfind, index and rindex.
func strFind(name string, last, raise bool) *Builtin {
	return NewBuiltin(name, "sub start? end? /", func(t *Thread, a []Value) (Value, error) {
		s := string(a[0].(Str))
		sub, err := subArg(a[1])
		if err != nil {
			return nil, err
		}
		if err := t.Work(len(s)); err != nil {
			return nil, err
		}
		w, off, ok, err := window(t, s, a[2], a[3])
		if err != nil {
			return nil, err
		}
		i := -1
		if ok && last {
			i = strings.LastIndex(w, sub)
		} else if ok {
			i = strings.Index(w, sub)
		}
		if i < 0 {
			if raise {
				return nil, Raise(ValueError, "substring not found")
			}
			return Int(-1), nil
		}
		return Int(utf8.RuneCountInString(s[:off+i])), nil
	})
}

// strAffix makes startswith and endswith.
func strAffix(name string, has func(s, affix string) bool) *Builtin {
	return NewBuiltin(name, "prefix start? end? /", func(t *Thread, a []Value) (Value, error) {
		w, _, ok, err := window(t, string(a[0].(Str)), a[2], a[3])
		if err != nil {
			return nil, err
		}
		list, isTuple := a[1].(Tuple)
		if !isTuple {
			list = Tuple{a[1]}
		}
		for _, v := range list {
			p, isStr := v.(Str)
			switch {
			case !isStr && isTuple:
				return nil, Raise(TypeError, "tuple for %s must only contain str, not %s", name, TypeName(v))
			case !isStr:
				return nil, Raise(TypeError, "%s first arg must be str or a tuple of str, not %s", name, TypeName(a[1]))
			}
			if err := t.Step(1 + len(p)/256); err != nil {
				return nil, err
			}
			if ok && has(w, string(p)) {
				return Bool(true), nil
			}
		}
		return Bool(false), nil
	})
}

func strSearches() []*Builtin {
	return []*Builtin{
		strFind("find", false, false), strFind("rfind", true, false),
		strFind("index", false, true), strFind("rindex", true, true),
		strAffix("startswith", strings.HasPrefix), strAffix("endswith", strings.HasSuffix),
		NewBuiltin("count", "sub start? end? /", strCount),
		NewBuiltin("replace", "old:str new:str count:int? /", strReplace),
		NewBuiltin("translate", "table /", strTranslate),
		NewBuiltin("removeprefix", "prefix:str /", strRemove(strings.TrimPrefix)),
		NewBuiltin("removesuffix", "suffix:str /", strRemove(strings.TrimSuffix)),
		NewBuiltin("format", "*args **kwargs", func(t *Thread, a []Value) (Value, error) {
			s, err := strFormat(t, string(a[0].(Str)), a[1].(Tuple), a[2].(*Dict))
			return Str(s), err
		}),
		NewBuiltin("format_map", "mapping /", func(t *Thread, a []Value) (Value, error) {
			d, ok := a[1].(*Dict)
			if !ok {
				return nil, Raise(TypeError, "format_map() wants a dict, not %s", TypeName(a[1]))
			}
			s, err := strFormat(t, string(a[0].(Str)), nil, d)
			return Str(s), err
		}),
	}
}

func strCount(t *Thread, a []Value) (Value, error) {
	sub, err := subArg(a[1])
	if err != nil {
		return nil, err
	}
	w, _, ok, err := window(t, string(a[0].(Str)), a[2], a[3])
	if err != nil || !ok {
		return Int(0), err
	}
	return Int(strings.Count(w, sub)), t.Work(len(w))
}

func strReplace(t *Thread, a []Value) (Value, error) {
	out, err := replaceText(t, Text(a[0]), Text(a[1]), Text(a[2]), IntOr(a[3], -1))
	return Str(out), err
}

func replaceText(t *Thread, s, from, to string, n int) (string, error) {
	found := strings.Count(s, from)
	if n >= 0 {
		found = min(found, n)
	}
	if grow := len(to) - len(from); grow > 0 && found > (math.MaxInt32-len(s))/grow {
		return "", t.Alloc(-1)
	}
	size := len(s) + found*(len(to)-len(from))
	if err := t.Alloc(size); err != nil {
		return "", err
	}
	return strings.Replace(s, from, to, n), t.Work(len(s) + size)
}

func strRemove(trim func(s, affix string) string) Func {
	return func(t *Thread, a []Value) (Value, error) {
		affix := Text(a[1])
		return Str(trim(Text(a[0]), affix)), t.Scan(len(affix))
	}
}

func strMakeTrans(t *Thread, a []Value) (Value, error) {
	d := NewDict()
	if a[1] == nil {
		src, ok := a[0].(*Dict)
		if !ok {
			return nil, Raise(TypeError, "if you give only one argument to maketrans it must be a dict")
		}
		var err error
		src.Each(func(k, v Value) bool {
			if k, err = transKey(k); err == nil {
				err = d.Set(t, k, v)
			}
			return err == nil
		})
		return d, err
	}
	x, ok := a[0].(Str)
	if !ok {
		return nil, Raise(TypeError, "first maketrans argument must be a string if there is a second argument")
	}
	from, to := string(x), Text(a[1])
	if utf8.RuneCountInString(from) != utf8.RuneCountInString(to) {
		return nil, Raise(ValueError, "the first two maketrans arguments must have equal length")
	}
	if err := t.Charge(8*(len(from)+len(to)), 16*len(from)); err != nil {
		return nil, err
	}
	for _, r := range from {
		char, n := utf8.DecodeRuneInString(to)
		if err := d.Set(t, Int(r), Int(char)); err != nil {
			return nil, err
		}
		to = to[n:]
	}
	for _, r := range Text(a[2]) {
		if err := d.Set(t, Int(r), None); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// transKey is the key of a translation table: a character's number.
func transKey(k Value) (Value, error) {
	s, ok := k.(Str)
	switch {
	case !ok && !isInt(k):
		return nil, Raise(TypeError, "keys in translate table must be strings or integers")
	case !ok:
		return k, nil
	case utf8.RuneCountInString(string(s)) != 1:
		return nil, Raise(ValueError, "string keys in translate table must be of length 1")
	}
	r, _ := utf8.DecodeRuneInString(string(s))
	return Int(r), nil
}

func strTranslate(t *Thread, a []Value) (Value, error) {
	table, ok := a[1].(*Dict)
	if !ok {
		return nil, Raise(TypeError, "translate() wants a dict, not %s", TypeName(a[1]))
	}
	b := Builder{t: t}
	for _, r := range string(a[0].(Str)) {
		v, found, err := table.Get(t, Int(r))
		if err != nil {
			return nil, err
		}
		s := string(r)
		if found {
			switch v := v.(type) {
			case NoneValue:
				s = ""
			case Str:
				s = string(v)
			case Int:
				s = string(rune(v))
			default:
				return nil, Raise(TypeError, "character mapping must return integer, None or str")
			}
		}
		if err := t.Step(1); err != nil {
			return nil, err
		}
		_ = b.Write(s)
	}
	out, err := b.Text()
	return Str(out), err
}
