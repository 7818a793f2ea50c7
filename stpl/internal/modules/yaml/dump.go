package yaml

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"mdserver/stpl/internal/modules/binary"
	"mdserver/stpl/internal/modules/datetime"
	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/modules/yaml/emitter"
	"mdserver/stpl/internal/number"
	"mdserver/stpl/internal/object"
)

// nodeSize is the memory charged for each node that is written.
const nodeSize = 256

// dumper makes a function that writes one value, or the documents that a
// value iterates over. All but the safe functions write tuples as tuples.
func dumper(all, tuples bool) object.Func {
	return func(t *object.Thread, a []object.Value) (object.Value, error) {
		if !native.IsNone(a[1]) {
			return nil, object.Raise(object.PermissionError, "templates have no files: use the text that yaml.dump returns")
		}
		docs := a[:1]
		if all {
			var err error
			if docs, err = object.ToSlice(t, a[0]); err != nil {
				return nil, err
			}
		}
		options, tuples := a[2:], tuples
		if tuples { // the function has a parameter for the Dumper
			options, tuples = a[3:], !isSafeDumper(a[2])
		}
		o, err := readOptions(options)
		if err != nil {
			return nil, err
		}
		o.tuples = tuples
		text, err := dumpText(t, docs, o)
		if err != nil || o.encoding == "" {
			return object.Str(text), err
		}
		return object.Encode(t, text, o.encoding, "strict")
	}
}

func isSafeDumper(v object.Value) bool {
	c, ok := v.(*object.Type)
	return ok && strings.HasSuffix(c.Name, "SafeDumper")
}

// dumpText returns the text of documents.
func dumpText(t *object.Thread, docs []object.Value, o options) (string, error) {
	e := emitter.New(t, o.Layout)
	for i, v := range docs {
		r := &representer{t: t, o: o, nodes: map[object.Value]*emitter.Node{}}
		n, err := r.node(v)
		if err != nil {
			return "", err
		}
		r.nameAnchors(n)
		if err := e.Document(n, o.start || i > 0); err != nil {
			return "", err
		}
	}
	return e.Finish()
}

// options say how values are written.
type options struct {
	emitter.Layout
	style    byte         // of scalars: 0, ', " or |
	flow     object.Value // true, false, or None: the innermost collections
	start    bool         // the mark of a document is always written
	sort     bool
	tuples   bool
	encoding string
}

func readOptions(a []object.Value) (options, error) {
	o := options{
		Layout:   emitter.Layout{Indent: 2, Width: 80, Unicode: native.Truth(a[5], false), End: native.Truth(a[9], false)},
		encoding: object.Text(a[7]), flow: object.Bool(false), start: native.Truth(a[8], false), sort: native.Truth(a[12], true),
	}
	if a[1] != nil {
		o.flow = a[1]
	}
	for i, name := range map[int]string{2: "canonical", 6: "line_break", 10: "version", 11: "tags"} {
		if !native.IsNone(a[i]) && object.Truthy(a[i]) {
			return o, object.Raise(object.TypeError, "yaml.dump takes no %s in templates", name)
		}
	}
	if style := object.Text(a[0]); style != "" {
		if o.style = style[0]; len(style) > 1 || !strings.Contains(`'"|`, style) {
			return o, object.Raise(object.ValueError, "yaml.dump takes the styles ', \" and | in templates, not %s", object.PlainRepr(a[0]))
		}
	}
	// PyYAML ignores values that make no sense.
	if n := object.IntOr(a[3], 0); n > 1 && n < 10 {
		o.Indent = n
	}
	if f, _ := object.AsFloat(a[4]); f > float64(2*o.Indent) {
		o.Width = int(min(f, math.MaxInt32))
	}
	return o, nil
}

// representer makes nodes of values. A value that is there more than once
// becomes an anchor with aliases.
type representer struct {
	t       *object.Thread
	o       options
	nodes   map[object.Value]*emitter.Node
	anchors int
}

// node represents a value, or refers to the node that already does.
func (r *representer) node(v object.Value) (*emitter.Node, error) {
	if err := r.t.Enter(); err != nil {
		return nil, err
	}
	defer r.t.Leave()
	if err := native.Charge(r.t, nodeSize); err != nil {
		return nil, err
	}
	n := &emitter.Node{}
	if isShared(v) {
		if seen := r.nodes[v]; seen != nil {
			return &emitter.Node{Kind: emitter.Alias, Alias: seen}, nil
		}
		r.nodes[v] = n
	}
	return n, r.fill(n, v)
}

// isShared reports whether a value that comes up again becomes an alias.
func isShared(v object.Value) bool {
	switch v.(type) {
	case *object.List, *object.Dict, *object.Set:
		return true
	}
	return isMoment(v)
}

