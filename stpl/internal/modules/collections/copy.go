package collections

import (
	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

// Copy makes the module copy.
func Copy() native.Members {
	return native.Functions(
		native.Func("copy", "x", func(t *object.Thread, a []object.Value) (object.Value, error) {
			return (&copier{t: t}).copy(a[0])
		}),
		native.Func("deepcopy", "x", func(t *object.Thread, a []object.Value) (object.Value, error) {
			return (&copier{t: t, done: map[object.Value]object.Value{}}).copy(a[0])
		}),
	)
}

// copier copies lists, dicts and sets; all other values cannot change. With
// done it goes deep, and a value that is found twice is copied once.
type copier struct {
	t    *object.Thread
	done map[object.Value]object.Value
}

func (c *copier) copy(v object.Value) (object.Value, error) {
	if err := c.t.Step(1); err != nil {
		return nil, err
	}
	if err := c.t.Enter(); err != nil {
		return nil, err
	}
	defer c.t.Leave()
	deep := c.done != nil
	switch x := v.(type) {
	case *object.List:
		return c.list(x)
	case *object.Dict:
		return c.dict(x)
	case *object.Set:
		return object.CallMethod(c.t, x, "copy", &object.Args{})
	case object.Tuple:
		if !deep || len(x) == 0 {
			return x, nil
		}
		if err := c.t.AllocSlots(len(x)); err != nil {
			return nil, err
		}
		out := make(object.Tuple, len(x))
		for i, item := range x {
			var err error
			if out[i], err = c.copy(item); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v, nil
}

// remember notes the copy of a value before its parts are copied.
func (c *copier) remember(v, w object.Value) {
	if c.done != nil {
		c.done[v] = w
	}
}

func (c *copier) part(v object.Value) (object.Value, error) {
	if c.done == nil {
		return v, nil
	}
	return c.copy(v)
}

func (c *copier) list(l *object.List) (object.Value, error) {
	if w := c.done[l]; w != nil {
		return w, nil
	}
	out := object.NewList(nil)
	c.remember(l, out)
	for _, v := range l.Items() {
		w, err := c.part(v)
		if err != nil {
			return nil, err
		}
		if err := out.Append(c.t, w); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (c *copier) dict(d *object.Dict) (object.Value, error) {
	if w := c.done[d]; w != nil {
		return w, nil
	}
	out, err := d.Copy(c.t)
	if err != nil || c.done == nil {
		return out, err
	}
	c.remember(d, out)
	for key, v := range d.All {
		w, err := c.copy(v)
		if err != nil {
			return nil, err
		}
		if err := out.Set(c.t, key, w); err != nil {
			return nil, err
		}
	}
	return out, nil
}
