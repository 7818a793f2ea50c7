package syntax

import "strings"

// simple reads one small statement.
func (p *parser) simple() Stmt {
	t := p.tok()
	pos := Pos(t.line)
	if t.kind == tokName {
		switch t.text {
		case "pass":
			p.next()
			return &Pass{pos}
		case "break", "continue":
			p.next()
			if p.loops == 0 {
				p.fail(t.line, "'%s' outside loop", t.text)
			}
			if t.text == "break" {
				return &Break{pos}
			}
			return &Continue{pos}
		case "return":
			return p.returnStmt(t)
		case "raise":
			return p.raiseStmt()
		case "global", "nonlocal":
			return p.scopeStmt(t)
		case "import", "from":
			return p.importStmt()
		case "assert":
			p.next()
			s := &Assert{Pos: pos, Test: p.expr()}
			if p.accept(",") {
				s.Message = p.expr()
			}
			return s
		case "del":
			p.next()
			x := p.targetList()
			if tup, ok := x.(*Tuple); ok {
				return &Delete{pos, tup.Elts}
			}
			return &Delete{pos, []Expr{x}}
		}
	}
	return p.exprStmt()
}

func (p *parser) returnStmt(t token) Stmt {
	p.next()
	if p.inFunc == 0 {
		p.fail(t.line, "'return' outside function")
	}
	s := &Return{Pos: Pos(t.line)}
	if !p.atEnd() {
		s.X = p.exprList()
	}
	return s
}

func (p *parser) atEnd() bool {
	k := p.tok().kind
	return k == tokNewline || k == tokEOF || p.is(";")
}

func (p *parser) raiseStmt() Stmt {
	s := &Raise{Pos: Pos(p.next().line)}
	if !p.atEnd() {
		s.X = p.expr()
		if p.accept("from") {
			s.Cause = p.expr()
		}
	}
	return s
}

func (p *parser) scopeStmt(t token) Stmt {
	p.next()
	if t.text == "nonlocal" && p.inFunc == 0 {
		p.fail(t.line, "nonlocal declaration not allowed at module level")
	}
	s := &Scope{Pos: Pos(t.line), Global: t.text == "global"}
	for more := true; more; more = p.accept(",") {
		s.Names = append(s.Names, p.ident())
	}
	return s
}

func (p *parser) dotted() string {
	parts := []string{p.ident()}
	for p.accept(".") {
		parts = append(parts, p.ident())
	}
	return strings.Join(parts, ".")
}

func (p *parser) importStmt() Stmt {
	t := p.next()
	s := &Import{Pos: Pos(t.line)}
	if t.text == "import" {
		for more := true; more; more = p.accept(",") {
			s.Names = append(s.Names, p.importName(p.dotted()))
		}
		return s
	}
	s.From = p.dotted()
	p.expect("import")
	if p.accept("*") {
		if p.inFunc > 0 {
			p.fail(t.line, "import * only allowed at module level")
		}
		s.Names = []ImportName{{Name: "*"}}
		return s
	}
	paren := p.accept("(")
	for more := true; more; more = p.accept(",") && !(paren && p.is(")")) {
		s.Names = append(s.Names, p.importName(p.ident()))
	}
	if paren {
		p.expect(")")
	}
	return s
}

func (p *parser) importName(name string) ImportName {
	if p.accept("as") {
		return ImportName{name, p.ident()}
	}
	return ImportName{Name: name}
}

func (p *parser) exprStmt() Stmt {
	pos := Pos(p.tok().line)
	x := p.exprList()
	t := p.tok()
	if t.kind == tokOp && len(t.text) > 1 && strings.HasSuffix(t.text, "=") && !strings.Contains("== != <= >= :=", t.text) {
		p.next()
		p.checkTarget(x, false)
		return &AugAssign{pos, x, strings.TrimSuffix(t.text, "="), p.exprList()}
	}
	if p.is(":") {
		return p.annotation(pos, x)
	}
	if !p.is("=") {
		return &ExprStmt{pos, x}
	}
	s := &Assign{Pos: pos}
	for p.accept("=") {
		p.checkTarget(x, true)
		s.Targets = append(s.Targets, x)
		x = p.exprList()
	}
	s.Value = x
	return s
}

// annotation reads what follows a target: a type, which has no effect, and
// perhaps a value. A type alone is evaluated outside of functions, as in Python: it
// may be a line of text that was taken for code, such as "%packages: [curl]".
func (p *parser) annotation(pos Pos, target Expr) Stmt {
	p.checkTarget(target, false)
	p.next()
	x := p.expr()
	s := &Assign{Pos: pos, Targets: []Expr{target}}
	switch {
	case p.accept("="):
		s.Value = p.exprList()
	case p.inFunc == 0:
		return &ExprStmt{pos, x}
	}
	return s
}

func (p *parser) checkTarget(x Expr, many bool) {
	switch x.(type) {
	case *Name, *Attr, *Index:
		return
	case *Tuple, *List:
	default:
		p.fail(x.Line(), "cannot assign to this expression here. Maybe you meant '==' instead of '='?")
	}
	if !many {
		p.fail(x.Line(), "this target takes one value only")
	}
	stars := 0
	for _, e := range Elements(x) {
		if s, ok := e.(*Star); ok {
			stars++
			e = s.X
		}
		p.checkTarget(e, true)
	}
	if stars > 1 {
		p.fail(x.Line(), "multiple starred expressions in assignment")
	}
}

// targetList reads the targets of for and del.
func (p *parser) targetList() Expr {
	pos := Pos(p.tok().line)
	var elts []Expr
	comma := false
	for {
		if st := p.tok(); p.accept("*") {
			elts = append(elts, &Star{Pos(st.line), p.postfix()})
		} else {
			elts = append(elts, p.postfix())
		}
		if !p.accept(",") {
			break
		}
		comma = true
		if p.is("in") || p.is("=") || p.atEnd() {
			break
		}
	}
	x := elts[0]
	if comma {
		x = &Tuple{pos, elts}
	}
	p.checkTarget(x, true)
	return x
}
