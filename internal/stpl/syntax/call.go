package syntax

// args reads the arguments of a call up to its closing parenthesis.
func (p *parser) args() (out []Arg) {
	for !p.is(")") {
		out = append(out, p.arg(out))
		if !p.accept(",") {
			break
		}
	}
	return out
}

// arg reads the argument that follows those before it.
func (p *parser) arg(before []Arg) Arg {
	line := p.tok().line
	switch {
	case p.accept("**"):
		return Arg{Star: 2, X: p.expr()}
	case p.accept("*"):
		if anyArg(before, func(a Arg) bool { return a.Star == 2 }) {
			p.fail(line, "iterable argument unpacking follows keyword argument unpacking")
		}
		return Arg{Star: 1, X: p.expr()}
	}
	x := p.namedExpr()
	n, isName := x.(*Name)
	switch {
	case isName && p.accept("="):
		if anyArg(before, func(a Arg) bool { return a.Name == n.ID }) {
			p.fail(line, "keyword argument repeated: %s", n.ID)
		}
		return Arg{Name: n.ID, X: p.expr()}
	case p.is("for"):
		c := &Comp{Pos: Pos(x.Line()), Kind: GenComp, Elt: x, Clauses: p.clauses()}
		if len(before) > 0 || !p.is(")") && !p.onlyComma() {
			p.fail(line, "Generator expression must be parenthesized")
		}
		return Arg{X: c}
	}
	if anyArg(before, func(a Arg) bool { return a.Name != "" || a.Star == 2 }) {
		p.fail(line, "positional argument follows keyword argument")
	}
	return Arg{X: x}
}

// onlyComma reports whether a comma ends the arguments.
func (p *parser) onlyComma() bool {
	return p.is(",") && p.i+1 < len(p.toks) && p.toks[p.i+1].text == ")"
}

func anyArg(args []Arg, test func(Arg) bool) bool {
	for _, a := range args {
		if test(a) {
			return true
		}
	}
	return false
}
