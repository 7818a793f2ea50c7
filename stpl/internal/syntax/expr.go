package syntax

// exprList reads expressions separated by commas: a tuple if there is a comma.
func (p *parser) exprList() Expr {
	pos := Pos(p.tok().line)
	x := p.listItem()
	if !p.is(",") {
		if _, ok := x.(*Star); ok {
			p.fail(x.Line(), "can't use starred expression here")
		}
		return x
	}
	elts := []Expr{x}
	for p.accept(",") {
		if p.atEnd() || p.is("=") || p.is(")") || p.is("]") || p.is(":") || p.is("}") {
			break
		}
		elts = append(elts, p.listItem())
	}
	return &Tuple{pos, elts}
}

// listItem is an item of a list without brackets, where := cannot stand.
func (p *parser) listItem() Expr {
	if p.is("*") {
		return p.starExpr()
	}
	return p.expr()
}

func (p *parser) starExpr() Expr {
	if t := p.tok(); p.accept("*") {
		return &Star{Pos(t.line), p.binary(5)}
	}
	return p.namedExpr()
}

func (p *parser) namedExpr() Expr {
	return p.walrus(p.expr())
}

// walrus parses the rest of an assignment expression if x is a name before a ":=".
func (p *parser) walrus(x Expr) Expr {
	if n, ok := x.(*Name); ok && p.accept(":=") {
		return &Walrus{n.Pos, n, p.expr()}
	}
	return x
}

// link counts one more of a chain.
func (p *parser) link(n *int) {
	if *n++; *n > maxChain {
		p.fail(p.tok().line, "expression is too long: assign parts of it to variables")
	}
}

func (p *parser) enter() {
	if p.depth++; p.depth > maxDepth {
		p.fail(p.tok().line, "expression is nested too deeply")
	}
}

func (p *parser) expr() Expr {
	p.enter()
	defer func() { p.depth-- }()
	t := p.tok()
	if t.text == "lambda" && t.kind == tokName {
		p.next()
		ps := p.params(":", false)
		p.expect(":")
		return &Lambda{Pos(t.line), ps, p.expr()}
	}
	if t.kind == tokName && (t.text == "yield" || t.text == "await") {
		p.refuse(t)
		panic(abort{})
	}
	x := p.or()
	if !p.accept("if") {
		return x
	}
	test := p.or()
	p.expect("else")
	return &Cond{Pos(x.Line()), test, x, p.expr()}
}

func (p *parser) or() Expr { return p.logic("or", p.and) }

func (p *parser) and() Expr { return p.logic("and", p.not) }

// logic reads operands with a logical operator between them.
func (p *parser) logic(op string, operand func() Expr) Expr {
	x := operand()
	if !p.is(op) {
		return x
	}
	l := &Logic{Pos: Pos(x.Line()), And: op == "and", Xs: []Expr{x}}
	for p.accept(op) {
		l.Xs = append(l.Xs, operand())
	}
	return l
}

func (p *parser) not() Expr {
	if t := p.tok(); p.accept("not") {
		p.enter()
		defer func() { p.depth-- }()
		return &Unary{Pos(t.line), "not", p.not()}
	}
	return p.compare()
}

func (p *parser) compareOp() string {
	t := p.tok()
	switch {
	case t.kind == tokOp && (t.text == "<" || t.text == ">" || t.text == "==" || t.text == ">=" || t.text == "<=" || t.text == "!="):
		p.next()
		return t.text
	case p.accept("in"):
		return "in"
	case p.accept("is"):
		if p.accept("not") {
			return "is not"
		}
		return "is"
	case p.is("not") && p.toks[p.i+1].text == "in":
		p.next()
		p.next()
		return "not in"
	}
	return ""
}

func (p *parser) compare() Expr {
	c := &Compare{Pos: Pos(p.tok().line)}
	c.X = p.binary(5)
	for op := p.compareOp(); op != ""; op = p.compareOp() {
		c.Ops = append(c.Ops, op)
		c.Rest = append(c.Rest, p.binary(5))
	}
	if len(c.Ops) == 0 {
		return c.X
	}
	return c
}

var precedence = map[string]int{
	"|": 5, "^": 6, "&": 7, "<<": 8, ">>": 8, "+": 9, "-": 9, "*": 10, "/": 10, "//": 10, "%": 10, "@": 10,
}

// binary reads operators of a precedence and higher ones. In Python, what fails
// does so at the line where the whole begins.
func (p *parser) binary(level int) Expr {
	pos := Pos(p.tok().line)
	x, links := p.unary(), 0
	for {
		t := p.tok()
		prec := precedence[t.text]
		if t.kind != tokOp || prec < level || prec == 0 {
			return x
		}
		p.next()
		p.link(&links)
		x = &Binary{pos, t.text, x, p.binary(prec + 1)}
	}
}

func (p *parser) unary() Expr {
	t := p.tok()
	if t.kind == tokOp && (t.text == "-" || t.text == "+" || t.text == "~") {
		p.next()
		p.enter()
		defer func() { p.depth-- }()
		return &Unary{Pos(t.line), t.text, p.unary()}
	}
	x := p.postfix()
	if p.accept("**") {
		p.enter()
		defer func() { p.depth-- }()
		return &Binary{Pos(t.line), "**", x, p.unary()}
	}
	return x
}

