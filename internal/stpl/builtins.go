package stpl

import (
	"fmt"
	"maps"

	"go.starlark.net/starlark"
)

// addBuiltins gives an environment the functions of the language.
func (r *render) addBuiltins(env starlark.StringDict) {
	print := func(name string, write func(starlark.Value) error) {
		env[name] = starlark.NewBuiltin(name, func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
			return starlark.None, write(args[0])
		})
	}
	print(textFunc, func(v starlark.Value) error { return r.write(string(v.(starlark.String))) })
	print(emitFunc, func(v starlark.Value) error { return r.emit(v, true) })
	print(rawFunc, func(v starlark.Value) error { return r.emit(v, false) })
	env["str"] = starlark.NewBuiltin("str", str)
	env["defined"] = starlark.NewBuiltin("defined", func(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		var name string
		if err := starlark.UnpackArgs(b.Name(), args, kwargs, "name", &name); err != nil {
			return nil, err
		}
		return starlark.Bool(isSet(env, name)), nil
	})
	env["get"] = starlark.NewBuiltin("get", lookUp(env, false))
	env["setdefault"] = starlark.NewBuiltin("setdefault", lookUp(env, true))
	env["include"] = starlark.NewBuiltin("include", r.includeBuiltin(env))
}

// isSet reports whether name is a variable of the template, other than
// Starlark's own functions.
func isSet(env starlark.StringDict, name string) bool {
	value, ok := env[name]
	return ok && value != starlark.Universe[name]
}

type builtin = func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error)

func lookUp(env starlark.StringDict, set bool) builtin {
	return func(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		var name string
		var fallback starlark.Value = starlark.None
		if err := starlark.UnpackArgs(b.Name(), args, kwargs, "name", &name, "default?", &fallback); err != nil {
			return nil, err
		}
		if isSet(env, name) {
			return env[name], nil
		}
		if set {
			env[name] = fallback
		}
		return fallback, nil
	}
}

func (r *render) includeBuiltin(env starlark.StringDict) builtin {
	return func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		if len(args) != 1 {
			return nil, fmt.Errorf("include takes the name of a template, got %d arguments", len(args))
		}
		name, ok := starlark.AsString(args[0])
		if !ok {
			return nil, fmt.Errorf("include takes the name of a template, got %s", args[0].Type())
		}
		inner := maps.Clone(env)
		for _, pair := range kwargs {
			inner[string(pair[0].(starlark.String))] = pair[1]
		}
		r.addBuiltins(inner)
		return starlark.None, r.include(name, inner)
	}
}

// str is Python's str of one value.
func str(_ *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var value starlark.Value = starlark.String("")
	if err := starlark.UnpackPositionalArgs(b.Name(), args, kwargs, 0, &value); err != nil {
		return nil, err
	}
	return starlark.String(toText(value)), nil
}
