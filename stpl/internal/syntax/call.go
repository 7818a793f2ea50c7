package syntax

// argReader reads the arguments of one call.
type argReader struct {
	*parser
	out      []Arg
	names    map[string]bool // of the keyword arguments, nil without any
	unpacked bool            // there was a **x
}

// args reads the arguments of a call up to its closing parenthesis.
func (p *parser) args() []Arg {
	r := &argReader{parser: p}
	for !p.is(")") {
		r.out = append(r.out, r.arg())
		if !p.accept(",") {
			break
		}
	}
	return r.out
}

func (r *argReader) arg() Arg {
	line := r.tok().line
	switch {
	case r.accept("**"):
		r.unpacked = true
		return Arg{Star: 2, X: r.expr()}
	case r.accept("*"):
		if r.unpacked {
			r.fail(line, "iterable argument unpacking follows keyword argument unpacking")
		}
		return Arg{Star: 1, X: r.expr()}
	}
	x := r.namedExpr()
	n, isName := x.(*Name)
	switch {
	case isName && r.accept("="):
		return r.keyword(line, n.ID)
	case r.is("for"):
		c := &Comp{Pos: Pos(x.Line()), Kind: GenComp, Elt: x, Clauses: r.clauses()}
		if len(r.out) > 0 || !r.is(")") && !r.onlyComma() {
			r.fail(line, "Generator expression must be parenthesized")
		}
		return Arg{X: c}
	}
	if r.names != nil || r.unpacked {
		r.fail(line, "positional argument follows keyword argument")
	}
	return Arg{X: x}
}

func (r *argReader) keyword(line int, name string) Arg {
	if r.names[name] {
		r.fail(line, "keyword argument repeated: %s", name)
	}
	if r.names == nil {
		r.names = map[string]bool{}
	}
	r.names[name] = true
	return Arg{Name: name, X: r.expr()}
}

// onlyComma reports whether a comma ends the arguments.
func (p *parser) onlyComma() bool {
	return p.is(",") && p.i+1 < len(p.toks) && p.toks[p.i+1].text == ")"
}
