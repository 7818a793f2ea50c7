package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"
)

// A mutant is a defect behind a switch in a copy of the source.
type mutant struct {
	id   int
	at   token.Position
	text string // what is wrong, as "ignore the condition err != nil"
}

func (m mutant) String() string {
	return fmt.Sprintf("%s:%d:%d: %s", filepath.Base(m.at.Filename), m.at.Line, m.at.Column, m.text)
}

// An edit replaces the bytes from..to of a file. Edits nest as the syntax does.
type edit struct {
	from, to int
	text     string
	order    int // at the same place, edits go by order
}

// A planter plants defects into one file. No edit adds a line, so the lines of
// the copy are those of the source.
type planter struct {
	fset   *token.FileSet
	file   *ast.File
	info   *types.Info
	pkg    *types.Package
	source []byte
	skip   func(id int) bool // defects that do not compile

	next    *int // the next mutant's id, shared by the files of a package
	mutants []mutant
	edits   []edit
	depth   []ast.Node // from the file to the current node
}

// plant returns the source with its defects.
func (p *planter) plant() string {
	ast.Inspect(p.file, func(n ast.Node) bool {
		if n == nil {
			p.depth = p.depth[:len(p.depth)-1]
			return true
		}
		if fixed(n) {
			return false
		}
		p.visit(n, p.parent())
		p.depth = append(p.depth, n)
		return true
	})
	return p.apply()
}

// fixed reports whether nothing below n can be changed, or matters: constants
// have to be constant, and the text of a log line or an error is no decision.
func fixed(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GenDecl:
		return n.Tok != token.VAR
	case *ast.ArrayType, *ast.StructType, *ast.InterfaceType, *ast.FuncType, *ast.ImportSpec:
		return true
	case *ast.CallExpr:
		name := callee(n)
		return name == "panic" || name == "Errorf" || name == "errors.New" || strings.HasPrefix(name, "slog.") || logs[lastPart(name)]
	}
	return false
}

var (
	logs = map[string]bool{"Debug": true, "Info": true, "Warn": true, "Error": true, "Log": true, "LogAttrs": true,
		"DebugContext": true, "InfoContext": true, "WarnContext": true, "ErrorContext": true}

	// Without these calls a program leaks or races, which its tests cannot see.
	unseen = map[string]bool{"Lock": true, "Unlock": true, "RLock": true, "RUnlock": true, "Close": true, "cancel": true, "stop": true, "Stop": true}
)

// callee returns the name of a called function, as "errors.New" or "r.log.Info".
func callee(call *ast.CallExpr) string { return types.ExprString(call.Fun) }

