package syntax

import (
	"fmt"

	"mdserver/stpl/internal/character"
	"mdserver/stpl/internal/scan"
)

// parser reads tokens. An error makes the rest of its statement be skipped, so
// that one pass finds every error.
type parser struct {
	toks   []token
	i      int
	errs   []*Error
	loops  int
	inFunc int
	depth  int
	elifs  int // of the if statement under way
	room   *room
}

// abort ends the parse of one statement.
type abort struct{}

// Parse reads a whole template. The errors are in order of lines. Its work is
// bounded; of a template that is too large or nested too deeply it returns no
// statements.
func Parse(pieces []scan.Piece) (out []Stmt, errs []*Error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case tooLarge:
			out = nil
			errs = append(errs, syntaxError(r.line, "the template is too large: more than %d words and signs of code", maxTokens))
		default:
			panic(r)
		}
	}()
	p := &parser{room: &room{maxTokens}}
	p.toks, errs = lexPieces(pieces, p.room)
	for p.tok().kind != tokEOF {
		if p.tok().kind == tokDedent {
			p.next()
			continue
		}
		out = append(out, p.statement()...)
	}
	if n := tooHigh(out); n != nil {
		p.note(syntaxError(n.Line(), "expressions and blocks are nested too deeply: assign parts of them to variables"))
		out = nil
	}
	return out, append(errs, p.errs...)
}

func (p *parser) tok() token { return p.toks[p.i] }

func (p *parser) next() token {
	t := p.toks[p.i]
	if p.i < len(p.toks)-1 {
		p.i++
	}
	return t
}

func (p *parser) note(e *Error) { p.errs = append(p.errs, e) }

func (p *parser) fail(line int, format string, args ...any) {
	p.note(syntaxError(line, format, args...))
	panic(abort{})
}

func (p *parser) invalid() {
	t := p.tok()
	if t.kind == tokBad { // the lexer has said why
		panic(abort{})
	}
	p.fail(t.line, "invalid syntax")
}

func (p *parser) is(text string) bool {
	t := p.tok()
	return t.text == text && (t.kind == tokOp || t.kind == tokName)
}

func (p *parser) accept(text string) bool {
	if p.is(text) {
		p.next()
		return true
	}
	return false
}

func (p *parser) expect(text string) token {
	if !p.is(text) {
		if p.tok().kind == tokBad {
			panic(abort{})
		}
		if text == ":" {
			p.fail(p.tok().line, "expected ':'")
		}
		p.fail(p.tok().line, "invalid syntax: expected '%s'", text)
	}
	return p.next()
}

// guard runs f; if it fails, the rest of the line is skipped.
func (p *parser) guard(f func()) (ok bool) {
	defer func() {
		if r := recover(); r != nil {
			if _, mine := r.(abort); !mine {
				panic(r)
			}
			p.skipLine()
		}
	}()
	f()
	return true
}

func (p *parser) skipLine() {
	p.depth = 0
	for p.tok().kind != tokNewline && p.tok().kind != tokEOF {
		p.next()
	}
	p.next()
	p.indented() // the block of a broken header
}

// indented reads the statements of an indented block, if one begins here.
func (p *parser) indented() (out []Stmt) {
	if p.tok().kind != tokIndent {
		return nil
	}
	p.next()
	for p.tok().kind != tokDedent && p.tok().kind != tokEOF {
		out = append(out, p.statement()...)
	}
	p.next()
	return out
}

func (p *parser) ident() string {
	t := p.tok()
	if t.kind != tokName || character.IsKeyword(t.text) {
		p.invalid()
	}
	p.next()
	return t.text
}

// refused are the statements that will not run, and what to do instead.
var refused = map[string]string{
	"class": "use a dict or a function", "with": "open files and locks are not there to be managed",
	"async": "call the function directly", "await": "call the function directly", "yield": "build a list and return it",
}

func (p *parser) statement() (out []Stmt) {
	p.guard(func() {
		t := p.tok()
		if t.kind == tokIndent {
			p.note(&Error{t.line, "IndentationError", "unexpected indent: a block needs a line that opens it"})
			out = p.indented()
			return
		}
		if t.kind == tokText {
			p.next()
			out = append(out, p.text(t))
			p.next()
			return
		}
		if t.kind == tokName {
			if s := p.compound(t); s != nil {
				out = append(out, s)
				return
			}
		}
		if p.is("@") {
			out = append(out, p.decorated())
			return
		}
		out = p.simpleLine()
	})
	return out
}

