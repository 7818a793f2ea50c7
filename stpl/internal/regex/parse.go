// Package regex is a backtracking matcher for the regular expressions of
// Python 3.11, with lookaround, back-references, conditionals, atomic groups
// and possessive quantifiers. Whoever matches passes in a function that is
// asked for every piece of work, so that no pattern runs for ever.
package regex

import (
	"fmt"
	"strings"
)

// Flags change how a pattern is read. The values are Python's.
type Flags int

// The flags.
const (
	IgnoreCase Flags = 2
	Locale     Flags = 4
	MultiLine  Flags = 8
	DotAll     Flags = 16
	Unicode    Flags = 32
	Verbose    Flags = 64
	Debug      Flags = 128
	ASCII      Flags = 256
)

// Error is what is wrong with a pattern.
type Error struct {
	Message string
	Pos     int // in characters, -1 if it is the pattern as a whole
	pattern []rune
}

// Error reads as Python's: "… at position 3".
func (e *Error) Error() string {
	if e.Pos < 0 {
		return e.Message
	}
	s := fmt.Sprintf("%s at position %d", e.Message, e.Pos)
	before := string(e.pattern[:min(e.Pos, len(e.pattern))])
	if strings.ContainsRune(string(e.pattern), '\n') {
		line := strings.Count(before, "\n") + 1
		column := len([]rune(before[strings.LastIndexByte(before, '\n')+1:])) + 1
		s += fmt.Sprintf(" (line %d, column %d)", line, column)
	}
	return s
}

type kind uint8

const (
	empty     kind = iota
	char           // one character: r
	dot            // any character; with DotAll a newline, too
	oneOf          // one character of set
	seq            // subs, one after the other
	alt            // one of subs
	group          // a capture of subs[0]
	repeat         // subs[0], min to max times
	begin          // ^
	end            // $
	beginText      // \A
	endText        // \Z
	boundary       // \b, or \B with neg
	backref        // what group n matched
	look           // lookaround of subs[0]
	atomic         // subs[0] without going back into it
	cond           // subs[0] if group n matched, else subs[1]
)

type mode uint8

const (
	greedy mode = iota
	lazy
	possessive
)

const infinite = 1 << 30

// node is a part of a pattern.
type node struct {
	kind     kind
	flags    Flags
	r        rune
	set      *set
	subs     []*node
	min, max int
	mode     mode
	n        int // group
	neg      bool
	behind   bool
}

// maxDepth bounds nested groups.
const maxDepth = 100

type parser struct {
	src    []rune
	i      int
	flags  Flags
	bytes  bool
	groups int
	names  map[string]int
	open   map[int]bool // groups being read
	depth  int
	widths map[int]int // width of finished groups, -1 if not fixed
}

// bail carries an *Error out of the parser.
type bail struct{ err *Error }

func (p *parser) fail(pos int, format string, args ...any) {
	panic(bail{&Error{fmt.Sprintf(format, args...), pos, p.src}})
}

func (p *parser) more() bool { return p.i < len(p.src) }

// peek returns the character that is n ahead, -1 beyond the end.
func (p *parser) peek(n int) rune {
	if p.i+n < len(p.src) {
		return p.src[p.i+n]
	}
	return -1
}

func (p *parser) accept(s string) bool {
	for i, r := range []rune(s) {
		if p.peek(i) != r {
			return false
		}
	}
	p.i += len([]rune(s))
	return true
}

// alternation reads up to a closing parenthesis or the end.
func (p *parser) alternation() *node {
	if p.depth++; p.depth > maxDepth {
		p.fail(p.i, "groups are nested more than %d deep", maxDepth)
	}
	defer func() { p.depth-- }()
	n := &node{kind: alt}
	for {
		n.subs = append(n.subs, p.sequence())
		if !p.accept("|") {
			break
		}
	}
	if len(n.subs) == 1 {
		return n.subs[0]
	}
	return n
}

func (p *parser) sequence() *node {
	n := &node{kind: seq}
	for p.more() && p.peek(0) != '|' && p.peek(0) != ')' {
		if p.flags&Verbose != 0 && p.blank() {
			continue
		}
		at := p.i
		item := p.atom()
		if item == nil {
			continue
		}
		n.subs = append(n.subs, p.quantified(item, at))
	}
	return n
}

// blank skips white space or a comment of a verbose pattern.
func (p *parser) blank() bool {
	if strings.ContainsRune(" \t\n\r\v\f", p.peek(0)) {
		p.i++
		return true
	}
	if p.peek(0) != '#' {
		return false
	}
	for p.more() && p.peek(0) != '\n' {
		p.i++
	}
	return true
}

func (p *parser) atom() *node {
	at := p.i
	r := p.src[p.i]
	p.i++
	switch r {
	case '.':
		return &node{kind: dot, flags: p.flags}
	case '^':
		return &node{kind: begin, flags: p.flags}
	case '$':
		return &node{kind: end, flags: p.flags}
	case '(':
		return p.group(at)
	case '[':
		return p.class(at)
	case '\\':
		return p.escape(at)
	case '*', '+', '?':
		p.fail(at, "nothing to repeat")
	case '{':
		p.i = at
		if _, _, ok := p.braces(); ok {
			p.fail(at, "nothing to repeat")
		}
		p.i = at + 1
	}
	return p.literal(r)
}

func (p *parser) literal(r rune) *node { return &node{kind: char, r: r, flags: p.flags} }

// braces reads {m}, {m,}, {,n} or {m,n}.
func (p *parser) braces() (low, high int, ok bool) {
	from := p.i
	if !p.accept("{") {
		return 0, 0, false
	}
	if p.accept("}") {
		p.i = from
		return 0, 0, false
	}
	low, haveLow := p.number()
	high, haveHigh := low, haveLow
	if p.accept(",") {
		if high, haveHigh = p.number(); !haveHigh {
			high = infinite
		}
	} else if !haveLow {
		p.i = from
		return 0, 0, false
	}
	if !p.accept("}") {
		p.i = from
		return 0, 0, false
	}
	if high < low {
		p.fail(from+1, "min repeat greater than max repeat")
	}
	return low, high, true
}

func (p *parser) number() (int, bool) {
	n, from := 0, p.i
	for p.peek(0) >= '0' && p.peek(0) <= '9' {
		n = min(n*10+int(p.peek(0)-'0'), infinite)
		p.i++
	}
	return n, p.i > from
}

// quantified reads the quantifier behind an item, if there is one.
func (p *parser) quantified(item *node, itemAt int) *node {
	for p.flags&Verbose != 0 && p.more() && p.blank() {
	}
	at := p.i
	low, high, ok := p.quantifier()
	if !ok {
		return item
	}
	switch item.kind {
	case begin, end, beginText, endText, boundary, empty:
		p.fail(at, "nothing to repeat")
	}
	if item.kind == seq && len(item.subs) == 0 {
		p.fail(at, "nothing to repeat")
	}
	n := &node{kind: repeat, min: low, max: high, subs: []*node{item}, flags: p.flags}
	switch {
	case p.accept("?"):
		n.mode = lazy
	case p.accept("+"):
		n.mode = possessive
	}
	for p.flags&Verbose != 0 && p.more() && p.blank() {
	}
	again := p.i
	if _, _, ok := p.quantifier(); ok {
		p.fail(again, "multiple repeat")
	}
	return n
}

func (p *parser) quantifier() (low, high int, ok bool) {
	switch {
	case p.accept("*"):
		return 0, infinite, true
	case p.accept("+"):
		return 1, infinite, true
	case p.accept("?"):
		return 0, 1, true
	}
	return p.braces()
}
