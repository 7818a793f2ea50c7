package scan

import "strings"

// inline splits a run of text at its inline expressions.
func (s *scanner) inline(text string, line int) *Text {
	t := &Text{}
	var ends []int32
	from := 0 // start of the pending literal
	for i := 0; i < len(text); {
		n := strings.Index(text[i:], s.syn.InlineOpen)
		if n < 0 {
			break
		}
		start := i + n + len(s.syn.InlineOpen)
		if ends == nil {
			ends = s.inlineEnds(text)
		}
		end := int(ends[start])
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
	if len(t.Parts) == 0 { // nothing but an escaped newline
		t.Parts = []Part{{Line: line}}
	}
	return t
}

// inlineEnds tells for every index of text where an inline expression that has
// got that far is closed: at the first closing delimiter on its line that is
// not within a string; -1 if there is none.
func (s *scanner) inlineEnds(text string) []int32 {
	quoted := &literals{src: text}
	ends := make([]int32, len(text)+1)
	ends[len(text)] = -1
	for i := len(text) - 1; i >= 0; i-- {
		switch {
		case strings.HasPrefix(text[i:], s.syn.InlineClose):
			ends[i] = int32(i)
		case text[i] == '\n':
			ends[i] = -1
		case text[i] != '\'' && text[i] != '"':
			ends[i] = ends[i+1]
		default:
			ends[i] = -1
			if n := quoted.at(i); n > 0 {
				ends[i] = ends[i+n]
			}
		}
	}
	return ends
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
