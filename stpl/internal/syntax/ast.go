// Package syntax reads the Python of templates: a lexer and a parser that
// turn the pieces of a template into a syntax tree with the template's lines.
package syntax

import "math/big"

// Pos is the line of a node in the template, from 1.
type Pos int

// Line returns the line.
func (p Pos) Line() int { return int(p) }

// Node is anything with a line.
type Node interface{ Line() int }

// Expr is an expression.
type Expr interface {
	Node
	expr()
}

// Stmt is a statement.
type Stmt interface {
	Node
	stmt()
}

// Expressions.
type (
	// Name is an identifier.
	Name struct {
		Pos
		ID string
	}
	// Const is a literal: nil, bool, int64, *big.Int, float64, string, Bytes or Dots.
	Const struct {
		Pos
		Value any
	}
	// Joined is an f-string.
	Joined struct {
		Pos
		Parts []JoinedPart
	}
	// Tuple, List and Set are displays; elements may be *Star.
	Tuple struct {
		Pos
		Elts []Expr
	}
	List struct {
		Pos
		Elts []Expr
	}
	Set struct {
		Pos
		Elts []Expr
	}
	// Dict is a dict display; a nil key unpacks its value.
	Dict struct {
		Pos
		Keys, Values []Expr
	}
	// Comp is a comprehension or a generator expression.
	Comp struct {
		Pos
		Kind    CompKind
		Elt     Expr // the key of a dict
		Value   Expr // of a dict
		Clauses []Clause
	}
	// Unary is -x, +x, ~x and not x.
	Unary struct {
		Pos
		Op string
		X  Expr
	}
	// Binary is an arithmetic operation.
	Binary struct {
		Pos
		Op   string
		X, Y Expr
	}
	// Logic is and, or.
	Logic struct {
		Pos
		And bool
		Xs  []Expr
	}
	// Compare is a chain of comparisons.
	Compare struct {
		Pos
		X    Expr
		Ops  []string
		Rest []Expr
	}
	// Cond is x if test else y.
	Cond struct {
		Pos
		Test, X, Y Expr
	}
	// Lambda is an anonymous function.
	Lambda struct {
		Pos
		Params *Params
		Body   Expr
	}
	// Call is a call.
	Call struct {
		Pos
		Fn   Expr
		Args []Arg
	}
	// Attr is x.name.
	Attr struct {
		Pos
		X    Expr
		Name string
	}
	// Index is x[key].
	Index struct {
		Pos
		X, Key Expr
	}
	// Slice is a:b:c within an index; absent parts are nil.
	Slice struct {
		Pos
		Start, Stop, Step Expr
	}
	// Star is *x in a display, a call or a target.
	Star struct {
		Pos
		X Expr
	}
	// Walrus is name := x.
	Walrus struct {
		Pos
		Target *Name
		X      Expr
	}
)

// Bytes is the value of a bytes literal.
type Bytes string

// Dots is the value of the literal "...".
type Dots struct{}

// Int is the value of an integer literal that does not fit int64.
type Int = *big.Int

// CompKind tells the comprehensions apart.
type CompKind uint8

// The kinds of comprehension.
const (
	GenComp CompKind = iota
	ListComp
	SetComp
	DictComp
)

// Clause is "for target in iter if …".
type Clause struct {
	Target Expr
	Iter   Expr
	Ifs    []Expr
}

// JoinedPart is literal text or a replacement field of an f-string.
type JoinedPart struct {
	Text string
	X    Expr // nil for text
	Conv byte
	Spec *Joined // may be nil
}

// Arg is one argument of a call: positional, *x, name=x or **x.
type Arg struct {
	Name string // keyword
	Star int    // 1 for *x, 2 for **x
	X    Expr
}

// Params are the parameters of a function.
type Params struct {
	List     []Param
	PosOnly  int // how many of List are before "/"
	Pos      int // how many of List can be given by position
	Star     string
	StarStar string
}

// Param is one parameter; the ones from Params.Pos on are keyword-only.
type Param struct {
	Name    string
	Default Expr
}

