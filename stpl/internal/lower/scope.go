package lower

import (
	"mdserver/stpl/internal/object"
	"mdserver/stpl/internal/syntax"
)

// scope is what is known of the names in a function, a comprehension or, at
// the outermost, the template.
type scope struct {
	parent  *scope // nil: the template, whose names are all global
	depth   int    // how many parents there are
	slots   map[string]int
	globals map[string]bool // declared global
}

func newScope(parent *scope) *scope {
	s := &scope{parent: parent, slots: map[string]int{}, globals: map[string]bool{}}
	if parent != nil {
		s.depth = parent.depth + 1
	}
	return s
}

// maxScopes bounds how deeply functions and comprehensions are within each
// other: a name is looked for in all of them.
const maxScopes = 50

// innerScope makes a scope within the one that is being compiled.
func (c *compiler) innerScope(n syntax.Node) *scope {
	if c.scope.depth == maxScopes {
		c.refuse(n, "SyntaxError", "functions and comprehensions are nested too deeply")
		return newScope(newScope(nil)) // to find other errors in what is within
	}
	return newScope(c.scope)
}

func (s *scope) bind(name string) int {
	if i, ok := s.slots[name]; ok {
		return i
	}
	i := len(s.slots)
	s.slots[name] = i
	return i
}

// place is where a name lives: a slot of a frame some functions further out,
// or the environment.
type place struct {
	global bool
	depth  int
	slot   int
}

func (s *scope) resolve(name string) place {
	depth := 0
	for ; s.parent != nil; s = s.parent {
		if s.globals[name] {
			break
		}
		if i, ok := s.slots[name]; ok {
			return place{depth: depth, slot: i}
		}
		depth++
	}
	return place{global: true}
}

// declarer collects the names of one function.
type declarer struct {
	*compiler
	scope *scope
	outer map[string]bool // declared nonlocal
	seen  map[string]bool // used so far
	comps int             // comprehensions that stand around, whose names are their own
	given int             // how many parameters there are: the first slots
}

func (c *compiler) declarer(s *scope) *declarer {
	return &declarer{compiler: c, scope: s, outer: map[string]bool{}, seen: map[string]bool{}, given: len(s.slots)}
}

// declare binds every name that the body of a function assigns.
func (c *compiler) declare(s *scope, body []syntax.Stmt) {
	d := c.declarer(s)
	for _, stmt := range body {
		syntax.Walk(stmt, d.bindings)
	}
}

func (d *declarer) declaration(n *syntax.Scope, name string) {
	slot, bound := d.scope.slots[name]
	switch isParameter := bound && slot < d.given; {
	case d.seen[name]:
		d.refuse(n, "SyntaxError", "name '"+name+"' is used before it is declared global or nonlocal")
	case isParameter && n.Global:
		d.refuse(n, "SyntaxError", "name '"+name+"' is parameter and global")
	case isParameter:
		d.refuse(n, "SyntaxError", "name '"+name+"' is parameter and nonlocal")
	case n.Global:
		d.scope.globals[name] = true
	case d.scope.parent.resolve(name).global:
		d.refuse(n, "SyntaxError", "no binding for nonlocal '"+name+"' found")
	default:
		d.outer[name] = true
	}
}

func (d *declarer) bind(name string) {
	if !d.outer[name] && !d.scope.globals[name] {
		d.scope.bind(name)
	}
}

// bindings notes every name that a statement or a walrus binds, and those that
// are declared to be another function's: that stands before all their uses.
func (d *declarer) bindings(n syntax.Node) bool {
	switch n := n.(type) {
	case *syntax.Name:
		d.seen[n.ID] = d.seen[n.ID] || d.comps == 0
	case *syntax.Scope:
		for _, name := range n.Names {
			d.declaration(n, name)
		}
	case *syntax.Def:
		d.bind(n.Name)
		d.seen[n.Name] = true
		d.defaults(n.Params, n.Decorators)
		return false
	case *syntax.Lambda:
		d.defaults(n.Params, nil)
		return false
	case *syntax.Comp: // its targets are its own
		for i, clause := range n.Clauses {
			d.inside(clause.Iter)
			if i == 0 {
				d.comps++
			}
			d.inside(clause.Ifs...)
		}
		d.inside(n.Elt, n.Value)
		d.comps--
		return false
	case *syntax.Assign:
		d.targets(n.Targets...)
	case *syntax.AugAssign:
		d.targets(n.Target)
	case *syntax.Delete:
		d.targets(n.Targets...)
	case *syntax.For:
		d.targets(n.Target)
	case *syntax.Walrus:
		d.bind(n.Target.ID)
	case *syntax.Import:
		for _, name := range n.Names {
			if !everything(n) {
				d.bind(importedAs(n, name))
			}
		}
	case *syntax.Handler:
		if n.As != "" {
			d.bind(n.As)
			d.seen[n.As] = true
		}
	}
	return true
}

