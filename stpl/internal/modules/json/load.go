package json

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"mdserver/stpl/internal/character"
	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

var decodeError = object.NewExceptionType("JSONDecodeError", object.ValueError)

func init() {
	decodeError.Constructor(native.Func("JSONDecodeError", "msg:str doc:str pos:int", func(t *object.Thread, a []object.Value) (object.Value, error) {
		doc := object.Text(a[1])
		if err := t.Charge(1024+len(object.Text(a[0])), len(doc)); err != nil {
			return nil, err
		}
		return newDecodeError(object.Text(a[0]), doc, character.Offset(doc, object.IntOr(a[2], 0))), nil
	}))
}

// loader reads one JSON text.
type loader struct {
	t                               *object.Thread
	s                               string
	i                               int
	hook, pairsHook, float, integer object.Value
}

func loads(t *object.Thread, a []object.Value) (object.Value, error) {
	l := &loader{t: t, hook: a[1], float: a[2], integer: a[3], pairsHook: a[4]}
	switch s := a[0].(type) {
	case object.Str:
		l.s = string(s)
	case object.Bytes:
		var err error
		if l.s, err = object.DecodeUTF8(t, s); err != nil {
			return nil, err
		}
	default:
		return nil, object.Raise(object.TypeError, "the JSON object must be str, bytes or bytearray, not %s", object.TypeName(a[0]))
	}
	if strings.HasPrefix(l.s, "\ufeff") {
		return nil, l.fail("Unexpected UTF-8 BOM (decode using utf-8-sig)", 0)
	}
	if err := t.Work(len(l.s)); err != nil {
		return nil, err
	}
	l.space()
	v, err := l.value()
	if err != nil {
		return nil, err
	}
	l.space()
	if l.i < len(l.s) {
		return nil, l.fail("Extra data", l.i)
	}
	return v, nil
}

// fail makes the error of a place, which is a byte offset.
func (l *loader) fail(message string, at int) error { return newDecodeError(message, l.s, at) }

func newDecodeError(message, doc string, at int) *object.Exception {
	before := doc[:at]
	pos, line := utf8.RuneCountInString(before), strings.Count(before, "\n")+1
	column := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
	text := fmt.Sprintf("%s: line %d column %d (char %d)", message, line, column, pos)
	return &object.Exception{Kind: decodeError, Args: []object.Value{object.Str(text)}, Attributes: map[string]object.Value{
		"msg": object.Str(message), "doc": object.Str(doc), "pos": object.Int(pos), "lineno": object.Int(line), "colno": object.Int(column),
	}}
}

func (l *loader) space() {
	for l.i < len(l.s) && strings.IndexByte(" \t\n\r", l.s[l.i]) >= 0 {
		l.i++
	}
}

// peek returns the next byte, 0 at the end.
func (l *loader) peek() byte {
	if l.i < len(l.s) {
		return l.s[l.i]
	}
	return 0
}

func (l *loader) value() (object.Value, error) {
	if err := l.t.Step(1); err != nil {
		return nil, err
	}
	switch c := l.peek(); {
	case c == '"':
		l.i++
		return object.NewStr(l.str())
	case c == '{':
		return l.nested(l.object)
	case c == '[':
		return l.nested(l.array)
	case c == '-' || c >= '0' && c <= '9':
		if v, ok, err := l.number(); ok || err != nil {
			return v, err
		}
	}
	for _, w := range []struct {
		word string
		v    object.Value
	}{
		{"null", object.None}, {"true", object.Bool(true)}, {"false", object.Bool(false)},
		{"NaN", object.Float(math.NaN())}, {"Infinity", object.Float(math.Inf(1))}, {"-Infinity", object.Float(math.Inf(-1))},
	} {
		if strings.HasPrefix(l.s[l.i:], w.word) {
			l.i += len(w.word)
			return w.v, nil
		}
	}
	return nil, l.fail("Expecting value", l.i)
}

func (l *loader) nested(f func() (object.Value, error)) (object.Value, error) {
	if err := l.t.Enter(); err != nil {
		return nil, err
	}
	defer l.t.Leave()
	l.i++
	return f()
}

func (l *loader) array() (object.Value, error) {
	out := object.NewList(nil)
	l.space()
	if l.peek() == ']' {
		l.i++
		return out, nil
	}
	for {
		v, err := l.value()
		if err != nil {
			return nil, err
		}
		if err := out.Append(l.t, v); err != nil {
			return nil, err
		}
		l.space()
		switch l.peek() {
		case ']':
			l.i++
			return out, nil
		case ',':
			l.i++
			l.space()
		default:
			return nil, l.fail("Expecting ',' delimiter", l.i)
		}
	}
}

