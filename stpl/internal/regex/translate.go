package regex

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	maxDepth  = 100    // nested groups
	maxGroups = 1000   // in a pattern
	maxWeight = 20_000 // items, each as often as counted repeats ask for
	maxEffort = 20_000 // of compiling, in characters; regexp2 takes up to 20 µs for one
	infinite  = 1 << 30
)

// The effort of compiling, of what is not a character by itself.
const (
	boundaryEffort = 60
	choiceEffort   = 40 // a class that becomes a choice of classes
	memberEffort   = 8  // a member of a class
	runesForEffort = 4  // characters of a range that ignores case
)

// translator reads a pattern of Python and writes one of regexp2.
type translator struct {
	src     []rune
	i       int
	out     strings.Builder
	flags   Flags
	bytes   bool
	groups  int
	names   map[string]int
	open    map[int]bool // groups being read
	closing []int        // groups in the order in which they end
	ahead   []reference  // to groups that may follow
	depth   int
	weight  int
	effort  int
	loops   bool // repeats groups
}

// bail carries an *Error out of the translator.
type bail struct{ err *Error }

func (t *translator) fail(pos int, format string, args ...any) {
	panic(bail{&Error{fmt.Sprintf(format, args...), pos, t.src}})
}

// pattern translates the whole. Its result is one item.
func (t *translator) pattern() (text string, bad *Error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case bail:
			bad = r.err
		default:
			panic(r)
		}
	}()
	t.alternation()
	if t.more() {
		t.fail(t.i, "unbalanced parenthesis")
	}
	for _, r := range t.ahead {
		if r.group > t.groups {
			t.fail(r.at, "invalid group reference %d", r.group)
		}
	}
	return scope(t.flags) + t.out.String() + ")", nil
}

// scope opens a group that has the given flags and no others. The translator
// itself handles verbose patterns, and case within ASCII.
func scope(f Flags) string {
	var on, off string
	for _, option := range []struct {
		letter string
		on     bool
	}{{"i", f&IgnoreCase != 0 && f&ASCII == 0}, {"m", f&MultiLine != 0}, {"s", f&DotAll != 0}} {
		if option.on {
			on += option.letter
		} else {
			off += option.letter
		}
	}
	if off != "" {
		off = "-" + off
	}
	return "(?" + on + off + ":"
}

func (t *translator) write(s string) { t.out.WriteString(s) }

func (t *translator) more() bool { return t.i < len(t.src) }

// need fails with a message if the pattern has ended.
func (t *translator) need(at int, message string) {
	if !t.more() {
		t.fail(at, "%s", message)
	}
}

// peek returns the character that is n ahead, -1 beyond the end.
func (t *translator) peek(n int) rune {
	if t.i+n < len(t.src) {
		return t.src[t.i+n]
	}
	return -1
}

func (t *translator) accept(s string) bool {
	for i, r := range []rune(s) {
		if t.peek(i) != r {
			return false
		}
	}
	t.i += len([]rune(s))
	return true
}

// alternation reads up to a closing parenthesis or the end.
func (t *translator) alternation() {
	if t.depth++; t.depth > maxDepth {
		t.fail(t.i, "groups are nested more than %d deep", maxDepth)
	}
	for t.sequence(); t.accept("|"); t.sequence() {
		t.write("|")
	}
	t.depth--
}

// kind is what a quantifier may follow.
type kind uint8

const (
	item    kind = iota // may be repeated
	anchor              // matches at a place
	setting             // is no part of the pattern: comments and flags
)

func (t *translator) sequence() {
	for t.more() && t.peek(0) != '|' && t.peek(0) != ')' {
		if t.blank() {
			continue
		}
		isGroup, before := t.peek(0) == '(', t.weight
		if k := t.atom(); k != setting {
			t.quantified(k, before, isGroup)
		}
		if t.weight > maxWeight {
			t.fail(-1, "the pattern is too large: its counted repeats expand to too much")
		}
		if t.effort > maxEffort {
			t.fail(-1, "the pattern is too large")
		}
	}
}

