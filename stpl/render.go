package stpl

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"mdserver/stpl/internal/lower"
	"mdserver/stpl/internal/meter"
	"mdserver/stpl/internal/modules"
	"mdserver/stpl/internal/object"
	"mdserver/stpl/internal/syntax"
)

// Output is the result of a render.
type Output struct {
	Text    []byte
	Files   []string // every included file, by absolute path, once
	Escaped bool     // HTML escaping changed at least one value
}

// render is one run of a template with all that it includes.
type render struct {
	engine  *Engine
	thread  *object.Thread
	space   *workspace
	out     []byte
	files   []string
	looked  func(path string) // see RenderWithin; may be nil
	seen    map[string]bool   // the paths it was called with
	escaped bool
	depth   int // of includes
}

// workspace is memory that one render after another uses.
type workspace struct {
	room    *object.Room
	vars    variables
	slots   []slot // of the outermost template
	scratch []byte // nil while a template has it
}

// maxKept bounds what a workspace keeps of an unusual render.
const maxKept = 16 << 10

// clear forgets the render's values.
func (w *workspace) clear() {
	w.room.Clear()
	clear(w.slots)
	clear(w.vars.seen)
	w.vars = variables{seen: w.vars.seen[:0]}
	if cap(w.slots) > maxKept || cap(w.vars.seen) > maxKept || cap(w.scratch) > maxKept {
		w.slots, w.scratch, w.vars = nil, nil, variables{}
	}
}

// outermost makes the environment of the template that is rendered.
func (r *render) outermost(program *lower.Program) *environment {
	n := len(program.Names())
	r.space.slots = slices.Grow(r.space.slots[:0], n)[:n]
	return &environment{render: r, program: program, slots: r.space.slots}
}

// Render runs the template. A template gets copies of the variables; it cannot
// change them for others. The error is an *Error, or the context's; even then,
// the Output tells which files were included.
func (t *Template) Render(ctx context.Context, vars map[string]any) (Output, error) {
	budget := t.engine.NewBudget()
	return t.RenderWithin(ctx, &budget, vars, nil)
}

// Budget bounds the steps, the memory and the time of several renders that
// count as one. It is not safe for concurrent use.
type Budget struct{ left meter.Budget }

// NewBudget returns a budget that is as large as the engine's limits.
func (e *Engine) NewBudget() Budget {
	return Budget{meter.NewBudget(e.opts.Limits.thread())}
}

// RenderWithin is Render for one of several renders that share a budget. looked, unless
// nil, is called with each path on which the choice of included files depends: each
// directory before it is searched, and each file or other obstacle that is found, before
// it is read. As long as all of them are unchanged, a render includes the same files.
func (t *Template) RenderWithin(ctx context.Context, budget *Budget, vars map[string]any, looked func(path string)) (Output, error) {
	if t.plain != nil { // the caller bounds a text
		return Output{Text: []byte(strings.Join(t.plain, ""))}, nil
	}
	space := t.engine.spaces.Get().(*workspace)
	defer func() { // keep it for later renders
		space.clear()
		t.engine.spaces.Put(space)
	}()
	space.vars.given = vars
	thread := object.NewThread(ctx, budget.left, space.room)
	defer func() { budget.left = thread.End() }()
	r := &render{engine: t.engine, thread: thread, space: space, out: make([]byte, 0, len(t.source)), looked: looked}
	if err := r.execute(t, r.outermost(t.program)); err != nil {
		if ctx.Err() != nil {
			return Output{Files: r.files}, fmt.Errorf("%s: %w", t.name, ctx.Err())
		}
		return Output{Files: r.files}, runError(t, err)
	}
	return Output{Text: r.out, Files: r.files, Escaped: r.escaped}, nil
}

// execute runs a template and, if it asked for that, the one it is the base
// text of.
func (r *render) execute(t *Template, env *environment) error {
	run := &lower.Run{Thread: r.thread, Globals: env, Output: r, Import: modules.Import, Scratch: r.space.scratch}
	r.space.scratch = nil
	err := t.program.Exec(run)
	r.space.scratch, run.Scratch = run.Scratch, nil // its functions may still be called
	if err != nil {
		return err
	}
	if env.rebase == nil {
		return nil
	}
	next := env.rebase
	env.rebase = nil
	if err := r.thread.Alloc(len(r.out)); err != nil {
		return err
	}
	next.vars.SetStr("base", object.Str(r.out))
	r.out = r.out[:0]
	if _, err = r.include(env, next.name, next.vars); err != nil {
		return object.At(err, t.name, t.rebaseLine(next.name))
	}
	return nil
}

