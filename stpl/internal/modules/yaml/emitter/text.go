package emitter

import (
	"fmt"
	"strconv"
	"strings"
)

// isBreak reports whether a character ends a line in YAML 1.1.
func isBreak(r rune) bool { return r == '\n' || r == 0x85 || r == 0x2028 || r == 0x2029 }

func isSpace(r rune) bool { return r == 0 || r == ' ' || r == '\t' || r == '\r' || isBreak(r) }

// styles is what styles the characters of a text allow.
type styles struct {
	flowPlain, blockPlain, single, block bool
	multiline                            bool
}

func (e *Emitter) analyze(text []rune) styles {
	if len(text) == 0 {
		return styles{blockPlain: true, single: true}
	}
	var special, breaks, spaceBreak, breakSpace bool
	for i, r := range text {
		special = special || e.isSpecial(r)
		breaks = breaks || isBreak(r)
		spaceBreak = spaceBreak || i > 0 && text[i-1] == ' ' && isBreak(r)
		breakSpace = breakSpace || i > 0 && isBreak(text[i-1]) && r == ' '
	}
	first, last := text[0], text[len(text)-1]
	flow, block := indicators(text)
	plain := !special && !breaks && first != ' ' && last != ' '
	return styles{
		flowPlain: plain && !flow, blockPlain: plain && !block,
		single: !special && !spaceBreak && !breakSpace, block: !special && !spaceBreak && last != ' ',
		multiline: breaks,
	}
}

// isSpecial reports whether a character needs an escape.
func (e *Emitter) isSpecial(r rune) bool {
	switch {
	case r == '\n', r >= ' ' && r <= '~':
		return false
	case r == 0x85, r >= 0xa0 && r <= 0xfffd && r != 0xfeff, r >= 0x10000 && r < 0x10ffff:
		return !e.o.Unicode
	}
	return true
}

// indicators reports whether a plain text would be taken for something else
// within flow or block collections.
func indicators(text []rune) (flow, block bool) {
	if s := string(text[:min(3, len(text))]); s == "---" || s == "..." {
		return true, true
	}
	for i, r := range text {
		begins := i == 0 || isSpace(text[i-1])
		ends := i+1 >= len(text) || isSpace(text[i+1])
		switch {
		case i == 0 && strings.ContainsRune("#,[]{}&*!|>'\"%@`", r), r == '#' && begins, i == 0 && r == '-' && ends:
			return true, true
		case r == ':', r == '?' && i == 0:
			flow, block = true, block || ends
		case strings.ContainsRune(",?[]{}", r):
			flow = true
		}
	}
	return flow, block
}

// scalar writes a tag, if it needs one, and a text.
func (e *Emitter) scalar(n *Node, at position) {
	if e.err = e.t.AllocN(len(n.Text), 4); e.err != nil {
		return
	}
	text := []rune(n.Text)
	style := e.choose(n, e.analyze(text), at)
	if style == 0 && !n.Implicit || style != 0 && n.Tag != "!!str" {
		e.indicator(n.Tag, true)
	}
	split := at != atSimpleKey
	switch style {
	case '"':
		e.doubleQuoted(text, split)
	case '\'':
		e.singleQuoted(text, split)
	case '|':
		e.literal(text)
	default:
		e.openEnded = at == atRoot
		e.plain(text, split)
	}
}

// choose returns the style of a text: the simplest that fits.
func (e *Emitter) choose(n *Node, a styles, at position) byte {
	isKey := at == atSimpleKey
	if n.Style == 0 && n.Implicit && !(isKey && (n.Text == "" || a.multiline)) &&
		(e.flow > 0 && a.flowPlain || e.flow == 0 && a.blockPlain) {
		return 0
	}
	switch {
	case n.Style == '|' && e.flow == 0 && !isKey && a.block:
		return '|'
	case (n.Style == 0 || n.Style == '\'') && a.single && !(isKey && a.multiline):
		return '\''
	}
	return '"'
}

// plain writes a text of one line. It is broken at single spaces.
func (e *Emitter) plain(text []rune, split bool) {
	if len(text) == 0 {
		return
	}
	if !e.whitespace {
		e.put(" ")
	}
	e.whitespace, e.indention = false, false
	for i := 0; i < len(text); {
		j := runEnd(text, i)
		if e.breaksAt(text, i, j, split) {
			e.newIndent()
			e.whitespace, e.indention = false, false
		} else {
			e.put(string(text[i:j]))
		}
		i = j
	}
}

