package object

import (
	"math"
	"strings"
	"unicode"
)

func method(name, sig string, fn Func) *Builtin { return NewBuiltin(name, sig, fn) }

func setupStr() {
	StrType.Define(strTests()...)
	StrType.Define(strCases()...)
	StrType.Define(strSearches()...)
	StrType.Define(strParts()...)
	StrType.Define(strPads()...)
	StrType.Static("maketrans", NewBuiltin("maketrans", "x y? z?", strMakeTrans))
}

// StrArg returns a string argument, or a TypeError that names the function.
func StrArg(v Value, function string) (string, error) {
	s, ok := v.(Str)
	if !ok {
		return "", Raise(TypeError, "%s() argument must be str, not %s", function, TypeName(v))
	}
	return string(s), nil
}

// intOr returns an optional integer argument.
func intOr(v Value, def int) (int, error) {
	if v == nil {
		return def, nil
	}
	return IndexArg(v)
}

// strMap makes a method of a function from text to text.
func strMap(name string, f func(string) string) *Builtin {
	return method(name, "", func(t *Thread, a []Value) (Value, error) {
		s := string(a[0].(Str))
		if err := t.AllocN(len(s), 3); err != nil {
			return nil, err
		}
		return Str(f(s)), t.Work(len(s))
	})
}

func strTest(name string, empty bool, f func(rune) bool) *Builtin {
	return method(name, "", func(t *Thread, a []Value) (Value, error) {
		s := string(a[0].(Str))
		ok := s != "" || empty
		for _, r := range s {
			ok = ok && f(r)
		}
		return Bool(ok), t.Work(len(s))
	})
}

func isDigit(r rune) bool {
	return unicode.Is(unicode.Nd, r) || strings.ContainsRune("²³¹⁰⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉①②③④⑤⑥⑦⑧⑨", r)
}

func isIdentifier(s string) bool {
	for i, r := range s {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r)) {
			return false
		}
	}
	return s != ""
}

// cased tests the letters that have case; there must be one.
func cased(name string, ok func(rune) bool, bad func(rune) bool) *Builtin {
	return method(name, "", func(t *Thread, a []Value) (Value, error) {
		found := false
		for _, r := range string(a[0].(Str)) {
			if bad(r) || unicode.IsTitle(r) {
				return Bool(false), nil
			}
			found = found || ok(r)
		}
		return Bool(found), t.Work(len(a[0].(Str)))
	})
}

func strTests() []*Builtin {
	letter := unicode.IsLetter
	return []*Builtin{
		strTest("isalpha", false, letter),
		strTest("isdigit", false, isDigit),
		strTest("isdecimal", false, func(r rune) bool { return unicode.Is(unicode.Nd, r) }),
		strTest("isnumeric", false, unicode.IsNumber),
		strTest("isalnum", false, func(r rune) bool { return letter(r) || unicode.IsNumber(r) }),
		strTest("isspace", false, isSpace),
		strTest("isascii", true, func(r rune) bool { return r < 0x80 }),
		strTest("isprintable", true, printable),
		cased("isupper", unicode.IsUpper, unicode.IsLower),
		cased("islower", unicode.IsLower, unicode.IsUpper),
		method("istitle", "", func(t *Thread, a []Value) (Value, error) {
			s := string(a[0].(Str))
			hasCase := strings.IndexFunc(s, func(r rune) bool { return unicode.IsUpper(r) || unicode.IsLower(r) }) >= 0
			return Bool(hasCase && title(s) == s), t.Work(len(s))
		}),
		method("isidentifier", "", func(t *Thread, a []Value) (Value, error) {
			return Bool(isIdentifier(string(a[0].(Str)))), t.Work(len(a[0].(Str)))
		}),
	}
}

// title upper-cases the first letter of every run of letters.
func title(s string) string {
	var b strings.Builder
	inside := false
	for _, r := range s {
		letter := unicode.IsUpper(r) || unicode.IsLower(r) || unicode.IsTitle(r)
		switch {
		case letter && !inside && r == 'ß':
			b.WriteString("Ss")
		case letter && !inside:
			b.WriteRune(unicode.ToTitle(r))
		default:
			b.WriteRune(unicode.ToLower(r))
		}
		inside = letter
	}
	return b.String()
}

func upper(s string) string {
	return strings.ReplaceAll(strings.ToUpper(s), "ß", "SS")
}

func capitalize(s string) string {
	if s == "" {
		return s
	}
	first := s[:byteOffset(s, 1)]
	if first == "ß" {
		return "Ss" + strings.ToLower(s[len(first):])
	}
	return strings.ToTitle(first) + strings.ToLower(s[len(first):])
}