// blank skips what matches nothing: (?#comments), and in a verbose pattern
// white space and the rest of a line after #.
func (t *translator) blank() bool {
	from := t.i
	for {
		switch at := t.i; {
		case t.accept("(?#"):
			t.skip(')')
			if !t.accept(")") {
				t.fail(at, "missing ), unterminated comment")
			}
		case t.flags&Verbose == 0 || !t.more() || !strings.ContainsRune(" \t\n\r\v\f#", t.peek(0)):
			return t.i > from
		case t.accept("#"):
			t.skip('\n')
		default:
			t.i++
		}
	}
}

// skip goes on to a character, or to the end.
func (t *translator) skip(to rune) {
	for t.more() && t.peek(0) != to {
		t.i++
	}
}

func (t *translator) atom() kind {
	at := t.i
	r := t.src[t.i]
	t.i++
	t.weight++
	t.effort++
	switch r {
	case '.':
		t.write(".")
	case '^', '$':
		t.write(string(r))
		return anchor
	case '(':
		return t.group(at)
	case '[':
		t.class(at)
	case '\\':
		return t.escape(at)
	case '*', '+', '?':
		t.fail(at, "nothing to repeat")
	case '{':
		t.i = at
		if _, _, ok := t.braces(); ok {
			t.fail(at, "nothing to repeat")
		}
		t.i = at + 1
		t.literal(r)
	default:
		t.literal(r)
	}
	return item
}

// literal writes a character that stands for itself.
func (t *translator) literal(r rune) {
	if t.flags&ASCII != 0 && t.flags&IgnoreCase != 0 && isLetter(r) {
		t.write("[" + string(r) + string(r^0x20) + "]")
		return
	}
	t.write(quoted(r))
}

func isLetter(r rune) bool { return r < 128 && r|0x20 >= 'a' && r|0x20 <= 'z' }

// quoted is a character of a pattern or a class without its special meaning.
func quoted(r rune) string {
	switch {
	case r == '-': // regexp2 takes \- for no end of a range
		return `\x2d`
	case r > ' ' && r < 0x7f && r != '_' && !isLetter(r) && !(r >= '0' && r <= '9'):
		return `\` + string(r)
	}
	return string(r)
}

// braces reads {m}, {m,}, {,n} or {m,n}.
func (t *translator) braces() (low, high int, ok bool) {
	from := t.i
	defer func() {
		if !ok {
			t.i = from
		}
	}()
	if !t.accept("{") || t.peek(0) == '}' {
		return 0, 0, false
	}
	low, haveLow := t.number()
	high = low
	if t.accept(",") {
		var haveHigh bool
		if high, haveHigh = t.number(); !haveHigh {
			high = infinite
		}
	} else if !haveLow {
		return 0, 0, false
	}
	if !t.accept("}") {
		return 0, 0, false
	}
	if high < low {
		t.fail(from+1, "min repeat greater than max repeat")
	}
	return low, high, true
}

func (t *translator) number() (int, bool) {
	n, from := 0, t.i
	for t.peek(0) >= '0' && t.peek(0) <= '9' {
		n = min(n*10+int(t.peek(0)-'0'), infinite)
		t.i++
	}
	return n, t.i > from
}

// quantified reads the quantifier behind an item, if there is one. The item's
// weight came on top of the one before.
func (t *translator) quantified(k kind, before int, isGroup bool) {
	t.blank()
	at := t.i
	low, high, ok := t.quantifier()
	if !ok {
		return
	}
	if k == anchor {
		t.fail(at, "nothing to repeat")
	}
	t.loops = t.loops || isGroup
	times := max(low, 1)
	t.write("{" + strconv.Itoa(low) + ",")
	if high < infinite {
		times = max(high, 1)
		t.write(strconv.Itoa(high))
	}
	t.write("}")
	t.weight = before + (t.weight-before)*min(times, maxWeight+1)
	for _, mode := range []string{"?", "+"} {
		if t.accept(mode) {
			t.write(mode)
			break
		}
	}
	t.blank()
	again := t.i
	if _, _, ok := t.quantifier(); ok {
		t.fail(again, "multiple repeat")
	}
}

func (t *translator) quantifier() (low, high int, ok bool) {
	switch {
	case t.accept("*"):
		return 0, infinite, true
	case t.accept("+"):
		return 1, infinite, true
	case t.accept("?"):
		return 0, 1, true
	}
	return t.braces()
}
