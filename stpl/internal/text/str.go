// Package text gives str and bytes their constructors and methods.
package text

import (
	"math"
	"strings"
	"unicode/utf8"

	"mdserver/stpl/internal/character"
	"mdserver/stpl/internal/object"
)

// The methods are set once, those of bytes by those of str.
func init() {
	setupStr()
	setupBytes()
}

func setupStr() {
	object.StrType.Constructor(object.NewBuiltin("str", "object? "+codecSignature, newStr))
	object.StrType.Define(strTests()...)
	object.StrType.Define(strCases()...)
	object.StrType.Define(strSearches()...)
	object.StrType.Define(strParts()...)
	object.StrType.Define(strPads()...)
	object.StrType.Static("maketrans", object.NewBuiltin("maketrans", "x y:str? z:str? /", strMakeTrans))
}

// window cuts the optional start and end of a search out of s. It returns the
// offset of the cut in bytes and false if the start lies beyond the end.
func window(t *object.Thread, s string, start, end object.Value) (string, int, bool, error) {
	if start == nil && end == nil {
		return s, 0, true, nil
	}
	sl := object.Slice{Start: object.OrNone(start), Stop: object.OrNone(end), Step: object.None}
	if err := t.Scan(len(s)); err != nil {
		return "", 0, false, err
	}
	n := utf8.RuneCountInString(s)
	from, to, _, err := sl.Bounds(n)
	if err != nil {
		return "", 0, false, err
	}
	if i, ok := object.AsInt(object.OrNone(start)); from > to || ok && i > int64(n) {
		return "", 0, false, nil
	}
	lo := character.Offset(s, from)
	return s[lo : lo+character.Offset(s[lo:], to-from)], lo, true, nil
}

// subArg returns what find and its like look for.
func subArg(v object.Value) (string, error) {
	s, ok := v.(object.Str)
	if !ok {
		return "", object.Raise(object.TypeError, "must be str, not %s", object.TypeName(v))
	}
	return string(s), nil
}

// strFind makes find, rfind, index and rindex.
func strFind(name string, last, raise bool) *object.Builtin {
	return object.NewBuiltin(name, "sub start? end? /", func(t *object.Thread, a []object.Value) (object.Value, error) {
		s := string(a[0].(object.Str))
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
				return nil, object.Raise(object.ValueError, "substring not found")
			}
			return object.Int(-1), nil
		}
		return object.Int(utf8.RuneCountInString(s[:off+i])), nil
	})
}

// strAffix makes startswith and endswith.
func strAffix(name string, has func(s, affix string) bool) *object.Builtin {
	return object.NewBuiltin(name, "prefix start? end? /", func(t *object.Thread, a []object.Value) (object.Value, error) {
		w, _, ok, err := window(t, string(a[0].(object.Str)), a[2], a[3])
		if err != nil {
			return nil, err
		}
		list, isTuple := a[1].(object.Tuple)
		if !isTuple {
			list = object.Tuple{a[1]}
		}
		for _, v := range list {
			p, isStr := v.(object.Str)
			switch {
			case !isStr && isTuple:
				return nil, object.Raise(object.TypeError, "tuple for %s must only contain str, not %s", name, object.TypeName(v))
			case !isStr:
				return nil, object.Raise(object.TypeError, "%s first arg must be str or a tuple of str, not %s", name, object.TypeName(a[1]))
			}
			if err := t.Step(1 + len(p)/256); err != nil {
				return nil, err
			}
			if ok && has(w, string(p)) {
				return object.Bool(true), nil
			}
		}
		return object.Bool(false), nil
	})
}

func strSearches() []*object.Builtin {
	return []*object.Builtin{
		strFind("find", false, false), strFind("rfind", true, false),
		strFind("index", false, true), strFind("rindex", true, true),
		strAffix("startswith", strings.HasPrefix), strAffix("endswith", strings.HasSuffix),
		object.NewBuiltin("count", "sub start? end? /", strCount),
		object.NewBuiltin("replace", "old:str new:str count:size? /", strReplace),
		object.NewBuiltin("translate", "table /", strTranslate),
		object.NewBuiltin("removeprefix", "prefix:str /", strRemove(strings.TrimPrefix)),
		object.NewBuiltin("removesuffix", "suffix:str /", strRemove(strings.TrimSuffix)),
		object.NewBuiltin("format", "*args **kwargs", func(t *object.Thread, a []object.Value) (object.Value, error) {
			return object.NewStr((&formatter{t: t, pos: a[1].(object.Tuple), named: a[2]}).run(string(a[0].(object.Str)), 2))
		}),
		object.NewBuiltin("format_map", "mapping /", func(t *object.Thread, a []object.Value) (object.Value, error) {
			return object.NewStr((&formatter{t: t, named: a[1], noPos: true}).run(string(a[0].(object.Str)), 2))
		}),
	}
}

