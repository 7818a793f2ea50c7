package lower

import (
	"mdserver/stpl/internal/object"
	"mdserver/stpl/internal/syntax"
)

// display lowers what makes a container.
func (c *compiler) display(e syntax.Expr) eval {
	switch e := e.(type) {
	case *syntax.Tuple:
		return c.sequence(e, e.Elts, func(_ *object.Thread, items []object.Value) (object.Value, error) { return object.Tuple(items), nil })
	case *syntax.List:
		return c.sequence(e, e.Elts, func(_ *object.Thread, items []object.Value) (object.Value, error) { return object.NewList(items), nil })
	case *syntax.Set:
		return c.sequence(e, e.Elts, object.NewSetOf)
	case *syntax.Dict:
		return c.dict(e)
	case *syntax.Comp:
		return c.comprehension(e)
	}
	c.refuse(e, "SyntaxError", "a starred expression cannot stand here")
	return func(*frame) (object.Value, error) { return object.None, nil }
}

// element is one item of a display, or an iterable of them.
type element struct {
	x    eval
	star bool
}

func (c *compiler) elements(exprs []syntax.Expr) []element {
	list := make([]element, len(exprs))
	for i, e := range exprs {
		s, star := e.(*syntax.Star)
		if star {
			e = s.X
		}
		list[i] = element{c.expr(e), star}
	}
	return list
}

// collect evaluates elements into a new slice.
func collect(f *frame, elements []element) ([]object.Value, error) {
	if err := f.t.AllocSlots(len(elements)); err != nil {
		return nil, err
	}
	items := f.t.Values(len(elements))[:0]
	for _, e := range elements {
		v, err := e.x(f)
		if err != nil {
			return nil, err
		}
		if !e.star {
			items = append(items, v)
			continue
		}
		if _, err := object.Iterate(f.t, v); err != nil {
			return nil, object.Raise(object.TypeError, "Value after * must be an iterable, not %s", object.TypeName(v))
		}
		more, err := object.ToSlice(f.t, v)
		if err != nil {
			return nil, err
		}
		items = append(items, more...)
	}
	return items, nil
}

func (c *compiler) sequence(e syntax.Expr, elts []syntax.Expr, wrap func(t *object.Thread, items []object.Value) (object.Value, error)) eval {
	list, pos := c.elements(elts), c.at(e)
	return func(f *frame) (object.Value, error) {
		items, err := collect(f, list)
		if err != nil {
			return nil, pos.wrap(err)
		}
		v, err := wrap(f.t, items)
		return v, pos.wrap(err)
	}
}

func (c *compiler) dict(e *syntax.Dict) eval {
	pos := c.at(e)
	keys := make([]eval, len(e.Keys)) // nil: the value is a mapping to unpack
	for i, k := range e.Keys {
		if k != nil {
			keys[i] = c.expr(k)
		}
	}
	values := c.exprs(e.Values)
	return func(f *frame) (object.Value, error) {
		d := object.NewDict()
		for i := range values {
			if err := addPair(f, d, keys[i], values[i]); err != nil {
				return nil, pos.wrap(err)
			}
		}
		return d, nil
	}
}

func addPair(f *frame, d *object.Dict, key, value eval) error {
	if key == nil {
		v, err := value(f)
		if err != nil {
			return err
		}
		if !object.IsMapping(v) {
			return object.Raise(object.TypeError, "'%s' object is not a mapping", object.TypeName(v))
		}
		return d.Update(f.t, v)
	}
	k, v, err := both(f, key, value)
	if err != nil {
		return err
	}
	return d.Set(f.t, k, v)
}

// comprehension lowers a list, set or dict comprehension or a generator
// expression. It has a frame of its own; only the first iterable belongs to
// the frame outside.
func (c *compiler) comprehension(e *syntax.Comp) eval {
	first, pos := c.expr(e.Clauses[0].Iter), c.at(e)
	l, size := c.comprehensionLoop(e)
	build := map[syntax.CompKind]func(*loopRun) (object.Value, error){
		syntax.GenComp:  func(r *loopRun) (object.Value, error) { return object.NewGenerator(r), nil },
		syntax.ListComp: buildList,
		syntax.SetComp:  buildSet,
		syntax.DictComp: buildDict,
	}[e.Kind]
	return func(f *frame) (object.Value, error) {
		source, err := first(f)
		if err != nil {
			return nil, err
		}
		it, err := object.Iterate(f.t, source)
		if err == nil {
			err = f.t.AllocSlots(4 + size)
		}
		if err != nil {
			return nil, pos.wrap(err)
		}
		r := &loopRun{loop: l, frame: frame{run: f.run, t: f.t, outer: f, slots: f.t.Values(size)}}
		r.iterators = append(r.outermost[:0], it)
		v, err := build(r)
		return v, pos.wrap(err)
	}
}

// each gives add what the comprehension yields.
func (r *loopRun) each(add func(t *object.Thread, v object.Value) error) error {
	for {
		v, err := r.Next(r.frame.t)
		if v == nil || err != nil {
			return err
		}
		if err := add(r.frame.t, v); err != nil {
			return err
		}
	}
}

func buildList(r *loopRun) (object.Value, error) {
	list := object.NewList(nil)
	return list, r.each(list.Append)
}

func buildSet(r *loopRun) (object.Value, error) {
	s := object.NewSet()
	return s, r.each(s.Add)
}

func buildDict(r *loopRun) (object.Value, error) {
	d := object.NewDict()
	return d, r.each(func(t *object.Thread, key object.Value) error {
		v, err := r.loop.value(&r.frame)
		if err != nil {
			return err
		}
		return d.Set(t, key, v)
	})
}
