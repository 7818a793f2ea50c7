package syntax

// text parses the inline expressions of a run of text.
func (p *parser) text(t token) Stmt {
	s := &Text{Pos: Pos(t.line)}
	for _, part := range t.run.Parts {
		if !part.IsExpr {
			s.Parts = append(s.Parts, TextPart{Text: part.Literal})
			continue
		}
		toks, errs := lexExpr(part.Expr, part.Line, p.room)
		p.errs = append(p.errs, errs...)
		q := &parser{toks: toks, room: p.room}
		q.guard(func() {
			if q.tok().kind == tokEOF {
				q.fail(part.Line, "empty expression: {{}} wants a value")
			}
			x := q.inlineExpr()
			if q.tok().kind != tokEOF {
				q.invalid()
			}
			s.Parts = append(s.Parts, TextPart{X: x, Raw: part.Raw})
		})
		p.errs = append(p.errs, q.errs...)
	}
	return s
}

func (p *parser) inlineExpr() Expr {
	x := p.namedExpr()
	if p.is("for") {
		return &Comp{Pos: Pos(x.Line()), Kind: GenComp, Elt: x, Clauses: p.clauses()}
	}
	p.accept(",")
	return x
}
