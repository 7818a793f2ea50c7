package stpl

import (
	"slices"

	"mdserver/stpl/internal/builtins"
	"mdserver/stpl/internal/lower"
	"mdserver/stpl/internal/object"
)

// environment holds the variables of one template within one render: those
// that were given to the render, and over them those that the template set or
// was included with. It is a value, too: include returns it, so that a
// template can call functions of another.
type environment struct {
	render  *render
	program *lower.Program
	slots   []slot           // of the names in the template's text, by number
	others  map[string]*slot // of names that were set and are not in the text
	rebase  *rebase          // asked for by the template
}

// slot is what is known of one name.
type slot struct {
	value  object.Value // nil: not asked for yet, or there is none
	origin origin
}

// origin is where the value of a slot is from.
type origin uint8

const (
	unknown origin = iota
	own            // the template set it, or was included with it
	deleted        // by the template, so that what was given is not seen
	found          // given to the render, or a function of the environment
	python         // a name of Python's own
)

// rebase is the template to render around this one.
type rebase struct {
	name object.Value
	vars *object.Dict
}

// builtinNames are the names that Python has without an import.
var builtinNames = builtins.Names()

// copy is the environment of an included template.
func (e *environment) copy(program *lower.Program, vars *object.Dict) (*environment, error) {
	if err := e.render.thread.AllocSlots(len(program.Names()) + 2*(len(e.slots)+len(e.others)+vars.Len())); err != nil {
		return nil, err
	}
	inner := &environment{render: e.render, program: program, slots: make([]slot, len(program.Names()))}
	e.each(func(name string, s *slot) {
		if s.origin == own || s.origin == deleted {
			*inner.keep(program.Name(name)) = *s
		}
	})
	for key, v := range vars.All {
		inner.Assign(program.Name(string(key.(object.Str))), v)
	}
	return inner, nil
}

// each calls f for every slot, in no order.
func (e *environment) each(f func(name string, s *slot)) {
	for i, name := range e.program.Names() {
		f(name, &e.slots[i])
	}
	for name, s := range e.others {
		f(name, s)
	}
}

// slot returns the slot of a name. What is put into it is kept unless the name
// is one that is not in the template's text and was not set either.
func (e *environment) slot(name lower.Name) *slot {
	if name.Number >= 0 {
		return &e.slots[name.Number]
	}
	if s := e.others[name.Text]; s != nil {
		return s
	}
	return &slot{}
}

// keep returns the slot of a name that is set.
func (e *environment) keep(name lower.Name) *slot {
	s := e.slot(name)
	if name.Number >= 0 {
		return s
	}
	if e.others == nil {
		e.others = map[string]*slot{}
	}
	e.others[name.Text] = s
	return s
}

// Lookup implements lower.Globals.
func (e *environment) Lookup(name lower.Name) (object.Value, bool) {
	s := e.slot(name)
	if s.value != nil {
		return s.value, true
	}
	if v, ok := e.variable(name); ok {
		return v, true
	}
	v, ok := builtinNames[name.Text]
	if ok && s.origin == unknown {
		*s = slot{v, python}
	}
	return v, ok
}

// variable finds what defined and get see: no names of Python's own.
func (e *environment) variable(name lower.Name) (object.Value, bool) {
	s := e.slot(name)
	switch {
	case s.value != nil && s.origin != python:
		return s.value, true
	case isFunction(name.Text):
		*s = slot{e.function(name.Text), found}
	case s.origin != deleted:
		if v, ok := e.render.space.vars.get(name.Text); ok {
			*s = slot{v, found}
		}
	}
	return s.value, s.origin == found
}

// named is variable for a name that the template made.
func (e *environment) named(name object.Value) (object.Value, bool) {
	if text, ok := name.(object.Str); ok {
		return e.variable(e.program.Name(string(text)))
	}
	return nil, false
}

// function returns one of the environment's own functions.
func (e *environment) function(name string) object.Value {
	var self object.Value = e // the type is made of functions that get here
	return self.Class().Method(name).Bind(self)
}

// Assign implements lower.Globals.
func (e *environment) Assign(name lower.Name, v object.Value) {
	*e.keep(name) = slot{v, own}
}

// Delete implements lower.Globals.
func (e *environment) Delete(name lower.Name) bool {
	if _, ok := e.variable(name); !ok {
		return false
	}
	*e.keep(name) = slot{nil, deleted}
	return true
}

// isFunction tells the methods of an environment that its template calls as
// functions.
func isFunction(name string) bool {
	switch name {
	case "include", "rebase", "get", "setdefault", "defined":
		return true
	}
	return false
}

var environmentType = object.NewType("dict", "", nil).Define(
	object.Method("include", "_name? **vars", includeFunc),
	object.Method("rebase", "_name? **vars", rebaseFunc),
	object.Method("get", "name default?", getFunc),
	object.Method("setdefault", "name:str default?", setdefaultFunc),
	object.Method("defined", "name", definedFunc),
)

// Class implements object.Value.
func (e *environment) Class() *object.Type { return environmentType }

// Index implements object.Indexed.
func (e *environment) Index(_ *object.Thread, key object.Value) (object.Value, error) {
	if v, ok := e.named(key); ok {
		return v, nil
	}
	return nil, object.RaiseValue(object.KeyError, key)
}

// Contains implements object.Container.
func (e *environment) Contains(_ *object.Thread, item object.Value) (bool, error) {
	_, ok := e.named(item)
	return ok, nil
}

// Iterate implements object.Iterable: the names that the template set.
func (e *environment) Iterate(t *object.Thread) (object.Iterator, error) {
	if err := t.AllocSlots(len(e.slots) + len(e.others)); err != nil {
		return nil, err
	}
	var names []string
	e.each(func(name string, s *slot) {
		if s.origin == own {
			names = append(names, name)
		}
	})
	slices.Sort(names)
	items := make(object.Tuple, len(names))
	for i, name := range names {
		items[i] = object.Str(name)
	}
	return object.Iterate(t, items)
}

func includeFunc(_ *object.Thread, env *environment, a []object.Value) (object.Value, error) {
	inner, err := env.render.include(env, object.OrNone(a[0]), a[1].(*object.Dict))
	if err != nil {
		return nil, err
	}
	return inner, nil
}

func rebaseFunc(_ *object.Thread, env *environment, a []object.Value) (object.Value, error) {
	env.rebase = &rebase{object.OrNone(a[0]), a[1].(*object.Dict)}
	return object.None, nil
}

func getFunc(_ *object.Thread, env *environment, a []object.Value) (object.Value, error) {
	if v, ok := env.named(a[0]); ok {
		return v, nil
	}
	return object.OrNone(a[1]), nil
}

func setdefaultFunc(t *object.Thread, env *environment, a []object.Value) (object.Value, error) {
	name := env.program.Name(object.Text(a[0]))
	if v, ok := env.variable(name); ok {
		return v, nil
	}
	v := object.OrNone(a[1])
	env.Assign(name, v)
	return v, t.AllocSlots(2)
}

func definedFunc(_ *object.Thread, env *environment, a []object.Value) (object.Value, error) {
	_, ok := env.named(a[0])
	return object.Bool(ok), nil
}
