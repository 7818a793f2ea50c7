package lower

import (
	"mdserver/stpl/internal/object"
	"mdserver/stpl/internal/syntax"
)

// loop is the inside of a comprehension: nested for clauses around an
// element.
type loop struct {
	clauses []clause
	element eval // the key of a dict comprehension
	value   eval // of a dict comprehension
	pos     position
	size
}

type clause struct {
	iter   eval // nil for the first, which is evaluated outside
	target assign
	ifs    []eval
}

// comprehensionLoop lowers the inside of a comprehension in a scope of its
// own and returns how many variables that has.
func (c *compiler) comprehensionLoop(e *syntax.Comp) (*loop, int) {
	inner := c.innerScope(e)
	d := c.declarer(inner)
	for _, clause := range e.Clauses {
		d.targets(clause.Target)
	}
	outside := c.scope
	c.scope = inner
	defer func() { c.scope = outside }()
	l := &loop{pos: c.at(e)}
	l.size = c.measure(func() { c.loopBody(l, e) })
	return l, len(inner.slots)
}

func (c *compiler) loopBody(l *loop, e *syntax.Comp) {
	for i, part := range e.Clauses {
		var cl clause
		if i > 0 {
			cl.iter = c.expr(part.Iter)
		}
		cl.target = c.target(part.Target)
		cl.ifs = c.exprs(part.Ifs)
		l.clauses = append(l.clauses, cl)
	}
	l.element = c.expr(e.Elt)
	if e.Value != nil {
		l.value = c.expr(e.Value)
	}
}

// loopRun is a comprehension under way. It is an iterator, so that generator
// expressions are lazy as in Python.
type loopRun struct {
	*loop
	frame     frame
	iterators []object.Iterator  // of the clauses entered; none: at the end
	outermost [1]object.Iterator // where iterators begins, for most have one clause
	running   bool
}

// Next implements object.Iterator.
func (r *loopRun) Next(t *object.Thread) (object.Value, error) {
	if r.running {
		return nil, object.Raise(object.ValueError, "generator already executing")
	}
	if err := t.EnterCode(r.height); err != nil {
		return nil, err
	}
	r.running = true
	v, err := r.advance(t)
	r.running = false
	t.LeaveCode(r.height)
	if err != nil {
		r.iterators = nil
	}
	return v, err
}

func (r *loopRun) advance(t *object.Thread) (object.Value, error) {
	for len(r.iterators) > 0 {
		if err := t.Step(r.steps); err != nil {
			return nil, r.pos.wrap(err)
		}
		last := len(r.iterators) - 1
		item, err := r.iterators[last].Next(t)
		if err != nil {
			return nil, r.pos.wrap(err)
		}
		if item == nil {
			r.iterators = r.iterators[:last]
			continue
		}
		ok, err := r.admit(&r.clauses[last], item)
		switch {
		case err != nil:
			return nil, err
		case !ok:
		case last+1 == len(r.clauses):
			return r.element(&r.frame)
		default:
			if err := r.enter(t, last+1); err != nil {
				return nil, err
			}
		}
	}
	return nil, nil
}

// admit assigns an item and asks the conditions.
func (r *loopRun) admit(cl *clause, item object.Value) (bool, error) {
	if err := cl.target(&r.frame, item); err != nil {
		return false, err
	}
	for _, test := range cl.ifs {
		v, err := test(&r.frame)
		if err != nil || !object.Truthy(v) {
			return false, err
		}
	}
	return true, nil
}

// enter starts the n-th clause.
func (r *loopRun) enter(t *object.Thread, n int) error {
	v, err := r.clauses[n].iter(&r.frame)
	if err != nil {
		return err
	}
	it, err := object.Iterate(t, v)
	if err != nil {
		return r.pos.wrap(err)
	}
	r.iterators = append(r.iterators, it)
	return nil
}
