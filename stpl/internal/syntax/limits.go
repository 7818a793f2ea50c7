package syntax

// Limits of a template's code. Nothing that a person writes comes near them.
const (
	// maxTokens bounds the work of compiling a template, and with maxHeight
	// that of every later step.
	maxTokens = 250_000
	// maxHeight bounds how deeply the nodes of a template are within each
	// other. All that walks over a tree, and the closures that are made of it,
	// call themselves as often.
	maxHeight = 1500
	// maxDepth bounds how deeply expressions nest, maxChain how many operators,
	// calls and the like follow one another: each wraps what is before it.
	maxDepth = 200
	maxChain = 1000
	// maxOpen and maxIndent bound how deeply brackets and blocks nest, as
	// Python does.
	maxOpen   = 100
	maxIndent = 100
)

// room is how many more tokens a template may have.
type room struct{ tokens int }

// tooLarge is the panic that ends a parse when there is no more room.
type tooLarge struct{ line int }

// take makes room for a token of that line.
func (r *room) take(line int) {
	if r.tokens--; r.tokens < 0 {
		panic(tooLarge{line})
	}
}

// tooHigh returns the first node that is too deep within others, nil if there
// is none. It goes no deeper than that itself.
func tooHigh(body []Stmt) Node {
	var found Node
	height := 0
	var visit func(Node) bool
	visit = func(n Node) bool {
		if found != nil {
			return false
		}
		if height == maxHeight {
			found = n
			return false
		}
		height++
		walkChildren(n, visit)
		height--
		return false // the children have been visited
	}
	walkStmts(body, visit)
	return found
}
