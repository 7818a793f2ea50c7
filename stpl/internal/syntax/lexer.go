package syntax

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"mdserver/stpl/internal/scan"
)

type kind uint8

const (
	tokEOF kind = iota
	tokName
	tokNumber
	tokString
	tokOp
	tokNewline
	tokIndent
	tokDedent
	tokText
	tokBad // text holds the message
)

type token struct {
	kind kind
	text string
	line int
	run  *scan.Text // of tokText
}

// lexer turns pieces of code and text into tokens. Code goes on across pieces
// within brackets and after a backslash.
type lexer struct {
	out      []token
	errs     []*Error
	indents  []int
	open     []token // brackets
	joined   bool    // the last piece ended in a backslash
	comment  bool    // the last piece ended in a comment
	rest     []scan.Piece
	room     *room
	lastLine int
}

func lexPieces(pieces []scan.Piece, room *room) ([]token, []*Error) {
	l := &lexer{indents: []int{0}, rest: pieces, room: room}
	for len(l.rest) > 0 {
		p := &l.rest[0]
		l.rest = l.rest[1:]
		l.piece(p)
		if len(l.indents) > maxIndent {
			l.bad(p.Line, "too many levels of indentation")
			l.add(tokNewline, "", p.Line)
			break
		}
	}
	if len(l.open) > 0 {
		l.neverClosed()
	}
	if l.joined {
		l.bad(l.lastLine, "unexpected EOF after a backslash")
	}
	for len(l.indents) > 1 {
		l.indents = l.indents[:len(l.indents)-1]
		l.add(tokDedent, "", l.lastLine)
	}
	l.add(tokEOF, "", l.lastLine)
	return l.out, l.errs
}

// lexExpr lexes an inline expression, as if within brackets.
func lexExpr(src string, line int, room *room) ([]token, []*Error) {
	l := &lexer{indents: []int{0}, open: []token{{text: "{{", line: line}}, room: room}
	l.code(src, line)
	switch {
	case l.joined:
		l.bad(l.lastLine, "unexpected character after line continuation character")
	case l.comment:
		l.bad(l.lastLine, "the expression ends in a comment, which hides the bracket that closes it")
	}
	if len(l.open) > 1 {
		l.open = l.open[1:]
		l.neverClosed()
	}
	l.add(tokEOF, "", l.lastLine)
	return l.out, l.errs
}

func (l *lexer) add(k kind, text string, line int) {
	l.room.take(line)
	l.out = append(l.out, token{kind: k, text: text, line: line})
	l.lastLine = line
}

// bad notes an error and leaves a token that ends the statement.
func (l *lexer) bad(line int, format string, args ...any) {
	l.errs = append(l.errs, syntaxError(line, format, args...))
	l.add(tokBad, "", line)
}

func (l *lexer) neverClosed() {
	t := l.open[len(l.open)-1]
	l.open = l.open[:0]
	l.bad(t.line, "'%s' was never closed", t.text)
	l.add(tokNewline, "", t.line)
}

func (l *lexer) piece(p *scan.Piece) {
	if p.Text != nil {
		l.textPiece(p)
		return
	}
	src := p.Code
	first := !l.joined && len(l.open) == 0
	l.joined = false
	if first {
		if strings.TrimLeft(src, " \t\f\r") == "" || strings.HasPrefix(strings.TrimLeft(src, " \t"), "#") {
			l.lastLine = p.Line
			return
		}
		l.indent(p.Indent, p.Line)
	}
	l.code(src, p.Line)
	if !l.joined && len(l.open) == 0 {
		l.endStatement()
	}
}

func (l *lexer) endStatement() {
	if n := len(l.out); n > 0 && l.out[n-1].kind != tokNewline {
		l.add(tokNewline, "", l.lastLine)
	}
}

// newLine begins a line within a piece, which Bottle leaves as it stands. It indents by two.
func (l *lexer) newLine(s string, line int) {
	l.endStatement()
	code := strings.TrimLeft(s, " ")
	if strings.Trim(code, "\t\f\r") != "" && code[0] != '\n' && code[0] != '#' {
		l.indent((len(s)-len(code))/2, line)
	}
}

func (l *lexer) textPiece(p *scan.Piece) {
	if len(l.open) > 0 {
		l.neverClosed()
	}
	if l.joined {
		l.joined = false
		l.bad(p.Line, "invalid syntax: text after a backslash")
		l.add(tokNewline, "", p.Line)
	}
	l.indent(p.Indent, p.Line)
	l.add(tokText, "", p.Line)
	l.out[len(l.out)-1].run = p.Text
	l.add(tokNewline, "", p.Line)
}

