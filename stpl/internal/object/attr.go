package object

import "math/big"

// GetAttr returns v.name.
func GetAttr(t *Thread, v Value, name string) (Value, error) {
	a, err := lookupAttr(t, v, name)
	if err != nil {
		return nil, err
	}
	if a == nil {
		return nil, noAttr(v, name)
	}
	return a, nil
}

func noAttr(v Value, name string) error {
	switch v := v.(type) {
	case *Module:
		return Raise(AttributeError, "module '%s' has no attribute '%s'", v.Name, name)
	case *Type:
		return Raise(AttributeError, "type object '%s' has no attribute '%s'", v.Name, name)
	}
	return Raise(AttributeError, "'%s' object has no attribute '%s'", TypeName(v), name)
}

// lookupAttr returns nil, nil if there is no such attribute.
func lookupAttr(t *Thread, v Value, name string) (Value, error) {
	switch v := v.(type) {
	case *Module:
		if a := v.attrs[name]; a != nil {
			return a, nil
		}
		if name == "__name__" {
			return Str(v.Name), nil
		}
		return nil, nil
	case *Type:
		return v.Member(name), nil
	}
	class := v.Class()
	if m := class.method(name); m != nil {
		return m.Bind(v), t.AllocSlots(6)
	}
	for c := class; c != nil; c = c.Base {
		if c.property != nil {
			if a, err := c.property(t, v, name); a != nil || err != nil {
				return a, err
			}
		}
		if a := c.statics[name]; a != nil {
			return a, nil
		}
	}
	if name == "__class__" {
		return class, nil
	}
	return builtinProperty(v, name), nil
}

// Member returns an attribute of the class itself, nil if there is none.
func (c *Type) Member(name string) Value {
	for b := c; b != nil; b = b.Base {
		if a := b.statics[name]; a != nil {
			return a
		}
	}
	if m := c.method(name); m != nil {
		return m
	}
	switch name {
	case "__name__", "__qualname__":
		return Str(c.Name)
	case "__module__":
		return Str(c.Module)
	}
	return nil
}

func builtinProperty(v Value, name string) Value {
	switch v := v.(type) {
	case *Dict:
		if item, ok := v.GetStr(name); ok && v.record {
			return item
		}
	case *Exception:
		if name == "args" {
			return Tuple(v.Args)
		}
	case *Builtin:
		if name == "__name__" || name == "__qualname__" {
			return Str(v.Name)
		}
	case *Range:
		switch name {
		case "start":
			return Int(v.start)
		case "stop":
			return Int(v.stop)
		case "step":
			return Int(v.step)
		}
	case *Slice:
		switch name {
		case "start":
			return v.Start
		case "stop":
			return v.Stop
		case "step":
			return v.Step
		}
	case Bool, Int, *Big:
		return intProperty(v, name)
	case Float:
		switch name {
		case "real":
			return v
		case "imag":
			return Float(0)
		}
	}
	return nil
}

func intProperty(v Value, name string) Value {
	switch name {
	case "real", "numerator":
		i, _ := toBig(v)
		return MakeInt(new(big.Int).Set(i))
	case "imag":
		return Int(0)
	case "denominator":
		return Int(1)
	}
	return nil
}

// AttributeSetter is a value of another package whose attributes can be set.
type AttributeSetter interface {
	SetAttr(t *Thread, name string, v Value) error
}

// SetAttr does v.name = value. Only values that say so allow it.
func SetAttr(t *Thread, v Value, name string, value Value) error {
	if s, ok := v.(AttributeSetter); ok {
		return s.SetAttr(t, name, value)
	}
	a, err := lookupAttr(t, v, name)
	if err != nil {
		return err
	}
	if a == nil {
		return noAttr(v, name)
	}
	return Raise(AttributeError, "'%s' object attribute '%s' is read-only", TypeName(v), name)
}

// FindMethod returns the method of v's type, nil if there is none. It wants a
// receiver: see CallOn.
func FindMethod(v Value, name string) *Builtin {
	switch v.(type) {
	case *Module, *Type:
		return nil
	}
	return v.Class().method(name)
}

// CallOn calls a method that FindMethod found, without a bound method in
// between.
func (b *Builtin) CallOn(t *Thread, recv Value, a *Args) (Value, error) {
	return b.invoke(t, recv, a)
}

// CallMethod calls v.name(…).
func CallMethod(t *Thread, v Value, name string, a *Args) (Value, error) {
	if m := FindMethod(v, name); m != nil {
		return m.CallOn(t, v, a)
	}
	f, err := GetAttr(t, v, name)
	if err != nil {
		return nil, err
	}
	return Call(t, f, a)
}
