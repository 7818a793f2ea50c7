package modules

import "mdserver/stpl/internal/object"

// members are the names of a module.
type members = map[string]object.Value

// refused stands for a function that Python has and templates do not get.
// Calling it says why.
type refused struct{ name, reason string }

// Class implements object.Value.
func (*refused) Class() *object.Type { return object.BuiltinType }

// Call implements object.Callable.
func (r *refused) Call(*object.Thread, *object.Args) (object.Value, error) {
	return nil, object.Raise(object.PermissionError, "%s is not available in templates: %s", r.name, r.reason)
}

// refuse adds refused functions to a module.
func refuse(m members, module, reason string, names ...string) {
	for _, name := range names {
		m[name] = &refused{module + "." + name, reason}
	}
}

// functions makes members of builtins, by their names.
func functions(list ...*object.Builtin) members {
	m := members{}
	for _, f := range list {
		m[f.Name] = f
	}
	return m
}

func fn(name, signature string, f object.Func) *object.Builtin {
	return object.NewBuiltin(name, signature, f)
}
