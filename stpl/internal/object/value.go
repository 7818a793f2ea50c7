package object

import (
	"math/big"
	"strings"
)

// Value is anything a template can hold.
type Value interface {
	// Class returns the value's type.
	Class() *Type
}

// The simple values. An Int that does not fit 64 bits is a *Big.
type (
	NoneValue struct{}
	Bool      bool
	Int       int64
	Big       struct{ i *big.Int }
	Float     float64
	Str       string // valid UTF-8
	Bytes     string
	Tuple     []Value
)

// List is a mutable sequence.
type List struct{ items []Value }

// Slice is the value of a slice expression, a:b:c; absent parts are None.
type Slice struct{ Start, Stop, Step Value }

// Range is what range() returns.
type Range struct{ start, stop, step int64 }

// Module is an imported module.
type Module struct {
	Name  string
	attrs map[string]Value
}

// None is the one value of its type.
var None Value = NoneValue{}

// constant is the only value of its class.
type constant struct {
	class *Type
	name  string
}

// The constants beside None.
var (
	Ellipsis       Value = &constant{EllipsisType, "Ellipsis"}
	NotImplemented Value = &constant{&Type{Name: "NotImplementedType", Base: ObjectType}, "NotImplemented"}
)

// NewList makes a list that owns items. The caller has charged for them.
func NewList(items []Value) *List { return &List{items: items} }

// NewStr makes a str of what a function returned.
func NewStr(s string, err error) (Value, error) { return Str(s), err }

// Items returns the elements; the caller must not keep or change them.
func (l *List) Items() []Value { return l.items }

// NewModule makes a module with the given members.
func NewModule(name string, attrs map[string]Value) *Module {
	return &Module{Name: name, attrs: attrs}
}

// Member returns a module's member, nil if there is none.
func (m *Module) Member(name string) Value { return m.attrs[name] }

// Public calls f for every member that "import *" binds, in no order, until it
// returns an error.
func (m *Module) Public(f func(name string, v Value) error) error {
	for name, v := range m.attrs {
		if strings.HasPrefix(name, "_") {
			continue
		}
		if err := f(name, v); err != nil {
			return err
		}
	}
	return nil
}

// The types of the values of this package.

func (NoneValue) Class() *Type    { return NoneType }
func (Bool) Class() *Type         { return BoolType }
func (Int) Class() *Type          { return IntType }
func (*Big) Class() *Type         { return IntType }
func (Float) Class() *Type        { return FloatType }
func (Str) Class() *Type          { return StrType }
func (Bytes) Class() *Type        { return BytesType }
func (Tuple) Class() *Type        { return TupleType }
func (c *constant) Class() *Type  { return c.class }
func (*List) Class() *Type        { return ListType }
func (*Slice) Class() *Type       { return SliceType }
func (*Range) Class() *Type       { return RangeType }
func (*Module) Class() *Type      { return ModuleType }
func (*Builtin) Class() *Type     { return BuiltinType }
func (*Type) Class() *Type        { return TypeType }
func (*plainObject) Class() *Type { return ObjectType }
func (e *Exception) Class() *Type { return e.Kind }
func (v *iterValue) Class() *Type { return v.kind }
func (v *dictView) Class() *Type  { return viewTypes[v.kind] }