// simpleLine reads small statements up to the end of the line.
func (p *parser) simpleLine() (out []Stmt) {
	for {
		out = append(out, p.simple())
		if !p.accept(";") || p.tok().kind == tokNewline {
			break
		}
	}
	if p.tok().kind != tokNewline && p.tok().kind != tokEOF {
		p.invalid()
	}
	p.next()
	return out
}

func (p *parser) compound(t token) Stmt {
	switch t.text {
	case "if":
		p.next()
		return p.ifStmt(t)
	case "for":
		p.next()
		return p.forStmt(t)
	case "while":
		p.next()
		s := &While{Pos: Pos(t.line), Test: p.namedExpr()}
		s.Body = p.loopBody("while", t.line)
		s.Else = p.elseBlock()
		return s
	case "try":
		p.next()
		return p.tryStmt(t)
	case "def":
		return p.def()
	case "class", "with", "async":
		p.refuse(t)
		p.skipLine()
		return &Pass{Pos(t.line)}
	case "elif", "else", "except", "finally":
		p.fail(t.line, "invalid syntax: '%s' without a block to continue", t.text)
	}
	return nil
}

func (p *parser) refuse(t token) {
	p.note(syntaxError(t.line, "'%s' is not supported in templates: %s", t.text, refused[t.text]))
}

// block reads ": statements".
func (p *parser) block(what string, line int) []Stmt {
	p.expect(":")
	if p.tok().kind != tokNewline {
		return p.simpleLine()
	}
	p.next()
	if p.tok().kind != tokIndent {
		l := p.tok().line
		p.note(&Error{l, "IndentationError", fmt.Sprintf("expected an indented block after '%s' statement on line %d", what, line)})
		return nil
	}
	return p.indented()
}

func (p *parser) loopBody(what string, line int) []Stmt {
	p.loops++
	defer func() { p.loops-- }()
	return p.block(what, line)
}

func (p *parser) elseBlock() []Stmt {
	if t := p.tok(); p.accept("else") {
		return p.block("else", t.line)
	}
	return nil
}

func (p *parser) ifStmt(t token) Stmt {
	s := &If{Pos: Pos(t.line), Test: p.namedExpr()}
	s.Then = p.block(t.text, t.line)
	if e := p.tok(); p.accept("elif") {
		if p.elifs++; p.elifs > maxChain {
			p.fail(e.line, "too many elif: use a dict")
		}
		defer func() { p.elifs-- }()
		s.Else = []Stmt{p.ifStmt(e)}
		return s
	}
	s.Else = p.elseBlock()
	return s
}

func (p *parser) forStmt(t token) Stmt {
	s := &For{Pos: Pos(t.line), Target: p.targetList()}
	p.expect("in")
	s.Iter = p.exprList()
	s.Body = p.loopBody("for", t.line)
	s.Else = p.elseBlock()
	return s
}

func (p *parser) tryStmt(t token) Stmt {
	s := &Try{Pos: Pos(t.line)}
	s.Body = p.block("try", t.line)
	for h := p.tok(); p.accept("except"); h = p.tok() {
		if p.is("*") {
			p.fail(h.line, "'except*' is not supported in templates: use 'except'")
		}
		if n := len(s.Handlers); n > 0 && s.Handlers[n-1].Kind == nil {
			p.fail(h.line, "default 'except:' must be last")
		}
		c := Handler{Pos: Pos(h.line)}
		if !p.is(":") {
			c.Kind = p.expr()
			if p.accept("as") {
				c.As = p.ident()
			}
		}
		c.Body = p.block("except", h.line)
		s.Handlers = append(s.Handlers, c)
	}
	if len(s.Handlers) > 0 {
		s.Else = p.elseBlock()
	}
	if f := p.tok(); p.accept("finally") {
		s.Finally = p.block("finally", f.line)
	} else if len(s.Handlers) == 0 {
		p.fail(p.tok().line, "expected 'except' or 'finally' block")
	}
	return s
}

func (p *parser) decorated() Stmt {
	var list []Expr
	for p.accept("@") {
		list = append(list, p.namedExpr())
		if p.tok().kind != tokNewline {
			p.invalid()
		}
		p.next()
	}
	if !p.is("def") {
		p.invalid()
	}
	d := p.def().(*Def)
	d.Decorators = list
	return d
}

func (p *parser) def() Stmt {
	t := p.next()
	d := &Def{Pos: Pos(t.line), Name: p.ident()}
	p.expect("(")
	d.Params = p.params(")", true)
	p.expect(")")
	if p.accept("->") {
		p.expr()
	}
	loops := p.loops
	p.loops = 0
	p.inFunc++
	defer func() { p.loops = loops; p.inFunc-- }()
	d.Body = p.block("def", t.line)
	return d
}
