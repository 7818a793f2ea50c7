package regex

import (
	"strconv"
	"strings"
	"unicode"
)

// set is a class of characters.
type set struct {
	neg    bool
	fold   bool
	ascii  bool
	ranges []span
	kinds  []byte // d D s S w W
	table  [2]uint64
}

type span struct{ low, high rune }

// finish precomputes the answers for ASCII.
func (s *set) finish() *set {
	for r := rune(0); r < 128; r++ {
		if s.search(r) {
			s.table[r/64] |= 1 << (r % 64)
		}
	}
	return s
}

// has reports whether the set contains r.
func (s *set) has(r rune) bool {
	if r < 128 {
		return s.table[r/64]>>(r%64)&1 == 1
	}
	return s.search(r)
}

func (s *set) search(r rune) bool {
	if s.contains(r) {
		return !s.neg
	}
	if s.fold {
		for o := foldNext(r, s.ascii); o != r; o = foldNext(o, s.ascii) {
			if s.contains(o) {
				return !s.neg
			}
		}
	}
	return s.neg
}

func (s *set) contains(r rune) bool {
	for _, p := range s.ranges {
		if r >= p.low && r <= p.high {
			return true
		}
	}
	for _, k := range s.kinds {
		if is(k, r, s.ascii) {
			return true
		}
	}
	return false
}

// foldNext is the next character that differs from r in case only.
func foldNext(r rune, ascii bool) rune {
	if !ascii {
		return unicode.SimpleFold(r)
	}
	if r|0x20 >= 'a' && r|0x20 <= 'z' && r < 128 {
		return r ^ 0x20
	}
	return r
}

// canonical is one character for all that differ in case only.
func canonical(r rune, ascii bool) rune {
	least := r
	for o := foldNext(r, ascii); o != r; o = foldNext(o, ascii) {
		least = min(least, o)
	}
	return least
}

// is reports whether r belongs to \d, \s or \w, or not for capitals.
func is(kind byte, r rune, ascii bool) bool {
	if kind < 'a' {
		return !is(kind|0x20, r, ascii)
	}
	if r >= 128 {
		if ascii {
			return false
		}
		switch kind {
		case 'd':
			return unicode.Is(unicode.Nd, r)
		case 's':
			return unicode.IsSpace(r)
		}
		return unicode.IsLetter(r) || unicode.IsNumber(r)
	}
	switch kind {
	case 'd':
		return r >= '0' && r <= '9'
	case 's':
		return r == ' ' || r >= '\t' && r <= '\r' || !ascii && r >= 0x1c && r <= 0x1f
	}
	return r == '_' || r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z'
}

func (p *parser) newSet() *set {
	return &set{fold: p.flags&IgnoreCase != 0, ascii: p.flags&ASCII != 0}
}

// class reads a class in brackets.
func (p *parser) class(at int) *node {
	s := p.newSet()
	s.neg = p.accept("^")
	for first := true; ; first = false {
		if !p.more() {
			p.fail(at, "unterminated character set")
		}
		if !first && p.accept("]") {
			break
		}
		from := p.i
		low, kind := p.member()
		if p.peek(0) != '-' || p.peek(1) == ']' {
			s.add(low, low, kind)
			continue
		}
		p.i++
		if !p.more() {
			p.fail(at, "unterminated character set")
		}
		high, kindHigh := p.member()
		if kind != 0 || kindHigh != 0 || high < low {
			p.fail(from, "bad character range %s", string(p.src[from:p.i]))
		}
		s.add(low, high, 0)
	}
	return &node{kind: oneOf, set: s.finish()}
}

func (s *set) add(low, high rune, kind byte) {
	if kind != 0 {
		s.kinds = append(s.kinds, kind)
		return
	}
	s.ranges = append(s.ranges, span{low, high})
}

// member reads one character or \d and the like within brackets.
func (p *parser) member() (r rune, kind byte) {
	at := p.i
	r = p.src[p.i]
	p.i++
	if r != '\\' {
		return r, 0
	}
	if !p.more() {
		p.fail(at, "bad escape (end of pattern)")
	}
	c := p.src[p.i]
	if strings.ContainsRune("dDsSwW", c) {
		p.i++
		return 0, byte(c)
	}
	if c == 'b' {
		p.i++
		return '\b', 0
	}
	if c >= '0' && c <= '7' {
		return p.octal(at, 3), 0
	}
	if c == '8' || c == '9' {
		p.fail(at, "bad escape \\%c", c)
	}
	return p.character(at), 0
}

func (p *parser) octal(at, most int) rune {
	from := p.i
	for p.i < from+most && p.peek(0) >= '0' && p.peek(0) <= '7' {
		p.i++
	}
	v, _ := strconv.ParseUint(string(p.src[from:p.i]), 8, 32)
	if v > 0o377 {
		p.fail(at, "octal escape value %s outside of range 0-0o377", string(p.src[at:p.i]))
	}
	return rune(v)
}

var simpleEscapes = map[rune]rune{'a': '\a', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v', '\\': '\\'}

// character reads an escape that stands for one character.
func (p *parser) character(at int) rune {
	c := p.src[p.i]
	p.i++
	if r, ok := simpleEscapes[c]; ok {
		return r
	}
	switch {
	case c == 'x':
		return p.hexDigits(at, 2)
	case c == 'u' && !p.bytes:
		return p.hexDigits(at, 4)
	case c == 'U' && !p.bytes:
		return p.hexDigits(at, 8)
	case c < 128 && (c|0x20 >= 'a' && c|0x20 <= 'z'):
		p.fail(at, "bad escape \\%c", c)
	}
	return c
}

// escape reads an escape outside of brackets.
func (p *parser) escape(at int) *node {
	if !p.more() {
		p.fail(at, "bad escape (end of pattern)")
	}
	c := p.src[p.i]
	switch c {
	case 'd', 'D', 's', 'S', 'w', 'W':
		p.i++
		s := p.newSet()
		s.fold = false
		s.add(0, 0, byte(c))
		return &node{kind: oneOf, set: s.finish()}
	case 'A', 'Z', 'b', 'B':
		p.i++
		k := map[rune]kind{'A': beginText, 'Z': endText, 'b': boundary, 'B': boundary}[c]
		return &node{kind: k, flags: p.flags, neg: c == 'B'}
	case '0':
		return p.literal(p.octal(at, 3))
	}
	if c >= '1' && c <= '9' {
		return p.numbered(at)
	}
	return p.literal(p.character(at))
}

// numbered reads a back-reference, or an octal escape of three digits.
func (p *parser) numbered(at int) *node {
	isDigit := func(r rune) bool { return r >= '0' && r <= '9' }
	isOctal := func(r rune) bool { return r >= '0' && r <= '7' }
	if isOctal(p.peek(0)) && p.peek(0) <= '7' && isOctal(p.peek(1)) && isOctal(p.peek(2)) {
		return p.literal(p.octal(at, 3))
	}
	n := int(p.peek(0) - '0')
	p.i++
	if isDigit(p.peek(0)) {
		n = n*10 + int(p.peek(0)-'0')
		p.i++
	}
	return p.reference(n, at+1, at)
}
