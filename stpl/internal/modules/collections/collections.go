// Package collections is Python's collections and copy.
package collections

import (
	"fmt"
	"strings"

	"mdserver/stpl/internal/character"
	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

// Module makes the module collections.
func Module() native.Members {
	m := native.Functions(native.Func("namedtuple", "typename:str field_names * rename? defaults? module?", makeNamedTuple))
	m["OrderedDict"], m["defaultdict"], m["Counter"], m["deque"] = orderedDict.Class, defaultDictType, counter.Class, dequeType
	native.Refuse(m, "collections", "templates do not define classes; merge dicts by {**a, **b}", "ChainMap", "UserDict", "UserList", "UserString")
	return m
}

// maxFields bounds the fields of a named tuple.
const maxFields = 255

func makeNamedTuple(t *object.Thread, a []object.Value) (object.Value, error) {
	name, names := object.Text(a[0]), a[1]
	var err error
	if s, ok := names.(object.Str); ok {
		if names, err = object.CallMethod(t, object.Str(strings.ReplaceAll(string(s), ",", " ")), "split", &object.Args{}); err != nil {
			return nil, err
		}
	}
	rename, seen := object.Flag(a[2]), map[string]bool{}
	var fields []string
	if err := object.Each(t, names, func(v object.Value) error {
		field, err := fieldName(v, rename)
		switch {
		case err != nil:
			return err
		case len(fields) == maxFields:
			return object.Raise(object.ValueError, "templates make named tuples of at most %d fields", maxFields)
		case seen[field] && !rename:
			return object.Raise(object.ValueError, "Encountered duplicate field name: %s", object.PlainRepr(v))
		case seen[field] || field == "":
			field = fmt.Sprintf("_%d", len(fields))
		}
		seen[field] = true
		fields = append(fields, field)
		return t.Alloc(64 + 4*len(field))
	}); err != nil {
		return nil, err
	}
	if err := validName(name); err != nil {
		return nil, err
	}
	var defaults []object.Value
	if !native.IsNone(a[3]) {
		if defaults, err = object.ToSlice(t, a[3]); err != nil {
			return nil, err
		}
	}
	if len(defaults) > len(fields) {
		return nil, object.Raise(object.TypeError, "Got more default values than field names")
	}
	if err := t.Charge(2048+2*len(name), len(name)); err != nil {
		return nil, err
	}
	shown, err := record(t, fields[len(fields)-len(defaults):], defaults)
	return NewNamedTuple(name, "", fields, defaults).Static("_field_defaults", shown), err
}

// fieldName returns the name of a field, empty for an invalid one if rename is set.
func fieldName(v object.Value, rename bool) (string, error) {
	field, err := native.Text(v)
	if err != nil {
		return "", err
	}
	err = validName(field)
	if err == nil && strings.HasPrefix(field, "_") {
		err = object.Raise(object.ValueError, "Field names cannot start with an underscore: %s", object.PlainRepr(v))
	}
	if err != nil && rename {
		return "", nil
	}
	return field, err
}

func validName(name string) error {
	switch {
	case !character.IsIdentifier(name):
		return object.Raise(object.ValueError, "Type names and field names must be valid identifiers: %s", object.PlainRepr(object.Str(name)))
	case character.IsKeyword(name):
		return object.Raise(object.ValueError, "Type names and field names cannot be a keyword: %s", object.PlainRepr(object.Str(name)))
	}
	return nil
}

// dictType makes a subclass of dict, whose constructor fills a new dict.
func dictType(name string, made func() *object.Subclass) *object.Type {
	return object.NewType(name, "collections", nil).Extend(object.DictType).Constructor(
		native.Func(name, "*args **kwds", func(t *object.Thread, a []object.Value) (object.Value, error) {
			d := object.NewDictOfClass(made())
			_, err := object.CallMethod(t, d, "update", &object.Args{Pos: a[0].(object.Tuple), Kw: keywords(a[1].(*object.Dict))})
			return d, err
		}))
}

func keywords(d *object.Dict) []object.Keyword {
	var out []object.Keyword
	for key, v := range d.All {
		out = append(out, object.Keyword{Name: string(key.(object.Str)), Value: v})
	}
	return out
}

// The subclasses of dict that need nothing of their own for each dict.
var orderedDict, counter object.Subclass

var defaultDictType = object.NewType("defaultdict", "collections", func(_ *object.Thread, v object.Value, name string) (object.Value, error) {
	if name != "default_factory" {
		return nil, nil
	}
	return v.(*object.Dict).Subclass().Default, nil
}).Extend(object.DictType)

func init() {
	orderedDict = object.Subclass{Class: dictType("OrderedDict", func() *object.Subclass { return &orderedDict }), ReprParts: orderedParts}
	orderedDict.Class.Define(
		object.Method("move_to_end", "key last?", moveToEnd),
		object.Method("popitem", "last?", func(t *object.Thread, d *object.Dict, a []object.Value) (object.Value, error) {
			if d.Len() == 0 {
				return nil, object.RaiseValue(object.KeyError, object.Str("dictionary is empty"))
			}
			if err := t.AllocSlots(d.Len()); err != nil {
				return nil, err
			}
			keys := d.Keys()
			key := keys[len(keys)-1]
			if !native.Truth(a[0], true) {
				key = keys[0]
			}
			v, _, err := d.Delete(t, key)
			return object.Tuple{key, v}, err
		}),
	)
	defaultDictType.Constructor(object.NewBuiltin("defaultdict", "*args **kwds", newDefaultDict))
	counter = object.Subclass{
		Class:     dictType("Counter", func() *object.Subclass { return &counter }),
		Missing:   func(*object.Thread, *object.Dict, object.Value) (object.Value, error) { return object.Int(0), nil },
		ReprParts: counterParts,
		Binary:    counterBinary,
	}
	for _, m := range counterMethods() {
		counter.Class.Define(m.Python(m.Name))
	}
}

func orderedParts(t *object.Thread, d *object.Dict) ([]any, error) {
	if d.Len() == 0 {
		return []any{"OrderedDict()"}, nil
	}
	items, err := pairs(t, d)
	return []any{"OrderedDict(", object.NewList(items), ")"}, err
}

// pairs are the items of a dict.
func pairs(t *object.Thread, d *object.Dict) ([]object.Value, error) {
	if err := t.AllocSlots(4 * d.Len()); err != nil {
		return nil, err
	}
	items := make([]object.Value, 0, d.Len())
	for key, v := range d.All {
		items = append(items, object.Tuple{key, v})
	}
	return items, t.Work(d.Len())
}

func moveToEnd(t *object.Thread, d *object.Dict, a []object.Value) (object.Value, error) {
	v, ok, err := d.Delete(t, a[0])
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, object.RaiseValue(object.KeyError, a[0])
	}
	if native.Truth(a[1], true) {
		return object.None, d.Set(t, a[0], v)
	}
	rest, err := d.Copy(t)
	if err != nil {
		return nil, err
	}
	d.Clear()
	if err := d.Set(t, a[0], v); err != nil {
		return nil, err
	}
	return object.None, d.Update(t, rest)
}

