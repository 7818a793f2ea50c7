package lower

import (
	"mdserver/stpl/internal/object"
	"mdserver/stpl/internal/syntax"
)

// target lowers something that is assigned to.
func (c *compiler) target(e syntax.Expr) assign {
	switch e := e.(type) {
	case *syntax.Name:
		return c.store(e.ID)
	case *syntax.Attr:
		x, pos := c.expr(e.X), c.at(e)
		return func(f *frame, _ object.Value) error {
			owner, err := x(f)
			if err != nil {
				return err
			}
			return pos.wrap(object.SetAttr(f.t, owner, e.Name))
		}
	case *syntax.Index:
		x, key, pos := c.expr(e.X), c.expr(e.Key), c.at(e)
		return func(f *frame, v object.Value) error {
			owner, k, err := both(f, x, key)
			if err != nil {
				return err
			}
			return pos.wrap(object.SetIndex(f.t, owner, k, v))
		}
	}
	return c.unpack(e, syntax.Elements(e)) // the parser has refused everything else
}

// unpack lowers "a, *b, c = …".
func (c *compiler) unpack(e syntax.Expr, elts []syntax.Expr) assign {
	c.nodes += len(elts)
	targets := make([]assign, len(elts))
	star := -1
	for i, elt := range elts {
		if s, ok := elt.(*syntax.Star); ok {
			star, elt = i, s.X
		}
		targets[i] = c.target(elt)
	}
	pos := c.at(e)
	return func(f *frame, v object.Value) error {
		items, err := spread(f.t, v, len(targets), star)
		if err != nil {
			return pos.wrap(err)
		}
		for i, set := range targets {
			if err := set(f, items[i]); err != nil {
				return err
			}
		}
		return nil
	}
}

// spread returns n values out of v; the one at star, if that is not -1, is the
// list of all that are left over.
func spread(t *object.Thread, v object.Value, n, star int) ([]object.Value, error) {
	items, err := take(t, v, n, star >= 0)
	if err != nil {
		return nil, err
	}
	switch {
	case star < 0 && len(items) > n:
		return nil, object.Raise(object.ValueError, "too many values to unpack (expected %d)", n)
	case star < 0 && len(items) < n:
		return nil, object.Raise(object.ValueError, "not enough values to unpack (expected %d, got %d)", n, len(items))
	case star < 0:
		return items, nil
	case len(items) < n-1:
		return nil, object.Raise(object.ValueError, "not enough values to unpack (expected at least %d, got %d)", n-1, len(items))
	}
	rest := items[star : len(items)-(n-1-star)]
	out := append(append([]object.Value(nil), items[:star]...), object.NewList(append([]object.Value(nil), rest...)))
	return append(out, items[star+len(rest):]...), nil
}

// take reads the items of v: all of them, or one more than n, which is enough
// to know that there are too many.
func take(t *object.Thread, v object.Value, n int, all bool) ([]object.Value, error) {
	if tuple, ok := v.(object.Tuple); ok && !all {
		return tuple, nil
	}
	it, err := object.Iterate(t, v)
	if err != nil {
		return nil, object.Raise(object.TypeError, "cannot unpack non-iterable %s object", object.TypeName(v))
	}
	var items []object.Value
	for all || len(items) <= n {
		if err := t.Step(1); err != nil {
			return nil, err
		}
		item, err := it.Next(t)
		if item == nil || err != nil {
			return items, err
		}
		if err := t.AllocSlots(1); err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}

func (c *compiler) assignment(s *syntax.Assign) exec {
	if s.Value == nil { // a bare annotation
		return func(*frame) (control, error) { return next, nil }
	}
	c.nodes += len(s.Targets)
	x := c.expr(s.Value)
	targets := make([]assign, len(s.Targets))
	for i, t := range s.Targets {
		targets[i] = c.target(t)
	}
	return func(f *frame) (control, error) {
		v, err := x(f)
		if err != nil {
			return next, err
		}
		for _, set := range targets {
			if err := set(f, v); err != nil {
				return next, err
			}
		}
		return next, nil
	}
}

// augmented lowers "target op= value": the target's parts are evaluated once.
func (c *compiler) augmented(s *syntax.AugAssign) exec {
	op, value, pos := operators[s.Op], c.expr(s.Value), c.at(s)
	update := func(f *frame, old object.Value) (object.Value, error) {
		v, err := value(f)
		if err != nil {
			return nil, err
		}
		v, err = object.InPlace(f.t, op, old, v)
		return v, pos.wrap(err)
	}
	switch t := s.Target.(type) {
	case *syntax.Name:
		return augmentedName(c.load(t), c.store(t.ID), update)
	case *syntax.Index:
		return augmentedIndex(c.expr(t.X), c.expr(t.Key), pos, update)
	}
	// an attribute always fails in the end, so its parts may be evaluated twice
	return augmentedName(c.expr(s.Target), c.target(s.Target), update)
}

type updater func(f *frame, old object.Value) (object.Value, error)

func augmentedName(load eval, store assign, update updater) exec {
	return func(f *frame) (control, error) {
		v, err := load(f)
		if err == nil {
			v, err = update(f, v)
		}
		if err == nil {
			err = store(f, v)
		}
		return next, err
	}
}

func augmentedIndex(x, key eval, pos position, update updater) exec {
	return func(f *frame) (control, error) {
		owner, k, err := both(f, x, key)
		if err != nil {
			return next, err
		}
		v, err := object.Index(f.t, owner, k)
		if err != nil {
			return next, pos.wrap(err)
		}
		if v, err = update(f, v); err != nil {
			return next, err
		}
		return next, pos.wrap(object.SetIndex(f.t, owner, k, v))
	}
}

func (c *compiler) delete(s *syntax.Delete) exec {
	c.nodes += len(s.Targets)
	var list []exec
	for _, t := range s.Targets {
		list = append(list, c.deleteOne(t))
	}
	return inTurn(list)
}

// inTurn runs the parts of one statement.
func inTurn(list []exec) exec {
	return func(f *frame) (control, error) {
		for _, one := range list {
			if how, err := one(f); err != nil {
				return how, err
			}
		}
		return next, nil
	}
}

func (c *compiler) deleteOne(e syntax.Expr) exec {
	switch e := e.(type) {
	case *syntax.Name:
		return c.unset(e)
	case *syntax.Index:
		x, key, pos := c.expr(e.X), c.expr(e.Key), c.at(e)
		return func(f *frame) (control, error) {
			owner, k, err := both(f, x, key)
			if err != nil {
				return next, err
			}
			return next, pos.wrap(object.DeleteIndex(f.t, owner, k))
		}
	case *syntax.Tuple, *syntax.List:
		return c.delete(&syntax.Delete{Targets: syntax.Elements(e)})
	}
	c.refuse(e, "SyntaxError", "del of an attribute does nothing useful in a template: no value here has attributes of its own")
	return func(*frame) (control, error) { return next, nil }
}