func swapCase(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case unicode.IsUpper(r):
			b.WriteRune(unicode.ToLower(r))
		case unicode.IsLower(r):
			b.WriteString(upper(string(r)))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func strCases() []*Builtin {
	return []*Builtin{
		strMap("upper", upper),
		strMap("lower", strings.ToLower),
		strMap("casefold", func(s string) string { return strings.ReplaceAll(strings.ToLower(s), "ß", "ss") }),
		strMap("title", title),
		strMap("capitalize", capitalize),
		strMap("swapcase", swapCase),
	}
}

// window cuts the optional start and end of a search out of s. It returns the
// offset of the cut in bytes and false if the start lies beyond the end.
func window(s string, start, end Value) (string, int, bool, error) {
	if start == nil && end == nil {
		return s, 0, true, nil
	}
	sl := Slice{Start: orNone(start), Stop: orNone(end), Step: None}
	n := runeLen(s)
	from, to, _, err := sl.bounds(n)
	if err != nil {
		return "", 0, false, err
	}
	if i, ok := AsInt(orNone(start)); from > to || ok && i > int64(n) {
		return "", 0, false, nil
	}
	lo := byteOffset(s, from)
	return s[lo : lo+byteOffset(s[lo:], to-from)], lo, true, nil
}

func orNone(v Value) Value {
	if v == nil {
		return None
	}
	return v
}

// strFind makes find, rfind, index and rindex.
func strFind(name string, last, raise bool) *Builtin {
	return method(name, "sub start? end?", func(t *Thread, a []Value) (Value, error) {
		s := string(a[0].(Str))
		sub, err := StrArg(a[1], name)
		if err != nil {
			return nil, err
		}
		if err := t.Work(len(s)); err != nil {
			return nil, err
		}
		w, off, ok, err := window(s, a[2], a[3])
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
		return Int(runeLen(s[:off+i])), nil
	})
}

// strAffix makes startswith and endswith.
func strAffix(name string, has func(s, affix string) bool) *Builtin {
	return method(name, "prefix start? end?", func(t *Thread, a []Value) (Value, error) {
		w, _, ok, err := window(string(a[0].(Str)), a[2], a[3])
		if err != nil {
			return nil, err
		}
		list, isTuple := a[1].(Tuple)
		if !isTuple {
			list = Tuple{a[1]}
		}
		for _, v := range list {
			p, isStr := v.(Str)
			if !isStr {
				return nil, Raise(TypeError, "%s first arg must be str or a tuple of str, not %s", name, TypeName(a[1]))
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
		method("count", "sub start? end?", strCount),
		method("replace", "old new count?", strReplace),
		method("translate", "table", strTranslate),
		method("removeprefix", "prefix", strRemove("removeprefix", strings.TrimPrefix)),
		method("removesuffix", "suffix", strRemove("removesuffix", strings.TrimSuffix)),
		method("format", "*args **kwargs", func(t *Thread, a []Value) (Value, error) {
			s, err := strFormat(t, string(a[0].(Str)), a[1].(Tuple), a[2].(*Dict))
			return Str(s), err
		}),
		method("format_map", "mapping", func(t *Thread, a []Value) (Value, error) {
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
	sub, err := StrArg(a[1], "count")
	if err != nil {
		return nil, err
	}
	w, _, ok, err := window(string(a[0].(Str)), a[2], a[3])
	if err != nil || !ok {
		return Int(0), err
	}
	return Int(strings.Count(w, sub)), t.Work(len(w))
}

func strReplace(t *Thread, a []Value) (Value, error) {
	s := string(a[0].(Str))
	from, err := StrArg(a[1], "replace")
	if err != nil {
		return nil, err
	}
	to, err := StrArg(a[2], "replace")
	if err != nil {
		return nil, err
	}
	n, err := intOr(a[3], -1)
	if err != nil {
		return nil, err
	}
	out, err := replaceText(t, s, from, to, n)
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

func strRemove(name string, trim func(s, affix string) string) Func {
	return func(t *Thread, a []Value) (Value, error) {
		affix, err := StrArg(a[1], name)
		if err != nil {
			return nil, err
		}
		return Str(trim(string(a[0].(Str)), affix)), nil
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
			if s, ok := k.(Str); ok && runeLen(string(s)) == 1 {
				k = Int([]rune(string(s))[0])
			}
			err = d.Set(t, k, v)
			return err == nil
		})
		return d, err
	}
	x, err := StrArg(a[0], "maketrans")
	if err != nil {
		return nil, err
	}
	y, err := StrArg(a[1], "maketrans")
	if err != nil {
		return nil, err
	}
	if runeLen(x) != runeLen(y) {
		return nil, Raise(ValueError, "the first two maketrans arguments must have equal length")
	}
	if err := t.AllocN(len(x)+len(y), 8); err != nil {
		return nil, err
	}
	to := []rune(y)
	for i, r := range []rune(x) {
		if err := d.Set(t, Int(r), Int(to[i])); err != nil {
			return nil, err
		}
	}
	if a[2] != nil {
		z, err := StrArg(a[2], "maketrans")
		if err != nil {
			return nil, err
		}
		for _, r := range z {
			if err := d.Set(t, Int(r), None); err != nil {
				return nil, err
			}
		}
	}
	return d, nil
}

func strTranslate(t *Thread, a []Value) (Value, error) {
	table, ok := a[1].(*Dict)
	if !ok {
		return nil, Raise(TypeError, "translate() wants a dict, not %s", TypeName(a[1]))
	}
	var b strings.Builder
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
		if err := t.Alloc(len(s)); err != nil {
			return nil, err
		}
		if err := t.Step(1); err != nil {
			return nil, err
		}
		b.WriteString(s)
	}
	return Str(b.String()), nil
}
