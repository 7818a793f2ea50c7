package modules

import (
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strings"

	"mdserver/stpl/internal/object"
)

// yamlNodeSize is the memory charged for each node that is written.
const yamlNodeSize = 256

// yamlDump makes a function that writes one value, or the documents that a
// value iterates over. All but the safe functions write tuples as tuples.
func yamlDump(all, tuples bool) object.Func {
	return func(t *object.Thread, a []object.Value) (object.Value, error) {
		if !isNone(a[1]) {
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
		o, err := readYAMLOptions(options)
		if err != nil {
			return nil, err
		}
		o.tuples = tuples
		text, err := dumpYAML(t, docs, o)
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

// dumpYAML returns the text of documents.
func dumpYAML(t *object.Thread, docs []object.Value, o yamlOptions) (string, error) {
	e := &yamlEmitter{t: t, o: o, whitespace: true, indention: true}
	for i, v := range docs {
		r := &yamlRepresenter{t: t, o: o, nodes: map[object.Value]*yamlNode{}}
		n, err := r.node(v)
		if err != nil {
			return "", err
		}
		r.nameAnchors(n)
		if err := e.document(n, o.start || i > 0); err != nil {
			return "", err
		}
	}
	e.finish()
	return e.b.String(), e.err
}

// yamlOptions say how values are written.
type yamlOptions struct {
	style         byte         // of scalars: 0, ', " or |
	flow          object.Value // true, false, or None: the innermost collections
	indent, width int
	unicode       bool
	start, end    bool // the marks of documents are always written
	sort          bool
	tuples        bool
	encoding      string
}

func readYAMLOptions(a []object.Value) (o yamlOptions, err error) {
	o = yamlOptions{
		flow: object.Bool(false), indent: 2, width: 80,
		unicode: truth(a[5], false), start: truth(a[8], false), end: truth(a[9], false), sort: truth(a[12], true),
	}
	if a[1] != nil {
		o.flow = a[1]
	}
	for i, name := range map[int]string{2: "canonical", 6: "line_break", 10: "version", 11: "tags"} {
		if !isNone(a[i]) && object.Truthy(a[i]) {
			return o, object.Raise(object.TypeError, "yaml.dump takes no %s in templates", name)
		}
	}
	style := ""
	for v, to := range map[object.Value]*string{a[0]: &style, a[7]: &o.encoding} {
		if !isNone(v) {
			if *to, err = text(v); err != nil {
				return o, err
			}
		}
	}
	if style != "" {
		if o.style = style[0]; len(style) > 1 || !strings.Contains(`'"|`, style) {
			return o, object.Raise(object.ValueError, "yaml.dump takes the styles ', \" and | in templates, not %s", plain(a[0]))
		}
	}
	return o, o.setWidth(a[3], a[4])
}

// setWidth reads indent and width. PyYAML passes over values that make no sense.
func (o *yamlOptions) setWidth(indent, width object.Value) error {
	if !isNone(indent) {
		n, err := object.IndexArg(indent)
		if err != nil {
			return err
		}
		if n > 1 && n < 10 {
			o.indent = n
		}
	}
	if !isNone(width) {
		f, err := number(width)
		if err != nil {
			return err
		}
		if f > float64(2*o.indent) {
			o.width = int(min(f, math.MaxInt32))
		}
	}
	return nil
}

// yamlNode is a value that is to be written.
type yamlNode struct {
	kind     yamlKind
	tag      string // as !!str
	implicit bool   // the tag is what the text or the kind says
	text     string
	style    byte // 0, ', " or |
	flow     bool
	items    []*yamlNode // of a mapping: keys and values
	anchor   string
	alias    *yamlNode
}

type yamlKind int

const (
	yamlScalarNode yamlKind = iota
	yamlSequence
	yamlMapping
	yamlAlias
)

// yamlRepresenter makes nodes of values. A value that is there more than once
// becomes an anchor with aliases.
type yamlRepresenter struct {
	t       *object.Thread
	o       yamlOptions
	nodes   map[object.Value]*yamlNode
	anchors int
}

// node represents a value, or refers to the node that already does.
func (r *yamlRepresenter) node(v object.Value) (*yamlNode, error) {
	if err := r.t.Enter(); err != nil {
		return nil, err
	}
	defer r.t.Leave()
	if err := charge(r.t, yamlNodeSize); err != nil {
		return nil, err
	}
	n := &yamlNode{}
	if isShared(v) {
		if seen := r.nodes[v]; seen != nil {
			return &yamlNode{kind: yamlAlias, alias: seen}, nil
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
	return v.Class() == dateType || v.Class() == datetimeType
}

func (r *yamlRepresenter) fill(n *yamlNode, v object.Value) error {
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
	tag, s, err := yamlScalarText(r.t, v)
	if err != nil {
		return err
	}
	n.tag, n.text, n.style, n.implicit = tag, s, r.o.style, resolveYAML(s) == tag
	if tag == "!!binary" {
		n.style = '|'
	}
	return charge(r.t, len(s))
}

// yamlScalarText is the text of a value that is no collection, and its tag.
func yamlScalarText(t *object.Thread, v object.Value) (tag, s string, err error) {
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
		return "!!float", yamlFloatText(float64(v)), nil
	case object.Bytes:
		return "!!binary", yamlBase64(string(v)), t.AllocN(len(v), 4)
	}
	if isMoment(v) {
		s, err = object.ToStr(t, v)
		return "!!timestamp", s, err
	}
	return "", "", object.Raise(yamlError, "cannot represent an object of type %s: %s", object.TypeName(v), plain(v))
}

func yamlFloatText(f float64) string {
	switch {
	case math.IsNaN(f):
		return ".nan"
	case math.IsInf(f, 1):
		return ".inf"
	case math.IsInf(f, -1):
		return "-.inf"
	}
	s := object.FloatRepr(f)
	if !strings.Contains(s, ".") { // YAML 1.1 wants a point
		s = strings.Replace(s, "e", ".0e", 1)
	}
	return s
}

// yamlBase64 has lines of 76 characters.
func yamlBase64(s string) string {
	var b strings.Builder
	for line := range slices.Chunk([]byte(base64.StdEncoding.EncodeToString([]byte(s))), 76) {
		b.Write(line)
		b.WriteByte('\n')
	}
	return b.String()
}

func (r *yamlRepresenter) sequence(n *yamlNode, tag string, items []object.Value) error {
	n.kind, n.tag, n.implicit = yamlSequence, tag, tag == "!!seq"
	return r.add(n, items...)
}

func (r *yamlRepresenter) mapping(n *yamlNode, d *object.Dict) error {
	n.kind, n.tag, n.implicit = yamlMapping, "!!map", true
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

func (r *yamlRepresenter) set(n *yamlNode, s *object.Set) error {
	n.kind, n.tag = yamlMapping, "!!set"
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

// sorted sorts keys unless their order is to be kept or they have none.
func (r *yamlRepresenter) sorted(keys []object.Value) []object.Value {
	if !r.o.sort {
		return keys
	}
	l := object.NewList(slices.Clone(keys))
	if _, err := object.CallMethod(r.t, l, "sort", &object.Args{}); err != nil {
		return keys
	}
	return l.Items()
}

// add fills a collection and chooses its style. If nothing was asked for,
// collections of plain scalars get the flow style.
func (r *yamlRepresenter) add(n *yamlNode, items ...object.Value) error {
	plain := true
	for _, v := range items {
		item, err := r.node(v)
		if err != nil {
			return err
		}
		n.items = append(n.items, item)
		to := item
		if item.kind == yamlAlias {
			to = item.alias
		}
		plain = plain && to.kind == yamlScalarNode && to.style == 0
	}
	if n.flow = plain; r.o.flow != object.None {
		n.flow = object.Truthy(r.o.flow)
	}
	return nil
}

// nameAnchors names the nodes that aliases refer to, in the order of the first
// aliases.
func (r *yamlRepresenter) nameAnchors(n *yamlNode) {
	if n.kind == yamlAlias && n.alias.anchor == "" {
		r.anchors++
		n.alias.anchor = fmt.Sprintf("id%03d", r.anchors)
	}
	for _, item := range n.items {
		r.nameAnchors(item)
	}
}