// postfix reads an atom with its calls, attributes and subscripts.
func (p *parser) postfix() Expr {
	start := Pos(p.tok().line)
	x := p.atom()
	for links := 0; ; p.link(&links) {
		t := p.tok()
		pos := Pos(t.line)
		switch {
		case t.kind != tokOp:
			return x
		case p.accept("."):
			x = &Attr{pos, x, p.ident()}
		case p.accept("("):
			x = &Call{pos, x, p.args()}
			p.expect(")")
		case p.accept("["):
			x = &Index{start, x, p.subscript()}
			p.expect("]")
		default:
			return x
		}
	}
}

func (p *parser) subscript() Expr {
	pos := Pos(p.tok().line)
	x := p.sliceItem()
	if !p.is(",") {
		return x
	}
	elts := []Expr{x}
	for p.accept(",") && !p.is("]") {
		elts = append(elts, p.sliceItem())
	}
	return &Tuple{pos, elts}
}

func (p *parser) sliceItem() Expr {
	s := &Slice{Pos: Pos(p.tok().line)}
	if !p.is(":") {
		x := p.starExpr()
		if !p.is(":") {
			return x
		}
		s.Start = x
	}
	p.expect(":")
	if !p.is(":") && !p.is("]") && !p.is(",") {
		s.Stop = p.expr()
	}
	if p.accept(":") && !p.is("]") && !p.is(",") {
		s.Step = p.expr()
	}
	return s
}

func (p *parser) clauses() (out []Clause) {
	for links := 0; p.accept("for"); p.link(&links) {
		c := Clause{Target: p.targetList()}
		p.expect("in")
		c.Iter = p.or()
		for p.accept("if") {
			c.Ifs = append(c.Ifs, p.walrus(p.or()))
		}
		out = append(out, c)
	}
	return out
}

func (p *parser) atom() Expr {
	t := p.tok()
	pos := Pos(t.line)
	switch t.kind {
	case tokName:
		switch t.text {
		case "None":
			p.next()
			return &Const{pos, nil}
		case "True", "False":
			p.next()
			return &Const{pos, t.text == "True"}
		}
		return &Name{pos, p.ident()}
	case tokNumber:
		p.next()
		v, msg := numberValue(t.text)
		if msg != "" {
			p.fail(t.line, "%s", msg)
		}
		return &Const{pos, v}
	case tokString:
		return p.strings()
	}
	switch {
	case p.accept("..."):
		return &Const{pos, Dots{}}
	case p.accept("("):
		return p.paren(pos)
	case p.accept("["):
		return p.listDisplay(pos)
	case p.accept("{"):
		return p.braces(pos)
	}
	p.invalid()
	return nil
}

func (p *parser) paren(pos Pos) Expr {
	p.enter()
	defer func() { p.depth-- }()
	if p.accept(")") {
		return &Tuple{Pos: pos}
	}
	x := p.starExpr()
	if p.is("for") {
		c := &Comp{Pos: pos, Kind: GenComp, Elt: x, Clauses: p.clauses()}
		p.expect(")")
		return c
	}
	if !p.is(",") {
		p.expect(")")
		return x
	}
	elts := []Expr{x}
	for p.accept(",") && !p.is(")") {
		elts = append(elts, p.starExpr())
	}
	p.expect(")")
	return &Tuple{pos, elts}
}

func (p *parser) listDisplay(pos Pos) Expr {
	var elts []Expr
	for !p.is("]") {
		elts = append(elts, p.starExpr())
		if p.is("for") && len(elts) == 1 {
			c := &Comp{Pos: pos, Kind: ListComp, Elt: elts[0], Clauses: p.clauses()}
			p.expect("]")
			return c
		}
		if !p.accept(",") {
			break
		}
	}
	p.expect("]")
	return &List{pos, elts}
}

func (p *parser) braces(pos Pos) Expr {
	d := &Dict{Pos: pos}
	var elts []Expr
	for !p.is("}") {
		if p.accept("**") {
			d.Keys, d.Values = append(d.Keys, nil), append(d.Values, p.binary(5))
		} else {
			k := p.starExpr()
			if p.accept(":") {
				d.Keys, d.Values = append(d.Keys, k), append(d.Values, p.expr())
			} else {
				elts = append(elts, k)
			}
			if p.is("for") && len(elts)+len(d.Keys) == 1 {
				return p.braceComp(pos, d, elts)
			}
		}
		if !p.accept(",") {
			break
		}
	}
	p.expect("}")
	switch {
	case len(elts) > 0 && len(d.Keys) > 0:
		p.fail(pos.Line(), "invalid syntax: a display is either a dict or a set")
	case len(elts) > 0:
		return &Set{pos, elts}
	}
	return d
}

func (p *parser) braceComp(pos Pos, d *Dict, elts []Expr) Expr {
	c := &Comp{Pos: pos, Kind: SetComp}
	if len(elts) == 1 {
		c.Elt = elts[0]
	} else {
		c.Kind, c.Elt, c.Value = DictComp, d.Keys[0], d.Values[0]
	}
	c.Clauses = p.clauses()
	p.expect("}")
	return c
}
