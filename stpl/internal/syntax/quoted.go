package syntax

import "strings"

// stringPrefix returns the length of a string literal's prefix, -1 if s does
// not begin with one.
func stringPrefix(s string) int {
	for n := 0; n < 3 && n < len(s); n++ {
		if s[n] == '\'' || s[n] == '"' {
			switch strings.ToLower(s[:n]) {
			case "", "r", "u", "b", "f", "rb", "br", "fr", "rf":
				return n
			}
			return -1
		}
	}
	return -1
}

// str lexes a string literal whose quote is at n. It returns s with the pieces that
// the literal runs over, and the literal's length, 0 after an error.
func (l *lexer) str(s string, n, line int) (string, int) {
	q := quotes(s[n:])
	end := closing(s, q, n+len(q))
	if end == 0 {
		s = l.goOn(s, q)
		end = closing(s, q, n+len(q))
	}
	switch {
	case end > 0:
		l.add(tokString, s[:end], line)
	case len(q) == 3:
		l.bad(line, "unterminated triple-quoted string literal")
	default:
		l.bad(line, "unterminated string literal")
	}
	return s, end
}

// quotes returns the delimiter that s begins with.
func quotes(s string) string {
	if strings.HasPrefix(s[1:], s[:1]+s[:1]) {
		return s[:3]
	}
	return s[:1]
}

// closing returns the index after the first delimiter at or after i that is not
// escaped, 0 if there is none.
func closing(s, q string, i int) int {
	for ; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
			if strings.HasPrefix(s[min(i, len(s)):], "\r\n") {
				i++
			}
		case s[i] == '\n' && len(q) == 1:
			return 0
		case strings.HasPrefix(s[i:], q):
			return i + len(q)
		}
	}
	return 0
}

// goOn adds to s the pieces that the literal at its start runs over. Bottle does
// not know it as one if it escapes a line's end, and indents its lines as code.
func (l *lexer) goOn(s, q string) string {
	var whole strings.Builder
	whole.WriteString(s)
	last := s
	for i, p := range l.rest {
		if p.Text != nil || len(q) == 1 && !strings.HasSuffix(last, `\`) {
			break
		}
		whole.WriteString("\n" + strings.Repeat("  ", p.Indent) + p.Code)
		if closing(p.Code, q, 0) > 0 {
			l.rest = l.rest[i+1:]
			return whole.String()
		}
		last = p.Code
	}
	return s
}
