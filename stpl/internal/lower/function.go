package lower

import (
	"slices"
	"strings"

	"mdserver/stpl/internal/object"
	"mdserver/stpl/internal/syntax"
)

// code is what all values of one def or lambda share.
type code struct {
	name    string
	params  *syntax.Params
	numbers map[string]int // of the parameters, nil if they are few
	slots   int            // the parameters come first, then *args, then **kwargs
	body    exec
	size
}

// fewParameters are searched without a map.
const fewParameters = 8

func (co *code) index() {
	if len(co.params.List) <= fewParameters {
		return
	}
	co.numbers = make(map[string]int, len(co.params.List))
	for i, p := range co.params.List {
		co.numbers[p.Name] = i
	}
}

// parameter returns the number of the parameter of that name, -1 if there is
// none.
func (co *code) parameter(name string) int {
	if co.numbers != nil {
		if i, ok := co.numbers[name]; ok {
			return i
		}
		return -1
	}
	return slices.IndexFunc(co.params.List, func(p syntax.Param) bool { return p.Name == name })
}

// function is a function that a template defined.
type function struct {
	*code
	run      *Run
	outer    *frame
	defaults []object.Value // by parameter, nil where there is none
}

// functionType has __name__ for decorators that ask.
var functionType = object.NewType("function", "", func(_ *object.Thread, v object.Value, name string) (object.Value, error) {
	if name == "__name__" || name == "__qualname__" {
		return object.Str(v.(*function).name), nil
	}
	return nil, nil
})

// Class, Text and Repr implement object.Value and object.Texter.
func (*function) Class() *object.Type { return functionType }
func (fn *function) Text() string     { return "<function " + fn.name + ">" }
func (fn *function) Repr() string     { return fn.Text() }

// valueSize is the size of an object.Value in bytes.
const valueSize = 16

// Call implements object.Callable.
func (fn *function) Call(t *object.Thread, a *object.Args) (object.Value, error) {
	if err := t.Step(fn.steps + (fn.slots+len(a.Pos)+len(a.Kw))/16); err != nil {
		return nil, err
	}
	if err := t.AllocN(fn.slots, valueSize); err != nil {
		return nil, err
	}
	if err := t.EnterCode(fn.height); err != nil {
		return nil, err
	}
	defer t.LeaveCode(fn.height)
	f := &frame{run: fn.run, t: t, outer: fn.outer, slots: t.Values(fn.slots)}
	if err := fn.bind(t, f.slots, a); err != nil {
		return nil, err
	}
	if _, err := fn.body(f); err != nil {
		return nil, err
	}
	if f.result == nil {
		return object.None, nil
	}
	return f.result, nil
}

// bind puts arguments into the slots of their parameters.
func (fn *function) bind(t *object.Thread, slots []object.Value, a *object.Args) error {
	p := fn.params
	given := copy(slots[:p.Pos], a.Pos)
	var rest *object.Dict
	if p.StarStar != "" {
		rest = object.NewDict()
		slots[fn.starStarSlot()] = rest
	}
	if names := fn.misplaced(a.Kw); names != "" && rest == nil {
		return object.Raise(object.TypeError,
			"%s() got some positional-only arguments passed as keyword arguments: '%s'", fn.name, names)
	}
	for _, kw := range a.Kw {
		if err := fn.bindKeyword(t, slots, rest, kw); err != nil {
			return err
		}
	}
	switch {
	case p.Star != "":
		if err := t.AllocSlots(len(a.Pos) - given); err != nil {
			return err
		}
		slots[len(p.List)] = object.Tuple(append([]object.Value(nil), a.Pos[given:]...))
	case len(a.Pos) > given:
		return fn.tooMany(slots, len(a.Pos))
	}
	return fn.fill(slots)
}

func (fn *function) starStarSlot() int {
	if fn.params.Star != "" {
		return len(fn.params.List) + 1
	}
	return len(fn.params.List)
}

func (fn *function) bindKeyword(t *object.Thread, slots []object.Value, rest *object.Dict, kw object.Keyword) error {
	if i := fn.parameter(kw.Name); i >= fn.params.PosOnly && i >= 0 {
		if slots[i] != nil {
			return object.Raise(object.TypeError, "%s() got multiple values for argument '%s'", fn.name, kw.Name)
		}
		slots[i] = kw.Value
		return nil
	}
	if rest != nil {
		return rest.Set(t, object.Str(kw.Name), kw.Value)
	}
	return object.Raise(object.TypeError, "%s() got an unexpected keyword argument '%s'", fn.name, kw.Name)
}

