package lower

import (
	"mdserver/stpl/internal/object"
	"mdserver/stpl/internal/syntax"
)

// block lowers a sequence of statements. Each costs a step, a large one more.
func (c *compiler) block(body []syntax.Stmt) exec {
	list := make([]exec, len(body))
	lines := make([]position, len(body))
	steps := make([]int, len(body))
	c.total += len(body)
	c.up()
	for i, s := range body {
		lines[i] = c.at(s)
		steps[i] = c.steps(func() { list[i] = c.stmt(s) })
	}
	c.down()
	return func(f *frame) (control, error) {
		for i, s := range list {
			if err := f.t.Step(steps[i]); err != nil {
				return next, lines[i].wrap(err)
			}
			if how, err := s(f); how != next || err != nil {
				return how, lines[i].wrap(err)
			}
		}
		return next, nil
	}
}

func (c *compiler) stmt(s syntax.Stmt) exec {
	switch s := s.(type) {
	case *syntax.Text:
		return c.text(s)
	case *syntax.ExprStmt:
		return c.exprStmt(s)
	case *syntax.Assign:
		return c.assignment(s)
	case *syntax.AugAssign:
		return c.augmented(s)
	case *syntax.Delete:
		return c.delete(s)
	case *syntax.Import:
		return c.imports(s)
	case *syntax.Break:
		return func(*frame) (control, error) { return breaks, nil }
	case *syntax.Continue:
		return func(*frame) (control, error) { return continues, nil }
	case *syntax.Return:
		return c.returns(s)
	case *syntax.Raise:
		return c.raise(s)
	case *syntax.Assert:
		return c.assert(s)
	}
	return c.compound(s)
}

func (c *compiler) compound(s syntax.Stmt) exec {
	switch s := s.(type) {
	case *syntax.If:
		return c.ifs(s)
	case *syntax.For:
		return c.forLoop(s)
	case *syntax.While:
		return c.while(s)
	case *syntax.Try:
		return c.try(s)
	case *syntax.Def:
		return c.def(s)
	}
	// pass, and global and nonlocal, which scopes have dealt with
	return func(*frame) (control, error) { return next, nil }
}

func (c *compiler) exprStmt(s *syntax.ExprStmt) exec {
	x := c.expr(s.X)
	return func(f *frame) (control, error) {
		_, err := x(f)
		return next, err
	}
}

// textPerNode is how many bytes of literal text are as much work as an
// expression.
const textPerNode = 256

// textPart is literal text or an inline expression.
type textPart struct {
	literal []byte
	x       eval
	raw     bool
	pos     position
}

// text lowers a run of text. All its expressions are evaluated before any of
// it is printed, so that what a function prints comes first, as in Bottle.
func (c *compiler) text(s *syntax.Text) exec {
	parts := make([]textPart, len(s.Parts))
	for i, p := range s.Parts {
		c.nodes += 1 + len(p.Text)/textPerNode
		parts[i] = textPart{literal: []byte(p.Text), raw: p.Raw, pos: c.at(s)}
		if p.X != nil {
			parts[i].x, parts[i].pos = c.expr(p.X), c.at(p.X)
		}
	}
	if len(parts) == 1 && parts[0].x == nil {
		only := parts[0]
		return func(f *frame) (control, error) {
			return next, only.pos.wrap(f.run.Output.Print(only.literal))
		}
	}
	return func(f *frame) (control, error) {
		start := len(f.run.Scratch)
		err := f.gather(parts)
		if err == nil {
			err = parts[0].pos.wrap(f.run.Output.Print(f.run.Scratch[start:]))
		}
		f.run.Scratch = f.run.Scratch[:start]
		return next, err
	}
}

// gather appends the text of the parts to the scratch buffer.
func (f *frame) gather(parts []textPart) error {
	for i := range parts {
		p := &parts[i]
		if p.x == nil {
			f.run.Scratch = append(f.run.Scratch, p.literal...)
			continue
		}
		v, err := p.x(f)
		if err != nil {
			return err
		}
		// v may have printed, so the buffer is read only now
		if f.run.Scratch, err = f.run.Output.Append(f.t, f.run.Scratch, v, p.raw); err != nil {
			return p.pos.wrap(err)
		}
	}
	return nil
}

func (c *compiler) ifs(s *syntax.If) exec {
	test, then, otherwise := c.expr(s.Test), c.block(s.Then), c.block(s.Else)
	return func(f *frame) (control, error) {
		v, err := test(f)
		switch {
		case err != nil:
			return next, err
		case object.Truthy(v):
			return then(f)
		}
		return otherwise(f)
	}
}

func (c *compiler) while(s *syntax.While) exec {
	var test eval
	steps := c.steps(func() { test = c.expr(s.Test) })
	body, otherwise, pos := c.block(s.Body), c.block(s.Else), c.at(s)
	return func(f *frame) (control, error) {
		for {
			if err := f.t.Step(steps); err != nil {
				return next, pos.wrap(err)
			}
			v, err := test(f)
			if err != nil {
				return next, err
			}
			if !object.Truthy(v) {
				return otherwise(f)
			}
			switch how, err := body(f); {
			case err != nil || how == returns:
				return how, err
			case how == breaks:
				return next, nil
			}
		}
	}
}

func (c *compiler) forLoop(s *syntax.For) exec {
	iter, pos := c.expr(s.Iter), c.at(s)
	var target assign
	steps := c.steps(func() { target = c.target(s.Target) })
	body, otherwise := c.block(s.Body), c.block(s.Else)
	return func(f *frame) (control, error) {
		v, err := iter(f)
		if err != nil {
			return next, err
		}
		it, err := object.Iterate(f.t, v)
		if err != nil {
			return next, pos.wrap(err)
		}
		for {
			if err := f.t.Step(steps); err != nil {
				return next, pos.wrap(err)
			}
			item, err := it.Next(f.t)
			if err != nil {
				return next, pos.wrap(err)
			}
			if item == nil {
				return otherwise(f)
			}
			if err := target(f, item); err != nil {
				return next, err
			}
			switch how, err := body(f); {
			case err != nil || how == returns:
				return how, err
			case how == breaks:
				return next, nil
			}
		}
	}
}

func (c *compiler) returns(s *syntax.Return) exec {
	x := c.optional(s.X)
	return func(f *frame) (control, error) {
		v, err := x(f)
		if err != nil {
			return next, err
		}
		f.result = v
		return returns, nil
	}
}

func (c *compiler) assert(s *syntax.Assert) exec {
	test, pos := c.expr(s.Test), c.at(s)
	var message eval
	if s.Message != nil {
		message = c.expr(s.Message)
	}
	return func(f *frame) (control, error) {
		v, err := test(f)
		if err != nil || object.Truthy(v) {
			return next, err
		}
		if message == nil {
			return next, pos.wrap(&object.Exception{Kind: object.AssertionError})
		}
		if v, err = message(f); err != nil {
			return next, err
		}
		return next, pos.wrap(object.RaiseValue(object.AssertionError, v))
	}
}
