// Package native has what the modules of templates are made of: members,
// functions in Go and how they read their arguments, and the charges for what
// they do.
package native

import "mdserver/stpl/internal/object"

// Members are the names of a module.
type Members = map[string]object.Value

// Refused stands for a function that Python has and templates do not get.
// Calling it says why.
type Refused struct {
	name   string
	Reason string // for the end of a message
}

// Class implements object.Value.
func (*Refused) Class() *object.Type { return object.BuiltinType }

// Call implements object.Callable.
func (r *Refused) Call(*object.Thread, *object.Args) (object.Value, error) {
	return nil, object.Raise(object.PermissionError, "%s is not available in templates: %s", r.name, r.Reason)
}

// Refuse adds refused functions to a module.
func Refuse(m Members, module, reason string, names ...string) {
	for _, name := range names {
		m[name] = &Refused{name: module + "." + name, Reason: reason}
	}
}

// Functions makes members of builtins, by their names.
func Functions(list ...*object.Builtin) Members {
	m := Members{}
	for _, f := range list {
		m[f.Name] = f
	}
	return m
}

// Func makes a function that Python's library has in Python; for one that it has in C,
// use [object.NewBuiltin]. The signature names its parameters.
func Func(name, signature string, f object.Func) *object.Builtin {
	return object.NewBuiltin(name, signature, f).Python(name)
}
