// Package lower turns a template's syntax tree into Go closures that run it.
// Names are resolved once: a variable of a function becomes a slot of its
// frame, everything else a lookup in the template's environment.
package lower

import (
	"mdserver/stpl/internal/object"
	"mdserver/stpl/internal/syntax"
)

// Options are what lowering must know of the place where templates run.
type Options struct {
	// Known reports whether a module can be imported, Has whether it has a
	// member.
	Known func(module string) bool
	Has   func(module, member string) bool
	// Modules are those that can be imported, for messages.
	Modules []string
}

// Program is a template ready to run. It is immutable and safe for concurrent
// use.
type Program struct {
	body  exec
	names *names
	nodes int
}

// Nodes is how many expressions and statements were made into closures.
func (p *Program) Nodes() int { return p.nodes }

// Name is a name that lives in the environment. Those in the template's text
// are numbered from 0, so that an environment can keep them in a slice; any
// other has the number -1.
type Name struct {
	Text   string
	Number int
}

// Name returns the name of that text with its number.
func (p *Program) Name(text string) Name { return p.names.find(text) }

// Names returns the names that have numbers, in their order.
func (p *Program) Names() []string { return p.names.texts }

// names are the names in a template's text.
type names struct {
	texts   []string
	numbers map[string]int
}

// add returns the name of that text with a number, a new one if need be.
func (n *names) add(text string) Name {
	if known := n.find(text); known.Number >= 0 {
		return known
	}
	n.numbers[text] = len(n.texts)
	n.texts = append(n.texts, text)
	return n.find(text)
}

func (n *names) find(text string) Name {
	if number, ok := n.numbers[text]; ok {
		return Name{text, number}
	}
	return Name{text, -1}
}

// Globals is the environment of one template within one render: what Python
// keeps in a module's globals.
type Globals interface {
	Lookup(name Name) (object.Value, bool)
	Assign(name Name, v object.Value)
	Delete(name Name) bool // reports whether the name was there
}

// Output takes what a template prints.
type Output interface {
	// Append adds the text of the value of an inline expression to dst; raw
	// is true for {{!…}}.
	Append(t *object.Thread, dst []byte, v object.Value, raw bool) ([]byte, error)
	// Print emits text.
	Print(text []byte) error
}

// Run is one execution of a template. Functions that the template defines
// keep it, as they keep their globals in Python.
type Run struct {
	Thread  *object.Thread
	Globals Globals
	Output  Output
	Import  func(t *object.Thread, module string) (*object.Module, error)

	// Scratch is for the text of a line under way, so that calls in it print
	// first.
	Scratch []byte
}

// Lower compiles the statements of a template; file is for messages. It
// reports every construct that cannot run.
func Lower(file string, body []syntax.Stmt, opts Options) (*Program, []*syntax.Error) {
	c := &compiler{file: file, opts: opts, scope: newScope(nil), names: &names{numbers: map[string]int{}}, assigned: Bound(body, true)}
	c.declare(newScope(nil), body) // only to find misplaced declarations
	p := &Program{body: c.block(body), names: c.names}
	p.nodes = c.total
	return p, c.errs
}

// Exec runs the program. Its error is an *object.Exception.
func (p *Program) Exec(run *Run) error {
	_, err := p.body(&frame{run: run, t: run.Thread})
	return err
}

// frame holds the variables of one call of a function, a comprehension, or a
// template, which has none: its variables are in the environment.
type frame struct {
	run    *Run
	t      *object.Thread
	outer  *frame // of the function in whose text this one stands
	slots  []object.Value
	result object.Value // of a return statement
}

// up returns the frame that is n functions further out.
func (f *frame) up(n int) *frame {
	for ; n > 0; n-- {
		f = f.outer
	}
	return f
}

// control is how a statement ended.
type control uint8

const (
	next control = iota
	breaks
	continues
	returns
)

type (
	eval   func(f *frame) (object.Value, error)
	exec   func(f *frame) (control, error)
	assign func(f *frame, v object.Value) error
)

// compiler lowers one template.
type compiler struct {
	file  string
	opts  Options
	scope *scope
	names *names // that live in the environment
	// assigned are the names that the template binds anywhere.
	assigned map[string]int
	tries    int // how many try statements with handlers are open
	nodes    int // of the code that is being measured, see size
	total    int // of all code
	height   int // of what is being compiled
	highest  int
	errs     []*syntax.Error
}

// position is where a construct stands, to say so when it fails.
type position struct {
	file string
	line int
}

func (p position) wrap(err error) error { return object.At(err, p.file, p.line) }

func (c *compiler) at(n syntax.Node) position { return position{c.file, n.Line()} }

func (c *compiler) refuse(n syntax.Node, kind, message string) {
	c.errs = append(c.errs, &syntax.Error{Line: n.Line(), Kind: kind, Message: message})
}