func strCount(t *object.Thread, a []object.Value) (object.Value, error) {
	sub, err := subArg(a[1])
	if err != nil {
		return nil, err
	}
	w, _, ok, err := window(t, string(a[0].(object.Str)), a[2], a[3])
	if err != nil || !ok {
		return object.Int(0), err
	}
	return object.Int(strings.Count(w, sub)), t.Work(len(w))
}

func strReplace(t *object.Thread, a []object.Value) (object.Value, error) {
	return object.NewStr(replaceText(t, object.Text(a[0]), object.Text(a[1]), object.Text(a[2]), object.IntOr(a[3], -1)))
}

func replaceText(t *object.Thread, s, from, to string, n int) (string, error) {
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

func strRemove(trim func(s, affix string) string) object.Func {
	return func(t *object.Thread, a []object.Value) (object.Value, error) {
		affix := object.Text(a[1])
		return object.Str(trim(object.Text(a[0]), affix)), t.Scan(len(affix))
	}
}

func strMakeTrans(t *object.Thread, a []object.Value) (object.Value, error) {
	d := object.NewDict()
	if a[1] == nil {
		src, ok := a[0].(*object.Dict)
		if !ok {
			return nil, object.Raise(object.TypeError, "if you give only one argument to maketrans it must be a dict")
		}
		for k, v := range src.All {
			k, err := transKey(k)
			if err == nil {
				err = d.Set(t, k, v)
			}
			if err != nil {
				return nil, err
			}
		}
		return d, nil
	}
	x, ok := a[0].(object.Str)
	if !ok {
		return nil, object.Raise(object.TypeError, "first maketrans argument must be a string if there is a second argument")
	}
	from, to := string(x), object.Text(a[1])
	if utf8.RuneCountInString(from) != utf8.RuneCountInString(to) {
		return nil, object.Raise(object.ValueError, "the first two maketrans arguments must have equal length")
	}
	if err := t.Charge(8*(len(from)+len(to)), 16*len(from)); err != nil {
		return nil, err
	}
	for _, r := range from {
		char, n := utf8.DecodeRuneInString(to)
		if err := d.Set(t, object.Int(r), object.Int(char)); err != nil {
			return nil, err
		}
		to = to[n:]
	}
	for _, r := range object.Text(a[2]) {
		if err := d.Set(t, object.Int(r), object.None); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// transKey is the key of a translation table: a character's number.
func transKey(k object.Value) (object.Value, error) {
	s, ok := k.(object.Str)
	_, isInt := object.BigInt(k)
	switch {
	case isInt:
		return k, nil
	case !ok:
		return nil, object.Raise(object.TypeError, "keys in translate table must be strings or integers")
	case utf8.RuneCountInString(string(s)) != 1:
		return nil, object.Raise(object.ValueError, "string keys in translate table must be of length 1")
	}
	r, _ := utf8.DecodeRuneInString(string(s))
	return object.Int(r), nil
}

func strTranslate(t *object.Thread, a []object.Value) (object.Value, error) {
	table, ok := a[1].(*object.Dict)
	if !ok {
		return nil, object.Raise(object.TypeError, "translate() wants a dict, not %s", object.TypeName(a[1]))
	}
	b := object.NewBuilder(t)
	for _, r := range string(a[0].(object.Str)) {
		v, found, err := table.Get(t, object.Int(r))
		if err != nil {
			return nil, err
		}
		s := string(r)
		if found {
			switch v := v.(type) {
			case object.NoneValue:
				s = ""
			case object.Str:
				s = string(v)
			case object.Int:
				s = string(rune(v))
			default:
				return nil, object.Raise(object.TypeError, "character mapping must return integer, None or str")
			}
		}
		if err := t.Step(1); err != nil {
			return nil, err
		}
		_ = b.Write(s)
	}
	return object.NewStr(b.Text())
}
