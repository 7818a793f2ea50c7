package stpl

import (
	"context"
	"errors"
	"slices"
	"strings"

	"mdserver/stpl/internal/lower"
	"mdserver/stpl/internal/object"
	"mdserver/stpl/internal/syntax"
)

// varying are the modules whose results differ from call to call, so that one
// failure proves nothing.
var varying = map[string]bool{"random": true, "time": true, "datetime": true, "uuid": true, "secrets": true, "os": true, "crypt": true}

// constant evaluates an expression that depends on nothing but literals, the
// built-in functions and modules, and reports its error: no guest will see
// another one. It returns false for any other expression.
func (l *linter) constant(x syntax.Expr) bool {
	if _, literal := x.(*syntax.Const); literal || !l.closed(x) {
		return false
	}
	body := append(l.importing[:len(l.importing):len(l.importing)], &syntax.ExprStmt{Pos: syntax.Pos(x.Line()), X: x})
	program, errs := lower.Lower(l.file, body, loweringOptions())
	if len(errs) > 0 {
		return false
	}
	t := &Template{engine: l.engine, name: l.file, program: program}
	_, err := t.Render(context.Background(), nil)
	if bad, ok := errors.AsType[*Error](err); ok {
		bad.Line = x.Line()
		l.errs = append(l.errs, bad)
	}
	return true
}

// closed reports whether an expression has the same value for every guest.
func (l *linter) closed(x syntax.Expr) bool {
	closed := true
	syntax.Walk(x, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Name:
			closed = closed && l.fixed(n)
		case *syntax.Attr:
			closed = closed && !l.texts[n.Name]
		case *syntax.Call:
			closed = closed && !slices.ContainsFunc(n.Args, func(a syntax.Arg) bool { return a.Star > 0 })
		case *syntax.Dict:
			closed = closed && !slices.Contains(n.Keys, nil) // which unpacks another
		case *syntax.Const, *syntax.Index, *syntax.Unary, *syntax.Binary, *syntax.Compare, *syntax.Tuple, *syntax.List, *syntax.Set:
		default:
			closed = false
		}
		return closed
	})
	return closed
}

// fixed reports whether a name always stands for the same thing, and one that
// has no effects.
func (l *linter) fixed(n *syntax.Name) bool {
	if _, other := l.values[n.ID]; other || l.known[n.ID] || isFunction(n.ID) || n.ID == "print" {
		return false
	}
	if imported, ok := l.imports[n.ID]; ok {
		module, ok := imported.(*object.Module)
		if !ok {
			return false
		}
		packageName, _, _ := strings.Cut(module.Name, ".")
		return !varying[packageName]
	}
	_, builtin := builtinNames[n.ID]
	return builtin
}

// typeOf returns the type of a literal, regardless of its content, or nil if the
// expression is not a literal.
func typeOf(x syntax.Expr) *object.Type {
	switch x := x.(type) {
	case *syntax.Const:
		if _, ok := x.Value.(string); ok {
			return object.StrType
		}
	case *syntax.Joined:
		return object.StrType
	case *syntax.List:
		return object.ListType
	case *syntax.Tuple:
		return object.TupleType
	case *syntax.Set:
		return object.SetType
	case *syntax.Dict:
		return object.DictType
	case *syntax.Comp:
		return map[syntax.CompKind]*object.Type{
			syntax.ListComp: object.ListType, syntax.SetComp: object.SetType, syntax.DictComp: object.DictType,
		}[x.Kind]
	}
	return nil
}

// outputLimit reports a template whose text alone is longer than a document may
// be. Text within statements may be left out.
func (l *linter) outputLimit(body []syntax.Stmt) {
	size, limit := int64(0), l.engine.opts.Limits.Output
	for _, s := range body {
		text, ok := s.(*syntax.Text)
		if !ok {
			continue
		}
		for _, part := range text.Parts {
			size += int64(len(part.Text))
		}
		if size > limit {
			l.errs = append(l.errs, l.engine.failure(&Error{File: l.file, Line: text.Line()}, object.OutputLimit(limit)))
			return
		}
	}
}