// rebaseLine returns the line where a template calls rebase with a name, or else the
// line of its last call of rebase.
func (t *Template) rebaseLine(name object.Value) (line int) {
	made, _ := t.engine.compile(t.name, t.source)
	exact := false
	walk(made.body, func(n syntax.Node) bool {
		call, ok := n.(*syntax.Call)
		if !ok || calledName(call) != "rebase" {
			return true
		}
		literal, ok := firstLiteral(call)
		if same := ok && object.Str(literal) == name; same || !exact {
			line, exact = call.Line(), same
		}
		return true
	})
	return line
}

// include renders another template in place, in a copy of the environment.
func (r *render) include(env *environment, name object.Value, vars *object.Dict) (*environment, error) {
	if r.depth >= r.engine.opts.Limits.IncludeDepth {
		return nil, object.Fatal("RecursionError", "templates include each other more than %d deep", r.engine.opts.Limits.IncludeDepth)
	}
	text, err := templateName(r.thread, name)
	if err != nil {
		return nil, err
	}
	file, source, err := r.find(text)
	if err != nil {
		return nil, err
	}
	if err := r.chargeSource(len(source)); err != nil {
		return nil, err
	}
	if !slices.Contains(r.files, file) {
		r.files = append(r.files, file)
	}
	t, err := r.compile(file, source)
	if err != nil {
		return nil, err
	}
	inner, err := env.copy(t.program, vars)
	if err != nil {
		return nil, err
	}
	r.depth++
	defer func() { r.depth-- }()
	return inner, r.execute(t, inner)
}

// templateName reads the argument of include and rebase as bottle does.
func templateName(t *object.Thread, v object.Value) (string, error) {
	if _, err := object.Hash(t, v); err != nil {
		return "", err
	}
	if !object.Truthy(v) {
		return "", object.Raise(object.TemplateError, "No template specified.")
	}
	name, ok := v.(object.Str)
	if !ok {
		return "", object.Raise(object.TypeError, "expected str, bytes or os.PathLike object, not %s", object.TypeName(v))
	}
	return string(name), nil
}

// compile makes a template of an included file. A file that is sent as it is gets
// printed; an empty template remains.
func (r *render) compile(path, source string) (*Template, error) {
	body, raw, err := r.engine.opts.Raw(path, source)
	if err == nil && raw {
		if err := r.Print([]byte(body)); err != nil {
			return nil, err
		}
		body = ""
	}
	var t *Template
	if err == nil {
		t, err = r.engine.Compile(path, body)
	}
	if e, bad := errors.AsType[*Error](err); bad {
		return nil, compileFailure(e)
	}
	return t, err
}

// chargeSource charges for reading an included template.
func (r *render) chargeSource(n int) error {
	if err := r.thread.Scan(n); err != nil {
		return err
	}
	return r.thread.Alloc(2 * n)
}

// compileFailure is the error of an included template, at that template's line. It
// ends the render: no template can catch another's error.
func compileFailure(e *Error) error {
	err := object.Fatal(e.Kind, "%s", e.Message)
	return object.At(err, e.File, e.Line)
}

// Print implements lower.Output.
func (r *render) Print(text []byte) error {
	if limit := r.engine.opts.Limits.Output; int64(len(r.out)+len(text)) > limit {
		return object.OutputLimit(limit)
	}
	r.out = append(r.out, text...)
	return nil
}

// Append implements lower.Output.
func (r *render) Append(t *object.Thread, dst []byte, v object.Value, raw bool) ([]byte, error) {
	text, err := r.text(t, v)
	if err != nil {
		return dst, err
	}
	if limit := r.engine.opts.Limits.Output; int64(len(dst)+len(text)) > limit {
		return dst, object.OutputLimit(limit)
	}
	if r.engine.opts.Escape == EscapeNone || raw == (r.engine.opts.Escape == EscapeHTML) {
		return append(dst, text...), nil
	}
	before := len(dst)
	dst = appendHTML(dst, text)
	r.escaped = r.escaped || len(dst)-before != len(text)
	return dst, nil
}

func (r *render) text(t *object.Thread, v object.Value) (string, error) {
	switch v := v.(type) {
	case object.Str:
		return string(v), nil
	case object.Bytes:
		return object.DecodeUTF8(t, v)
	case object.NoneValue:
		if r.engine.opts.None == NoneEmpty {
			return "", nil
		}
	}
	return object.ToStr(t, v)
}

// appendHTML escapes as bottle's html_escape does.
func appendHTML(dst []byte, text string) []byte {
	last := 0
	for i := range len(text) {
		entity := ""
		switch text[i] {
		case '&':
			entity = "&amp;"
		case '<':
			entity = "&lt;"
		case '>':
			entity = "&gt;"
		case '"':
			entity = "&quot;"
		case '\'':
			entity = "&#039;"
		default:
			continue
		}
		dst = append(append(dst, text[last:i]...), entity...)
		last = i + 1
	}
	return append(dst, text[last:]...)
}
