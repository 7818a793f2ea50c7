package object

import (
	"context"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Texter is a value of another package with a text of its own.
type Texter interface {
	Text() string // str()
	Repr() string // repr()
}

// ToStr returns str(v).
func ToStr(t *Thread, v Value) (string, error) {
	switch v := v.(type) {
	case Str:
		return string(v), nil
	case Int:
		return strconv.FormatInt(int64(v), 10), nil
	case *Exception:
		return v.Message(), t.Step(messageSteps)
	case Texter:
		s := v.Text()
		return s, t.Alloc(len(s))
	}
	return Repr(t, v)
}

// Repr returns repr(v).
func Repr(t *Thread, v Value) (string, error) {
	p := newPrinter(t)
	if err := p.repr(v); err != nil {
		return "", err
	}
	return p.String(), nil
}

// plainRepr is repr within a message; it is short and never fails.
func plainRepr(v Value) string {
	p := newPrinter(messageThread())
	if err := p.repr(v); err != nil {
		return "<" + TypeName(v) + ">"
	}
	return p.String()
}

func plainStr(v Value) string {
	switch v := v.(type) {
	case Str:
		return string(v)
	case Texter:
		return v.Text()
	}
	return plainRepr(v)
}

// messageLimits are for the text of a message.
var messageLimits = Limits{Steps: 10000, Memory: 1 << 16, Time: time.Hour, Recursion: 50}

// messageThread has a small budget. It is too small for its time to be measured.
func messageThread() *Thread {
	return NewThread(context.Background(), NewBudget(messageLimits), nil)
}

// printer writes the repr of values.
type printer struct {
	Builder
	inside []Value
}

func newPrinter(t *Thread) *printer { return &printer{Builder: Builder{t: t}} }

func (p *printer) repr(v Value) error {
	if err := p.t.Step(1); err != nil {
		return err
	}
	switch v := v.(type) {
	case *List:
		return p.nested(v, func() error { return p.items("[", v.items, "]") })
	case Tuple:
		if len(v) == 1 {
			return p.nested(v, func() error { return p.items("(", v, ",)") })
		}
		return p.nested(v, func() error { return p.items("(", v, ")") })
	case *Dict:
		if v.sub != nil && v.sub.ReprParts != nil {
			return p.nested(v, func() error { return p.composed(v.sub.ReprParts(p.t, v)) })
		}
		return p.nested(v, func() error { return p.dict(v) })
	case Composed:
		return p.nested(v, func() error { return p.composed(v.ReprParts(p.t)) })
	case *Set:
		return p.nested(v, func() error { return p.set(v) })
	case *dictView:
		return p.nested(v, func() error { return p.view(v) })
	case *Exception:
		return p.nested(v, func() error { return p.exception(v) })
	case *Big:
		return p.big(v)
	case Str:
		if err := p.t.Work(len(v)); err != nil {
			return err
		}
		return p.quoted(string(v))
	}
	return p.Write(simpleRepr(v))
}

// quoted writes the repr of a string, which may be ten times as long.
func (p *printer) quoted(s string) error {
	if len(s) < 256 {
		return p.Write(quote(s))
	}
	n := quotedLen(s)
	if err := p.t.Alloc(n); err != nil {
		return err
	}
	return p.Write(quote(s))
}

// quotedLen is no less than the length of the repr of s.
func quotedLen(s string) int {
	n := 2
	for _, r := range s {
		switch {
		case r >= ' ' && r < 0x7f && r != '\'' && r != '\\':
			n++
		case r < 0x80:
			n += 4
		default:
			n += 10
		}
	}
	return n
}

func (p *printer) big(v *Big) error {
	if v.i.BitLen() > maxDigits*4 { // 10 is less than 2**4
		return Raise(ValueError, "Exceeds the limit (%d digits) for integer string conversion; use sys.set_int_max_str_digits() to increase the limit", maxDigits)
	}
	s := v.i.String()
	if len(strings.TrimPrefix(s, "-")) > maxDigits {
		return Raise(ValueError, "Exceeds the limit (%d digits) for integer string conversion; use sys.set_int_max_str_digits() to increase the limit", maxDigits)
	}
	return p.Write(s)
}

// nested guards against values that contain themselves.
func (p *printer) nested(v Value, f func() error) error {
	for _, o := range p.inside {
		if Is(o, v) && notEmptyTuple(v) {
			return p.Write(recursiveText(v))
		}
	}
	if err := p.t.Enter(); err != nil {
		return err
	}
	defer p.t.Leave()
	p.inside = append(p.inside, v)
	err := f()
	p.inside = p.inside[:len(p.inside)-1]
	return err
}

func notEmptyTuple(v Value) bool {
	t, ok := v.(Tuple)
	return !ok || len(t) > 0
}

func recursiveText(v Value) string {
	switch v.(type) {
	case *List:
		return "[...]"
	case Tuple:
		return "(...)"
	case *Dict:
		return "{...}"
	}
	return "..."
}

func (p *printer) items(open string, items []Value, end string) error {
	if err := p.Write(open); err != nil {
		return err
	}
	for i, item := range items {
		if i > 0 {
			if err := p.Write(", "); err != nil {
				return err
			}
		}
		if err := p.repr(item); err != nil {
			return err
		}
	}
	return p.Write(end)
}

func (p *printer) dict(d *Dict) error {
	sep := "{"
	for _, e := range d.entries {
		if e.key == nil {
			continue
		}
		if err := p.Write(sep); err != nil {
			return err
		}
		if err := p.repr(e.key); err != nil {
			return err
		}
		if err := p.Write(": "); err != nil {
			return err
		}
		if err := p.repr(e.value); err != nil {
			return err
		}
		sep = ", "
	}
	if sep == "{" {
		return p.Write("{}")
	}
	return p.Write("}")
}

func (p *printer) set(s *Set) error {
	switch {
	case s.frozen && s.d.live == 0:
		return p.Write("frozenset()")
	case s.frozen:
		return p.items("frozenset({", s.d.Keys(), "})")
	case s.d.live == 0:
		return p.Write("set()")
	}
	return p.items("{", s.d.Keys(), "}")
}

func (p *printer) view(v *dictView) error {
	items, err := ToSlice(p.t, v)
	if err != nil {
		return err
	}
	return p.items(viewTypes[v.kind].Name+"([", items, "])")
}

func (p *printer) exception(e *Exception) error {
	if len(e.Args) == 1 {
		return p.items(e.Kind.Name+"(", e.Args, ")")
	}
	return p.items(e.Kind.Name+"(", e.Args, ")")
}

func simpleRepr(v Value) string {
	switch v := v.(type) {
	case NoneValue:
		return "None"
	case Bool:
		if v {
			return "True"
		}
		return "False"
	case Int:
		return strconv.FormatInt(int64(v), 10)
	case Float:
		return FloatRepr(float64(v))
	case Bytes:
		return quoteBytes(string(v))
	case Ellipsis:
		return "Ellipsis"
	case *Range:
		return v.text()
	case *Slice:
		return "slice(" + plainRepr(v.Start) + ", " + plainRepr(v.Stop) + ", " + plainRepr(v.Step) + ")"
	case *Type:
		return "<class '" + v.qualified() + "'>"
	case *Builtin:
		if v.recv != nil {
			return "<built-in method " + v.Name + " of " + TypeName(v.recv) + " object>"
		}
		if v.method != nil {
			return "<method '" + v.Name + "' of '" + v.method.Name + "' objects>"
		}
		return "<built-in function " + v.Name + ">"
	case *Module:
		return "<module '" + v.Name + "'>"
	case Texter:
		return v.Repr()
	}
	return "<" + TypeName(v) + " object>"
}

func (r *Range) text() string {
	s := "range(" + strconv.FormatInt(r.start, 10) + ", " + strconv.FormatInt(r.stop, 10)
	if r.step != 1 {
		s += ", " + strconv.FormatInt(r.step, 10)
	}
	return s + ")"
}

// FloatRepr is the shortest text that reads back as f.
func FloatRepr(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case math.IsNaN(f):
		return "nan"
	}
	s := strconv.FormatFloat(f, 'e', -1, 64)
	e := strings.IndexByte(s, 'e')
	exp, _ := strconv.Atoi(s[e+1:])
	if exp < -4 || exp >= 16 {
		return s
	}
	s = strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// quote is repr of a string.
func quote(s string) string {
	q := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		q = '"'
	}
	b := make([]byte, 0, quotedLen(s))
	b = append(b, q)
	for _, r := range s {
		b = appendQuoted(b, r, q)
	}
	return string(append(b, q))
}