func lastPart(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

func (p *planter) parent() ast.Node {
	if len(p.depth) == 0 {
		return nil
	}
	return p.depth[len(p.depth)-1]
}

func (p *planter) visit(n, parent ast.Node) {
	switch n := n.(type) {
	case *ast.FuncDecl:
		p.function(n.Name.Name, n.Type, n.Body)
	case *ast.BlockStmt:
		p.statements(n.List)
	case *ast.CaseClause:
		p.statements(n.Body)
	case *ast.CommClause:
		p.statements(n.Body)
	case *ast.IfStmt:
		p.wrap(n.Cond, "negate the condition "+types.ExprString(n.Cond), "(mutantOn(%d) != (", "))")
	case *ast.ReturnStmt:
		p.results(n)
	case *ast.BinaryExpr:
		p.binary(n, parent)
	case *ast.BasicLit, *ast.Ident:
		p.constant(n.(ast.Expr), parent)
	}
}

// function lets a function return at once, with zero values.
func (p *planter) function(name string, typ *ast.FuncType, body *ast.BlockStmt) {
	if body == nil || len(body.List) == 0 || name == "init" {
		return
	}
	var zeros []string
	if typ.Results != nil {
		for _, field := range typ.Results.List {
			for range max(1, len(field.Names)) {
				zeros = append(zeros, "*new("+types.ExprString(field.Type)+")")
			}
		}
	}
	if id, ok := p.add(body, "return from "+name+" at once"); ok {
		at := p.offset(body.Lbrace) + 1
		p.edit(at, at, fmt.Sprintf(" if mutantOn(%d) { return %s }; ", id, strings.Join(zeros, ", ")), id)
	}
}

// statements drops statements that have an effect, one at a time.
func (p *planter) statements(list []ast.Stmt) {
	for _, s := range list {
		switch s := s.(type) {
		case *ast.ExprStmt:
			if call, ok := s.X.(*ast.CallExpr); ok && (fixed(call) || unseen[lastPart(callee(call))]) {
				continue
			}
		case *ast.DeferStmt:
			if unseen[lastPart(callee(s.Call))] {
				continue
			}
		case *ast.AssignStmt:
			if s.Tok == token.DEFINE || types.ExprString(s.Lhs[0]) == "_" {
				continue
			}
		case *ast.IncDecStmt, *ast.SendStmt, *ast.GoStmt, *ast.BranchStmt:
		default:
			continue
		}
		p.wrap(s, "drop "+p.text(s), "if !mutantOn(%d) { ", " }")
	}
}

// results changes what a return statement says of success.
func (p *planter) results(n *ast.ReturnStmt) {
	for _, x := range n.Results {
		typ := p.info.TypeOf(x)
		if typ == nil || p.info.Types[x].IsNil() {
			continue
		}
		_, binary := ast.Unparen(x).(*ast.BinaryExpr)
		switch {
		case types.Identical(typ, types.Universe.Lookup("error").Type()):
			p.wrap(x, "return no error for "+p.text(x), "mutantError(%d, ", ")")
		case isBool(typ) && !binary && !p.isConstant(x):
			p.wrap(x, "negate the result "+types.ExprString(x), "(mutantOn(%d) != (", "))")
		}
	}
}

func (p *planter) binary(n *ast.BinaryExpr, parent ast.Node) {
	switch n.Op {
	case token.LAND:
		for _, x := range []ast.Expr{n.X, n.Y} {
			p.wrap(x, "ignore the condition "+types.ExprString(x), "(mutantOn(%d) || (", "))")
		}
	case token.LOR:
		for _, x := range []ast.Expr{n.X, n.Y} {
			p.wrap(x, "ignore the condition "+types.ExprString(x), "(!mutantOn(%d) && (", "))")
		}
	case token.LSS, token.LEQ, token.GTR, token.GEQ:
		name := map[token.Token]string{token.LSS: "Less", token.LEQ: "LessEqual", token.GTR: "Greater", token.GEQ: "GreaterEqual"}[n.Op]
		if id, ok := p.wrap(n, "move the boundary "+types.ExprString(n), "mutant"+name+"(%d, ", ")"); ok {
			p.edit(p.offset(n.OpPos), p.offset(n.OpPos)+len(n.Op.String()), ",", id)
		}
	case token.EQL, token.NEQ:
		switch parent := parent.(type) {
		case *ast.IfStmt: // negated as a condition
			return
		case *ast.BinaryExpr:
			if parent.Op == token.LAND || parent.Op == token.LOR {
				return // ignored as a condition
			}
		}
		p.wrap(n, "negate "+types.ExprString(n), "(mutantOn(%d) != (", "))")
	}
}

// constant changes a number, a text or a truth value.
func (p *planter) constant(x ast.Expr, parent ast.Node) {
	if !p.isConstant(x) || p.info.TypeOf(x) == nil {
		return
	}
	switch parent := parent.(type) {
	case *ast.CaseClause, *ast.SelectorExpr, *ast.BranchStmt:
		return
	case *ast.KeyValueExpr:
		if parent.Key == x {
			return
		}
	}
	if id, ok := x.(*ast.Ident); ok && p.info.Defs[id] != nil {
		return
	}
	typ := p.info.TypeOf(x)
	basic, ok := typ.Underlying().(*types.Basic)
	if !ok {
		return
	}
	name := types.TypeString(typ, func(other *types.Package) string {
		if other == p.pkg {
			return ""
		}
		return other.Name()
	})
	name = strings.TrimPrefix(name, "untyped ")
	text := "change " + p.text(x)
	switch {
	case basic.Info()&types.IsBoolean != 0:
		p.wrap(x, text, "(mutantOn(%d) != ", ")")
	case basic.Info()&types.IsInteger != 0:
		p.wrap(x, text, "mutantNumber["+strings.Replace(name, "rune", "int32", 1)+"](%d, ", ")")
	case basic.Info()&types.IsString != 0:
		p.wrap(x, text, "mutantString["+name+"](%d, ", ")")
	}
}

func isBool(t types.Type) bool {
	basic, ok := t.Underlying().(*types.Basic)
	return ok && basic.Info()&types.IsBoolean != 0
}

func (p *planter) isConstant(x ast.Expr) bool { return p.info.Types[x].Value != nil }

// add numbers a new defect, and reports whether it is to be planted.
func (p *planter) add(n ast.Node, text string) (id int, ok bool) {
	id = *p.next
	*p.next++
	if p.skip(id) {
		return id, false
	}
	p.mutants = append(p.mutants, mutant{id: id, at: p.fset.Position(n.Pos()), text: text})
	return id, true
}

// wrap plants a defect around a node.
func (p *planter) wrap(n ast.Node, text, before, after string) (id int, ok bool) {
	if id, ok = p.add(n, text); ok {
		p.edit(p.offset(n.Pos()), p.offset(n.Pos()), fmt.Sprintf(before, id), id)
		p.edit(p.offset(n.End()), p.offset(n.End()), after, -id) // the innermost closes first
	}
	return id, ok
}

func (p *planter) edit(from, to int, text string, order int) {
	p.edits = append(p.edits, edit{from, to, text, order})
}

func (p *planter) offset(pos token.Pos) int { return p.fset.Position(pos).Offset }

// text returns the first line of a node.
func (p *planter) text(n ast.Node) string {
	line, _, more := strings.Cut(string(p.source[p.offset(n.Pos()):p.offset(n.End())]), "\n")
	if more {
		line += " ..."
	}
	return line
}

func (p *planter) apply() string {
	slices.SortStableFunc(p.edits, func(a, b edit) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.order, b.order))
	})
	var out strings.Builder
	at := 0
	for _, e := range p.edits {
		out.Write(p.source[at:e.from])
		out.WriteString(e.text)
		at = e.to
	}
	out.Write(p.source[at:])
	return out.String()
}
