// Package stpl renders Bottle's SimpleTemplate language without access to the
// host. A template sees its variables, a few functions and a part of Python's
// standard library that only computes; steps, memory, output, time and
// recursion are limited.
//
// See README.md for the language and its differences from Python.
package stpl

import (
	"os"
	"slices"
	"sync"
	"time"

	"mdserver/stpl/internal/lower"
	"mdserver/stpl/internal/meter"
	"mdserver/stpl/internal/modules"
	"mdserver/stpl/internal/object"
	"mdserver/stpl/internal/scan"
	"mdserver/stpl/internal/syntax"
)

// Escape is what {{ }} does to a value.
type Escape int

// EscapeHTML replaces & < > " and ', as Bottle does; EscapeNone prints the value
// as it is; EscapeSwapped exchanges {{ }} and {{! }}, which is what bottle's
// option noescape does.
const (
	EscapeHTML Escape = iota
	EscapeNone
	EscapeSwapped
)

// None is what a value of None prints.
type None int

// NoneText prints "None", as bottle 0.12 does; NoneEmpty prints nothing, as
// bottle 0.14 does.
const (
	NoneText None = iota
	NoneEmpty
)

// Limits bound one render. A zero field means its default.
type Limits struct {
	Steps        int64         // statements, calls, loop turns and pieces of bulk work
	Memory       int64         // bytes, over the whole render
	Output       int64         // bytes
	Time         time.Duration // of computing; by the clock, ten times as much
	Recursion    int           // nested calls
	IncludeDepth int
}

// defaultLimits are generous for user-data and tight for an accident.
func defaultLimits() Limits {
	return Limits{Steps: 5_000_000, Memory: 64 << 20, Output: 16 << 20, Time: time.Second, Recursion: 500, IncludeDepth: 20}
}

func (l Limits) orDefaults() Limits {
	d := defaultLimits()
	fill(&l.Steps, d.Steps)
	fill(&l.Memory, d.Memory)
	fill(&l.Output, d.Output)
	fill(&l.Time, d.Time)
	fill(&l.Recursion, d.Recursion)
	fill(&l.IncludeDepth, d.IncludeDepth)
	return l
}

func fill[T comparable](field *T, def T) {
	var zero T
	if *field == zero {
		*field = def
	}
}

// Options are how an Engine compiles and renders.
type Options struct {
	Escape Escape
	None   None
	Syntax string   // five delimiters, "<% %> % {{ }}" if empty
	Roots  []string // where include looks, in this order; nothing else is read
	// Open opens a file below a root for include. Its error wraps
	// fs.ErrNotExist only if there is no such file, so that other suffixes and
	// roots are tried. By default, links are followed within the root only.
	Open func(root, name string) (*os.File, error)
	// Raw reports whether an included file is printed as it is, and what of it.
	// By default, all files are templates.
	Raw func(name, source string) (body string, raw bool, err error)
	// RawHeader is the first line of a file that is raw, for messages.
	RawHeader string
	Limits    Limits
	// LimitKeys are what an administrator sets the limits by, for messages.
	LimitKeys map[Limit]string
}

// Limit names one of the Limits.
type Limit = meter.Limit

// The limits that have a key.
const (
	LimitSteps     = meter.LimitSteps
	LimitMemory    = meter.LimitMemory
	LimitOutput    = meter.LimitOutput
	LimitTime      = meter.LimitTime
	LimitRecursion = meter.LimitRecursion
)

// Engine compiles templates and keeps what it compiled. It is safe for
// concurrent use.
type Engine struct {
	opts     Options
	compiled *cache
	spaces   sync.Pool // of *workspace, for the renders
}

// New makes an engine.
func New(opts Options) *Engine {
	opts.Limits = opts.Limits.orDefaults()
	if opts.Open == nil {
		opts.Open = openInRoot
	}
	if opts.Raw == nil {
		opts.Raw = func(_, source string) (string, bool, error) { return source, false, nil }
	}
	return &Engine{opts: opts, compiled: newCache(), spaces: sync.Pool{New: func() any { return &workspace{room: object.NewRoom()} }}}
}

// Template is a compiled template. It is immutable and safe for concurrent
// use.
type Template struct {
	engine  *Engine
	name    string
	source  string
	program *lower.Program
	plain   []string // see compilation
}

// Compile makes a template of its source; name is for messages. Its error is
// an *Error, the first that Check reports.
func (e *Engine) Compile(name, source string) (*Template, error) {
	if kept, ok := e.compiled.get(name, source); ok {
		return kept, nil
	}
	made, errs := e.compile(name, source)
	if len(errs) > 0 {
		return nil, errs[0]
	}
	t := &Template{engine: e, name: name, source: source, program: made.program, plain: made.plain}
	e.compiled.add(t)
	return t, nil
}

// weight is about how many bytes of memory the template takes.
func (t *Template) weight() int64 {
	const perNode = 256
	return int64(2*len(t.source) + perNode*t.program.Nodes())
}

// Check lists everything in a template that will not run, or will fail in any
// case, by line. Known are the variables that it may have; nil if any name may
// be one.
func (e *Engine) Check(name, source string, known Names) []*Error {
	made, errs := e.compile(name, source)
	if slices.ContainsFunc(errs, func(err *Error) bool { return err.Kind != "ImportError" && err.Kind != "ModuleNotFoundError" }) {
		return errs
	}
	errs = append(errs, e.lint(name, source, made.body, known)...)
	slices.SortStableFunc(errs, func(a, b *Error) int { return a.Line - b.Line })
	return errs
}

// compilation is what a template's source was made into.
type compilation struct {
	program *lower.Program
	plain   []string // the text of a template without code; nil if it has code
	body    []syntax.Stmt
}

func (e *Engine) compile(name, source string) (*compilation, []*Error) {
	delimiters, err := scan.ParseSyntax(e.opts.Syntax)
	if err != nil {
		return nil, []*Error{{File: name, Line: 1, Kind: "SyntaxError", Message: err.Error()}}
	}
	pieces := scan.Pieces(source, delimiters)
	body, errs := syntax.Parse(pieces)
	program, more := lower.Lower(name, body, loweringOptions())
	errs = append(errs, more...)
	return &compilation{program, plainText(pieces), body}, e.refusals(name, source, errs)
}

func loweringOptions() lower.Options {
	return lower.Options{Known: modules.Known, Has: modules.Has, Modules: modules.Names()}
}

// plainText is the text of a template without any code, or nil.
func plainText(pieces []scan.Piece) []string {
	text := []string{}
	for _, piece := range pieces {
		if piece.Text == nil || piece.Code != "" {
			return nil
		}
		for _, part := range piece.Text.Parts {
			if part.IsExpr {
				return nil
			}
			text = append(text, part.Literal)
		}
	}
	return text
}

func (l Limits) thread() meter.Limits {
	return meter.Limits{Steps: l.Steps, Memory: l.Memory, Time: l.Time, Recursion: l.Recursion}
}