// isMoment reports a date or a datetime.
func isMoment(v object.Value) bool {
	return v.Class() == datetime.Date || v.Class() == datetime.DateTime
}

func (r *representer) fill(n *emitter.Node, v object.Value) error {
	switch v := v.(type) {
	case *object.List:
		return r.sequence(n, "!!seq", v.Items())
	case object.Tuple:
		if r.o.tuples {
			return r.sequence(n, "!!python/tuple", v)
		}
		return r.sequence(n, "!!seq", v)
	case *object.Dict:
		if v.Subclass() == nil {
			return r.mapping(n, v)
		}
	case *object.Set:
		if v.Class() == object.SetType {
			return r.set(n, v)
		}
	}
	tag, s, err := scalarText(r.t, v)
	if err != nil {
		return err
	}
	n.Tag, n.Text, n.Style, n.Implicit = tag, s, r.o.style, resolve(s) == tag
	if tag == "!!binary" {
		n.Style = '|'
	}
	return native.Charge(r.t, len(s))
}

// scalarText is the text of a value that is no collection, and its tag.
func scalarText(t *object.Thread, v object.Value) (tag, s string, err error) {
	switch v := v.(type) {
	case object.Str:
		return "!!str", string(v), nil
	case object.NoneValue:
		return "!!null", "null", nil
	case object.Bool:
		return "!!bool", fmt.Sprint(bool(v)), nil
	case object.Int, *object.Big:
		s, err = object.ToStr(t, v)
		return "!!int", s, err
	case object.Float:
		return "!!float", floatText(float64(v)), nil
	case object.Bytes:
		return "!!binary", binary.Base64Lines([]byte(v)), t.AllocN(len(v), 4)
	}
	if isMoment(v) {
		s, err = object.ToStr(t, v)
		return "!!timestamp", s, err
	}
	return "", "", object.Raise(errorType, "cannot represent an object of type %s: %s", object.TypeName(v), object.PlainRepr(v))
}

func floatText(f float64) string {
	switch {
	case math.IsNaN(f):
		return ".nan"
	case math.IsInf(f, 1):
		return ".inf"
	case math.IsInf(f, -1):
		return "-.inf"
	}
	s := number.Repr(f)
	if !strings.Contains(s, ".") { // YAML 1.1 wants a point
		s = strings.Replace(s, "e", ".0e", 1)
	}
	return s
}

func (r *representer) sequence(n *emitter.Node, tag string, items []object.Value) error {
	n.Kind, n.Tag, n.Implicit = emitter.Sequence, tag, tag == "!!seq"
	return r.add(n, items...)
}

func (r *representer) mapping(n *emitter.Node, d *object.Dict) error {
	n.Kind, n.Tag, n.Implicit = emitter.Mapping, "!!map", true
	var items []object.Value
	for _, key := range r.sorted(d.Keys()) {
		v, _, err := d.Get(r.t, key)
		if err != nil {
			return err
		}
		items = append(items, key, v)
	}
	return r.add(n, items...)
}

func (r *representer) set(n *emitter.Node, s *object.Set) error {
	n.Kind, n.Tag = emitter.Mapping, "!!set"
	keys, err := object.ToSlice(r.t, s)
	if err != nil {
		return err
	}
	var items []object.Value
	for _, key := range r.sorted(keys) {
		items = append(items, key, object.None)
	}
	return r.add(n, items...)
}

// sorted sorts keys unless their order must be kept or they have none.
func (r *representer) sorted(keys []object.Value) []object.Value {
	if !r.o.sort {
		return keys
	}
	sorted := slices.Clone(keys)
	if err := object.Sort(r.t, sorted, nil, false); err != nil {
		return keys
	}
	return sorted
}

// add fills a collection and chooses its style. If nothing was asked for,
// collections of plain scalars get the flow style.
func (r *representer) add(n *emitter.Node, items ...object.Value) error {
	plain := true
	for _, v := range items {
		item, err := r.node(v)
		if err != nil {
			return err
		}
		n.Items = append(n.Items, item)
		to := item
		if item.Kind == emitter.Alias {
			to = item.Alias
		}
		plain = plain && to.Kind == emitter.Scalar && to.Style == 0
	}
	if n.Flow = plain; r.o.flow != object.None {
		n.Flow = object.Truthy(r.o.flow)
	}
	return nil
}

// nameAnchors names the nodes that aliases refer to, in the order of the first
// aliases.
func (r *representer) nameAnchors(n *emitter.Node) {
	if n.Kind == emitter.Alias && n.Alias.Anchor == "" {
		r.anchors++
		n.Alias.Anchor = fmt.Sprintf("id%03d", r.anchors)
	}
	for _, item := range n.Items {
		r.nameAnchors(item)
	}
}
