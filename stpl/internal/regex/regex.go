// Package regex runs the regular expressions of Python 3.11 on
// [github.com/dlclark/regexp2/v2]: it translates a pattern, with Python's
// messages for what is wrong with it, and bounds what a match may take.
package regex

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dlclark/regexp2/v2"
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

// Errors of [Regexp.Match].
var (
	ErrTime  = errors.New("the match took too long")
	ErrStack = errors.New("the match needs to remember too many choices")
)

// Regexp is a compiled pattern. Only one goroutine may use it at a time.
type Regexp struct {
	Groups int            // number of groups
	Names  map[string]int // of groups
	Flags  Flags

	translated     string
	closing        []int // the groups in the order in which they end
	weight, effort int
	loops          bool
	variants       map[variant]*regexp2.Regexp
	stacks         map[variant]int // bytes that were charged for their stacks
}

// variant is one of the programs that are compiled from a pattern, each when it
// is needed first.
type variant struct{ anchored, full, advance bool }

// What regexp2 takes.
const (
	perEffort = 256     // bytes of a program
	maxStack  = 400_000 // slots of 8 bytes for the choices of a match
	perChoice = 6       // slots
)

// Compile reads a pattern. Alloc is asked for memory, in bytes, beforehand. The
// error is an [*Error], or one of alloc. A pattern for bytes has the flag ASCII.
func Compile(pattern []rune, flags Flags, bytes bool, alloc func(n int) error) (*Regexp, error) {
	if err := alloc(16 * (1 + len(pattern))); err != nil {
		return nil, err
	}
	if bytes {
		flags |= ASCII
	}
	t := &translator{src: pattern, flags: flags, bytes: bytes, names: map[string]int{}, open: map[int]bool{}}
	text, bad := t.pattern()
	if bad != nil {
		return nil, bad
	}
	return &Regexp{
		Groups: t.groups, Names: t.names, Flags: t.flags,
		translated: text, closing: t.closing, weight: t.weight, effort: t.effort, loops: t.loops,
		variants: map[variant]*regexp2.Regexp{}, stacks: map[variant]int{},
	}, nil
}

// Options are how a match is looked for.
type Options struct {
	Pos, End int  // the part of the text, in characters
	Anchored bool // at Pos only
	Full     bool // up to End
	// Advance forbids an empty match at Pos.
	Advance bool
	// Timeout is how long the match may take. It is checked every 100 ms.
	Timeout time.Duration
	// Alloc is asked for memory, in bytes, beforehand.
	Alloc func(n int) error
}

// Match finds the first match in the text. It returns the captures: two
// positions for the whole and each group, -1 if it did not take part, and last
// the number of the group that ended last; nil if there is no match. The error
// is [ErrTime], [ErrStack], an [*Error], or one of o.Alloc.
func (re *Regexp) Match(text []rune, o Options) ([]int, error) {
	if o.Timeout <= 0 {
		return nil, ErrTime
	}
	v := variant{o.Anchored, o.Full, o.Advance}
	if err := re.charge(o, v); err != nil {
		return nil, err
	}
	program, err := re.program(v)
	if err != nil {
		return nil, err
	}
	program.MatchTimeout = o.Timeout
	m, err := program.FindRunesMatchStartingAt(text[:o.End], o.Pos)
	switch {
	case errors.Is(err, regexp2.ErrBacktrackingStackLimit):
		return nil, ErrStack
	case err != nil:
		return nil, ErrTime
	case m == nil:
		return nil, nil
	}
	return re.captures(m), nil
}

// charge asks for the memory of a match. A program keeps its stack, so that only
// what the stack grows by is asked for. Only a loop around a group makes choices
// for each character of the text.
func (re *Regexp) charge(o Options, v variant) error {
	n := 16 * (re.Groups + 1)
	if re.variants[v] == nil {
		n += perEffort * (1 + re.effort)
	}
	choices := 1 + re.weight
	if re.loops {
		choices *= 1 + o.End - o.Pos
	}
	stack := 8 * min(maxStack, perChoice*choices)
	if err := o.Alloc(n + max(0, stack-re.stacks[v])); err != nil {
		return err
	}
	re.stacks[v] = max(re.stacks[v], stack)
	return nil
}

func (re *Regexp) program(v variant) (*regexp2.Regexp, error) {
	if p := re.variants[v]; p != nil {
		return p, nil
	}
	text := re.translated
	if v.anchored {
		text = `\G` + text
	}
	if v.full {
		text += `\z`
	}
	if v.advance {
		text += `(?!\G)`
	}
	p, err := regexp2.Compile(text, regexp2.OptionMaxBacktrackingStackSize(maxStack))
	if err != nil {
		return nil, &Error{Message: err.Error(), Pos: -1}
	}
	re.variants[v] = p
	return p, nil
}

func (re *Regexp) captures(m *regexp2.Match) []int {
	at := make([]int, 2*(re.Groups+1)+1)
	last := len(at) - 1
	for n := range re.Groups + 1 {
		at[2*n], at[2*n+1] = -1, -1
		if g := m.GroupByNumber(n); len(g.Captures) > 0 {
			at[2*n], at[2*n+1] = g.RuneIndex, g.RuneIndex+g.RuneLength
		}
	}
	at[last] = -1
	for _, n := range re.closing {
		if end := at[2*n+1]; end >= 0 && (at[last] < 0 || end >= at[2*at[last]+1]) {
			at[last] = n
		}
	}
	return at
}
