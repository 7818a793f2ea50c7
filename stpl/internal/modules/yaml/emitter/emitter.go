// Package emitter writes nodes of YAML as PyYAML does.
package emitter

import (
	"strings"
	"unicode/utf8"

	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

// Emitter writes nodes as PyYAML's emitter does (yaml/emitter.py), byte for
// byte. The emitters of Go's libraries break lines and indent otherwise.
type Emitter struct {
	t   *object.Thread
	o   Layout
	b   strings.Builder
	err error // the first one; nothing is written after it

	column     int
	indent     int  // of the innermost collection, -1 outside of all
	flow       int  // how many flow collections are open
	whitespace bool // the last character was white space
	indention  bool // the line has only indentation so far
	openEnded  bool // the document needs an end mark if nothing follows
}

// New makes an emitter. The thread is charged for what it writes.
func New(t *object.Thread, o Layout) *Emitter {
	return &Emitter{t: t, o: o, whitespace: true, indention: true}
}

// position is where a node stands.
type position int

const (
	atRoot position = iota
	inSequence
	inMapping
	atSimpleKey
)

func (e *Emitter) put(s string) {
	if e.err == nil {
		e.err = native.Charge(e.t, len(s))
	}
	if e.err == nil {
		e.b.WriteString(s)
		e.column += utf8.RuneCountInString(s)
	}
}

// indicator writes a mark, after a space if it needs one.
func (e *Emitter) indicator(s string, needSpace bool) {
	if needSpace && !e.whitespace {
		s = " " + s
	}
	e.put(s)
	e.whitespace, e.indention, e.openEnded = false, false, false
}

// opening writes the mark of a block item, behind which another may follow as if
// it began a line.
func (e *Emitter) opening(s string) {
	indention := e.indention
	e.indicator(s, true)
	e.indention = indention
}

func (e *Emitter) newline(s string) {
	e.put(s)
	e.column, e.whitespace, e.indention = 0, true, true
}

// newIndent goes to the indentation of the innermost collection, on a new line
// unless this one is empty so far.
func (e *Emitter) newIndent() {
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
func (e *Emitter) within(deeper int, f func()) {
	before := e.indent
	e.indent = max(e.indent, 0) + deeper
	f()
	e.indent = before
}

// deeper is how much further a block collection at the root, or any other, is
// indented.
func (e *Emitter) deeper() int {
	if e.indent < 0 {
		return 0
	}
	return e.o.Indent
}

// Document writes a node as one document, with a mark before it if mark is set.
func (e *Emitter) Document(root *Node, mark bool) error {
	e.indent = -1
	if mark {
		e.newIndent()
		e.indicator("---", true)
	}
	e.node(root, atRoot)
	e.newIndent()
	if e.o.End {
		e.indicator("...", true)
		e.newIndent()
	}
	return e.err
}

// Finish ends a text whose last document has no other end, and returns it.
func (e *Emitter) Finish() (string, error) {
	if e.openEnded {
		e.indicator("...", true)
		e.newIndent()
	}
	return e.b.String(), e.err
}

func (e *Emitter) node(n *Node, at position) {
	if e.err == nil {
		e.err = e.t.Step(1)
	}
	if e.err != nil {
		return
	}
	if n.Kind == Alias {
		e.indicator("*"+n.Alias.Anchor, true)
		return
	}
	if n.Anchor != "" {
		e.indicator("&"+n.Anchor, true)
	}
	if n.Kind == Scalar {
		e.within(e.o.Indent, func() { e.scalar(n, at) })
		return
	}
	if !n.Implicit {
		e.indicator(n.Tag, true)
	}
	flow := e.flow > 0 || n.Flow || len(n.Items) == 0
	switch {
	case n.Kind == Sequence && flow:
		e.inFlow("[", "]", func() { e.flowSequence(n) })
	case n.Kind == Sequence:
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

func (e *Emitter) inFlow(open, end string, f func()) {
	e.indicator(open, true)
	e.whitespace = true
	e.flow++
	e.within(e.o.Indent, f)
	e.flow--
	e.indicator(end, false)
}

// separate goes on to the i-th item of a flow collection.
func (e *Emitter) separate(i int) {
	if i > 0 {
		e.indicator(",", false)
	}
	e.breakLong()
}

// breakLong begins a new line if this one is full.
func (e *Emitter) breakLong() {
	if e.column > e.o.Width {
		e.newIndent()
	}
}

func (e *Emitter) flowSequence(n *Node) {
	for i, item := range n.Items {
		e.separate(i)
		e.node(item, inSequence)
	}
}

func (e *Emitter) flowMapping(n *Node) {
	for i := 0; i < len(n.Items); i += 2 {
		e.separate(i)
		if key := n.Items[i]; e.isSimpleKey(key) {
			e.node(key, atSimpleKey)
			e.indicator(":", false)
		} else {
			e.indicator("?", true)
			e.node(key, inMapping)
			e.breakLong()
			e.indicator(":", true)
		}
		e.node(n.Items[i+1], inMapping)
	}
}

func (e *Emitter) blockSequence(n *Node) {
	for _, item := range n.Items {
		e.newIndent()
		e.opening("-")
		e.node(item, inSequence)
	}
}

func (e *Emitter) blockMapping(n *Node) {
	for i := 0; i < len(n.Items); i += 2 {
		e.newIndent()
		if key := n.Items[i]; e.isSimpleKey(key) {
			e.node(key, atSimpleKey)
			e.indicator(":", false)
		} else {
			e.opening("?")
			e.node(key, inMapping)
			e.newIndent()
			e.opening(":")
		}
		e.node(n.Items[i+1], inMapping)
	}
}

// maxSimpleKey is the length that a key and its tag must stay below to stand
// before a colon.
const maxSimpleKey = 128

func (e *Emitter) isSimpleKey(n *Node) bool {
	switch n.Kind {
	case Alias:
		return true
	case Scalar:
		length := len(n.Anchor) + len(n.Tag) + utf8.RuneCountInString(n.Text)
		return length < maxSimpleKey && n.Text != "" && !strings.ContainsFunc(n.Text, isBreak)
	}
	return len(n.Items) == 0
}
