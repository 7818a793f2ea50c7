package lower

import (
	"mdserver/stpl/internal/object"
	"mdserver/stpl/internal/syntax"
)

type comparison func(t *object.Thread, a, b object.Value) (bool, error)

var comparisons = map[string]comparison{
	"==":     object.Equal,
	"!=":     func(t *object.Thread, a, b object.Value) (bool, error) { return negate(object.Equal(t, a, b)) },
	"<":      ordered(object.Less),
	"<=":     ordered(object.LessEqual),
	">":      ordered(object.Greater),
	">=":     ordered(object.GreaterEqual),
	"in":     func(t *object.Thread, a, b object.Value) (bool, error) { return object.Contains(t, b, a) },
	"not in": func(t *object.Thread, a, b object.Value) (bool, error) { return negate(object.Contains(t, b, a)) },
	"is":     is,
	"is not": func(t *object.Thread, a, b object.Value) (bool, error) { return negate(is(t, a, b)) },
}

// is charges for text, which is the same if it is equal.
func is(t *object.Thread, a, b object.Value) (bool, error) {
	n := 0
	switch a := a.(type) {
	case object.Str:
		n = len(a)
	case object.Bytes:
		n = len(a)
	}
	return object.Is(a, b), t.Scan(n)
}

func ordered(o object.Order) comparison {
	return func(t *object.Thread, a, b object.Value) (bool, error) { return object.Ordered(t, o, a, b) }
}

func negate(ok bool, err error) (bool, error) { return !ok, err }

// compare lowers a chain of comparisons: each operand is evaluated once, and
// the chain ends at the first that is false.
func (c *compiler) compare(e *syntax.Compare) eval {
	first, rest, pos := c.expr(e.X), c.exprs(e.Rest), c.at(e)
	ops := make([]comparison, len(e.Ops))
	for i, op := range e.Ops {
		ops[i] = comparisons[op]
	}
	return func(f *frame) (object.Value, error) {
		left, err := first(f)
		if err != nil {
			return nil, err
		}
		for i, x := range rest {
			right, err := x(f)
			if err != nil {
				return nil, err
			}
			ok, err := ops[i](f.t, left, right)
			if err != nil {
				return nil, pos.wrap(err)
			}
			if !ok {
				return object.Bool(false), nil
			}
			left = right
		}
		return object.Bool(true), nil
	}
}
