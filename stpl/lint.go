package stpl

import (
	"fmt"
	"regexp"
	"strings"

	"mdserver/stpl/internal/codec"
	"mdserver/stpl/internal/lower"
	"mdserver/stpl/internal/object"
	"mdserver/stpl/internal/syntax"
)

// Names are the variables that templates may have beside those that a template
// binds itself. Nil Names know nothing, so that any name may be one.
type Names map[string]bool

// Bound returns the names that a template binds or passes to others, which
// those can have as variables.
func (e *Engine) Bound(name, source string) []string {
	made, _ := e.compile(name, source)
	if made == nil {
		return nil
	}
	var names []string
	for name := range lower.Bound(made.body, true) {
		names = append(names, name)
	}
	walk(made.body, func(n syntax.Node) bool {
		if call, ok := n.(*syntax.Call); ok {
			for _, arg := range call.Args {
				names = append(names, arg.Name)
			}
		}
		return true
	})
	return names
}

// jinja is the first line of a template for cloud-init, and jinjaNames are what
// such a template has, and no other.
var (
	jinja      = regexp.MustCompile(`(?i)^\s*##\s*template\s*:\s*jinja`)
	jinjaNames = Names{"v1": true, "ds": true, "merged_cfg": true, "sys_info": true}
)

// linter looks for what runs but fails in any case. It says nothing of what may
// be there for a reason: within a try, or where the template asks first.
type linter struct {
	engine  *Engine
	file    string
	known   Names
	jinja   bool
	bound   map[string]int          // by the template
	values  map[string]int          // bound otherwise than by imports
	imports map[string]object.Value // what imports bind: modules, and members of modules
	texts   map[string]bool         // all texts in the code: what is asked for by name
	errs    []*Error

	importing []syntax.Stmt // the template's imports
}

func (e *Engine) lint(file, source string, body []syntax.Stmt, known Names) []*Error {
	l := &linter{
		engine: e, file: file, known: known, jinja: jinja.MatchString(source), bound: lower.Bound(body, true), values: lower.Bound(body, false),
		imports: map[string]object.Value{}, texts: map[string]bool{},
	}
	walk(body, l.collect)
	walk(body, l.look)
	l.outputLimit(body)
	return l.errs
}

func walk(body []syntax.Stmt, visit func(syntax.Node) bool) {
	for _, s := range body {
		syntax.Walk(s, visit)
	}
}

func (l *linter) report(n syntax.Node, kind, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	if header := l.engine.opts.RawHeader; l.jinja && header != "" {
		message += "; a file for cloud-init's jinja has to begin with " + header
	}
	l.errs = append(l.errs, &Error{File: l.file, Line: n.Line(), Kind: kind, Message: message})
}

func (l *linter) collect(n syntax.Node) bool {
	switch n := n.(type) {
	case *syntax.Const:
		if text, ok := n.Value.(string); ok {
			l.texts[text] = true
		}
	case *syntax.Import:
		l.imported(n)
		l.importing = append(l.importing, n)
	}
	return true
}

func (l *linter) look(n syntax.Node) bool {
	if x, ok := n.(syntax.Expr); ok && l.constant(x) {
		return false
	}
	switch n := n.(type) {
	case *syntax.Try:
		return len(n.Handlers) == 0
	case *syntax.Name:
		l.name(n)
	case *syntax.Attr:
		l.attribute(n)
	case *syntax.Call:
		l.call(n)
	}
	return true
}

func (l *linter) name(n *syntax.Name) {
	_, bound := l.bound[n.ID]
	unknown := l.known != nil && !l.known[n.ID] || l.jinja && jinjaNames[n.ID]
	if _, python := builtinNames[n.ID]; unknown && !bound && !python && !isFunction(n.ID) && !l.texts[n.ID] && n.ID != "base" {
		l.report(n, "NameError", "name '%s' is not defined", n.ID)
	}
}

