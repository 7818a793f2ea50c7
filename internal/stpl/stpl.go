// Package stpl renders Bottle's SimpleTemplate language on Starlark: the
// user-data templates of the original mdserver, without their access to the
// host. A template sees its variables, a few functions and nothing else.
//
// Supported so far: {{expr}} and {{!expr}}, "% code" lines and <% blocks %>
// with if, for, while, def and end, comments, "\\" at a line's end, "%%",
// include, defined, get and setdefault, and the expressions that Starlark
// shares with Python. What cannot run is refused with file and line.
package stpl

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Escape is what {{ }} does to a value.
type Escape int

// EscapeHTML replaces & < > " and ', as the original does; EscapeNone prints
// the value as it is.
const (
	EscapeHTML Escape = iota
	EscapeNone
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
	Steps        uint64        // of the Starlark machine
	Output       int64         // bytes
	Time         time.Duration // of the clock
	IncludeDepth int
}

// DefaultLimits are generous for user-data and tight for an accident.
func DefaultLimits() Limits {
	return Limits{Steps: 5_000_000, Output: 16 << 20, Time: time.Second, IncludeDepth: 20}
}

func (l Limits) orDefaults() Limits {
	d := DefaultLimits()
	if l.Steps == 0 {
		l.Steps = d.Steps
	}
	if l.Output == 0 {
		l.Output = d.Output
	}
	if l.Time == 0 {
		l.Time = d.Time
	}
	if l.IncludeDepth == 0 {
		l.IncludeDepth = d.IncludeDepth
	}
	return l
}

// Options are how an Engine compiles and renders.
type Options struct {
	Escape Escape
	None   None
	Roots  []string // where include looks, in this order; nothing else is read
	Limits Limits
}

// Engine compiles templates and keeps what it compiled. It is safe for
// concurrent use.
type Engine struct {
	opts     Options
	compiled sync.Map // name and source → *Template
}

// New makes an engine.
func New(opts Options) *Engine {
	opts.Limits = opts.Limits.orDefaults()
	return &Engine{opts: opts}
}

// Template is a compiled template. It is immutable.
type Template struct {
	engine  *Engine
	name    string
	program *starlark.Program
	lines   []int // of the template, by line of the program less one
}

type sourceKey struct{ name, source string }

var dialect = &syntax.FileOptions{
	Set: true, While: true, TopLevelControl: true, GlobalReassign: true, Recursion: true,
}

// Compile makes a template of its source; name is for messages. Its error is
// an *Error.
func (e *Engine) Compile(name, source string) (*Template, error) {
	key := sourceKey{name, source}
	if kept, ok := e.compiled.Load(key); ok {
		return kept.(*Template), nil
	}
	code, lines, err := translate(name, source)
	if err != nil {
		return nil, err
	}
	_, program, err := starlark.SourceProgramOptions(dialect, name, code, isVariable)
	if err != nil {
		return nil, compileError(name, lines, err)
	}
	t := &Template{engine: e, name: name, program: program, lines: lines}
	e.compiled.Store(key, t)
	return t, nil
}

// isVariable lets every name be looked up when the template runs, so that a
// variable may be called like one of Starlark's functions.
func isVariable(string) bool { return true }

// Output is the result of a render.
type Output struct {
	Text    []byte
	Files   []string // every included file, by absolute path
	Escaped bool     // HTML escaping changed at least one value
}

// render is one run of a template with all that it includes.
type render struct {
	engine *Engine
	thread *starlark.Thread
	out    bytes.Buffer
	files  []string
	escape bool // changed a value
	depth  int
}

// Render runs the template. The variables are copied; a template cannot
// change them for others. Its error is an *Error, or the context's.
func (t *Template) Render(ctx context.Context, vars map[string]any) (Output, error) {
	r := &render{engine: t.engine, thread: &starlark.Thread{Name: t.name}}
	r.thread.SetMaxExecutionSteps(t.engine.opts.Limits.Steps)
	ctx, cancel := context.WithTimeout(ctx, t.engine.opts.Limits.Time)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { r.thread.Cancel("it took too long") })
	defer stop()
	env := maps.Clone(starlark.Universe)
	for name, value := range vars {
		converted, err := toStarlark(value)
		if err != nil {
			return Output{}, &Error{File: t.name, Kind: "TypeError", Message: fmt.Sprintf("variable %s: %v", name, err)}
		}
		env[name] = converted
	}
	r.addBuiltins(env)
	if err := r.run(t, env); err != nil {
		return Output{}, err
	}
	return Output{Text: r.out.Bytes(), Files: r.files, Escaped: r.escape}, nil
}

func (r *render) run(t *Template, env starlark.StringDict) error {
	_, err := t.program.Init(r.thread, env)
	if err != nil {
		return runError(t, err)
	}
	return nil
}

func (r *render) write(text string) error {
	if int64(r.out.Len()+len(text)) > r.engine.opts.Limits.Output {
		return fmt.Errorf("MemoryError: the output is longer than %d bytes", r.engine.opts.Limits.Output)
	}
	r.out.WriteString(text)
	return nil
}

func (r *render) emit(value starlark.Value, escape bool) error {
	if value == starlark.None && r.engine.opts.None == NoneEmpty {
		return nil
	}
	text := toText(value)
	if escape && r.engine.opts.Escape == EscapeHTML {
		escaped := strings.NewReplacer("&#34;", "&quot;", "&#39;", "&#039;").Replace(html.EscapeString(text))
		r.escape = r.escape || escaped != text
		text = escaped
	}
	return r.write(text)
}

// include renders another template in place, with further variables.
func (r *render) include(name string, env starlark.StringDict) error {
	if r.depth++; r.depth > r.engine.opts.Limits.IncludeDepth {
		return fmt.Errorf("RecursionError: templates include each other more than %d deep", r.engine.opts.Limits.IncludeDepth)
	}
	defer func() { r.depth-- }()
	path, text, err := r.engine.find(name)
	if err != nil {
		return err
	}
	r.files = append(r.files, path)
	t, err := r.engine.Compile(path, text)
	if err != nil {
		return err
	}
	return r.run(t, env)
}

// find reads a file below one of the roots: no absolute path, no "..", no
// symbolic link that leads out, nothing but a regular file.
func (e *Engine) find(name string) (path, text string, err error) {
	for _, dir := range e.opts.Roots {
		for _, suffix := range []string{"", ".tpl", ".yaml"} {
			data, err := readBelow(dir, name+suffix)
			if err == nil {
				return filepath.Join(dir, name+suffix), string(data), nil
			}
		}
	}
	return "", "", fmt.Errorf("TemplateError: template %q not found below %s", name, strings.Join(e.opts.Roots, ", "))
}

func readBelow(dir, name string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	return root.ReadFile(name)
}
