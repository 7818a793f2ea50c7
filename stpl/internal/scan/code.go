package scan

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

var (
	openers    = []string{"if", "for", "while", "with", "try", "def", "class"}
	continuers = []string{"elif", "else", "except", "finally"}
)

// codeLine gathers one line of code.
type codeLine struct {
	text    strings.Builder
	comment string
	line    int
	mod     int
	fresh   bool // at the start of a line or right after a token
	solid   bool // text has more than white space
}

func (c *codeLine) add(s string) {
	c.text.WriteString(s)
	c.solid = c.solid || strings.TrimSpace(s) != ""
}

// code reads a line of code, or a block of lines up to the closing delimiter.
func (s *scanner) code(block bool) {
	c := &codeLine{line: s.line, fresh: true}
	for s.pos < len(s.src) {
		rest := s.src[s.pos:]
		if n := s.keyword(c, rest); n > 0 {
			s.advance(s.pos + n)
			continue
		}
		if n := s.quoted.at(s.pos); n > 0 {
			s.take(c, n)
			c.fresh = true
			continue
		}
		ch := rest[0]
		switch {
		case ch == '#':
			end := strings.IndexAny(rest, "\n")
			if end < 0 {
				end = len(rest)
			}
			c.comment = strings.TrimSpace(rest[:end])
			block = block && !strings.HasSuffix(c.comment, s.syn.BlockClose)
			s.advance(s.pos + end)
			c.fresh = true
		case ch == '\n' || strings.HasPrefix(rest, "\r\n"):
			s.endLine(c)
			s.advance(s.lineEnd(s.pos))
			if !block {
				return
			}
			c = &codeLine{line: s.line, fresh: true}
		case strings.HasPrefix(rest, s.syn.BlockClose) && atLineEnd(rest[len(s.syn.BlockClose):]):
			if block {
				block = false
				s.advance(s.pos + len(s.syn.BlockClose))
			} else {
				s.take(c, len(s.syn.BlockClose))
			}
			c.fresh = true
		default:
			s.plain(c, rest)
		}
	}
	s.endLine(c)
}

// plain takes one character that is no token, or a bracket.
func (s *scanner) plain(c *codeLine, rest string) {
	_, n := utf8.DecodeRuneInString(rest)
	fresh := false
	switch rest[0] {
	case '(', '[', '{':
		s.depth++
		fresh = true
	case ')', ']', '}':
		s.depth = max(s.depth-1, 0)
		fresh = true
	}
	s.take(c, n)
	c.fresh = fresh
}

func (s *scanner) take(c *codeLine, n int) {
	c.add(s.src[s.pos : s.pos+n])
	s.advance(s.pos + n)
}

// keyword handles the words that open, continue and end blocks. They count
// only at the start of a line or right after a token. It returns how many
// bytes it used.
func (s *scanner) keyword(c *codeLine, rest string) int {
	if rest[0] == ';' {
		if n := s.endWord(rest[1:]); n > 0 {
			s.endBlock(c)
			c.fresh = true
			return 1 + n
		}
	}
	if !c.fresh {
		return 0
	}
	if n := s.endWord(rest); n > 0 {
		s.endBlock(c)
		return n
	}
	lead := len(rest) - len(strings.TrimLeft(rest, " \t"))
	opens := word(rest[lead:], openers)
	n := opens
	if n == 0 {
		n = word(rest[lead:], continuers)
	}
	if n == 0 {
		return 0
	}
	if !c.solid && s.depth == 0 {
		c.mod--
		if opens > 0 {
			s.indent++
		}
	}
	c.add(rest[:lead+n])
	return lead + n
}

// endBlock leaves a block; code on the same line still belongs to it.
func (s *scanner) endBlock(c *codeLine) {
	s.indent--
	c.mod++
}

// word returns the length of the word among words that s begins with.
func word(s string, words []string) int {
	for _, w := range words {
		if strings.HasPrefix(s, w) && !wordFollows(s[len(w):]) {
			return len(w)
		}
	}
	return 0
}

func wordFollows(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return s != "" && (r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r))
}

// endWord returns the length of an "end" that stands alone.
func (s *scanner) endWord(rest string) int {
	t := strings.TrimLeft(rest, " \t")
	t, ok := strings.CutPrefix(t, "end")
	if !ok {
		return 0
	}
	t = strings.TrimLeft(t, " \t")
	n := len(rest) - len(t)
	if atLineEnd(t) || strings.HasPrefix(t, ";") || strings.HasPrefix(t, "#") {
		return n
	}
	if close, ok := strings.CutPrefix(t, s.syn.BlockClose); ok && atLineEnd(close) {
		return n
	}
	return 0
}

// atLineEnd reports whether only blanks are left on the line.
func atLineEnd(s string) bool {
	s = strings.TrimLeft(s, " \t")
	return s == "" || s[0] == '\n' || strings.HasPrefix(s, "\r\n") || s == "\r"
}

// endLine keeps comments and empty lines, too: within a long literal they are
// its text.
func (s *scanner) endLine(c *codeLine) {
	code := strings.TrimSpace(c.text.String())
	indent := s.indent + c.mod
	f := strings.Fields(code)
	if len(f) > 0 && (f[0] == "include" || f[0] == "rebase") {
		s.oldKeyword(f, code, indent, c.line)
		return
	}
	s.emit(Piece{Indent: indent, Line: c.line, Code: code + c.comment})
}

// oldKeyword translates "include name", "rebase name" and a bare "include".
func (s *scanner) oldKeyword(f []string, code string, indent, line int) {
	rest := ""
	if len(f) > 1 {
		rest = strings.TrimSpace(strings.TrimSpace(code[len(f[0]):])[len(f[1]):])
	}
	p := Piece{Indent: indent, Line: line, Code: code}
	switch {
	case len(f) == 1:
		p.Code, p.Text = "", &Text{Parts: []Part{{Line: line, Expr: "base", IsExpr: true, Raw: true}}}
	case strings.HasPrefix(f[1], "(") || strings.HasPrefix(f[1], "="):
		// an ordinary call, or a variable of that name
	case rest == "":
		p.Code = "_ = " + f[0] + "(" + quote(f[1]) + ")"
	default:
		p.Code = "_ = " + f[0] + "(" + quote(f[1]) + ", " + rest + ")"
	}
	s.emit(p)
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
