package object

import (
	"context"
	"strconv"
	"time"

	"mdserver/stpl/internal/character"
	"mdserver/stpl/internal/meter"
	"mdserver/stpl/internal/number"
)

// Represented is a value of another package with a repr of its own, which is its
// str, too, unless it is a [Texter].
type Represented interface{ Repr() string }

// Texter is a value of another package with a str and a repr of its own.
type Texter interface {
	Represented
	Text() string // str()
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
	p := printer{Builder: Builder{t: t}}
	p.repr(v)
	return p.Text()
}

// PlainRepr is repr within a message; it is short and never fails.
func PlainRepr(v Value) string {
	s, err := Repr(NewThread(context.Background(), meter.NewBudget(messageLimits), nil), v)
	if err != nil {
		return "<" + TypeName(v) + ">"
	}
	return s
}

// PlainStr is str within a message.
func PlainStr(v Value) string {
	switch v := v.(type) {
	case Str:
		return string(v)
	case Texter:
		return v.Text()
	}
	return PlainRepr(v)
}

// messageLimits limit the text of a message. Its time is too short to measure.
var messageLimits = meter.Limits{Steps: 10000, Memory: 1 << 16, Time: time.Hour, Recursion: 50}

// printer writes the repr of values.
type printer struct {
	Builder
	inside []Value
}

func (p *printer) repr(v Value) {
	if p.err == nil {
		p.err = p.t.Step(1)
	}
	if p.err != nil {
		return
	}
	switch v := v.(type) {
	case *List, Tuple, *Dict, Composed, *Set, *dictView, *Exception:
		p.nested(v)
	case *Big:
		p.big(v)
	case Str:
		p.quoted(string(v))
	default:
		_ = p.Write(simpleRepr(v))
	}
}

// quoted writes the repr of a string, which may be ten times as long.
func (p *printer) quoted(s string) {
	if p.err = p.t.Work(len(s)); p.err == nil && len(s) >= 256 {
		p.err = p.t.Alloc(character.QuotedLen(s))
	}
	if p.err == nil {
		_ = p.Write(character.Quote(s))
	}
}

func (p *printer) big(v *Big) {
	s, err := number.Text(v.i)
	if err != nil {
		p.err = numberError(err)
		return
	}
	_ = p.Write(s)
}

// nested guards against values that contain themselves.
func (p *printer) nested(v Value) {
	for _, o := range p.inside {
		if Is(o, v) && notEmptyTuple(v) {
			_ = p.Write(recursiveText(v))
			return
		}
	}
	if p.err = p.t.Enter(); p.err != nil {
		return
	}
	defer p.t.Leave()
	p.inside = append(p.inside, v)
	p.container(v)
	p.inside = p.inside[:len(p.inside)-1]
}

func (p *printer) container(v Value) {
	switch v := v.(type) {
	case *List:
		p.items("[", v.items, "]")
	case Tuple:
		end := ")"
		if len(v) == 1 {
			end = ",)"
		}
		p.items("(", v, end)
	case *Dict:
		if v.sub != nil && v.sub.ReprParts != nil {
			p.composed(v.sub.ReprParts(p.t, v))
			return
		}
		p.dict(v)
	case Composed:
		p.composed(v.ReprParts(p.t))
	case *Set:
		p.set(v)
	case *dictView:
		var items []Value
		if items, p.err = ToSlice(p.t, v); p.err == nil {
			p.items(viewTypes[v.kind].Name+"([", items, "])")
		}
	case *Exception:
		p.items(v.Kind.Name+"(", v.Args, ")")
	}
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

func (p *printer) items(open string, items []Value, end string) {
	sep := open
	for _, item := range items {
		_ = p.Write(sep)
		p.repr(item)
		sep = ", "
	}
	if len(items) == 0 {
		end = open + end
	}
	_ = p.Write(end)
}

func (p *printer) dict(d *Dict) {
	sep := "{"
	for key, v := range d.All {
		if p.err != nil {
			break
		}
		_ = p.Write(sep)
		p.repr(key)
		_ = p.Write(": ")
		p.repr(v)
		sep = ", "
	}
	if d.live == 0 {
		_ = p.Write("{")
	}
	_ = p.Write("}")
}

func (p *printer) set(s *Set) {
	switch {
	case s.d.live == 0:
		_ = p.Write(s.Class().Name + "()")
	case s.frozen:
		p.items("frozenset({", s.d.Keys(), "})")
	default:
		p.items("{", s.d.Keys(), "}")
	}
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
		return number.Repr(float64(v))
	case Bytes:
		return character.QuoteBytes(string(v))
	case *constant:
		return v.name
	case *Range:
		return v.text()
	case *Slice:
		return "slice(" + PlainRepr(v.Start) + ", " + PlainRepr(v.Stop) + ", " + PlainRepr(v.Step) + ")"
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
	case Represented:
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

// ASCII is repr with everything else escaped.
func ASCII(t *Thread, v Value) (string, error) {
	s, err := Repr(t, v)
	if err != nil || character.IsASCII(s) {
		return s, err
	}
	if err := t.AllocN(len(s), 10); err != nil {
		return "", err
	}
	return character.Escape(s), nil
}