// misplaced lists the positional-only parameters among keywords.
func (fn *function) misplaced(keywords []object.Keyword) string {
	if fn.params.PosOnly == 0 {
		return ""
	}
	var numbers []int
	for _, kw := range keywords {
		if i := fn.parameter(kw.Name); i >= 0 && i < fn.params.PosOnly {
			numbers = append(numbers, i)
		}
	}
	slices.Sort(numbers)
	var names []string
	for _, i := range numbers {
		names = append(names, fn.params.List[i].Name)
	}
	return strings.Join(names, ", ")
}

// fill puts defaults where no argument was given.
func (fn *function) fill(slots []object.Value) error {
	var positional, keyword []string
	for i, p := range fn.params.List {
		switch {
		case slots[i] != nil:
		case fn.defaults[i] != nil:
			slots[i] = fn.defaults[i]
		case i < fn.params.Pos:
			positional = append(positional, p.Name)
		default:
			keyword = append(keyword, p.Name)
		}
	}
	if len(positional) > 0 {
		return object.Missing(fn.name, "positional", positional)
	}
	if len(keyword) > 0 {
		return object.Missing(fn.name, "keyword-only", keyword)
	}
	return nil
}

func (fn *function) tooMany(slots []object.Value, given int) error {
	least, most := 0, fn.params.Pos
	for _, d := range fn.defaults[:most] {
		if d == nil {
			least++
		}
	}
	return object.TooMany(fn.name, least, most, given, slots[most:len(fn.params.List)])
}

// closure lowers a def or lambda to what makes the function's value; body
// compiles the inside within the function's scope.
func (c *compiler) closure(n syntax.Node, name string, params *syntax.Params, body func(s *scope) exec) eval {
	defaults := make([]eval, len(params.List))
	for i, p := range params.List {
		if p.Default != nil {
			defaults[i] = c.expr(p.Default)
		}
	}
	co := &code{name: name, params: params}
	co.index()
	co.size = c.measure(func() {
		c.inFunction(n, params, func(s *scope) {
			co.body = body(s)
			co.slots = len(s.slots)
		})
	})
	c.nodes += len(params.List)
	pos := c.at(n)
	return func(f *frame) (object.Value, error) {
		// the function keeps the frame it stands in
		if err := f.t.AllocSlots(4 + len(defaults) + len(f.slots)); err != nil {
			return nil, pos.wrap(err)
		}
		fn := &function{code: co, run: f.run, outer: f, defaults: make([]object.Value, len(defaults))}
		for i, d := range defaults {
			if d == nil {
				continue
			}
			v, err := d(f)
			if err != nil {
				return nil, err
			}
			fn.defaults[i] = v
		}
		return fn, nil
	}
}

// inFunction compiles in the scope of a function with the given parameters.
func (c *compiler) inFunction(n syntax.Node, params *syntax.Params, compile func(s *scope)) {
	outside, tries := c.scope, c.tries
	c.scope, c.tries = c.innerScope(n), 0
	defer func() { c.scope, c.tries = outside, tries }()
	c.declarer(c.scope).parameters(params)
	compile(c.scope)
}

func (c *compiler) lambda(e *syntax.Lambda) eval {
	return c.closure(e, "<lambda>", e.Params, func(s *scope) exec {
		c.declarer(s).inside(e.Body) // a walrus
		x := c.expr(e.Body)
		return func(f *frame) (control, error) {
			v, err := x(f)
			f.result = v
			return returns, err
		}
	})
}

func (c *compiler) def(s *syntax.Def) exec {
	decorators, places := c.exprs(s.Decorators), make([]position, len(s.Decorators))
	for i, d := range s.Decorators {
		places[i] = c.at(d)
	}
	function := c.closure(s, s.Name, s.Params, func(sc *scope) exec {
		c.declare(sc, s.Body)
		return c.block(s.Body)
	})
	set := c.store(s.Name)
	return func(f *frame) (control, error) {
		wrappers := []object.Value{}
		for _, d := range decorators {
			w, err := d(f)
			if err != nil {
				return next, err
			}
			wrappers = append(wrappers, w)
		}
		v, err := function(f)
		for i := len(wrappers) - 1; i >= 0 && err == nil; i-- {
			if v, err = object.CallPos(f.t, wrappers[i], v); err != nil {
				err = places[i].wrap(err)
			}
		}
		if err != nil {
			return next, err
		}
		return next, set(f, v)
	}
}
