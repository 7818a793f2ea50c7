package object

import (
	"math/big"
	"strings"
)

// GetAttr returns v.name.
func GetAttr(t *Thread, v Value, name string) (Value, error) {
	a, err := LookupAttr(t, v, name)
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

// LookupAttr returns nil, nil if there is no such attribute.
func LookupAttr(t *Thread, v Value, name string) (Value, error) {
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
	if m := class.Method(name); m != nil {
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
	return nil, nil
}

// Member returns an attribute of the class itself, nil if there is none.
func (c *Type) Member(name string) Value {
	for b := c; b != nil; b = b.Base {
		if a := b.statics[name]; a != nil {
			return a
		}
	}
	if m := c.Method(name); m != nil {
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

func init() {
	real := func(v Value) Value {
		i, _ := BigInt(v)
		return MakeInt(new(big.Int).Set(i))
	}
	IntType.property = Properties(map[string]func(Value) Value{
		"real": real, "numerator": real,
		"imag":        func(Value) Value { return Int(0) },
		"denominator": func(Value) Value { return Int(1) },
	})
	FloatType.property = Properties(map[string]func(Float) Value{
		"real": func(v Float) Value { return v },
		"imag": func(Float) Value { return Float(0) },
	})
	RangeType.property = Properties(map[string]func(*Range) Value{
		"start": func(r *Range) Value { return Int(r.start) },
		"stop":  func(r *Range) Value { return Int(r.stop) },
		"step":  func(r *Range) Value { return Int(r.step) },
	})
	SliceType.property = Properties(map[string]func(*Slice) Value{
		"start": func(s *Slice) Value { return s.Start },
		"stop":  func(s *Slice) Value { return s.Stop },
		"step":  func(s *Slice) Value { return s.Step },
	})
	BuiltinType.property = func(_ *Thread, v Value, name string) (Value, error) {
		b, ok := v.(*Builtin) // and no function that templates do not get
		if !ok || name != "__name__" && name != "__qualname__" {
			return nil, nil
		}
		return Str(b.Name[strings.LastIndexByte(b.Name, '.')+1:]), nil
	}
	BaseException.property = func(_ *Thread, v Value, name string) (Value, error) {
		e := v.(*Exception)
		if name == "args" {
			return Tuple(e.Args), nil
		}
		return e.Attributes[name], nil
	}
	DictType.property = func(_ *Thread, v Value, name string) (Value, error) {
		d := v.(*Dict)
		if item, ok := d.GetStr(name); ok && d.record {
			return item, nil
		}
		return nil, nil
	}
}

// SetAttr is the error of v.name = …, which no value allows.
func SetAttr(t *Thread, v Value, name string) error {
	a, err := LookupAttr(t, v, name)
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
	return v.Class().Method(name)
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
