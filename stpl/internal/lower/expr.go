package lower

import (
	"fmt"

	"mdserver/stpl/internal/object"
	"mdserver/stpl/internal/syntax"
)

// expr lowers an expression.
func (c *compiler) expr(e syntax.Expr) eval {
	c.nodes++
	c.total++
	c.up()
	x := c.kind(e)
	c.down()
	return x
}

func (c *compiler) kind(e syntax.Expr) eval {
	switch e := e.(type) {
	case *syntax.Name:
		return c.load(e)
	case *syntax.Const:
		v := constant(e.Value)
		return func(*frame) (object.Value, error) { return v, nil }
	case *syntax.Joined:
		return c.joined(e)
	case *syntax.Unary:
		return c.unary(e)
	case *syntax.Binary:
		return c.binary(e)
	case *syntax.Logic:
		return c.logic(e)
	case *syntax.Compare:
		return c.compare(e)
	case *syntax.Cond:
		return c.cond(e)
	case *syntax.Walrus:
		return c.walrus(e)
	case *syntax.Lambda:
		return c.lambda(e)
	case *syntax.Call:
		return c.call(e)
	case *syntax.Attr:
		return c.attr(e)
	case *syntax.Index:
		return c.index(e)
	case *syntax.Slice:
		return c.slice(e)
	}
	return c.display(e)
}

func (c *compiler) exprs(list []syntax.Expr) []eval {
	out := make([]eval, len(list))
	for i, e := range list {
		out[i] = c.expr(e)
	}
	return out
}

// optional lowers an expression that may be absent; its value is then None.
func (c *compiler) optional(e syntax.Expr) eval {
	if e == nil {
		return func(*frame) (object.Value, error) { return object.None, nil }
	}
	return c.expr(e)
}

func constant(v any) object.Value {
	switch v := v.(type) {
	case nil:
		return object.None
	case bool:
		return object.Bool(v)
	case int64:
		return object.Int(v)
	case syntax.Int:
		return object.MakeInt(v)
	case float64:
		return object.Float(v)
	case string:
		return object.Str(v)
	case syntax.Bytes:
		return object.Bytes(v)
	case syntax.Dots:
		return object.Ellipsis
	}
	panic(fmt.Sprintf("lower: the parser made a constant of type %T", v))
}

// operators by their text, without the "=" of an augmented assignment.
var operators = map[string]object.Op{
	"+": object.Add, "-": object.Sub, "*": object.Mul, "/": object.Div, "//": object.FloorDiv,
	"%": object.Mod, "**": object.Pow, "<<": object.LShift, ">>": object.RShift,
	"&": object.And, "|": object.Or, "^": object.Xor, "@": object.MatMul,
}

func (c *compiler) unary(e *syntax.Unary) eval {
	x, pos := c.expr(e.X), c.at(e)
	if e.Op == "not" {
		return func(f *frame) (object.Value, error) {
			v, err := x(f)
			if err != nil {
				return nil, err
			}
			return object.Bool(!object.Truthy(v)), nil
		}
	}
	op := map[string]object.Op{"-": object.Sub, "+": object.Add, "~": object.Xor}[e.Op]
	return pos.unary(x, func(t *object.Thread, v object.Value) (object.Value, error) { return object.Unary(t, op, v) })
}

// unary applies an operation to the value of x.
func (p position) unary(x eval, apply func(t *object.Thread, v object.Value) (object.Value, error)) eval {
	return func(f *frame) (object.Value, error) {
		v, err := x(f)
		if err != nil {
			return nil, err
		}
		v, err = apply(f.t, v)
		return v, p.wrap(err)
	}
}

// both evaluates x and then y.
func both(f *frame, x, y eval) (a, b object.Value, err error) {
	if a, err = x(f); err == nil {
		b, err = y(f)
	}
	return a, b, err
}

func (c *compiler) binary(e *syntax.Binary) eval {
	x, y, op, pos := c.expr(e.X), c.expr(e.Y), operators[e.Op], c.at(e)
	return func(f *frame) (object.Value, error) {
		a, b, err := both(f, x, y)
		if err != nil {
			return nil, err
		}
		v, err := object.Binary(f.t, op, a, b)
		return v, pos.wrap(err)
	}
}

func (c *compiler) logic(e *syntax.Logic) eval {
	xs, last := c.exprs(e.Xs), len(e.Xs)-1
	return func(f *frame) (object.Value, error) {
		for _, x := range xs[:last] {
			v, err := x(f)
			if err != nil || object.Truthy(v) != e.And {
				return v, err
			}
		}
		return xs[last](f)
	}
}

func (c *compiler) cond(e *syntax.Cond) eval {
	test, x, y := c.expr(e.Test), c.expr(e.X), c.expr(e.Y)
	return func(f *frame) (object.Value, error) {
		v, err := test(f)
		switch {
		case err != nil:
			return nil, err
		case object.Truthy(v):
			return x(f)
		}
		return y(f)
	}
}

func (c *compiler) walrus(e *syntax.Walrus) eval {
	x, set := c.expr(e.X), c.store(e.Target.ID)
	return func(f *frame) (object.Value, error) {
		v, err := x(f)
		if err != nil {
			return nil, err
		}
		return v, set(f, v)
	}
}

func (c *compiler) attr(e *syntax.Attr) eval {
	return c.at(e).unary(c.expr(e.X), func(t *object.Thread, v object.Value) (object.Value, error) {
		return object.GetAttr(t, v, e.Name)
	})
}

func (c *compiler) index(e *syntax.Index) eval {
	x, key, pos := c.expr(e.X), c.expr(e.Key), c.at(e)
	return func(f *frame) (object.Value, error) {
		v, k, err := both(f, x, key)
		if err != nil {
			return nil, err
		}
		v, err = object.Index(f.t, v, k)
		return v, pos.wrap(err)
	}
}

func (c *compiler) slice(e *syntax.Slice) eval {
	start, stop, step := c.optional(e.Start), c.optional(e.Stop), c.optional(e.Step)
	return func(f *frame) (object.Value, error) {
		var s object.Slice
		var err error
		if s.Start, s.Stop, err = both(f, start, stop); err == nil {
			s.Step, err = step(f)
		}
		return &s, err
	}
}

// joined lowers an f-string.
func (c *compiler) joined(e *syntax.Joined) eval {
	c.nodes += len(e.Parts)
	parts := make([]func(f *frame) (string, error), len(e.Parts))
	for i, p := range e.Parts {
		parts[i] = c.joinedPart(p)
	}
	pos := c.at(e)
	return func(f *frame) (object.Value, error) {
		var text []byte
		for _, part := range parts {
			s, err := part(f)
			if err == nil {
				err = f.t.Alloc(len(s))
			}
			if err != nil {
				return nil, pos.wrap(err)
			}
			text = append(text, s...)
		}
		return object.Str(text), nil
	}
}

func (c *compiler) joinedPart(p syntax.JoinedPart) func(f *frame) (string, error) {
	if p.X == nil {
		return func(*frame) (string, error) { return p.Text, nil }
	}
	x := c.expr(p.X)
	spec := func(*frame) (object.Value, error) { return object.Str(""), nil }
	if p.Spec != nil {
		spec = c.joined(p.Spec)
	}
	return func(f *frame) (string, error) {
		v, err := x(f)
		if err != nil {
			return "", err
		}
		if p.Conv != 0 {
			if v, err = object.Convert(f.t, v, rune(p.Conv)); err != nil {
				return "", err
			}
		}
		s, err := spec(f)
		if err != nil {
			return "", err
		}
		return object.Format(f.t, v, string(s.(object.Str)))
	}
}
