// Package json is Python's json.
package json

import (
	"fmt"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/number"
	"mdserver/stpl/internal/object"
)

// Module makes the module json.
func Module() native.Members {
	m := native.Functions(
		native.Func("dumps", "obj * skipkeys? ensure_ascii? check_circular? allow_nan? indent? separators? default? sort_keys?", dumps),
		native.Func("loads", "s * object_hook? parse_float? parse_int? object_pairs_hook?", loads),
	)
	m["JSONDecodeError"] = decodeError
	native.Refuse(m, "json", "use json.dumps and json.loads; templates have no files", "dump", "load")
	return m
}

// dumper writes one value as JSON.
type dumper struct {
	t         *object.Thread
	b         *object.Builder // every Write returns its first error
	ascii     bool
	skipKeys  bool
	nan       bool
	sortKeys  bool
	pretty    bool
	indent    string
	itemSep   string
	keySep    string
	converter object.Value // default=
	inside    []object.Value
}

func dumps(t *object.Thread, a []object.Value) (object.Value, error) {
	d := &dumper{
		t: t, b: object.NewBuilder(t), skipKeys: native.Truth(a[1], false), ascii: native.Truth(a[2], true), nan: native.Truth(a[4], true),
		sortKeys: native.Truth(a[8], false), itemSep: ", ", keySep: ": ",
	}
	if !native.IsNone(a[7]) {
		d.converter = a[7]
	}
	if err := d.setIndent(a[5]); err != nil {
		return nil, err
	}
	if err := d.setSeparators(a[6]); err != nil {
		return nil, err
	}
	if err := d.value(a[0]); err != nil {
		return nil, err
	}
	return object.NewStr(d.b.Text())
}

func (d *dumper) setIndent(v object.Value) error {
	if native.IsNone(v) {
		return nil
	}
	d.pretty, d.itemSep = true, ","
	if s, ok := v.(object.Str); ok {
		d.indent = string(s)
		return nil
	}
	n, err := object.IndexArg(v)
	if err != nil {
		return err
	}
	d.indent, err = d.t.Repeat(" ", n)
	return err
}

func (d *dumper) setSeparators(v object.Value) error {
	if native.IsNone(v) {
		return nil
	}
	pair, err := object.ToSlice(d.t, v)
	if err != nil {
		return err
	}
	if len(pair) != 2 {
		return object.Raise(object.ValueError, "separators must be a pair of strings, not %d items", len(pair))
	}
	if d.itemSep, err = native.Text(pair[0]); err != nil {
		return err
	}
	d.keySep, err = native.Text(pair[1])
	return err
}

func (d *dumper) value(v object.Value) error {
	if err := d.t.Step(1); err != nil {
		return err
	}
	switch x := v.(type) {
	case object.Str:
		return d.str(string(x))
	case *object.Dict:
		return d.nested(v, func() error { return d.dict(x) })
	case *object.List:
		return d.nested(v, func() error { return d.list(x.Items()) })
	case object.TupleLike:
		return d.value(x.Tuple())
	case object.Tuple:
		return d.nested(v, func() error { return d.list(x) })
	}
	if s, ok, err := d.scalar(v); ok || err != nil {
		if err != nil {
			return err
		}
		return d.b.Write(s)
	}
	if d.converter == nil {
		return object.Raise(object.TypeError, "Object of type %s is not JSON serializable", object.TypeName(v))
	}
	return d.nested(v, func() error {
		w, err := object.CallPos(d.t, d.converter, v)
		if err != nil {
			return err
		}
		return d.value(w)
	})
}

// scalar is the text of a constant or a number, which may be a key, too.
func (d *dumper) scalar(v object.Value) (string, bool, error) {
	switch v := v.(type) {
	case object.NoneValue:
		return "null", true, nil
	case object.Bool:
		return strconv.FormatBool(bool(v)), true, nil
	case object.Int, *object.Big:
		s, err := object.ToStr(d.t, v)
		return s, true, err
	case object.Float:
		return d.float(float64(v))
	}
	return "", false, nil
}

func (d *dumper) float(f float64) (string, bool, error) {
	special := ""
	switch {
	case math.IsNaN(f):
		special = "NaN"
	case math.IsInf(f, 1):
		special = "Infinity"
	case math.IsInf(f, -1):
		special = "-Infinity"
	default:
		return number.Repr(f), true, nil
	}
	if !d.nan {
		return "", false, object.Raise(object.ValueError, "Out of range float values are not JSON compliant")
	}
	return special, true, nil
}

