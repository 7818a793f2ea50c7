package stpl

import (
	"fmt"
	"strings"

	"go.starlark.net/syntax"
)

// translator turns a template into a Starlark program that prints it.
type translator struct {
	name   string
	out    strings.Builder
	lines  []int // template line of each program line
	indent int
	line   int    // of the template
	code   string // statement that goes on at the next line
}

const (
	textFunc = "_text"
	emitFunc = "_emit"
	rawFunc  = "_raw"
)

// translate returns the program and, for each of its lines, the line of the
// template that it stands for.
func translate(name, source string) (string, []int, error) {
	t := &translator{name: name}
	source = strings.ReplaceAll(source, "\r\n", "\n")
	inBlock := false
	for line := range strings.SplitAfterSeq(source, "\n") {
		t.line++
		if err := t.add(line, &inBlock); err != nil {
			return "", nil, err
		}
	}
	if t.code != "" {
		return "", nil, t.fail("the code goes on at the end of the template: a bracket is open")
	}
	if inBlock {
		return "", nil, t.fail("a <%% block is not closed by %%>")
	}
	return t.out.String(), t.lines, nil
}

func (t *translator) fail(format string, args ...any) *Error {
	return &Error{File: t.name, Line: t.line, Kind: "SyntaxError", Message: fmt.Sprintf(format, args...)}
}

// add takes in one line of the template.
func (t *translator) add(line string, inBlock *bool) error {
	trimmed := strings.TrimLeft(line, " \t")
	switch {
	case *inBlock:
		code, after, closed := strings.Cut(line, "%>")
		*inBlock = !closed
		if err := t.statement(code); err != nil || !closed || strings.TrimSpace(after) == "" {
			return err
		}
		return t.text(after)
	case t.code != "":
		return t.statement(strings.TrimPrefix(trimmed, "%"))
	case strings.HasPrefix(trimmed, `\%`):
		return t.text(strings.Replace(line, `\%`, "%", 1))
	case strings.HasPrefix(trimmed, "%%"):
		return t.text(strings.Replace(line, "%%", "%", 1))
	case strings.HasPrefix(trimmed, "<%"):
		*inBlock = true
		return t.add(strings.TrimPrefix(trimmed, "<%"), inBlock)
	case strings.HasPrefix(trimmed, "%"):
		return t.statement(trimmed[1:])
	}
	return t.text(line)
}

// text prints a line with the expressions in it.
func (t *translator) text(line string) error {
	line = strings.TrimSuffix(line, "\\\\\n")
	for line != "" {
		before, rest, found := strings.Cut(line, "{{")
		if before != "" {
			t.put(textFunc + "(" + syntax.Quote(before, false) + ")")
		}
		if !found {
			return nil
		}
		expr, after, closed := cutExpression(rest)
		if !closed {
			t.put(textFunc + "(" + syntax.Quote("{{"+rest, false) + ")")
			return nil
		}
		if err := t.expression(expr); err != nil {
			return err
		}
		line = after
	}
	return nil
}

// cutExpression splits at the }} that ends an expression; one within a string
// does not, if the string ends.
func cutExpression(text string) (expr, after string, closed bool) {
	for i := 0; i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], "}}"):
			return text[:i], text[i+2:], true
		case text[i] == '"' || text[i] == '\'':
			if end := stringEnd(text, i); end > 0 {
				i = end
			}
		}
	}
	return "", "", false
}

func (t *translator) expression(expr string) error {
	call := emitFunc
	if raw, ok := strings.CutPrefix(expr, "!"); ok {
		call, expr = rawFunc, raw
	}
	if strings.TrimSpace(expr) == "" {
		return t.fail("an expression is missing between {{ and }}")
	}
	if _, err := dialect.ParseExpr(t.name, expr, 0); err != nil {
		return t.fail("%s in {{%s}}", message(err), expr)
	}
	t.put(call + "((" + expr + "))")
	return nil
}

// statement takes in a line of code, which may go on at the next one.
func (t *translator) statement(code string) error {
	t.code += code
	bare, open := scanCode(t.code)
	if open {
		return nil
	}
	t.code = ""
	bare = strings.TrimSpace(bare)
	word := firstWord(bare)
	switch word {
	case "":
		return nil
	case "end":
		if t.indent == 0 {
			return t.fail("this end closes nothing")
		}
		t.indent--
		return nil
	case "import", "from", "try", "except", "finally", "with", "class", "yield", "raise", "assert", "del", "global", "nonlocal", "async", "exec", "eval", "open", "rebase":
		return t.fail("%s is not supported in templates", word)
	case "include":
		if rest := strings.TrimSpace(strings.TrimPrefix(bare, "include")); !strings.HasPrefix(rest, "(") {
			name, args, _ := strings.Cut(rest, " ")
			bare = "include(" + syntax.Quote(strings.Trim(name, `"',`), false) + ", " + strings.TrimSpace(args) + ")"
		}
	case "elif", "else":
		if t.indent == 0 {
			return t.fail("%s without if", word)
		}
		t.indent--
	}
	t.put(bare)
	if opens(word, bare) {
		t.indent++
		t.put("pass")
	}
	return nil
}

func opens(word, code string) bool {
	switch word {
	case "if", "elif", "else", "for", "while", "def":
		return strings.HasSuffix(code, ":")
	}
	return false
}

func firstWord(code string) string {
	end := strings.IndexFunc(code, func(r rune) bool { return (r < 'a' || r > 'z') && r != '_' })
	if end < 0 {
		return code
	}
	return code[:end]
}

// put writes one statement of the program.
func (t *translator) put(code string) {
	t.out.WriteString(strings.Repeat(" ", t.indent))
	t.out.WriteString(code)
	t.out.WriteByte('\n')
	for range strings.Count(code, "\n") + 1 {
		t.lines = append(t.lines, t.line)
	}
}

// scanCode returns code without its comment, and whether a bracket or a long
// string is open at its end.
func scanCode(code string) (bare string, open bool) {
	depth := 0
	for i := 0; i < len(code); i++ {
		switch c := code[i]; c {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
		case '#':
			end := strings.IndexByte(code[i:], '\n')
			if end < 0 || depth <= 0 {
				return code[:i], depth > 0
			}
			i += end
		case '"', '\'':
			end := stringEnd(code, i)
			if end < 0 {
				return code, len(code)-i >= 3 && code[i:i+3] == strings.Repeat(string(c), 3)
			}
			i = end
		}
	}
	return code, depth > 0
}

// stringEnd is the index of the last byte of the string that begins at i, or
// negative if it does not end.
func stringEnd(code string, i int) int {
	quote := code[i : i+1]
	if strings.HasPrefix(code[i:], strings.Repeat(quote, 3)) {
		quote = strings.Repeat(quote, 3)
	}
	for j := i + len(quote); j < len(code); j++ {
		if code[j] == '\\' {
			j++
			continue
		}
		if strings.HasPrefix(code[j:], quote) {
			return j + len(quote) - 1
		}
	}
	return -1
}