func newDefaultDict(t *object.Thread, a []object.Value) (object.Value, error) {
	args := a[0].(object.Tuple)
	var factory object.Value = object.None
	if len(args) > 0 {
		factory, args = args[0], args[1:]
	}
	if factory != object.None && !object.IsCallable(factory) {
		return nil, object.Raise(object.TypeError, "first argument must be callable or None")
	}
	d := object.NewDictOfClass(&object.Subclass{Class: defaultDictType, Default: factory, Missing: makeDefault, ReprParts: defaultParts})
	if err := t.Alloc(128); err != nil {
		return nil, err
	}
	_, err := object.CallMethod(t, d, "update", &object.Args{Pos: args, Kw: keywords(a[1].(*object.Dict))})
	return d, err
}

func makeDefault(t *object.Thread, d *object.Dict, key object.Value) (object.Value, error) {
	factory := d.Subclass().Default
	if factory == object.None {
		return nil, object.RaiseValue(object.KeyError, key)
	}
	v, err := object.CallPos(t, factory)
	if err != nil {
		return nil, err
	}
	return v, d.Set(t, key, v)
}

func defaultParts(t *object.Thread, d *object.Dict) ([]any, error) {
	shown := object.NewDict()
	err := shown.Update(t, d)
	return []any{"defaultdict(", d.Subclass().Default, ", ", shown, ")"}, err
}
