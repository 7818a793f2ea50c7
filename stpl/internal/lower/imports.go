package lower

import (
	"strings"

	"mdserver/stpl/internal/object"
	"mdserver/stpl/internal/syntax"
)

// importedAs is the name that an import binds.
func importedAs(s *syntax.Import, n syntax.ImportName) string {
	switch {
	case n.As != "":
		return n.As
	case s.From != "":
		return n.Name
	}
	top, _, _ := strings.Cut(n.Name, ".")
	return top
}

// imports lowers both forms of import. A module that does not exist is
// refused here, except within a try that may be there for just that.
func (c *compiler) imports(s *syntax.Import) exec {
	if everything(s) {
		return c.importAll(s)
	}
	c.nodes += nodesPerStep * len(s.Names)
	var list []exec
	for _, n := range s.Names {
		if c.tries == 0 {
			c.checkImport(s, n)
		}
		set, pos := c.store(importedAs(s, n)), c.at(s)
		read := importModule(n)
		if s.From != "" {
			read = importMember(s.From, n.Name)
		}
		list = append(list, func(f *frame) (control, error) {
			v, err := read(f)
			if err != nil {
				return next, pos.wrap(err)
			}
			return next, set(f, v)
		})
	}
	return inTurn(list)
}

// everything reports whether an import is from … import *.
func everything(s *syntax.Import) bool { return s.From != "" && s.Names[0].Name == "*" }

// importAll lowers from … import *, which stands outside functions only.
func (c *compiler) importAll(s *syntax.Import) exec {
	if c.tries == 0 {
		c.checkModule(s, s.From)
	}
	pos, names := c.at(s), c.names
	return func(f *frame) (control, error) {
		m, err := f.run.Import(f.t, s.From)
		if err != nil {
			return next, pos.wrap(err)
		}
		return next, pos.wrap(m.Public(func(name string, v object.Value) error {
			f.run.Globals.Assign(names.find(name), v)
			return f.t.Step(1)
		}))
	}
}

func (c *compiler) checkImport(s *syntax.Import, n syntax.ImportName) {
	module := s.From
	if module == "" {
		module = n.Name
	}
	c.checkModule(s, module)
	if c.opts.Known(module) && s.From != "" && !c.opts.Has(module, n.Name) && !c.opts.Known(module+"."+n.Name) {
		c.refuse(s, "ImportError", "cannot import name '"+n.Name+"' from '"+module+"': templates have only a part of that module")
	}
}

func (c *compiler) checkModule(s *syntax.Import, module string) {
	if !c.opts.Known(module) {
		c.refuse(s, "ModuleNotFoundError", "module '"+module+"' is not available in templates, which can import "+strings.Join(c.opts.Modules, ", ")+
			"; what needs another one is computed outside and passed in as template data")
	}
}

func importModule(n syntax.ImportName) eval {
	return func(f *frame) (object.Value, error) {
		m, err := f.run.Import(f.t, n.Name)
		top, _, dotted := strings.Cut(n.Name, ".")
		if err == nil && n.As == "" && dotted {
			m, err = f.run.Import(f.t, top)
		}
		return m, err
	}
}

func importMember(module, name string) eval {
	return func(f *frame) (object.Value, error) {
		m, err := f.run.Import(f.t, module)
		if err != nil {
			return nil, err
		}
		if v, err := object.GetAttr(f.t, m, name); err == nil {
			return v, nil
		}
		if v, err := f.run.Import(f.t, module+"."+name); err == nil {
			return v, nil
		}
		return nil, object.Raise(object.ImportError, "cannot import name '%s' from '%s'", name, module)
	}
}
