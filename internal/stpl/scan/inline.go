package scan

import (
	"regexp"
	"strings"
)

// pyString matches a Python string literal as Bottle sees it, for scanning
// only: it may run over several lines.
var pyString = regexp.MustCompile(`^[urbURB]?(?:` +
	`'{6}|"{6}` +
	`|'''(?s:[^\\]|\\.)+?'''|"""(?s:[^\\]|\\.)+?"""` +
	`|''|""` +
	`|'(?:[^\\']|\\.)+?'|"(?:[^\\"]|\\.)+?")`)

// stringEnd returns the length of the string literal at the start of s, 0 if
// there is none.
func stringEnd(s string) int {
	i := 0
	if s != "" && strings.IndexByte("urbURB", s[0]) >= 0 {
		i = 1
	}
	if i >= len(s) || s[i] != '\'' && s[i] != '"' {
		return 0
	}
	m := pyString.FindStringIndex(s)
	if m == nil {
		return 0
	}
	return m[1]
}

// inline splits a run of text at its inline expressions.
func (s *scanner) inline(text string, line int) *Text {
	t := &Text{}
	from := 0 // start of the pending literal
	for i := 0; i < len(text); {
		n := strings.Index(text[i:], s.syn.InlineOpen)
		if n < 0 {
			break
		}
		start := i + n + len(s.syn.InlineOpen)
		end := s.inlineEnd(text, start)
		if end < 0 {
			i += n + 1
			continue
		}
		t.literal(text[from:i+n], line)
		line += strings.Count(text[from:i+n], "\n")
		t.expr(text[start:end], line)
		line += strings.Count(text[start:end], "\n")
		from = end + len(s.syn.InlineClose)
		i = from
	}
	t.literal(cutBreak(text[from:]), line)
	return t
}

// inlineEnd finds the delimiter that closes an inline expression on its line;
// -1 if there is none. Delimiters within strings do not count.
func (s *scanner) inlineEnd(text string, i int) int {
	for i < len(text) {
		if strings.HasPrefix(text[i:], s.syn.InlineClose) {
			return i
		}
		switch text[i] {
		case '\n':
			return -1
		case '\'', '"':
			n := stringEnd(text[i:])
			if n == 0 {
				return -1
			}
			i += n
		default:
			i++
		}
	}
	return -1
}

// cutBreak removes a newline that is escaped by two backslashes at the end.
func cutBreak(s string) string {
	for _, end := range []string{"\\\\\n", "\\\\\r\n"} {
		if cut, ok := strings.CutSuffix(s, end); ok {
			return cut
		}
	}
	return s
}

func (t *Text) literal(s string, line int) {
	if s != "" {
		t.Parts = append(t.Parts, Part{Line: line, Literal: s})
	}
}

func (t *Text) expr(s string, line int) {
	s = strings.TrimSpace(s)
	s, raw := strings.CutPrefix(s, "!")
	t.Parts = append(t.Parts, Part{Line: line, Expr: s, IsExpr: true, Raw: raw})
}