func (l *lexer) indent(n, line int) {
	top := l.indents[len(l.indents)-1]
	if n > top {
		l.indents = append(l.indents, n)
		l.add(tokIndent, "", line)
		return
	}
	for n < l.indents[len(l.indents)-1] {
		l.indents = l.indents[:len(l.indents)-1]
		l.add(tokDedent, "", line)
	}
}

// code lexes one piece.
func (l *lexer) code(s string, line int) {
	l.lastLine = line
	for s != "" {
		c := s[0]
		switch {
		case c == ' ' || c == '\t' || c == '\f' || c == '\r':
			s = s[1:]
		case c == '\n':
			line++
			s = s[1:]
			if len(l.open) == 0 {
				l.newLine(s, line)
			}
		case c == '#':
			i := strings.IndexByte(s, '\n')
			if i < 0 {
				l.comment = true
				return
			}
			s = s[i:]
		case c == '\\':
			rest := strings.TrimPrefix(s[1:], "\r")
			switch {
			case rest == "":
				l.joined = true
				return
			case rest[0] == '\n':
				line++
				s = rest[1:]
			default:
				l.bad(line, "unexpected character after line continuation character")
				return
			}
		default:
			n := stringPrefix(s)
			if n >= 0 {
				s, n = l.str(s, n, line)
			} else {
				n = l.token(s, line)
			}
			if n == 0 {
				return
			}
			line += strings.Count(s[:n], "\n")
			l.lastLine = line
			s = s[n:]
		}
	}
}

// token lexes a token that is no string and returns its length, 0 after an error.
func (l *lexer) token(s string, line int) int {
	c := s[0]
	if c >= '0' && c <= '9' || c == '.' && len(s) > 1 && s[1] >= '0' && s[1] <= '9' {
		return l.number(s, line)
	}
	r, _ := utf8.DecodeRuneInString(s)
	if r == '_' || unicode.IsLetter(r) {
		n := strings.IndexFunc(s, func(r rune) bool {
			return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.Is(unicode.Mn, r)
		})
		if n < 0 {
			n = len(s)
		}
		l.add(tokName, s[:n], line)
		return n
	}
	return l.operator(s, line)
}

var operators = []string{
	"**=", "//=", ">>=", "<<=", "...", "!=", "->", ":=", "**", "//", ">>", "<<", "<=", ">=", "==",
	"+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "@=",
}

func (l *lexer) operator(s string, line int) int {
	for _, op := range operators {
		if strings.HasPrefix(s, op) {
			l.add(tokOp, op, line)
			return len(op)
		}
	}
	c := s[:1]
	switch {
	case strings.Contains("([{", c):
		if len(l.open) >= maxOpen {
			l.bad(line, "too many nested parentheses")
			return 0
		}
		l.open = append(l.open, token{text: c, line: line})
	case strings.Contains(")]}", c):
		if !l.close(c, line) {
			return 0
		}
	case !strings.Contains("+-*/%@&|^~<>=.,:;", c):
		r, _ := utf8.DecodeRuneInString(s)
		l.bad(line, "invalid character '%c' (U+%04X)", r, r)
		return 0
	}
	l.add(tokOp, c, line)
	return 1
}

func (l *lexer) close(c string, line int) bool {
	pairs := map[string]string{")": "(", "]": "[", "}": "{"}
	if len(l.open) == 0 || l.open[len(l.open)-1].text == "{{" {
		l.bad(line, "unmatched '%s'", c)
		return false
	}
	top := l.open[len(l.open)-1]
	if top.text != pairs[c] {
		l.bad(line, "closing parenthesis '%s' does not match opening parenthesis '%s'", c, top.text)
		return false
	}
	l.open = l.open[:len(l.open)-1]
	return true
}

// number and afterNumber are a number literal and what may follow it without a
// space.
var (
	number = regexp.MustCompile(`^(?:0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+` +
		`|(?:\d(?:_?\d)*)?(?:\.(?:\d(?:_?\d)*)?)?(?:[eE][-+]?\d(?:_?\d)*)?)`)
	afterNumber = regexp.MustCompile(`^(?:and|or|in|is|if|else|not|for)?(?:[^_\pL\p{Nd}]|$)`)
	imaginary   = regexp.MustCompile(`^[jJ](?:\W|$)`)
)

func (l *lexer) number(s string, line int) int {
	n := len(s) - len(strings.TrimLeft(s, "0123456789"))
	if n < len(s) && strings.IndexByte(" ,:)]}+-*/%", s[n]) >= 0 { // the usual case
		l.add(tokNumber, s[:n], line)
		return n
	}
	n = len(number.FindString(s))
	switch {
	case imaginary.MatchString(s[n:]):
		l.bad(line, "complex numbers are not supported: use two numbers")
		return 0
	case !afterNumber.MatchString(s[n:]):
		l.bad(line, "invalid decimal literal")
		return 0
	}
	l.add(tokNumber, s[:n], line)
	return n
}
