package collections

import (
	"slices"

	"mdserver/stpl/internal/object"
)

// namedTuple is a tuple whose items have names.
type namedTuple struct {
	class  *object.Type
	fields []string
	items  object.Tuple
}

// NamedTuple has the fields of all named tuples as attributes.
var NamedTuple = object.NewType("tuple", "", func(_ *object.Thread, v object.Value, name string) (object.Value, error) {
	n := v.(*namedTuple)
	if i := slices.Index(n.fields, name); i >= 0 {
		return n.items[i], nil
	}
	return nil, nil
}).Extend(object.TupleType)

// tupleMethods are the methods of one class. Their messages have its name.
func tupleMethods() []*object.Builtin {
	return []*object.Builtin{
		object.Method("_asdict", "", func(t *object.Thread, n *namedTuple, _ []object.Value) (object.Value, error) {
			return record(t, n.fields, n.items)
		}),
		object.Method("_replace", "**kwds", func(t *object.Thread, n *namedTuple, a []object.Value) (object.Value, error) {
			if err := t.AllocSlots(len(n.items)); err != nil {
				return nil, err
			}
			changed := &namedTuple{n.class, n.fields, slices.Clone(n.items)}
			var unknown []object.Value
			for key, v := range a[0].(*object.Dict).All {
				if i := slices.Index(n.fields, string(key.(object.Str))); i >= 0 {
					changed.items[i] = v
				} else {
					unknown = append(unknown, key)
				}
			}
			if unknown != nil {
				return nil, object.Raise(object.ValueError, "Got unexpected field names: %s", object.PlainRepr(object.NewList(unknown)))
			}
			return changed, nil
		}),
	}
}

// record is a dict of fields with their values.
func record(t *object.Thread, fields []string, values []object.Value) (*object.Dict, error) {
	d := object.NewDict()
	for i, field := range fields {
		if err := d.Set(t, object.Str(field), values[i]); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// Named makes a class of named tuples, and returns its only value.
func Named(class string, fields []string, items object.Tuple) object.Value {
	return &namedTuple{NewNamedTuple(class, "", fields, nil), fields, items}
}

// NewNamedTuple makes a class of named tuples. Calling it makes one, whose
// last fields may have defaults.
func NewNamedTuple(name, module string, fields []string, defaults []object.Value) *object.Type {
	class := object.NewType(name, module, nil).Extend(NamedTuple)
	for _, m := range tupleMethods() {
		class.Define(m.Python(m.Name))
	}
	signature := ""
	for i, field := range fields {
		signature += field
		if i >= len(fields)-len(defaults) {
			signature += "?"
		}
		signature += " "
	}
	names := make(object.Tuple, len(fields))
	for i, field := range fields {
		names[i] = object.Str(field)
	}
	class.Static("_fields", names).Static("_make", object.NewBuiltin("_make", "iterable", func(t *object.Thread, a []object.Value) (object.Value, error) {
		items, err := object.ToSlice(t, a[0])
		if err == nil && len(items) != len(fields) {
			err = object.Raise(object.TypeError, "Expected %d arguments, got %d", len(fields), len(items))
		}
		return &namedTuple{class, fields, items}, err
	}).Python(name+"._make"))
	return class.Constructor(object.NewBuiltin(name, signature, func(t *object.Thread, a []object.Value) (object.Value, error) {
		if err := t.AllocSlots(len(a)); err != nil {
			return nil, err
		}
		items := make(object.Tuple, len(fields))
		for i := range items {
			if items[i] = a[i]; items[i] == nil {
				items[i] = defaults[i-len(fields)+len(defaults)]
			}
		}
		return &namedTuple{class, fields, items}, nil
	}).Python(name + ".__new__"))
}

// Class and Tuple implement object.Value and object.TupleLike.
func (n *namedTuple) Class() *object.Type { return n.class }
func (n *namedTuple) Tuple() object.Tuple { return n.items }

// Binary implements object.Operand: operators see the plain tuple.
func (n *namedTuple) Binary(t *object.Thread, op object.Op, other object.Value, reflected bool) (object.Value, error) {
	switch {
	case other == nil: // unary
		return nil, nil
	case reflected:
		return object.Binary(t, op, other, n.items)
	}
	return object.Binary(t, op, n.items, other)
}

// Len and Truth implement object.Sized and object.Truth.
func (n *namedTuple) Len() int    { return len(n.items) }
func (n *namedTuple) Truth() bool { return len(n.items) > 0 }

// Index implements object.Indexed.
func (n *namedTuple) Index(t *object.Thread, key object.Value) (object.Value, error) {
	return object.Index(t, n.items, key)
}

// Iterate implements object.Iterable.
func (n *namedTuple) Iterate(t *object.Thread) (object.Iterator, error) {
	return object.Iterate(t, n.items)
}

// ReprParts implements object.Composed.
func (n *namedTuple) ReprParts(t *object.Thread) ([]any, error) {
	if err := t.AllocSlots(4 * len(n.items)); err != nil {
		return nil, err
	}
	parts := []any{n.class.Name + "("}
	for i, field := range n.fields {
		if i > 0 {
			field = ", " + field
		}
		parts = append(parts, field+"=", n.items[i])
	}
	return append(parts, ")"), nil
}
