package regex

import (
	"fmt"
	"strconv"
	"unicode"
)

// group reads what follows an opening parenthesis at the given place.
func (t *translator) group(at int) kind {
	if !t.accept("?") {
		return t.capture(at, "")
	}
	t.need(t.i, "unexpected end of pattern")
	switch {
	case t.accept("P"):
		return t.named(at)
	case t.accept("("):
		return t.conditional(at)
	}
	for _, opening := range []string{":", ">", "=", "!", "<=", "<!"} {
		if t.accept(opening) {
			return t.scoped(at, "(?"+opening, t.flags)
		}
	}
	if t.peek(0) == '<' {
		if t.peek(1) < 0 {
			t.fail(t.i+1, "unexpected end of pattern")
		}
		t.fail(at+1, "unknown extension ?<%c", t.peek(1))
	}
	return t.flagGroup(at)
}

// scoped reads the inside of a group and its end with flags of its own.
func (t *translator) scoped(at int, opening string, flags Flags) kind {
	t.write(opening)
	saved := t.flags
	t.flags = flags
	t.alternation()
	t.flags = saved
	t.close(at)
	return item
}

// close reads the closing parenthesis.
func (t *translator) close(at int) {
	if !t.accept(")") {
		t.fail(at, "missing ), unterminated subpattern")
	}
	t.write(")")
}

func (t *translator) capture(at int, name string) kind {
	t.groups++
	n := t.groups
	if n > maxGroups {
		t.fail(at, "too many groups")
	}
	if name != "" {
		if old, ok := t.names[name]; ok {
			t.fail(at+4, "redefinition of group name '%s' as group %d; was group %d", name, n, old)
		}
		t.names[name] = n
	}
	t.open[n] = true
	t.scoped(at, "(", t.flags)
	delete(t.open, n)
	t.closing = append(t.closing, n)
	return item
}

// named reads (?P<name>…) and (?P=name).
func (t *translator) named(at int) kind {
	switch {
	case t.accept("<"):
		return t.capture(at, t.name('>'))
	case t.accept("="):
		from := t.i
		return t.reference(t.groupOf(t.name(')'), from), from, from)
	case !t.more():
		t.fail(t.i, "unexpected end of pattern")
	}
	t.fail(at+1, "unknown extension ?P%c", t.peek(0))
	return item
}

// text reads up to a terminator, which it skips.
func (t *translator) text(end rune) string {
	from := t.i
	t.skip(end)
	s := string(t.src[from:t.i])
	switch {
	case s == "":
		t.fail(from, "missing group name")
	case !t.more():
		t.fail(from, "missing %c, unterminated name", end)
	}
	t.i++
	return s
}

func (t *translator) name(end rune) string {
	from := t.i
	s := t.text(end)
	if !IsName(s) {
		t.fail(from, "bad character in group name '%s'", s)
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

// groupOf is the number of the group of a name that stands at a place.
func (t *translator) groupOf(name string, at int) int {
	n, ok := t.names[name]
	if !ok {
		t.fail(at, "unknown group name '%s'", name)
	}
	return n
}

// reference is a place of the pattern that needs a group.
type reference struct{ group, at int }

func (t *translator) reference(n, at, openAt int) kind {
	if n > t.groups {
		t.fail(at, "invalid group reference %d", n)
	}
	if t.open[n] {
		t.fail(openAt, "cannot refer to an open group")
	}
	t.write(fmt.Sprintf(`\k<%d>`, n))
	return item
}

// conditional reads (?(group)yes|no).
func (t *translator) conditional(at int) kind {
	from := t.i
	name := t.text(')')
	n, err := strconv.Atoi(name)
	switch {
	case err != nil || name[0] == '+' || name[0] == '-':
		if !IsName(name) {
			t.fail(from, "bad character in group name '%s'", name)
		}
		n = t.groupOf(name, from)
	case n == 0:
		t.fail(from, "bad group number")
	case n > t.groups:
		t.ahead = append(t.ahead, reference{n, from})
	}
	t.write(fmt.Sprintf("(?(%d)", n))
	t.sequence()
	if t.accept("|") {
		t.write("|")
		t.sequence()
		if t.peek(0) == '|' {
			t.fail(t.i, "conditional backref with more than two branches")
		}
	}
	t.close(at)
	return item
}

var flagLetters = map[rune]Flags{
	'i': IgnoreCase, 'L': Locale, 'm': MultiLine, 's': DotAll, 'x': Verbose, 'a': ASCII, 'u': Unicode,
}

// flagGroup reads (?flags), (?flags:…) and (?flags-flags:…).
func (t *translator) flagGroup(at int) kind {
	if t.peek(0) != '-' && flagLetters[t.peek(0)] == 0 {
		t.fail(at+1, "unknown extension ?%c", t.peek(0))
	}
	on := t.flagList()
	if t.accept(")") {
		if at != 0 {
			t.fail(at, "global flags not at the start of the expression")
		}
		t.flags |= on
		return setting
	}
	var off Flags
	if t.accept("-") {
		t.need(t.i, "missing flag")
		off = t.flagList()
		switch {
		case off == 0:
			t.fail(t.i, "unknown flag")
		case off&(ASCII|Unicode|Locale) != 0:
			t.fail(t.i, "bad inline flags: cannot turn off flags 'a', 'u' and 'L'")
		case on&off != 0:
			t.fail(t.i, "bad inline flags: flag turned on and off")
		}
	}
	if !t.accept(":") {
		t.need(t.i, "missing -, : or )")
		t.fail(t.i, "unknown flag")
	}
	flags := (t.flags | on) &^ off
	if on&Unicode != 0 {
		flags &^= ASCII
	}
	return t.scoped(at, scope(flags), flags)
}

func (t *translator) flagList() (f Flags) {
	for t.more() && flagLetters[t.peek(0)] != 0 {
		f |= flagLetters[t.peek(0)]
		t.i++
	}
	if f&Locale != 0 {
		t.fail(t.i, "bad inline flags: cannot use 'L' flag with a str pattern")
	}
	if t.bytes && f&Unicode != 0 {
		t.fail(t.i, "bad inline flags: cannot use 'u' flag with a bytes pattern")
	}
	return f
}
