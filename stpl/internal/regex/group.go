package regex

import (
	"strconv"
	"strings"
	"unicode"
)

// group reads what follows an opening parenthesis at the given place. It
// returns nil for what matches nothing by itself: comments and flags.
func (p *parser) group(at int) *node {
	if !p.accept("?") {
		return p.capture(at, "")
	}
	if !p.more() {
		p.fail(p.i, "unexpected end of pattern")
	}
	switch {
	case p.accept("P"):
		return p.named(at)
	case p.accept(":"):
		return p.scoped(at, p.flags)
	case p.accept("#"):
		for p.peek(0) != ')' {
			if !p.more() {
				p.fail(at, "missing ), unterminated comment")
			}
			p.i++
		}
		p.i++
		return nil
	case p.accept(">"):
		return &node{kind: atomic, subs: []*node{p.scoped(at, p.flags)}}
	case p.accept("="):
		return p.look(at, false, false)
	case p.accept("!"):
		return p.look(at, true, false)
	case p.accept("<="):
		return p.look(at, false, true)
	case p.accept("<!"):
		return p.look(at, true, true)
	case p.peek(0) == '<':
		if p.peek(1) < 0 {
			p.fail(p.i+1, "unexpected end of pattern")
		}
		p.fail(at+1, "unknown extension ?<%c", p.peek(1))
	case p.accept("("):
		return p.conditional(at)
	}
	return p.flagGroup(at)
}

// close reads the closing parenthesis.
func (p *parser) close(at int) {
	if !p.accept(")") {
		p.fail(at, "missing ), unterminated subpattern")
	}
}

func (p *parser) capture(at int, name string) *node {
	p.groups++
	n := &node{kind: group, n: p.groups}
	if p.groups > 1000 {
		p.fail(at, "too many groups")
	}
	if name != "" {
		if old, ok := p.names[name]; ok {
			p.fail(at+4, "redefinition of group name '%s' as group %d; was group %d", name, n.n, old)
		}
		p.names[name] = n.n
	}
	p.open[n.n] = true
	n.subs = []*node{p.scoped(at, p.flags)}
	delete(p.open, n.n)
	return n
}

// scoped reads the inside of a group and its end with flags of its own.
func (p *parser) scoped(at int, flags Flags) *node {
	saved := p.flags
	p.flags = flags
	n := p.alternation()
	p.flags = saved
	p.close(at)
	return n
}

// named reads (?P<name>…) and (?P=name).
func (p *parser) named(at int) *node {
	switch {
	case p.accept("<"):
		name := p.name('>')
		return p.capture(at, name)
	case p.accept("="):
		from := p.i
		name := p.name(')')
		n, ok := p.names[name]
		if !ok {
			p.fail(from, "unknown group name '%s'", name)
		}
		return p.reference(n, from, from)
	case !p.more():
		p.fail(p.i, "unexpected end of pattern")
	}
	p.fail(at+1, "unknown extension ?P%c", p.peek(0))
	return nil
}

// text reads up to a terminator, which it skips.
func (p *parser) text(end rune) string {
	from := p.i
	for p.more() && p.peek(0) != end {
		p.i++
	}
	if !p.more() {
		if p.i == from {
			p.fail(from, "missing group name")
		}
		p.fail(from, "missing %c, unterminated name", end)
	}
	s := string(p.src[from:p.i])
	if s == "" {
		p.fail(from, "missing group name")
	}
	p.i++
	return s
}

func (p *parser) name(end rune) string {
	from := p.i
	s := p.text(end)
	if !IsName(s) {
		p.fail(from, "bad character in group name '%s'", s)
	}
	return s
}

// IsName reports whether s is an identifier.
func IsName(s string) bool {
	for i, r := range s {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r)) {
			return false
		}
	}
	return s != ""
}

func (p *parser) reference(n, at, openAt int) *node {
	if n > p.groups {
		p.fail(at, "invalid group reference %d", n)
	}
	if p.open[n] {
		p.fail(openAt, "cannot refer to an open group")
	}
	return &node{kind: backref, n: n, flags: p.flags}
}

func (p *parser) look(at int, neg, behind bool) *node {
	n := &node{kind: look, neg: neg, behind: behind, subs: []*node{p.scoped(at, p.flags)}}
	if behind {
		low, high := p.width(n.subs[0])
		if low != high {
			panic(bail{&Error{"look-behind requires fixed-width pattern", -1, nil}})
		}
		n.min = low
	}
	return n
}

