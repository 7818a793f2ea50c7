package emitter

// Node is a value to write.
type Node struct {
	Kind     Kind
	Tag      string // as !!str
	Implicit bool   // the tag is what the text or the kind says
	Text     string
	Style    byte // 0, ', " or |
	Flow     bool
	Items    []*Node // of a mapping: keys and values
	Anchor   string
	Alias    *Node
}

// Kind is what a node is.
type Kind int

// The kinds of nodes.
const (
	Scalar Kind = iota
	Sequence
	Mapping
	Alias
)

// Layout says how nodes are laid out.
type Layout struct {
	Indent, Width int
	Unicode       bool // characters outside ASCII are written as they are
	End           bool // the mark of a document's end is always written
}
