// Package re is Python's re, on package regex.
package re

import (
	"errors"
	"strings"

	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
	"mdserver/stpl/internal/regex"
)

// errorType is re.error.
var errorType = object.NewExceptionType("error", object.ExceptionType)

// Module makes the module re.
func Module() native.Members {
	m := native.Members{"error": errorType, "Pattern": patternType, "Match": matchType}
	for name, f := range map[string]regex.Flags{
		"A": regex.ASCII, "ASCII": regex.ASCII, "I": regex.IgnoreCase, "IGNORECASE": regex.IgnoreCase,
		"M": regex.MultiLine, "MULTILINE": regex.MultiLine, "S": regex.DotAll, "DOTALL": regex.DotAll,
		"X": regex.Verbose, "VERBOSE": regex.Verbose, "U": regex.Unicode, "UNICODE": regex.Unicode, "NOFLAG": 0,
	} {
		m[name] = object.Int(f)
	}
	// A function of the module takes a pattern, the arguments of the
	// pattern's method of the same name, and flags.
	for name, signature := range map[string]string{
		"match": "pattern string flags:int?", "search": "pattern string flags:int?", "fullmatch": "pattern string flags:int?",
		"findall": "pattern string flags:int?", "finditer": "pattern string flags:int?",
		"split": "pattern string maxsplit:int? flags:int?", "sub": "pattern repl string count:int? flags:int?", "subn": "pattern repl string count:int? flags:int?",
	} {
		m[name] = native.Func(name, signature, func(t *object.Thread, a []object.Value) (object.Value, error) {
			last := len(a) - 1
			p, err := compilePattern(t, a[0], a[last])
			if err != nil {
				return nil, err
			}
			args := &object.Args{}
			for _, v := range a[1:last] {
				if v != nil {
					args.Pos = append(args.Pos, v)
				}
			}
			return object.CallMethod(t, p, name, args)
		})
	}
	m["compile"] = native.Func("compile", "pattern flags:int?", func(t *object.Thread, a []object.Value) (object.Value, error) {
		return compilePattern(t, a[0], a[1])
	})
	m["escape"] = native.Func("escape", "pattern", escape)
	m["purge"] = native.Func("purge", "", func(*object.Thread, []object.Value) (object.Value, error) { return object.None, nil })
	return m
}