func appendQuoted(b []byte, r rune, q byte) []byte {
	switch {
	case r == rune(q) || r == '\\':
		return append(b, '\\', byte(r))
	case r == '\n':
		return append(b, '\\', 'n')
	case r == '\r':
		return append(b, '\\', 'r')
	case r == '\t':
		return append(b, '\\', 't')
	case r < 0x20 || r == 0x7f:
		return appendHex(append(b, '\\', 'x'), r, 2)
	case r < 0x7f:
		return append(b, byte(r))
	case printable(r):
		return utf8.AppendRune(b, r)
	case r < 0x100:
		return appendHex(append(b, '\\', 'x'), r, 2)
	case r < 0x10000:
		return appendHex(append(b, '\\', 'u'), r, 4)
	}
	return appendHex(append(b, '\\', 'U'), r, 8)
}

func printable(r rune) bool {
	return r == ' ' || unicode.IsPrint(r) && !unicode.Is(unicode.Zs, r)
}

func appendHex(b []byte, r rune, width int) []byte {
	const digits = "0123456789abcdef"
	for i := width - 1; i >= 0; i-- {
		b = append(b, digits[(r>>(4*i))&15])
	}
	return b
}

func quoteBytes(s string) string {
	q := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		q = '"'
	}
	b := append(make([]byte, 0, len(s)+3), 'b', q)
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x7f {
			b = appendHex(append(b, '\\', 'x'), rune(s[i]), 2)
			continue
		}
		b = appendQuoted(b, rune(s[i]), q)
	}
	return string(append(b, q))
}