func (d *declarer) defaults(params *syntax.Params, others []syntax.Expr) {
	for _, p := range params.List {
		d.inside(p.Default)
	}
	d.inside(others...)
}

func (d *declarer) parameters(p *syntax.Params) {
	for _, param := range p.List {
		d.bind(param.Name)
	}
	for _, name := range []string{p.Star, p.StarStar} {
		if name != "" {
			d.bind(name)
		}
	}
}

func (d *declarer) inside(exprs ...syntax.Expr) {
	for _, e := range exprs {
		if e != nil {
			syntax.Walk(e, d.bindings)
		}
	}
}

func (d *declarer) targets(exprs ...syntax.Expr) {
	for _, e := range exprs {
		switch e := e.(type) {
		case *syntax.Name:
			d.bind(e.ID)
		case *syntax.Star:
			d.targets(e.X)
		default:
			d.targets(syntax.Elements(e)...)
		}
	}
}

// load reads a name.
func (c *compiler) load(n *syntax.Name) eval {
	name, pos, p := n.ID, c.at(n), c.scope.resolve(n.ID)
	switch {
	case p.global:
		return c.loadGlobal(n)
	case p.depth == 0:
		return func(f *frame) (object.Value, error) {
			if v := f.slots[p.slot]; v != nil {
				return v, nil
			}
			return nil, pos.wrap(object.Raise(object.UnboundLocalError,
				"cannot access local variable '%s' where it is not associated with a value", name))
		}
	}
	return func(f *frame) (object.Value, error) {
		if v := f.up(p.depth).slots[p.slot]; v != nil {
			return v, nil
		}
		return nil, pos.wrap(object.Raise(object.NameError,
			"cannot access free variable '%s' where it is not associated with a value in enclosing scope", name))
	}
}

func (c *compiler) loadGlobal(n *syntax.Name) eval {
	name, pos := c.names.add(n.ID), c.at(n)
	return func(f *frame) (object.Value, error) {
		if v, ok := f.run.Globals.Lookup(name); ok {
			return v, nil
		}
		return nil, pos.wrap(object.Raise(object.NameError, "name '%s' is not defined", name.Text))
	}
}

// store writes a name.
func (c *compiler) store(name string) assign {
	p := c.scope.resolve(name)
	if p.global {
		global := c.names.add(name)
		return func(f *frame, v object.Value) error {
			f.run.Globals.Assign(global, v)
			return nil
		}
	}
	return func(f *frame, v object.Value) error {
		f.up(p.depth).slots[p.slot] = v
		return nil
	}
}

// unset deletes a name.
func (c *compiler) unset(n *syntax.Name) exec {
	name, pos, p := n.ID, c.at(n), c.scope.resolve(n.ID)
	if p.global {
		return c.unsetGlobal(n)
	}
	return func(f *frame) (control, error) {
		slots := f.up(p.depth).slots
		if slots[p.slot] == nil {
			return next, pos.wrap(object.Raise(object.UnboundLocalError,
				"cannot access local variable '%s' where it is not associated with a value", name))
		}
		slots[p.slot] = nil
		return next, nil
	}
}

func (c *compiler) unsetGlobal(n *syntax.Name) exec {
	name, pos := c.names.add(n.ID), c.at(n)
	return func(f *frame) (control, error) {
		if !f.run.Globals.Delete(name) {
			return next, pos.wrap(object.Raise(object.NameError, "name '%s' is not defined", name.Text))
		}
		return next, nil
	}
}

// Bound returns every name that the template itself binds anywhere, by imports
// only if these count.
func Bound(body []syntax.Stmt, imports bool) map[string]int {
	d := (*compiler)(nil).declarer(newScope(nil))
	visit := func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Def:
			d.bind(n.Name)
			d.parameters(n.Params)
		case *syntax.Lambda:
			d.parameters(n.Params)
		case *syntax.Comp:
			for _, clause := range n.Clauses {
				d.targets(clause.Target)
			}
		case *syntax.Scope: // what it names is bound elsewhere
		case *syntax.Import:
			if imports {
				d.bindings(n)
			}
		default:
			d.bindings(n)
		}
		return true
	}
	for _, s := range body {
		syntax.Walk(s, visit)
	}
	return d.scope.slots
}
