package yaml

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"mdserver/stpl/internal/object"
)

const (
	// maxText is the longest text in bytes that is read. The library cannot be
	// interrupted while it parses.
	maxText = 256 << 10
	// perByte is the memory charged for each byte of a text: "[a,a]" has a
	// node for every other byte.
	perByte = 64
)

func load(t *object.Thread, a []object.Value) (object.Value, error) {
	docs, err := documentsOf(t, a[0])
	switch {
	case err != nil:
		return nil, err
	case len(docs) == 0:
		return object.None, nil
	case len(docs) > 1:
		return nil, object.Raise(errorType, "expected a single document in the stream, but found another document in line %d", docs[1].Line)
	}
	return newConstructor(t).value(docs[0])
}

func loadAll(t *object.Thread, a []object.Value) (object.Value, error) {
	docs, err := documentsOf(t, a[0])
	if err != nil {
		return nil, err
	}
	return object.NewGenerator(object.IterFunc(func(t *object.Thread) (object.Value, error) {
		if len(docs) == 0 {
			return nil, nil
		}
		doc := docs[0]
		docs = docs[1:]
		return newConstructor(t).value(doc)
	})), nil
}

// documentsOf parses the documents of a text.
func documentsOf(t *object.Thread, v object.Value) ([]*yaml.Node, error) {
	source, err := readSource(t, v)
	if err != nil {
		return nil, err
	}
	if len(source) > maxText {
		return nil, object.Raise(errorType, "the YAML text has %d bytes, templates read at most %d", len(source), maxText)
	}
	if err := t.Charge(perByte*len(source), 16*len(source)); err != nil {
		return nil, err
	}
	docs, err := parseYAML(source)
	if err != nil {
		return nil, object.Raise(errorType, "%s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	return docs, nil
}

func readSource(t *object.Thread, v object.Value) (string, error) {
	switch v := v.(type) {
	case object.Str:
		return string(v), nil
	case object.Bytes:
		return object.DecodeUTF8(t, v)
	}
	return "", object.Raise(object.TypeError, "yaml loads str or bytes, not %s", object.TypeName(v))
}

// parseYAML returns the root node of each document. A fault of the library ends
// in an error, too: the text may come from a guest's metadata.
func parseYAML(source string) (docs []*yaml.Node, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("the text cannot be parsed: %v", fault)
		}
	}()
	decoder := yaml.NewDecoder(strings.NewReader(source))
	for {
		doc := &yaml.Node{}
		if err := decoder.Decode(doc); errors.Is(err, io.EOF) {
			return docs, nil
		} else if err != nil {
			return nil, err
		}
		if doc.Kind == yaml.DocumentNode {
			doc = doc.Content[0]
		}
		docs = append(docs, doc)
	}
}