// nested guards against values that contain themselves.
func (d *dumper) nested(v object.Value, f func() error) error {
	for _, o := range d.inside {
		if object.Is(o, v) {
			if n, err := object.Len(v); err != nil || n > 0 {
				return object.Raise(object.ValueError, "Circular reference detected")
			}
		}
	}
	if err := d.t.Enter(); err != nil {
		return err
	}
	defer d.t.Leave()
	if err := d.t.Step(len(d.inside)); err != nil {
		return err
	}
	d.inside = append(d.inside, v)
	err := f()
	d.inside = d.inside[:len(d.inside)-1]
	return err
}

// open writes what comes before an item: a bracket or a separator, and the
// beginning of its line in a pretty text.
func (d *dumper) open(mark string, depth int) error {
	if d.pretty {
		margin, err := d.t.Repeat(d.indent, depth)
		if err != nil {
			return err
		}
		mark += "\n" + margin
	}
	return d.b.Write(mark)
}

// end writes the bracket after items.
func (d *dumper) end(mark string) error {
	if err := d.open("", len(d.inside)-1); err != nil {
		return err
	}
	return d.b.Write(mark)
}

func (d *dumper) list(items []object.Value) error {
	if len(items) == 0 {
		return d.b.Write("[]")
	}
	sep := "["
	for _, item := range items {
		if err := d.open(sep, len(d.inside)); err != nil {
			return err
		}
		if err := d.value(item); err != nil {
			return err
		}
		sep = d.itemSep
	}
	return d.end("]")
}

func (d *dumper) dict(m *object.Dict) error {
	keys, err := d.keys(m)
	if err != nil {
		return err
	}
	sep := "{"
	for _, key := range keys {
		name, ok, err := d.key(key)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if err := d.open(sep, len(d.inside)); err != nil {
			return err
		}
		if err := d.member(m, key, name); err != nil {
			return err
		}
		sep = d.itemSep
	}
	if sep == "{" {
		return d.b.Write("{}")
	}
	return d.end("}")
}

func (d *dumper) keys(m *object.Dict) ([]object.Value, error) {
	if err := d.t.AllocSlots(m.Len()); err != nil {
		return nil, err
	}
	keys := m.Keys()
	if !d.sortKeys {
		return keys, nil
	}
	return keys, object.Sort(d.t, keys, nil, false)
}

func (d *dumper) member(m *object.Dict, key object.Value, name string) error {
	if err := d.str(name); err != nil {
		return err
	}
	_ = d.b.Write(d.keySep)
	v, _, err := m.Get(d.t, key)
	if err != nil {
		return err
	}
	return d.value(object.OrNone(v)) // default= may have removed the key
}

// key is the name of a member; ok is false if it must be omitted.
func (d *dumper) key(v object.Value) (name string, ok bool, err error) {
	if s, ok := v.(object.Str); ok {
		return string(s), true, nil
	}
	name, ok, err = d.scalar(v)
	if ok || err != nil || d.skipKeys {
		return name, ok, err
	}
	return "", false, object.Raise(object.TypeError, "keys must be str, int, float, bool or None, not %s", object.TypeName(v))
}

func (d *dumper) str(s string) error {
	if err := native.Charge(d.t, 6*len(s)+2); err != nil {
		return err
	}
	out := append(make([]byte, 0, len(s)+2), '"')
	for _, r := range s {
		out = d.appendRune(out, r)
	}
	return d.b.Write(string(append(out, '"')))
}

var escapes = map[rune]string{
	'"': `\"`, '\\': `\\`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\f': `\f`, '\b': `\b`,
}

func (d *dumper) appendRune(out []byte, r rune) []byte {
	if esc, ok := escapes[r]; ok {
		return append(out, esc...)
	}
	switch high, low := utf16.EncodeRune(r); {
	case r < 0x20 || d.ascii && r >= 0x7f && r < 0x10000:
		return fmt.Appendf(out, `\u%04x`, r)
	case r < utf8.RuneSelf || !d.ascii:
		return utf8.AppendRune(out, r)
	default:
		return fmt.Appendf(out, `\u%04x\u%04x`, high, low)
	}
}