// absent are attributes of Python's values that no value in templates has.
var absent = map[string]bool{
	"as_integer_ratio": true, "bit_count": true, "conjugate": true, "__cause__": true, "__context__": true, "__traceback__": true,
}

func (l *linter) attribute(n *syntax.Attr) {
	if l.texts[n.Name] { // hasattr(x, 'name')
		return
	}
	of := typeOf(n.X)
	switch {
	case absent[n.Name]:
		l.report(n, "AttributeError", "no value in templates has the attribute '%s'", n.Name)
	case of == nil:
		l.moduleAttribute(n)
	case of.Member(n.Name) == nil && !strings.HasPrefix(n.Name, "__"):
		l.report(n, "AttributeError", "'%s' object has no attribute '%s'", of.Name, n.Name)
	}
}

// call reports a call that the function's signature refuses.
func (l *linter) call(n *syntax.Call) {
	name, function := l.function(n.Fn)
	if fn := calledName(n); (fn == "include" || fn == "rebase") && l.unbound(fn) {
		l.include(n)
	}
	l.encoding(n)
	if function == nil {
		return
	}
	var keywords []string
	positional := 0
	for _, arg := range n.Args {
		switch {
		case arg.Star > 0:
			return
		case arg.Name != "":
			keywords = append(keywords, arg.Name)
		default:
			positional++
		}
	}
	if !function.Takes(positional, keywords) {
		l.report(n, "TypeError", "%s() does not take these arguments", name)
	}
}

// encoding checks the names in text.encode('name') and bytes.decode('name').
func (l *linter) encoding(n *syntax.Call) {
	method, ok := n.Fn.(*syntax.Attr)
	if !ok || method.Name != "encode" && method.Name != "decode" {
		return
	}
	if name, ok := firstLiteral(n); ok {
		if _, err := codec.Find(name); err != nil {
			l.report(n, "LookupError", "%v", err)
		}
	}
}

// function is what an expression calls, nil if that is not sure: a built-in
// function, that of a module, or a method of a literal.
func (l *linter) function(fn syntax.Expr) (name string, function *object.Builtin) {
	var value object.Value
	switch fn := fn.(type) {
	case *syntax.Name:
		name, value = fn.ID, l.value(fn)
		if value == nil && l.unbound(fn.ID) {
			value = builtinNames[fn.ID]
		}
	case *syntax.Attr:
		name = fn.Name
		if of := typeOf(fn.X); of != nil {
			return name, of.Method(fn.Name)
		}
		if _, module := l.value(fn.X).(*object.Module); module {
			value = l.value(fn)
		}
	}
	function, _ = value.(*object.Builtin)
	return name, function
}

// unbound reports whether a name has Python's meaning, or bottle's.
func (l *linter) unbound(name string) bool {
	_, bound := l.bound[name]
	return !bound && !l.known[name]
}

// calledName returns the name that a call calls, empty if that is no plain name.
func calledName(n *syntax.Call) string {
	if fn, ok := n.Fn.(*syntax.Name); ok {
		return fn.ID
	}
	return ""
}

// firstLiteral returns the first argument of a call, such as the name of an include, if
// that is a literal str.
func firstLiteral(n *syntax.Call) (text string, ok bool) {
	if len(n.Args) == 0 {
		return "", false
	}
	if c, literal := n.Args[0].X.(*syntax.Const); literal {
		text, ok = c.Value.(string)
	}
	return text, ok
}

// include checks that the file of an include with a literal name exists.
func (l *linter) include(n *syntax.Call) {
	name, ok := firstLiteral(n)
	if !ok || len(l.engine.opts.Roots) == 0 {
		return
	}
	for _, dir := range l.engine.opts.Roots {
		for _, suffix := range suffixes {
			if _, err := l.engine.read(dir, name+suffix, func(string) {}); err == nil {
				return
			}
		}
	}
	l.report(n, "TemplateError", "Template '%.100s' not found.", name)
}