// runEnd returns the end of the run of spaces, of line ends or of other
// characters that begins at i.
func runEnd(text []rune, i int) int {
	class := func(r rune) int {
		switch {
		case r == ' ':
			return 0
		case isBreak(r):
			return 1
		}
		return 2
	}
	j := i + 1
	for j < len(text) && class(text[j]) == class(text[i]) {
		j++
	}
	return j
}

// breaksAt reports whether a line ends at the run text[i:j].
func (e *Emitter) breaksAt(text []rune, i, j int, split bool) bool {
	return split && text[i] == ' ' && j == i+1 && e.column > e.o.Width
}

func (e *Emitter) singleQuoted(text []rune, split bool) {
	e.indicator("'", true)
	for i := 0; i < len(text); {
		j := runEnd(text, i)
		switch {
		case isBreak(text[i]):
			if text[i] == '\n' { // a single one would be read as a space
				e.newline("\n")
			}
			e.newlines(text[i:j])
			e.newIndent()
		case i > 0 && j < len(text) && e.breaksAt(text, i, j, split):
			e.newIndent()
		default:
			e.put(strings.ReplaceAll(string(text[i:j]), "'", "''"))
		}
		i = j
	}
	e.indicator("'", false)
}

func (e *Emitter) newlines(text []rune) {
	for _, r := range text {
		e.newline(string(r))
	}
}

// doubleQuoted breaks lines at spaces and before escapes.
func (e *Emitter) doubleQuoted(text []rune, split bool) {
	e.indicator(`"`, true)
	start := 0 // of what is not written yet
	for i, r := range text {
		escape := e.escape(r)
		if escape != "" {
			e.put(string(text[start:i]))
			e.put(escape)
			start = i + 1
		}
		if split && i > 0 && i < len(text)-1 && (r == ' ' || start >= i) && e.column+i-start > e.o.Width {
			e.put(string(text[start:max(start, i)]) + `\`)
			start = max(start, i)
			e.newIndent()
			e.whitespace, e.indention = false, false
			if text[start] == ' ' {
				e.put(`\`)
			}
		}
	}
	e.put(string(text[start:]))
	e.indicator(`"`, false)
}

var escapes = map[rune]string{
	0: `\0`, '\a': `\a`, '\b': `\b`, '\t': `\t`, '\n': `\n`, '\v': `\v`, '\f': `\f`, '\r': `\r`, 0x1b: `\e`,
	'"': `\"`, '\\': `\\`, 0x85: `\N`, 0xa0: `\_`, 0x2028: `\L`, 0x2029: `\P`,
}

// escape returns the escape of a character within double quotes, empty if it
// needs none.
func (e *Emitter) escape(r rune) string {
	quotes := r == '"' || r == '\\' || isBreak(r) || r == 0xfeff
	if !quotes && (r >= ' ' && r <= '~' || e.o.Unicode && r >= 0xa0 && r <= 0xfffd) {
		return ""
	}
	if s := escapes[r]; s != "" {
		return s
	}
	switch {
	case r <= 0xff:
		return fmt.Sprintf(`\x%02X`, r)
	case r <= 0xffff:
		return fmt.Sprintf(`\u%04X`, r)
	}
	return fmt.Sprintf(`\U%08X`, r)
}

// literal writes a block of lines as they are, with a header for leading spaces
// and for line ends at the end.
func (e *Emitter) literal(text []rune) {
	header := "|"
	if n := len(text); n > 0 {
		if text[0] == ' ' || isBreak(text[0]) {
			header += strconv.Itoa(e.o.Indent)
		}
		switch {
		case !isBreak(text[n-1]):
			header += "-"
		case n == 1 || isBreak(text[n-2]):
			header += "+"
		}
	}
	e.indicator(header, true)
	e.openEnded = strings.HasSuffix(header, "+")
	e.newline("\n")
	for i := 0; i < len(text); {
		j := i
		for j < len(text) && !isBreak(text[j]) {
			j++
		}
		if j > i {
			e.newIndent()
			e.put(string(text[i:j]))
		}
		e.newlines(text[j:min(j+1, len(text))])
		if j == len(text) {
			e.newline("\n")
		}
		i = j + 1
	}
}
