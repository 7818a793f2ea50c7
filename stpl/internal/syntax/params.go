package syntax

// paramReader reads the parameters of one function.
type paramReader struct {
	*parser
	out       *Params
	seen      map[string]bool
	annotated bool // may have annotations, which a lambda's have not
	bare      bool // a "*" alone wants a parameter after it
}

// params reads parameters up to the token end.
func (p *parser) params(end string, annotated bool) *Params {
	r := &paramReader{parser: p, out: &Params{Pos: -1}, seen: map[string]bool{}, annotated: annotated}
	for !p.is(end) {
		r.param()
		if !p.accept(",") {
			break
		}
	}
	if r.bare {
		p.fail(p.tok().line, "named arguments must follow bare *")
	}
	if r.out.Pos < 0 {
		r.out.Pos = len(r.out.List)
	}
	return r.out
}

func (r *paramReader) param() {
	line, ps := r.tok().line, r.out
	if ps.StarStar != "" {
		r.fail(line, "arguments cannot follow var-keyword argument")
	}
	switch {
	case r.accept("**"):
		ps.StarStar = r.name()
		if r.bare {
			r.fail(line, "named arguments must follow bare *")
		}
	case r.accept("*"):
		if ps.Pos >= 0 {
			r.fail(line, "* argument may appear only once")
		}
		ps.Pos = len(ps.List)
		if r.is(",") {
			r.bare = true
		} else {
			ps.Star = r.name()
		}
	case r.accept("/"):
		switch {
		case ps.Pos >= 0:
			r.fail(line, "/ must be ahead of *")
		case ps.PosOnly > 0:
			r.fail(line, "/ may appear only once")
		case len(ps.List) == 0:
			r.fail(line, "at least one argument must precede /")
		}
		ps.PosOnly = len(ps.List)
	default:
		r.plain(line)
	}
}

func (r *paramReader) plain(line int) {
	ps := r.out
	prm := Param{Name: r.name()}
	r.bare = false
	if r.accept("=") {
		prm.Default = r.expr()
	} else if n := len(ps.List); ps.Pos < 0 && n > 0 && ps.List[n-1].Default != nil {
		r.fail(line, "non-default argument follows default argument")
	}
	ps.List = append(ps.List, prm)
}

func (r *paramReader) name() string {
	line := r.tok().line
	n := r.ident()
	if r.seen[n] {
		r.fail(line, "duplicate argument '%s' in function definition", n)
	}
	r.seen[n] = true
	if r.annotated && r.accept(":") {
		r.expr()
	}
	return n
}