func (l *loader) object() (object.Value, error) {
	d := object.NewDict()
	var pairs []object.Value
	l.space()
	if l.peek() == '}' {
		l.i++
		return l.finish(d, pairs)
	}
	for {
		if l.peek() != '"' {
			return nil, l.fail("Expecting property name enclosed in double quotes", l.i)
		}
		l.i++
		key, v, err := l.member()
		if err != nil {
			return nil, err
		}
		if err := d.Set(l.t, key, v); err != nil {
			return nil, err
		}
		pairs = append(pairs, object.Tuple{key, v})
		l.space()
		switch l.peek() {
		case '}':
			l.i++
			return l.finish(d, pairs)
		case ',':
			l.i++
			l.space()
		default:
			return nil, l.fail("Expecting ',' delimiter", l.i)
		}
	}
}

func (l *loader) member() (object.Value, object.Value, error) {
	key, err := l.str()
	if err != nil {
		return nil, nil, err
	}
	l.space()
	if l.peek() != ':' {
		return nil, nil, l.fail("Expecting ':' delimiter", l.i)
	}
	l.i++
	l.space()
	if err := l.t.AllocSlots(3); err != nil {
		return nil, nil, err
	}
	v, err := l.value()
	return object.Str(key), v, err
}

// finish applies the hooks to a whole object.
func (l *loader) finish(d *object.Dict, pairs []object.Value) (object.Value, error) {
	switch {
	case !native.IsNone(l.pairsHook):
		return object.CallPos(l.t, l.pairsHook, object.NewList(pairs))
	case !native.IsNone(l.hook):
		return object.CallPos(l.t, l.hook, d)
	}
	return d, nil
}

// number reads a number; ok is false if there is none, as after "-".
func (l *loader) number() (v object.Value, ok bool, err error) {
	end := l.i
	if l.s[end] == '-' {
		end++
	}
	digits := func(at int) int {
		for at < len(l.s) && l.s[at] >= '0' && l.s[at] <= '9' {
			at++
		}
		return at
	}
	switch {
	case digits(end) == end:
		return nil, false, nil
	case l.s[end] == '0':
		end++
	default:
		end = digits(end)
	}
	integral := true
	if end+1 < len(l.s) && l.s[end] == '.' && digits(end+1) > end+1 {
		end, integral = digits(end+1), false
	}
	if end+1 < len(l.s) && (l.s[end] == 'e' || l.s[end] == 'E') {
		at := end + 1
		if l.s[at] == '+' || l.s[at] == '-' {
			at++
		}
		if digits(at) > at {
			end, integral = digits(at), false
		}
	}
	source := l.s[l.i:end]
	l.i = end
	v, err = l.convert(source, integral)
	return v, true, err
}

func (l *loader) convert(source string, integral bool) (object.Value, error) {
	convert := l.integer
	if !integral {
		convert = l.float
	}
	switch {
	case !native.IsNone(convert):
		return object.CallPos(l.t, convert, object.Str(source))
	case !integral:
		f, _ := strconv.ParseFloat(source, 64) // beyond the range it is infinite, as in Python
		return object.Float(f), nil
	case len(source) < 19:
		n, err := strconv.ParseInt(source, 10, 64)
		return object.Int(n), err
	}
	return object.CallPos(l.t, object.IntType, object.Str(source))
}

// str reads a string whose opening quote is behind.
func (l *loader) str() (string, error) {
	begin := l.i - 1
	var b strings.Builder
	for {
		n := strings.IndexFunc(l.s[l.i:], func(r rune) bool { return r == '"' || r == '\\' || r < 0x20 })
		if n < 0 {
			return "", l.fail("Unterminated string starting at", begin)
		}
		if err := l.t.Alloc(n + 4); err != nil {
			return "", err
		}
		b.WriteString(l.s[l.i : l.i+n])
		l.i += n
		switch l.s[l.i] {
		case '"':
			l.i++
			return b.String(), nil
		case '\\':
			r, err := l.escape(begin)
			if err != nil {
				return "", err
			}
			b.WriteRune(r)
		default:
			return "", l.fail("Invalid control character at", l.i)
		}
	}
}

var unescapes = map[byte]rune{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escape reads an escape sequence.
func (l *loader) escape(begin int) (rune, error) {
	if l.i+1 >= len(l.s) {
		return 0, l.fail("Unterminated string starting at", begin)
	}
	c := l.s[l.i+1]
	if r, ok := unescapes[c]; ok {
		l.i += 2
		return r, nil
	}
	if c != 'u' {
		return 0, l.fail(`Invalid \escape`, l.i)
	}
	r, ok := l.hex(l.i + 2)
	if !ok {
		return 0, l.fail(`Invalid \uXXXX escape`, l.i+1)
	}
	l.i += 6
	if !utf16.IsSurrogate(r) {
		return r, nil
	}
	if strings.HasPrefix(l.s[l.i:], `\u`) {
		if low, ok := l.hex(l.i + 2); ok {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				l.i += 6
				return pair, nil
			}
		}
	}
	return utf8.RuneError, nil // a lone surrogate is no character
}

func (l *loader) hex(at int) (rune, bool) {
	if at+4 > len(l.s) {
		return 0, false
	}
	n, err := strconv.ParseUint(l.s[at:at+4], 16, 32)
	return rune(n), err == nil
}
