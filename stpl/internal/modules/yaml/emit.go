package yaml

import (
	"strings"
	"unicode/utf8"

	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

// emitter writes nodes as PyYAML's emitter does (yaml/emitter.py), byte for
// byte. The emitters of Go's libraries break lines and indent otherwise.
type emitter struct {
	t   *object.Thread
	o   options
	b   strings.Builder
	err error // the first one; nothing is written after it

	column     int
	indent     int  // of the innermost collection, -1 outside of all
	flow       int  // how many flow collections are open
	whitespace bool // the last character was white space
	indention  bool // the line has only indentation so far
	openEnded  bool // the document needs an end mark if nothing follows
}

// position is where a node stands.
type position int

const (
	atRoot position = iota
	inSequence
	inMapping
	atSimpleKey
)

func (e *emitter) put(s string) {
	if e.err == nil {
		e.err = native.Charge(e.t, len(s))
	}
	if e.err == nil {
		e.b.WriteString(s)
		e.column += utf8.RuneCountInString(s)
	}
}

// indicator writes a mark, after a space if it needs one.
func (e *emitter) indicator(s string, needSpace bool) {
	if needSpace && !e.whitespace {
		s = " " + s
	}
	e.put(s)
	e.whitespace, e.indention, e.openEnded = false, false, false
}

// opening writes the mark of a block item, behind which another may follow as if
// it began a line.
func (e *emitter) opening(s string) {
	indention := e.indention
	e.indicator(s, true)
	e.indention = indention
}

func (e *emitter) newline(s string) {
	e.put(s)
	e.column, e.whitespace, e.indention = 0, true, true
}

// newIndent goes to the indentation of the innermost collection, on a new line
// unless this one is empty so far.
func (e *emitter) newIndent() {
	indent := max(e.indent, 0)
	if !e.indention || e.column > indent || e.column == indent && !e.whitespace {
		e.newline("\n")
	}
	if e.column < indent {
		e.put(strings.Repeat(" ", indent-e.column))
		e.whitespace = true
	}
}

// within runs f with a deeper indentation.
func (e *emitter) within(deeper int, f func()) {
	before := e.indent
	e.indent = max(e.indent, 0) + deeper
	f()
	e.indent = before
}

// deeper is how much further a block collection at the root, or any other, is
// indented.
func (e *emitter) deeper() int {
	if e.indent < 0 {
		return 0
	}
	return e.o.indent
}

func (e *emitter) document(root *node, mark bool) error {
	e.indent = -1
	if mark {
		e.newIndent()
		e.indicator("---", true)
	}
	e.node(root, atRoot)
	e.newIndent()
	if e.o.end {
		e.indicator("...", true)
		e.newIndent()
	}
	return e.err
}

// finish ends a text whose last document has no other end.
func (e *emitter) finish() {
	if e.openEnded {
		e.indicator("...", true)
		e.newIndent()
	}
}

func (e *emitter) node(n *node, at position) {
	if e.err == nil {
		e.err = e.t.Step(1)
	}
	if e.err != nil {
		return
	}
	if n.kind == aliasNode {
		e.indicator("*"+n.alias.anchor, true)
		return
	}
	if n.anchor != "" {
		e.indicator("&"+n.anchor, true)
	}
	if n.kind == scalarNode {
		e.within(e.o.indent, func() { e.scalar(n, at) })
		return
	}
	if !n.implicit {
		e.indicator(n.tag, true)
	}
	flow := e.flow > 0 || n.flow || len(n.items) == 0
	switch {
	case n.kind == sequenceNode && flow:
		e.inFlow("[", "]", func() { e.flowSequence(n) })
	case n.kind == sequenceNode:
		deeper := e.deeper()
		if at == inMapping && !e.indention {
			deeper = 0
		}
		e.within(deeper, func() { e.blockSequence(n) })
	case flow:
		e.inFlow("{", "}", func() { e.flowMapping(n) })
	default:
		e.within(e.deeper(), func() { e.blockMapping(n) })
	}
}

func (e *emitter) inFlow(open, end string, f func()) {
	e.indicator(open, true)
	e.whitespace = true
	e.flow++
	e.within(e.o.indent, f)
	e.flow--
	e.indicator(end, false)
}

// separate goes on to the i-th item of a flow collection.
func (e *emitter) separate(i int) {
	if i > 0 {
		e.indicator(",", false)
	}
	e.breakLong()
}

// breakLong begins a new line if this one is full.
func (e *emitter) breakLong() {
	if e.column > e.o.width {
		e.newIndent()
	}
}

func (e *emitter) flowSequence(n *node) {
	for i, item := range n.items {
		e.separate(i)
		e.node(item, inSequence)
	}
}

func (e *emitter) flowMapping(n *node) {
	for i := 0; i < len(n.items); i += 2 {
		e.separate(i)
		if key := n.items[i]; e.isSimpleKey(key) {
			e.node(key, atSimpleKey)
			e.indicator(":", false)
		} else {
			e.indicator("?", true)
			e.node(key, inMapping)
			e.breakLong()
			e.indicator(":", true)
		}
		e.node(n.items[i+1], inMapping)
	}
}

func (e *emitter) blockSequence(n *node) {
	for _, item := range n.items {
		e.newIndent()
		e.opening("-")
		e.node(item, inSequence)
	}
}

func (e *emitter) blockMapping(n *node) {
	for i := 0; i < len(n.items); i += 2 {
		e.newIndent()
		if key := n.items[i]; e.isSimpleKey(key) {
			e.node(key, atSimpleKey)
			e.indicator(":", false)
		} else {
			e.opening("?")
			e.node(key, inMapping)
			e.newIndent()
			e.opening(":")
		}
		e.node(n.items[i+1], inMapping)
	}
}

// maxSimpleKey is the length that a key and its tag must stay below to stand
// before a colon.
const maxSimpleKey = 128

func (e *emitter) isSimpleKey(n *node) bool {
	switch n.kind {
	case aliasNode:
		return true
	case scalarNode:
		length := len(n.anchor) + len(n.tag) + utf8.RuneCountInString(n.text)
		return length < maxSimpleKey && n.text != "" && !strings.ContainsFunc(n.text, isBreak)
	}
	return len(n.items) == 0
}
