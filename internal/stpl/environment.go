package stpl

import (
	"maps"
	"slices"

	"mdserver/internal/stpl/object"
)

// environment holds the variables of one template within one render: those
// that were given to the render, and over them those that the template set or
// was included with. It is a value, too: include returns it, so that a
// template can call functions of another.
type environment struct {
	render *render
	own    map[string]object.Value // nil: deleted
	bound  map[string]object.Value // the functions that were called so far
	rebase *rebase                 // asked for by the template
}

// rebase is the template that is to be rendered around this one.
type rebase struct {
	name string
	vars *object.Dict
}

// builtins are the names that Python has without an import.
var builtins = object.Builtins()

func newEnvironment(r *render) *environment {
	return &environment{render: r, own: map[string]object.Value{}}
}

// copy is the environment of an included template.
func (e *environment) copy(vars *object.Dict) (*environment, error) {
	if err := e.render.thread.AllocSlots(2 * (len(e.own) + vars.Len())); err != nil {
		return nil, err
	}
	inner := &environment{render: e.render, own: maps.Clone(e.own)}
	vars.Each(func(key, v object.Value) bool {
		inner.own[string(key.(object.Str))] = v
		return true
	})
	return inner, nil
}

// Lookup implements lower.Globals.
func (e *environment) Lookup(name string) (object.Value, bool) {
	if v, ok := e.variable(name); ok {
		return v, true
	}
	v, ok := builtins[name]
	return v, ok
}

// variable finds what defined and get see: no names of Python's own.
func (e *environment) variable(name string) (object.Value, bool) {
	v, known := e.own[name]
	if v != nil {
		return v, true
	}
	if isFunction(name) {
		return e.function(name), true
	}
	if known {
		return nil, false
	}
	return e.render.vars.get(name)
}

// function returns one of the environment's own functions.
func (e *environment) function(name string) object.Value {
	f := e.bound[name]
	if f == nil {
		var self object.Value = e // the type is made of functions that get here
		f = self.Class().Method(name).Bind(self)
		if e.bound == nil {
			e.bound = map[string]object.Value{}
		}
		e.bound[name] = f
	}
	return f
}

// Assign implements lower.Globals.
func (e *environment) Assign(name string, v object.Value) { e.own[name] = v }

// Delete implements lower.Globals.
func (e *environment) Delete(name string) bool {
	if _, ok := e.variable(name); !ok {
		return false
	}
	e.own[name] = nil
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
	object.NewBuiltin("include", "_name **vars", includeFunc),
	object.NewBuiltin("rebase", "_name **vars", rebaseFunc),
	object.NewBuiltin("get", "name default?", getFunc),
	object.NewBuiltin("setdefault", "name default?", setdefaultFunc),
	object.NewBuiltin("defined", "name", definedFunc),
)

// Class implements object.Value.
func (e *environment) Class() *object.Type { return environmentType }

// Index implements object.Indexed.
func (e *environment) Index(_ *object.Thread, key object.Value) (object.Value, error) {
	if name, ok := key.(object.Str); ok {
		if v, ok := e.variable(string(name)); ok {
			return v, nil
		}
	}
	return nil, object.RaiseValue(object.KeyError, key)
}

// Contains implements object.Container.
func (e *environment) Contains(_ *object.Thread, item object.Value) (bool, error) {
	name, ok := item.(object.Str)
	if !ok {
		return false, nil
	}
	_, ok = e.variable(string(name))
	return ok, nil
}

// Iterate implements object.Iterable: the names that the template set.
func (e *environment) Iterate(t *object.Thread) (object.Iterator, error) {
	if err := t.AllocSlots(len(e.own)); err != nil {
		return nil, err
	}
	var names []object.Value
	for _, name := range slices.Sorted(maps.Keys(e.own)) {
		if e.own[name] != nil {
			names = append(names, object.Str(name))
		}
	}
	return object.Iterate(t, object.Tuple(names))
}

func includeFunc(_ *object.Thread, a []object.Value) (object.Value, error) {
	name, err := object.StrArg(a[1], "include")
	if err != nil {
		return nil, err
	}
	env := a[0].(*environment)
	inner, err := env.render.include(env, name, a[2].(*object.Dict))
	if err != nil {
		return nil, err
	}
	return inner, nil
}

func rebaseFunc(_ *object.Thread, a []object.Value) (object.Value, error) {
	name, err := object.StrArg(a[1], "rebase")
	if err != nil {
		return nil, err
	}
	a[0].(*environment).rebase = &rebase{name, a[2].(*object.Dict)}
	return object.None, nil
}

func getFunc(_ *object.Thread, a []object.Value) (object.Value, error) {
	if name, ok := a[1].(object.Str); ok {
		if v, ok := a[0].(*environment).variable(string(name)); ok {
			return v, nil
		}
	}
	return orNone(a[2]), nil
}

func setdefaultFunc(_ *object.Thread, a []object.Value) (object.Value, error) {
	name, err := object.StrArg(a[1], "setdefault")
	if err != nil {
		return nil, err
	}
	env := a[0].(*environment)
	if v, ok := env.variable(name); ok {
		return v, nil
	}
	env.own[name] = orNone(a[2])
	return env.own[name], nil
}

func definedFunc(_ *object.Thread, a []object.Value) (object.Value, error) {
	name, ok := a[1].(object.Str)
	if !ok {
		return object.Bool(false), nil
	}
	_, ok = a[0].(*environment).variable(string(name))
	return object.Bool(ok), nil
}

func orNone(v object.Value) object.Value {
	if v == nil {
		return object.None
	}
	return v
}
