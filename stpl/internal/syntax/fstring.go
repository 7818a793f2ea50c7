package syntax

import "strings"

// strings reads adjacent string literals.
func (p *parser) strings() Expr {
	pos := Pos(p.tok().line)
	j := &Joined{Pos: pos}
	var text strings.Builder
	bytes, format, first := false, false, true
	for p.tok().kind == tokString {
		t := p.next()
		l := splitLiteral(t.text)
		if !first && l.bytes != bytes {
			p.fail(t.line, "cannot mix bytes and nonbytes literals")
		}
		bytes, first = l.bytes, false
		if l.format {
			format = true
			j.add(text.String())
			text.Reset()
			p.fstring(j, l, l.body, t.line, 0)
			continue
		}
		v, msg := l.value()
		if msg != "" {
			p.fail(t.line, "%s", msg)
		}
		switch v := v.(type) {
		case Bytes:
			text.WriteString(string(v))
		case string:
			text.WriteString(v)
		}
	}
	switch {
	case format:
		j.add(text.String())
		return j
	case bytes:
		return &Const{pos, Bytes(text.String())}
	}
	return &Const{pos, text.String()}
}

func (j *Joined) add(s string) {
	if s != "" {
		j.Parts = append(j.Parts, JoinedPart{Text: s})
	}
}

// fstring reads the body of an f-string, or of a format spec at depth 1, that begins
// at a line.
func (p *parser) fstring(j *Joined, l literal, s string, line, depth int) {
	var text strings.Builder
	for s != "" {
		i := strings.IndexAny(s, "{}")
		if i < 0 {
			i = len(s)
		}
		text.WriteString(s[:i])
		line += strings.Count(s[:i], "\n")
		if s = s[i:]; s == "" {
			break
		}
		if len(s) > 1 && s[1] == s[0] && depth == 0 {
			text.WriteByte(s[0])
			s = s[2:]
			continue
		}
		if s[0] == '}' {
			p.fail(p.tok().line, "f-string: single '}' is not allowed")
		}
		if depth > 1 {
			p.fail(p.tok().line, "f-string: expressions nested too deeply")
		}
		p.flushText(j, l, &text, line)
		rest := p.field(j, l, s[1:], line, depth)
		line += strings.Count(s[:len(s)-len(rest)], "\n")
		s = rest
	}
	p.flushText(j, l, &text, line)
}

func (p *parser) flushText(j *Joined, l literal, text *strings.Builder, line int) {
	s, msg := l.unescape(text.String())
	if msg != "" {
		p.fail(line, "%s", msg)
	}
	j.add(s)
	text.Reset()
}

// fieldEnd finds where the expression of a replacement field ends.
func fieldEnd(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '\'', '"':
			end := strings.IndexByte(s[i+1:], c)
			if end < 0 {
				return -1
			}
			i += end + 1
		case '(', '[', '{':
			depth++
		case ')', ']':
			depth--
		case '}':
			if depth == 0 {
				return i
			}
			depth--
		case ':':
			if depth == 0 {
				return i
			}
		case '!':
			if depth == 0 && !strings.HasPrefix(s[i+1:], "=") {
				return i
			}
		}
	}
	return -1
}

// field reads one replacement field and returns what follows it.
func (p *parser) field(j *Joined, l literal, s string, line, depth int) string {
	end := fieldEnd(s)
	if end < 0 {
		p.fail(p.tok().line, "f-string: expecting '}'")
	}
	src, rest := s[:end], s[end:]
	part := JoinedPart{}
	if trimmed := strings.TrimRight(src, " "); strings.HasSuffix(trimmed, "=") && !strings.HasSuffix(trimmed, "==") &&
		!strings.HasSuffix(trimmed, "!=") && !strings.HasSuffix(trimmed, "<=") && !strings.HasSuffix(trimmed, ">=") {
		j.add(src)
		src = strings.TrimSuffix(trimmed, "=")
		part.Conv = 'r'
		if strings.HasPrefix(rest, ":") {
			part.Conv = 0
		}
	}
	if strings.TrimSpace(src) == "" {
		p.fail(p.tok().line, "f-string: empty expression not allowed")
	}
	if strings.Contains(src, `\`) {
		p.fail(p.tok().line, "f-string expression part cannot include a backslash")
	}
	part.X = p.sub(src, line)
	if strings.HasPrefix(rest, "!") {
		if len(rest) < 3 || !strings.Contains("sra", rest[1:2]) {
			p.fail(p.tok().line, "f-string: invalid conversion character: expected 's', 'r', or 'a'")
		}
		part.Conv, rest = rest[1], rest[2:]
	}
	if strings.HasPrefix(rest, ":") {
		n := specEnd(rest[1:])
		if n < 0 {
			p.fail(p.tok().line, "f-string: expecting '}'")
		}
		part.Spec = &Joined{Pos: j.Pos}
		p.fstring(part.Spec, l, rest[1:n+1], line+strings.Count(s[:end], "\n"), depth+1)
		rest = rest[n+1:]
	}
	if !strings.HasPrefix(rest, "}") {
		p.fail(p.tok().line, "f-string: expecting '}'")
	}
	j.Parts = append(j.Parts, part)
	return rest[1:]
}

func specEnd(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '{':
			depth++
		case '}':
			if depth == 0 {
				return i
			}
			depth--
		}
	}
	return -1
}

// sub parses an expression within an f-string.
func (p *parser) sub(src string, line int) Expr {
	p.enter()
	defer func() { p.depth-- }()
	toks, errs := lexExpr(src, line, p.room)
	if len(errs) > 0 {
		p.errs = append(p.errs, errs...)
		panic(abort{})
	}
	q := &parser{toks: toks, depth: p.depth, room: p.room}
	var x Expr
	q.guard(func() {
		x = q.exprList()
		if q.tok().kind != tokEOF {
			q.invalid()
		}
	})
	p.errs = append(p.errs, q.errs...)
	if len(q.errs) > 0 || x == nil {
		panic(abort{})
	}
	return x
}