func escape(t *object.Thread, a []object.Value) (object.Value, error) {
	s, isBytes, err := native.TextOrBytes(a[0])
	if err != nil {
		return nil, err
	}
	if err := native.Charge(t, 2*len(s)); err != nil {
		return nil, err
	}
	var b strings.Builder
	for i := range len(s) {
		if strings.IndexByte("()[]{}?*+-|^$\\.&~# \t\n\r\v\f", s[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	if isBytes {
		return object.Bytes(b.String()), nil
	}
	return object.Str(b.String()), nil
}

// subject is a text that is searched.
type subject struct {
	value object.Value
	runes []rune
	bytes bool
}

func newSubject(t *object.Thread, v object.Value) (subject, error) {
	s, isBytes, err := native.TextOrBytes(v)
	if err != nil {
		return subject{}, err
	}
	sub := subject{value: v, bytes: isBytes}
	if !isBytes {
		sub.runes, err = native.Runes(t, s)
		return sub, err
	}
	if err := t.AllocN(len(s), 4); err != nil {
		return sub, err
	}
	sub.runes = make([]rune, len(s))
	for i := range len(s) {
		sub.runes[i] = rune(s[i])
	}
	return sub, t.Work(len(s))
}

// slice returns a part as a value, charged for.
func (s subject) slice(t *object.Thread, from, to int) (object.Value, error) {
	if err := native.Charge(t, 2*(to-from)); err != nil {
		return nil, err
	}
	return s.join(s.runes[from:to]), nil
}

func (s subject) join(r []rune) object.Value {
	if !s.bytes {
		return object.Str(string(r))
	}
	b := make([]byte, len(r))
	for i := range r {
		b[i] = byte(r[i])
	}
	return object.Bytes(b)
}

// pattern is a compiled regular expression.
type pattern struct {
	source subject
	re     *regex.Regexp
	flags  regex.Flags // as repr shows them
}

// Class implements object.Value.
func (*pattern) Class() *object.Type { return patternType }

// Repr implements object.Represented.
func (p *pattern) Repr() string {
	source := []rune(object.PlainRepr(p.source.value))
	s := "re.compile(" + string(source[:min(len(source), 200)])
	sep := ", "
	for _, f := range []struct {
		flag regex.Flags
		name string
	}{
		{regex.IgnoreCase, "IGNORECASE"}, {regex.MultiLine, "MULTILINE"}, {regex.DotAll, "DOTALL"},
		{regex.Verbose, "VERBOSE"}, {regex.ASCII, "ASCII"},
	} {
		if p.flags&f.flag != 0 {
			s += sep + "re." + f.name
			sep = "|"
		}
	}
	return s + ")"
}

// patternKey finds a pattern that this render has compiled already.
type patternKey struct {
	source string
	bytes  bool
	flags  regex.Flags
}

type patternCache struct{}

// maxPatterns is how many compiled patterns a render keeps, as in Python.
const maxPatterns = 512

func compilePattern(t *object.Thread, v, flags object.Value) (*pattern, error) {
	f := object.IntOr(flags, 0)
	if p, ok := v.(*pattern); ok {
		if f != 0 {
			return nil, object.Raise(object.ValueError, "cannot process flags argument with a compiled pattern")
		}
		return p, nil
	}
	s, isBytes, err := native.TextOrBytes(v)
	if err != nil {
		return nil, object.Raise(object.TypeError, "first argument must be string or compiled pattern")
	}
	if regex.Flags(f)&regex.Locale != 0 {
		return nil, object.Raise(object.ValueError, "cannot use LOCALE flag with a str pattern")
	}
	cache := t.Local(patternCache{}, func() any { return map[patternKey]*pattern{} }).(map[patternKey]*pattern)
	key := patternKey{s, isBytes, regex.Flags(f)}
	if p := cache[key]; p != nil {
		return p, nil
	}
	p, err := newPattern(t, v, regex.Flags(f))
	if err != nil {
		return nil, err
	}
	if len(cache) >= maxPatterns {
		clear(cache)
	}
	cache[key] = p
	return p, nil
}

func newPattern(t *object.Thread, v object.Value, flags regex.Flags) (*pattern, error) {
	source, err := newSubject(t, v)
	if err != nil {
		return nil, err
	}
	if err := t.Step(len(source.runes)); err != nil {
		return nil, err
	}
	re, err := regex.Compile(source.runes, flags, source.bytes, t.Alloc)
	if err != nil {
		return nil, raiseRegex(t, err)
	}
	shown := re.Flags
	if source.bytes && flags&regex.ASCII == 0 {
		shown &^= regex.ASCII
	}
	return &pattern{source, re, shown}, nil
}

// raiseRegex is the exception of an error of package regex.
func raiseRegex(t *object.Thread, err error) error {
	bad, ok := errors.AsType[*regex.Error](err)
	switch {
	case ok:
		return object.Raise(errorType, "%s", bad.Error())
	case errors.Is(err, regex.ErrTime):
		return t.TimeUp()
	case errors.Is(err, regex.ErrStack):
		return object.Raise(object.MemoryError, "%s", err.Error())
	}
	return err
}

// find looks for one match; it returns nil if there is none.
func (p *pattern) find(t *object.Thread, s subject, o regex.Options) (*match, error) {
	if s.bytes != p.source.bytes {
		if s.bytes {
			return nil, object.Raise(object.TypeError, "cannot use a string pattern on a bytes-like object")
		}
		return nil, object.Raise(object.TypeError, "cannot use a bytes pattern on a string-like object")
	}
	o.Timeout, o.Alloc = t.TimeLeft(), t.Alloc
	at, err := p.re.Match(s.runes, o)
	if err != nil {
		return nil, raiseRegex(t, err)
	}
	searched := o.End
	if at != nil {
		searched = at[1]
	}
	if err := t.Work(searched - o.Pos); at == nil || err != nil {
		return nil, err
	}
	return &match{p: p, s: s, at: at, pos: o.Pos, end: o.End}, nil
}

// matches calls f for every match that does not overlap the one before.
func (p *pattern) matches(t *object.Thread, s subject, pos, end int, f func(*match) (more bool, err error)) error {
	next := p.iterate(s, pos, end)
	for {
		m, err := next(t)
		if m == nil || err != nil {
			return err
		}
		if more, err := f(m); !more || err != nil {
			return err
		}
	}
}

// iterate returns a function that finds one match after the other.
func (p *pattern) iterate(s subject, pos, end int) func(t *object.Thread) (*match, error) {
	advance := false
	from := pos
	return func(t *object.Thread) (*match, error) {
		if from > end {
			return nil, nil
		}
		m, err := p.find(t, s, regex.Options{Pos: from, End: end, Advance: advance})
		if m == nil || err != nil {
			from = end + 1
			return nil, err
		}
		m.pos = pos
		advance = m.at[1] == m.at[0]
		from = m.at[1]
		return m, nil
	}
}