// Statements.
type (
	// ExprStmt is an expression for its effect.
	ExprStmt struct {
		Pos
		X Expr
	}
	// Text is a run of template text.
	Text struct {
		Pos
		Parts []TextPart
	}
	// Assign is a = b = value; Value is nil in a bare annotation.
	Assign struct {
		Pos
		Targets []Expr
		Value   Expr
	}
	// AugAssign is target op= value.
	AugAssign struct {
		Pos
		Target Expr
		Op     string
		Value  Expr
	}
	// Delete is del.
	Delete struct {
		Pos
		Targets []Expr
	}
	// Pass does nothing.
	Pass struct{ Pos }
	// Break leaves a loop.
	Break struct{ Pos }
	// Continue starts a loop's next turn.
	Continue struct{ Pos }
	// Return leaves a function; X may be nil.
	Return struct {
		Pos
		X Expr
	}
	// Raise raises; X and Cause may be nil.
	Raise struct {
		Pos
		X, Cause Expr
	}
	// Scope is global or nonlocal.
	Scope struct {
		Pos
		Global bool
		Names  []string
	}
	// Import is import a.b as c, or from a import b as c when From is set,
	// which may have the one name *.
	Import struct {
		Pos
		From  string
		Names []ImportName
	}
	// Assert is assert.
	Assert struct {
		Pos
		Test, Message Expr
	}
	// If is if/elif/else.
	If struct {
		Pos
		Test       Expr
		Then, Else []Stmt
	}
	// For is a for loop.
	For struct {
		Pos
		Target     Expr
		Iter       Expr
		Body, Else []Stmt
	}
	// While is a while loop.
	While struct {
		Pos
		Test       Expr
		Body, Else []Stmt
	}
	// Try is try/except/else/finally.
	Try struct {
		Pos
		Body, Else, Finally []Stmt
		Handlers            []Handler
	}
	// Def defines a function.
	Def struct {
		Pos
		Name       string
		Params     *Params
		Body       []Stmt
		Decorators []Expr
	}
)

// ImportName is one imported name.
type ImportName struct{ Name, As string }

// Elements returns the elements of a tuple or list, nil for other expressions.
func Elements(e Expr) []Expr {
	switch e := e.(type) {
	case *Tuple:
		return e.Elts
	case *List:
		return e.Elts
	}
	return nil
}

// Handler is an except clause; Kind is nil for a bare one.
type Handler struct {
	Pos
	Kind Expr
	As   string
	Body []Stmt
}

// TextPart is literal text or an inline expression.
type TextPart struct {
	Text string
	X    Expr // nil for text
	Raw  bool // not to be escaped
}

func (*Name) expr()    {}
func (*Const) expr()   {}
func (*Joined) expr()  {}
func (*Tuple) expr()   {}
func (*List) expr()    {}
func (*Set) expr()     {}
func (*Dict) expr()    {}
func (*Comp) expr()    {}
func (*Unary) expr()   {}
func (*Binary) expr()  {}
func (*Logic) expr()   {}
func (*Compare) expr() {}
func (*Cond) expr()    {}
func (*Lambda) expr()  {}
func (*Call) expr()    {}
func (*Attr) expr()    {}
func (*Index) expr()   {}
func (*Slice) expr()   {}
func (*Star) expr()    {}
func (*Walrus) expr()  {}

func (*ExprStmt) stmt()  {}
func (*Text) stmt()      {}
func (*Assign) stmt()    {}
func (*AugAssign) stmt() {}
func (*Delete) stmt()    {}
func (*Pass) stmt()      {}
func (*Break) stmt()     {}
func (*Continue) stmt()  {}
func (*Return) stmt()    {}
func (*Raise) stmt()     {}
func (*Scope) stmt()     {}
func (*Import) stmt()    {}
func (*Assert) stmt()    {}
func (*If) stmt()        {}
func (*For) stmt()       {}
func (*While) stmt()     {}
func (*Try) stmt()       {}
func (*Def) stmt()       {}
