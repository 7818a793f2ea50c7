package object

import "cmp"

// Args are the arguments of one call.
type Args struct {
	Pos []Value
	Kw  []Keyword
}

// Keyword is one keyword argument.
type Keyword struct {
	Name  string
	Value Value
}

// Callable is a value of another package that can be called.
type Callable interface {
	Value
	Call(t *Thread, a *Args) (Value, error)
}

// Func is the body of a builtin. Its arguments are in the order of the
// builtin's signature, nil for an optional one that was not given; a method's
// receiver comes first.
type Func func(t *Thread, a []Value) (Value, error)

// Builtin is a function written in Go.
type Builtin struct {
	*definition
	recv Value // not nil: bound to this receiver
}

// definition is what a function and the methods bound of it share.
type definition struct {
	Name   string
	sig    signature
	fn     Func
	method *Type  // not nil: a method of this type, wants a receiver
	python string // see Python
}

// NewBuiltin makes a function. The signature lists parameter names separated
// by spaces: "name?" is optional, "/" makes what is before it positional-only,
// "*name" takes the remaining positional arguments as a Tuple, "*" alone makes
// what follows keyword-only, "**name" takes the remaining keywords as a *Dict.
// "name:str" takes only a str; other types are int, size (an int of at most 64 bits),
// float and bytes. After
// "name:none+str" None stands for an argument that was not given.
func NewBuiltin(name, signature string, fn Func) *Builtin {
	return &Builtin{definition: &definition{Name: name, sig: parseSignature(signature), fn: fn}}
}

// Python makes b's messages about wrong arguments those of a function that is written
// in Python and has this name. If the name is not b's, the function is a method, whose
// receiver Python counts as an argument.
func (b *Builtin) Python(name string) *Builtin {
	b.python = name
	return b
}

// Method makes a method of the values of one Go type. Its body gets the receiver
// apart from the arguments.
func Method[T Value](name, signature string, fn func(t *Thread, self T, a []Value) (Value, error)) *Builtin {
	return NewBuiltin(name, signature, func(t *Thread, a []Value) (Value, error) { return fn(t, a[0].(T), a[1:]) })
}

// Call calls any callable value.
func Call(t *Thread, f Value, a *Args) (Value, error) {
	switch f := f.(type) {
	case Callable:
		return f.Call(t, a)
	}
	return nil, Raise(TypeError, "'%s' object is not callable", TypeName(f))
}

// CallPos calls f with positional arguments.
func CallPos(t *Thread, f Value, pos ...Value) (Value, error) {
	return Call(t, f, &Args{Pos: pos})
}

// IsCallable reports whether v can be called.
func IsCallable(v Value) bool {
	if c, ok := v.(*Type); ok {
		return c.construct != nil || c.exception
	}
	_, ok := v.(Callable)
	return ok
}

// Call calls the builtin.
func (b *Builtin) Call(t *Thread, a *Args) (Value, error) {
	if b.method == nil {
		return b.invoke(t, nil, a)
	}
	if b.recv != nil {
		return b.invoke(t, b.recv, a)
	}
	if len(a.Pos) == 0 {
		return nil, Raise(TypeError, "unbound method %s.%s() needs an argument", b.method.Name, b.Name)
	}
	if !a.Pos[0].Class().IsSubclass(b.method) {
		return nil, Raise(TypeError, "descriptor '%s' for '%s' objects doesn't apply to a '%s' object",
			b.Name, b.method.Name, TypeName(a.Pos[0]))
	}
	return b.invoke(t, a.Pos[0], &Args{Pos: a.Pos[1:], Kw: a.Kw})
}

// Call makes an instance of the type.
func (c *Type) Call(t *Thread, a *Args) (Value, error) {
	if c.construct != nil {
		return c.construct.Call(t, a)
	}
	if c.exception {
		if len(a.Kw) > 0 {
			return nil, Raise(TypeError, "%s() takes no keyword arguments", c.Name)
		}
		if err := t.AllocSlots(8 + len(a.Pos)); err != nil {
			return nil, err
		}
		return &Exception{Kind: c, Args: append([]Value(nil), a.Pos...)}, nil
	}
	return nil, Raise(TypeError, "cannot create '%s' instances", c.qualified())
}

// callSize is charged for every call of a builtin: the small value that most
// of them return, such as a range or an iterator.
const callSize = 48

// invoke binds the arguments to the signature and runs the body.
func (b *Builtin) invoke(t *Thread, recv Value, a *Args) (Value, error) {
	if err := t.Step(1); err != nil {
		return nil, err
	}
	if err := t.Alloc(callSize); err != nil {
		return nil, err
	}
	s := &b.sig
	if recv == nil && len(a.Kw) == 0 && len(a.Pos) == len(s.params) && s.pos == len(s.params) && !s.star && !s.starStar {
		if s.typed {
			if err := b.checkTypes(a.Pos); err != nil {
				return nil, err
			}
		}
		return b.fn(t, a.Pos)
	}
	args := t.Values(len(s.params) + 3)[:0] // the receiver, *args, **kwargs
	if recv != nil {
		args = append(args, recv)
	}
	base := len(args)
	for range s.params {
		args = append(args, nil)
	}
	args, err := b.bind(t, args, base, a)
	if err != nil {
		return nil, err
	}
	return b.fn(t, args)
}

func (b *Builtin) bind(t *Thread, args []Value, base int, a *Args) ([]Value, error) {
	s := &b.sig
	if err := b.checkArity(len(a.Pos), len(a.Kw)); err != nil {
		return nil, err
	}
	if more := len(a.Pos) - s.pos; more > 0 {
		if err := t.Charge(16*more, more); err != nil {
			return nil, err
		}
	}
	n := copy(args[base:base+s.pos], a.Pos)
	var rest *Dict
	if s.starStar {
		rest = NewDict()
	}
	for _, kw := range a.Kw {
		if err := b.bindKeyword(t, args[base:], rest, kw); err != nil {
			return nil, err
		}
	}
	if err := b.checkGiven(len(a.Pos), args[base:]); err != nil {
		return nil, err
	}
	if s.typed {
		if err := b.checkTypes(args[base:]); err != nil {
			return nil, err
		}
	}
	if s.star {
		args = append(args, Tuple(append([]Value(nil), a.Pos[n:]...)))
	}
	if s.starStar {
		args = append(args, rest)
	}
	return args, nil
}

func (b *Builtin) bindKeyword(t *Thread, args []Value, rest *Dict, kw Keyword) error {
	for i, p := range b.sig.params {
		if p.name != kw.Name || i < b.sig.posOnly {
			continue
		}
		if args[i] != nil {
			return Raise(TypeError, "%s() got multiple values for argument '%s'", cmp.Or(b.python, b.Name), kw.Name)
		}
		args[i] = kw.Value
		return nil
	}
	switch {
	case rest != nil:
		return rest.Set(t, Str(kw.Name), kw.Value)
	case b.python != "":
		return Raise(TypeError, "%s() got an unexpected keyword argument '%s'", b.python, kw.Name)
	}
	return Raise(TypeError, "'%s' is an invalid keyword argument for %s()", kw.Name, b.Name)
}

func (b *Builtin) qualified() string {
	if b.method != nil {
		return b.method.Name + "." + b.Name
	}
	return b.Name
}

// Bind returns the method bound to a receiver.
func (b *Builtin) Bind(recv Value) *Builtin {
	return &Builtin{b.definition, recv}
}
