package functional

import (
	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

// Functools makes the module functools.
func Functools() native.Members {
	return native.Functions(
		object.NewBuiltin("reduce", "function iterable initial? /", func(t *object.Thread, a []object.Value) (object.Value, error) {
			total := a[2]
			err := object.Each(t, a[1], func(v object.Value) (err error) {
				if total == nil {
					total = v
					return nil
				}
				total, err = object.CallPos(t, a[0], total, v)
				return err
			})
			if err == nil && total == nil {
				err = object.Raise(object.TypeError, "reduce() of empty iterable with no initial value")
			}
			return total, err
		}),
		object.NewBuiltin("partial", "func *args **keywords", func(_ *object.Thread, a []object.Value) (object.Value, error) {
			if !object.IsCallable(a[0]) {
				return nil, object.Raise(object.TypeError, "the first argument must be callable")
			}
			return &partial{a[0], a[1].(object.Tuple), a[2].(*object.Dict)}, nil
		}),
	)
}

// partial is a function with some of its arguments given.
type partial struct {
	f    object.Value
	args object.Tuple
	kw   *object.Dict
}

var partialType = object.NewType("partial", "functools", nil)

// Class implements object.Value.
func (*partial) Class() *object.Type { return partialType }

// Call implements object.Callable.
func (p *partial) Call(t *object.Thread, a *object.Args) (object.Value, error) {
	if err := t.Enter(); err != nil {
		return nil, err
	}
	defer t.Leave()
	if err := t.AllocSlots(len(p.args) + len(a.Pos) + p.kw.Len() + len(a.Kw)); err != nil {
		return nil, err
	}
	all := &object.Args{Pos: append(append([]object.Value{}, p.args...), a.Pos...)}
	given := map[string]bool{}
	for _, kw := range a.Kw {
		given[kw.Name] = true
	}
	for key, v := range p.kw.All {
		if name := string(key.(object.Str)); !given[name] {
			all.Kw = append(all.Kw, object.Keyword{Name: name, Value: v})
		}
	}
	all.Kw = append(all.Kw, a.Kw...)
	return object.Call(t, p.f, all)
}
