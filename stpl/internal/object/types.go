package object

// Type is a class: str, KeyError, datetime. Types are fixed before any
// template runs and never change.
type Type struct {
	Name string
	Base *Type
	// Module prefixes the name in repr, as in datetime.timedelta.
	Module string

	methods   map[string]*Builtin
	statics   map[string]Value // members of the class itself, as dict.fromkeys
	property  Property
	construct *Builtin
	exception bool
}

// The types of the language itself.
var (
	ObjectType    = &Type{Name: "object"}
	TypeType      = &Type{Name: "type", Base: ObjectType}
	NoneType      = &Type{Name: "NoneType", Base: ObjectType}
	IntType       = &Type{Name: "int", Base: ObjectType}
	BoolType      = &Type{Name: "bool", Base: IntType}
	FloatType     = &Type{Name: "float", Base: ObjectType}
	StrType       = &Type{Name: "str", Base: ObjectType}
	BytesType     = &Type{Name: "bytes", Base: ObjectType}
	TupleType     = &Type{Name: "tuple", Base: ObjectType}
	ListType      = &Type{Name: "list", Base: ObjectType}
	DictType      = &Type{Name: "dict", Base: ObjectType}
	SetType       = &Type{Name: "set", Base: ObjectType}
	FrozenSetType = &Type{Name: "frozenset", Base: ObjectType}
	RangeType     = &Type{Name: "range", Base: ObjectType}
	SliceType     = &Type{Name: "slice", Base: ObjectType}
	EllipsisType  = &Type{Name: "ellipsis", Base: ObjectType}
	ModuleType    = &Type{Name: "module", Base: ObjectType}
	FunctionType  = &Type{Name: "function", Base: ObjectType}
	BuiltinType   = &Type{Name: "builtin_function_or_method", Base: ObjectType}
)

// Property finds an attribute of a value; it returns nil for a name that it does
// not know.
type Property = func(t *Thread, v Value, name string) (Value, error)

// Properties makes a Property of a table with a function for each name.
func Properties[T Value](table map[string]func(T) Value) Property {
	return func(_ *Thread, v Value, name string) (Value, error) {
		if get := table[name]; get != nil {
			return get(v.(T)), nil
		}
		return nil, nil
	}
}

// NewType makes a type for a module's own values. Property may be nil.
func NewType(name, module string, property Property) *Type {
	return &Type{Name: name, Module: module, Base: ObjectType, property: property}
}

// Define adds methods. It must be called before any template runs.
func (c *Type) Define(methods ...*Builtin) *Type {
	if c.methods == nil {
		c.methods = map[string]*Builtin{}
	}
	for _, m := range methods {
		m.method = c
		if m.python == m.Name {
			m.python = m.qualified()
		}
		c.methods[m.Name] = m
	}
	return c
}

// Constructor sets what calling the type does.
func (c *Type) Constructor(b *Builtin) *Type {
	if b.python == b.Name {
		b.python += ".__init__"
	}
	c.construct = b
	return c
}

// Static adds a member of the class itself.
func (c *Type) Static(name string, v Value) *Type {
	if c.statics == nil {
		c.statics = map[string]Value{}
	}
	c.statics[name] = v
	return c
}

// Extend makes base the type's base.
func (c *Type) Extend(base *Type) *Type {
	c.Base = base
	return c
}

// IsSubclass reports whether c is other or derives from it.
func (c *Type) IsSubclass(other *Type) bool {
	for ; c != nil; c = c.Base {
		if c == other {
			return true
		}
	}
	return false
}

// IsException reports whether the type is an exception type.
func (c *Type) IsException() bool { return c.exception }

// Method returns the unbound method of a name, nil if there is none.
func (c *Type) Method(name string) *Builtin {
	for ; c != nil; c = c.Base {
		if m := c.methods[name]; m != nil {
			return m
		}
	}
	return nil
}

func (c *Type) qualified() string {
	if c.Module != "" {
		return c.Module + "." + c.Name
	}
	return c.Name
}

// TypeName returns the name of a value's type, for messages.
func TypeName(v Value) string { return v.Class().Name }

// parameterized is what an annotation like list[int] makes of a type: here the
// type itself.
func (t *Type) parameterized() (Value, error) {
	switch t.Name {
	case "list", "dict", "tuple", "set", "frozenset", "type", "enumerate":
		return t, nil
	}
	return nil, Raise(TypeError, "type '%s' is not subscriptable", t.Name)
}

// IsInstance reports whether class c is one of the classes in spec, a type or
// a tuple of types.
func IsInstance(t *Thread, c *Type, spec Value, function string) (bool, error) {
	switch s := spec.(type) {
	case *Type:
		return c.IsSubclass(s), nil
	case Tuple:
		if err := t.Enter(); err != nil {
			return false, err
		}
		defer t.Leave()
		for _, item := range s {
			if err := t.Step(1); err != nil {
				return false, err
			}
			if ok, err := IsInstance(t, c, item, function); ok || err != nil {
				return ok, err
			}
		}
		return false, nil
	}
	return false, Raise(TypeError, "%s() arg 2 must be a type, a tuple of types, or a union", function)
}
