// Package scan splits the text of a template into pieces of Python and runs
// of text, as Bottle's SimpleTemplate does. It finds where code begins and
// ends and how deep it is nested; it does not understand the code.
package scan

import (
	"fmt"
	"strings"
)

// Piece is a line of code or a run of text.
type Piece struct {
	Indent int    // nesting depth
	Line   int    // line in the template, from 1
	Code   string // Python; may hold several lines within a string
	Text   *Text  // not nil: a run of text instead
}

// Text is the template text between two pieces of code.
type Text struct{ Parts []Part }

// Part is literal text or the inside of {{…}}.
type Part struct {
	Line    int
	Literal string
	Expr    string
	IsExpr  bool
	Raw     bool // {{!…}}
}

// Syntax holds the delimiters.
type Syntax struct {
	BlockOpen, BlockClose, LineStart, InlineOpen, InlineClose string
}

// DefaultSyntax is "<% %> % {{ }}".
var DefaultSyntax = Syntax{"<%", "%>", "%", "{{", "}}"}

// ParseSyntax reads five delimiters separated by white space.
func ParseSyntax(s string) (Syntax, error) {
	if s == "" {
		return DefaultSyntax, nil
	}
	f := strings.Fields(s)
	if len(f) != 5 {
		return Syntax{}, fmt.Errorf("template syntax %q: want five delimiters as in %q", s, "<% %> % {{ }}")
	}
	return Syntax{f[0], f[1], f[2], f[3], f[4]}, nil
}

// scanner walks over the source once.
type scanner struct {
	syn    Syntax
	src    string
	quoted literals // in src
	pos    int
	line   int
	indent int
	depth  int // open brackets
	text   []textChunk
	out    []Piece
}

// textChunk is text as it stands in the source at a line.
type textChunk struct {
	s    string
	line int
}

// Pieces splits a template.
func Pieces(src string, syn Syntax) []Piece {
	s := &scanner{syn: syn, src: src, quoted: literals{src: src}, line: 1}
	for s.pos < len(s.src) {
		if !s.codeStart() {
			end := s.lineEnd(s.pos)
			s.addText(s.src[s.pos:end])
			s.advance(end)
		}
	}
	s.flush()
	return s.out
}

// lineEnd returns the index after the newline that ends the line at i.
func (s *scanner) lineEnd(i int) int {
	if n := strings.IndexByte(s.src[i:], '\n'); n >= 0 {
		return i + n + 1
	}
	return len(s.src)
}

func (s *scanner) addText(t string) {
	s.text = append(s.text, textChunk{t, s.line})
}

func (s *scanner) advance(end int) {
	s.line += strings.Count(s.src[s.pos:end], "\n")
	s.pos = end
}

// codeStart handles a line that begins with a code delimiter, perhaps escaped.
func (s *scanner) codeStart() bool {
	rest := s.src[s.pos:]
	body := strings.TrimLeft(rest, " \t")
	lead := rest[:len(rest)-len(body)]
	body, escaped := strings.CutPrefix(body, `\`)
	block := strings.HasPrefix(body, s.syn.BlockOpen)
	mark := s.syn.BlockOpen
	if strings.HasPrefix(body, s.syn.LineStart) {
		block, mark = false, s.syn.LineStart
	} else if !block {
		return false
	}
	after := body[len(mark):]
	end := s.lineEnd(s.pos)
	switch {
	case escaped:
		s.addText(lead + s.src[len(s.src)-len(body):end])
		s.advance(end)
	case strings.HasPrefix(after, "%"):
		s.addText(lead + mark + s.src[len(s.src)-len(after)+1:end])
		s.advance(end)
	default:
		s.flush()
		s.pos = len(s.src) - len(after)
		s.code(block)
	}
	return true
}

// flush ends a run of text.
func (s *scanner) flush() {
	var b strings.Builder
	for _, c := range s.text {
		b.WriteString(c.s)
	}
	if b.Len() > 0 {
		line := s.text[0].line
		s.emit(Piece{Indent: s.indent, Line: line, Text: s.inline(b.String(), line)})
	}
	s.text = s.text[:0]
}

func (s *scanner) emit(p Piece) {
	p.Indent = max(p.Indent, 0)
	s.out = append(s.out, p)
}
