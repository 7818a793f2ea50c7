// Package builtins has the names that templates know without an import: types,
// exceptions and functions.
package builtins

import (
	"mdserver/stpl/internal/object"
	_ "mdserver/stpl/internal/text" // the methods of str and bytes
)

// Names returns the built-in names with what they stand for. The map is the
// caller's.
func Names() map[string]object.Value {
	m := map[string]object.Value{
		"Ellipsis": object.Ellipsis, "NotImplemented": object.NotImplemented, "EnvironmentError": object.OSError, "IOError": object.OSError,
	}
	for _, c := range []*object.Type{
		object.ObjectType, object.TypeType, object.StrType, object.BytesType, object.IntType, object.FloatType, object.BoolType, object.ListType,
		object.TupleType, object.DictType, object.SetType, object.FrozenSetType, object.RangeType, object.SliceType,
	} {
		m[c.Name] = c
	}
	for _, c := range object.ExceptionTypes() {
		m[c.Name] = c
	}
	for _, group := range [][]*object.Builtin{iterableFunctions(), numberFunctions(), textFunctions(), typeFunctions()} {
		for _, b := range group {
			m[b.Name] = b
		}
	}
	return m
}