// named returns the node that an alias names, or else the node itself.
func named(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// constructor makes values of the nodes of one document. Nodes that several
// aliases name become one value.
type constructor struct {
	t      *object.Thread
	values map[*yaml.Node]object.Value
	pairs  map[*yaml.Node][]*yaml.Node // keys and values with merged ones
	// anchors are those seen so far: two of a name are an error in PyYAML.
	anchors map[string]bool
}

func newConstructor(t *object.Thread) *constructor {
	return &constructor{t, map[*yaml.Node]object.Value{}, map[*yaml.Node][]*yaml.Node{}, map[string]bool{}}
}

// fail makes the error of a node.
func (c *constructor) fail(n *yaml.Node, format string, args ...any) error {
	return object.Raise(errorType, "line %d, column %d: %s", n.Line, n.Column, fmt.Sprintf(format, args...))
}

func (c *constructor) value(n *yaml.Node) (object.Value, error) {
	n = named(n)
	if v, ok := c.values[n]; ok {
		return v, nil
	}
	if err := c.t.Enter(); err != nil {
		return nil, err
	}
	defer c.t.Leave()
	if err := c.t.Step(1); err != nil {
		return nil, err
	}
	if n.Anchor != "" {
		if c.anchors[n.Anchor] {
			return nil, c.fail(n, "found duplicate anchor '%s'", n.Anchor)
		}
		c.anchors[n.Anchor] = true
	}
	tag := tagOf(n)
	switch tag {
	case "!!map", "!!set":
		return c.mapping(n, tag)
	case "!!seq":
		return c.sequence(n)
	case "!!omap", "!!pairs":
		return c.pairList(n)
	}
	if !scalarTags[tag] {
		return nil, c.fail(n, "could not determine a constructor for the tag %s", tag)
	}
	if n.Kind != yaml.ScalarNode {
		return nil, c.fail(n, "expected a scalar node")
	}
	v, err := c.scalar(tag, n.Value)
	if err == nil {
		c.values[n] = v
	}
	return v, err
}

func (c *constructor) sequence(n *yaml.Node) (object.Value, error) {
	if n.Kind != yaml.SequenceNode {
		return nil, c.fail(n, "expected a sequence node")
	}
	l := object.NewList(nil)
	c.values[n] = l
	for _, item := range n.Content {
		v, err := c.value(item)
		if err != nil {
			return nil, err
		}
		if err := l.Append(c.t, v); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// pairList makes the list of tuples of !!omap and !!pairs.
func (c *constructor) pairList(n *yaml.Node) (object.Value, error) {
	l := object.NewList(nil)
	c.values[n] = l
	for _, item := range n.Content {
		if item.Kind != yaml.MappingNode || len(item.Content) != 2 {
			return nil, c.fail(item, "expected a mapping of one item")
		}
		key, err := c.value(item.Content[0])
		if err != nil {
			return nil, err
		}
		v, err := c.value(item.Content[1])
		if err != nil {
			return nil, err
		}
		if err := l.Append(c.t, object.Tuple{key, v}); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func (c *constructor) mapping(n *yaml.Node, tag string) (object.Value, error) {
	if n.Kind != yaml.MappingNode {
		return nil, c.fail(n, "expected a mapping node")
	}
	d, set := object.NewDict(), object.NewSet()
	add := d.Set
	if c.values[n] = d; tag == "!!set" {
		c.values[n] = set
		add = func(t *object.Thread, key, _ object.Value) error { return set.Add(t, key) }
	}
	pairs, err := c.flatten(n)
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(pairs); i += 2 {
		key, err := c.value(pairs[i])
		if err != nil {
			return nil, err
		}
		v, err := c.value(pairs[i+1])
		if err != nil {
			return nil, err
		}
		err = add(c.t, key, v)
		if e, ok := errors.AsType[*object.Exception](err); ok && e.Kind == object.TypeError {
			return nil, c.fail(pairs[i], "found unhashable key")
		}
		if err != nil {
			return nil, err
		}
	}
	return c.values[n], nil
}

// flatten returns the keys and values of a mapping, those that "<<" merges
// first, so that the mapping's own replace them.
func (c *constructor) flatten(n *yaml.Node) ([]*yaml.Node, error) {
	if pairs, ok := c.pairs[n]; ok {
		return pairs, nil
	}
	if err := c.t.Enter(); err != nil {
		return nil, err
	}
	defer c.t.Leave()
	var merged, own []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, v := n.Content[i], n.Content[i+1]
		if tagOf(key) != "!!merge" {
			own = append(own, key, v)
			continue
		}
		more, err := c.merge(v)
		if err != nil {
			return nil, err
		}
		merged = append(merged, more...)
	}
	if err := c.t.AllocSlots(len(merged)); err != nil {
		return nil, err
	}
	c.pairs[n] = append(merged, own...)
	return c.pairs[n], nil
}

// merge returns what the value of "<<" adds: a mapping, or several; earlier ones
// take precedence.
func (c *constructor) merge(n *yaml.Node) ([]*yaml.Node, error) {
	n = named(n)
	switch n.Kind {
	case yaml.MappingNode:
		return c.flatten(n)
	case yaml.SequenceNode:
		var all []*yaml.Node
		for i := len(n.Content) - 1; i >= 0; i-- {
			item := named(n.Content[i])
			if item.Kind != yaml.MappingNode {
				return nil, c.fail(item, "expected a mapping for merging")
			}
			pairs, err := c.flatten(item)
			if err != nil {
				return nil, err
			}
			if err := c.t.AllocSlots(len(pairs)); err != nil {
				return nil, err
			}
			all = append(all, pairs...)
		}
		return all, nil
	}
	return nil, c.fail(n, "expected a mapping or list of mappings for merging")
}
