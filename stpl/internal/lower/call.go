package lower

import (
	"mdserver/stpl/internal/object"
	"mdserver/stpl/internal/syntax"
)

// hostFunctions are what Python offers and templates must not have, with what
// to do instead.
var hostFunctions = map[string]string{
	"open":       "templates read no files: use include, or pass the content in as template data",
	"eval":       "templates run no code made at run time",
	"exec":       "templates run no code made at run time",
	"compile":    "templates run no code made at run time",
	"__import__": "use an import statement",
	"input":      "a template has no user to ask",
	"globals":    "use get, defined and setdefault",
	"locals":     "use get, defined and setdefault",
	"vars":       "use get, defined and setdefault",
	"dir":        "use get, defined and setdefault",
	"breakpoint": "there is no debugger",
	"exit":       "a template ends at its end",
	"quit":       "a template ends at its end",
}

// argument is one argument of a call, see syntax.Arg.
type argument struct {
	name string
	star int
	x    eval
}

// call lowers a call. Of a method no bound value is made.
func (c *compiler) call(e *syntax.Call) eval {
	c.checkCall(e)
	pos := c.at(e)
	arguments := c.arguments(pos, callee(e.Fn), e.Args)
	if m, ok := e.Fn.(*syntax.Attr); ok {
		return callMethod(c.expr(m.X), m.Name, arguments, pos)
	}
	fn := c.expr(e.Fn)
	return func(f *frame) (object.Value, error) {
		callee, err := fn(f)
		if err != nil {
			return nil, err
		}
		args, err := arguments(f)
		if err != nil {
			return nil, err
		}
		v, err := object.Call(f.t, callee, args)
		return v, pos.wrap(err)
	}
}

// callMethod looks the method up before it evaluates the arguments, as Python
// does.
func callMethod(recv eval, name string, arguments func(f *frame) (*object.Args, error), pos position) eval {
	return func(f *frame) (object.Value, error) {
		v, err := recv(f)
		if err != nil {
			return nil, err
		}
		method := object.FindMethod(v, name)
		var fn object.Value
		if method == nil {
			if fn, err = object.GetAttr(f.t, v, name); err != nil {
				return nil, pos.wrap(err)
			}
		}
		args, err := arguments(f)
		if err != nil {
			return nil, err
		}
		if method != nil {
			v, err = method.CallOn(f.t, v, args)
		} else {
			v, err = object.Call(f.t, fn, args)
		}
		return v, pos.wrap(err)
	}
}

func (c *compiler) checkCall(e *syntax.Call) {
	name, ok := e.Fn.(*syntax.Name)
	if !ok || c.tries > 0 {
		return
	}
	if _, own := c.assigned[name.ID]; own {
		return
	}
	if advice, ok := hostFunctions[name.ID]; ok {
		c.refuse(e, "NameError", name.ID+"() is not available in templates: "+advice)
	}
}

// callee is what messages call the function that e stands for.
func callee(e syntax.Expr) string {
	switch e := e.(type) {
	case *syntax.Name:
		return e.ID + "()"
	case *syntax.Attr:
		return e.Name + "()"
	case *syntax.Lambda:
		return "<lambda>()"
	}
	return "function"
}

func (c *compiler) arguments(pos position, callee string, list []syntax.Arg) func(f *frame) (*object.Args, error) {
	args := make([]argument, len(list))
	plain, unpacks := true, false
	for i, a := range list {
		args[i] = argument{a.Name, a.Star, c.expr(a.X)}
		plain = plain && a.Name == "" && a.Star == 0
		unpacks = unpacks || a.Star == 2
	}
	if plain {
		return func(f *frame) (*object.Args, error) { return positional(f, args) }
	}
	return func(f *frame) (*object.Args, error) {
		g := gatherer{callee: callee, out: &object.Args{}}
		if unpacks {
			g.names = map[string]bool{}
		}
		for i := range args {
			if err := g.add(f, &args[i]); err != nil {
				return nil, pos.wrap(err)
			}
		}
		return g.out, nil
	}
}

func positional(f *frame, args []argument) (*object.Args, error) {
	if len(args) > fewParameters {
		if err := f.t.AllocN(len(args), valueSize); err != nil {
			return nil, err
		}
	}
	out := f.t.NewArgs(len(args))
	for i := range args {
		v, err := args[i].x(f)
		if err != nil {
			return nil, err
		}
		out.Pos[i] = v
	}
	return out, nil
}

// gatherer evaluates the arguments of a call.
type gatherer struct {
	callee string
	out    *object.Args
	names  map[string]bool // of the keywords so far, if there is a **x
}

func (g *gatherer) add(f *frame, a *argument) error {
	v, err := a.x(f)
	if err != nil {
		return err
	}
	switch {
	case a.star == 1:
		return g.unpack(f.t, v)
	case a.star == 2:
		return g.unpackKeywords(f.t, v)
	case a.name != "":
		return g.keyword(f.t, a.name, v)
	}
	g.out.Pos = append(g.out.Pos, v)
	return f.t.Alloc(2 * valueSize)
}

func (g *gatherer) unpack(t *object.Thread, v object.Value) error {
	if _, err := object.Iterate(t, v); err != nil {
		return object.Raise(object.TypeError, "%s argument after * must be an iterable, not %s", g.callee, object.TypeName(v))
	}
	items, err := object.ToSlice(t, v)
	if err != nil {
		return err
	}
	g.out.Pos = append(g.out.Pos, items...)
	return t.AllocN(len(items), 2*valueSize)
}

func (g *gatherer) unpackKeywords(t *object.Thread, v object.Value) error {
	if !object.IsMapping(v) {
		return object.Raise(object.TypeError, "%s argument after ** must be a mapping, not %s", g.callee, object.TypeName(v))
	}
	d := object.NewDict()
	if err := d.Update(t, v); err != nil {
		return err
	}
	for key, value := range d.All {
		name, ok := key.(object.Str)
		if !ok {
			return object.Raise(object.TypeError, "keywords must be strings")
		}
		if err := g.keyword(t, string(name), value); err != nil {
			return err
		}
	}
	return nil
}

// keywordSize is charged for a keyword argument, whose name may be noted.
const keywordSize = 128

func (g *gatherer) keyword(t *object.Thread, name string, v object.Value) error {
	if g.names != nil {
		if g.names[name] {
			return object.Raise(object.TypeError, "%s got multiple values for keyword argument '%s'", g.callee, name)
		}
		g.names[name] = true
	}
	g.out.Kw = append(g.out.Kw, object.Keyword{Name: name, Value: v})
	return t.Alloc(keywordSize)
}