// conditional reads (?(group)yes|no).
func (p *parser) conditional(at int) *node {
	from := p.i
	name := p.text(')')
	n := &node{kind: cond}
	if id, err := strconv.Atoi(name); err == nil && name[0] != '+' && name[0] != '-' {
		if id == 0 {
			p.fail(from, "bad group number")
		}
		if id > p.groups {
			p.fail(from, "invalid group reference %d", id)
		}
		n.n = id
	} else {
		if !IsName(name) {
			p.fail(from, "bad character in group name '%s'", name)
		}
		id, ok := p.names[name]
		if !ok {
			p.fail(from, "unknown group name '%s'", name)
		}
		n.n = id
	}
	n.subs = []*node{p.sequence(), {kind: empty}}
	if p.accept("|") {
		n.subs[1] = p.sequence()
		if p.peek(0) == '|' {
			p.fail(p.i, "conditional backref with more than two branches")
		}
	}
	p.close(at)
	return n
}

var flagLetters = map[rune]Flags{
	'i': IgnoreCase, 'L': Locale, 'm': MultiLine, 's': DotAll, 'x': Verbose, 'a': ASCII, 'u': Unicode,
}

// flagGroup reads (?flags), (?flags:…) and (?flags-flags:…).
func (p *parser) flagGroup(at int) *node {
	if p.peek(0) != '-' && flagLetters[p.peek(0)] == 0 {
		p.fail(at+1, "unknown extension ?%c", p.peek(0))
	}
	on := p.flagList()
	if p.accept(")") {
		if at != 0 {
			p.fail(at, "global flags not at the start of the expression")
		}
		p.flags |= on
		return nil
	}
	var off Flags
	if p.accept("-") {
		if !p.more() {
			p.fail(p.i, "missing flag")
		}
		if off = p.flagList(); off == 0 {
			p.fail(p.i, "unknown flag")
		}
		if off&(ASCII|Unicode|Locale) != 0 {
			p.fail(p.i, "bad inline flags: cannot turn off flags 'a', 'u' and 'L'")
		}
		if on&off != 0 {
			p.fail(p.i, "bad inline flags: flag turned on and off")
		}
	}
	if !p.accept(":") {
		if !p.more() {
			p.fail(p.i, "missing -, : or )")
		}
		p.fail(p.i, "unknown flag")
	}
	flags := (p.flags | on) &^ off
	if on&Unicode != 0 {
		flags &^= ASCII
	}
	return p.scoped(at, flags)
}

func (p *parser) flagList() (f Flags) {
	for p.more() && flagLetters[p.peek(0)] != 0 {
		f |= flagLetters[p.peek(0)]
		p.i++
	}
	if f&Locale != 0 {
		p.fail(p.i, "bad inline flags: cannot use 'L' flag with a str pattern")
	}
	if p.bytes && f&Unicode != 0 {
		p.fail(p.i, "bad inline flags: cannot use 'u' flag with a bytes pattern")
	}
	return f
}

// width is the least and the greatest number of characters a node matches.
func (p *parser) width(n *node) (low, high int) {
	switch n.kind {
	case char, dot, oneOf:
		return 1, 1
	case seq:
		for _, s := range n.subs {
			l, h := p.width(s)
			low, high = min(low+l, infinite), min(high+h, infinite)
		}
		return low, high
	case alt, cond:
		low = infinite
		for _, s := range n.subs {
			l, h := p.width(s)
			low, high = min(low, l), max(high, h)
		}
		return low, high
	case group:
		low, high = p.width(n.subs[0])
		p.widths[n.n] = -1
		if low == high {
			p.widths[n.n] = low
		}
		return low, high
	case atomic:
		return p.width(n.subs[0])
	case repeat:
		l, h := p.width(n.subs[0])
		return times(l, n.min), times(h, n.max)
	case backref:
		if w, ok := p.widths[n.n]; ok && w >= 0 {
			return w, w
		}
		return 0, infinite
	}
	return 0, 0
}

func times(a, b int) int {
	if a == 0 || b == 0 {
		return 0
	}
	if a > infinite/b {
		return infinite
	}
	return a * b
}

// hexDigits reads n hexadecimal digits of an escape at the given place.
func (p *parser) hexDigits(at, n int) rune {
	from := p.i
	for p.i < from+n && p.more() && strings.ContainsRune("0123456789abcdefABCDEF", p.peek(0)) {
		p.i++
	}
	v, err := strconv.ParseUint(string(p.src[from:p.i]), 16, 32)
	if err != nil || p.i < from+n {
		p.fail(at, "incomplete escape %s", string(p.src[at:p.i]))
	}
	if v > unicode.MaxRune {
		p.fail(at, "bad escape %s", string(p.src[at:p.i]))
	}
	return rune(v)
}
