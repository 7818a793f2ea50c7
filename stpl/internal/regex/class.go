package regex

import (
	"strconv"
	"strings"
	"unicode"
)

// set is a class of characters: those that are inside the brackets, and those
// that are outside of other brackets, such as \W.
type set struct {
	inside  strings.Builder
	outside []string
}

// kinds are the insides of \d, \s and \w, for text and for ASCII.
var kinds = map[rune][2]string{
	'd': {`\p{Nd}`, `0-9`},
	's': {"\t-\r\x1c- \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000", "\t-\r "},
	'w': {`\p{L}\p{N}_`, `a-zA-Z0-9_`},
}

func (t *translator) kind(letter rune) string {
	if t.flags&ASCII != 0 {
		return kinds[letter][1]
	}
	return kinds[letter][0]
}

// class reads a class in brackets.
func (t *translator) class(at int) {
	var s set
	neg := t.accept("^")
	for first := true; first || !t.accept("]"); first = false {
		t.need(at, "unterminated character set")
		from := t.i
		low, kind := t.member()
		if t.peek(0) != '-' || t.peek(1) == ']' {
			t.add(&s, low, low, kind)
			continue
		}
		t.i++
		t.need(at, "unterminated character set")
		high, kindHigh := t.member()
		if kind != 0 || kindHigh != 0 || high < low {
			t.fail(from, "bad character range %s", string(t.src[from:t.i]))
		}
		t.add(&s, low, high, 0)
	}
	t.writeSet(&s, neg)
}

// add adds a range of characters or a kind such as \d to a set.
func (t *translator) add(s *set, low, high, kind rune) {
	t.effort += memberEffort
	switch {
	case kind >= 'a':
		s.inside.WriteString(t.kind(kind))
		return
	case kind != 0:
		s.outside = append(s.outside, t.kind(kind|0x20))
		return
	}
	s.inside.WriteString(quoted(low))
	if low < high {
		s.inside.WriteString("-" + quoted(high))
	}
	if t.flags&IgnoreCase == 0 {
		return
	}
	t.effort += int(high-low) / runesForEffort
	if t.flags&ASCII == 0 {
		return
	}
	for _, letters := range [][2]rune{{'A', 'Z'}, {'a', 'z'}} {
		if from, to := max(low, letters[0]), min(high, letters[1]); from <= to {
			s.inside.WriteString(string(from^0x20) + "-" + string(to^0x20))
		}
	}
}

// writeSet writes a set as one class, or as a choice of classes.
func (t *translator) writeSet(s *set, neg bool) {
	bracket := func(inside string, neg bool) string {
		if neg {
			return "[^" + inside + "]"
		}
		return "[" + inside + "]"
	}
	inside := s.inside.String()
	switch {
	case len(s.outside) == 0:
		t.write(bracket(inside, neg))
		return
	case len(s.outside) == 1 && inside == "":
		t.write(bracket(s.outside[0], !neg))
		return
	}
	t.effort += choiceEffort
	var choice []string
	for _, o := range s.outside {
		choice = append(choice, bracket(o, true))
	}
	if inside != "" {
		choice = append(choice, bracket(inside, false))
	}
	either := strings.Join(choice, "|")
	if neg {
		either = "(?!" + either + ")(?s:.)"
	}
	t.write("(?:" + either + ")")
}

// member reads one character or \d and the like within brackets.
func (t *translator) member() (r, kind rune) {
	at := t.i
	r = t.src[t.i]
	t.i++
	if r != '\\' {
		return r, 0
	}
	t.need(at, "bad escape (end of pattern)")
	c := t.src[t.i]
	switch {
	case strings.ContainsRune("dDsSwW", c):
		t.i++
		return 0, c
	case c == 'b':
		t.i++
		return '\b', 0
	case c >= '0' && c <= '7':
		return t.octal(at), 0
	case c == '8' || c == '9':
		t.fail(at, "bad escape \\%c", c)
	}
	return t.character(at), 0
}

func (t *translator) octal(at int) rune {
	from := t.i
	for t.i < from+3 && t.peek(0) >= '0' && t.peek(0) <= '7' {
		t.i++
	}
	v, _ := strconv.ParseUint(string(t.src[from:t.i]), 8, 32)
	if v > 0o377 {
		t.fail(at, "octal escape value %s outside of range 0-0o377", string(t.src[at:t.i]))
	}
	return rune(v)
}

var simpleEscapes = map[rune]rune{'a': '\a', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v'}

// character reads an escape that stands for one character.
func (t *translator) character(at int) rune {
	c := t.src[t.i]
	t.i++
	if r, ok := simpleEscapes[c]; ok {
		return r
	}
	digits := map[rune]int{'x': 2, 'u': 4, 'U': 8}[c]
	switch {
	case digits > 0 && (c == 'x' || !t.bytes):
		return t.hexDigits(at, digits)
	case isLetter(c):
		t.fail(at, "bad escape \\%c", c)
	}
	return c
}

// hexDigits reads n hexadecimal digits of an escape at the given place.
func (t *translator) hexDigits(at, n int) rune {
	from := t.i
	for t.i < from+n && t.more() && strings.ContainsRune("0123456789abcdefABCDEF", t.peek(0)) {
		t.i++
	}
	v, err := strconv.ParseUint(string(t.src[from:t.i]), 16, 32)
	if err != nil || t.i < from+n {
		t.fail(at, "incomplete escape %s", string(t.src[at:t.i]))
	}
	if v > unicode.MaxRune {
		t.fail(at, "bad escape %s", string(t.src[at:t.i]))
	}
	return rune(v)
}

// escape reads an escape outside of brackets.
func (t *translator) escape(at int) kind {
	t.need(at, "bad escape (end of pattern)")
	switch c := t.peek(0); {
	case strings.ContainsRune("dDsSwW", c):
		var s set
		t.i++
		t.add(&s, 0, 0, c)
		t.writeSet(&s, false)
	case c == 'A':
		t.i++
		t.write(`\A`)
		return anchor
	case c == 'Z':
		t.i++
		t.write(`\z`)
		return anchor
	case c == 'b' || c == 'B':
		t.i++
		t.boundary(c == 'B')
		return anchor
	case c == '0':
		t.literal(t.octal(at))
	case c >= '1' && c <= '9':
		return t.numbered(at)
	default:
		t.literal(t.character(at))
	}
	return item
}

// boundary writes \b or \B. In Python an empty text has neither.
func (t *translator) boundary(neg bool) {
	t.effort += boundaryEffort
	word := "[" + t.kind('w') + "]"
	if neg {
		t.write("(?:(?<=" + word + ")(?=" + word + ")|(?<!" + word + ")(?!" + word + `)(?!\A\z))`)
		return
	}
	t.write("(?:(?<=" + word + ")(?!" + word + ")|(?<!" + word + ")(?=" + word + "))")
}

// numbered reads a back-reference, or an octal escape of three digits.
func (t *translator) numbered(at int) kind {
	isOctal := func(r rune) bool { return r >= '0' && r <= '7' }
	if isOctal(t.peek(0)) && isOctal(t.peek(1)) && isOctal(t.peek(2)) {
		t.literal(t.octal(at))
		return item
	}
	n := int(t.peek(0) - '0')
	t.i++
	if next := t.peek(0); next >= '0' && next <= '9' {
		n = n*10 + int(next-'0')
		t.i++
	}
	return t.reference(n, at+1, at)
}
