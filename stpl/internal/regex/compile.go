package regex

// Regexp is a compiled pattern. It is immutable.
type Regexp struct {
	Groups int            // number of groups
	Names  map[string]int // of groups
	Flags  Flags
	prog   []inst
	slots  int // captures, the last group and loop registers
}

type opcode uint8

const (
	opMatch opcode = iota
	opChar
	opFold // a character in any case
	opAny
	opAnyButNewline
	opSet
	opLoop // one-character item: min to max times
	opSplit
	opJump
	opSave
	opMark     // remember where a turn of a loop begins
	opProgress // leave the loop if the turn matched nothing
	opAssert
	opBackref
	opLook
	opAtomic
	opCond
)

type inst struct {
	op       opcode
	mode     mode
	neg      bool
	behind   bool
	ascii    bool
	fold     bool
	assert   kind
	r        rune
	set      *set
	x, y     int
	min, max int
	item     *inst // of opLoop
}

// maxProgram bounds what counted repeats expand to.
const maxProgram = 20_000

// instSize is what one instruction takes, roughly.
const instSize = 128

type compiler struct {
	prog   []inst
	slots  int
	charge func(n int) error
}

// failure carries the error of charge out of the compiler.
type failure struct{ err error }

// Compile reads a pattern. Charge is asked for memory, in bytes, beforehand.
// The error is an *Error, or charge's. A pattern for bytes has flag ASCII.
func Compile(pattern []rune, flags Flags, bytes bool, charge func(n int) error) (re *Regexp, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case bail:
			re, err = nil, r.err
		case failure:
			re, err = nil, r.err
		default:
			panic(r)
		}
	}()
	if err := charge(256 + 64*len(pattern)); err != nil {
		return nil, err
	}
	p := &parser{
		src: pattern, flags: flags, bytes: bytes,
		names: map[string]int{}, open: map[int]bool{}, widths: map[int]int{},
	}
	if bytes {
		p.flags |= ASCII
	}
	root := p.alternation()
	if p.more() {
		p.fail(p.i, "unbalanced parenthesis")
	}
	c := &compiler{slots: 2*(p.groups+1) + 1, charge: charge}
	c.node(&node{kind: group, subs: []*node{root}})
	c.emit(inst{op: opMatch})
	return &Regexp{Groups: p.groups, Names: p.names, Flags: p.flags, prog: c.prog, slots: c.slots}, nil
}

func (c *compiler) emit(in inst) int {
	if len(c.prog) >= maxProgram {
		panic(bail{&Error{"the pattern is too large: its counted repeats expand to too much", -1, nil}})
	}
	if err := c.charge(instSize); err != nil {
		panic(failure{err})
	}
	c.prog = append(c.prog, in)
	return len(c.prog) - 1
}

func (c *compiler) node(n *node) {
	switch n.kind {
	case empty:
	case char, dot, oneOf:
		c.emit(single(n))
	case seq:
		for _, s := range n.subs {
			c.node(s)
		}
	case alt:
		c.alternatives(n.subs)
	case group:
		c.emit(inst{op: opSave, x: 2 * n.n})
		c.node(n.subs[0])
		c.emit(inst{op: opSave, x: 2*n.n + 1})
	case repeat:
		c.repeat(n)
	case backref:
		c.emit(inst{op: opBackref, x: n.n, fold: n.flags&IgnoreCase != 0, ascii: n.flags&ASCII != 0})
	case look:
		at := c.emit(inst{op: opLook, neg: n.neg, behind: n.behind, min: n.min})
		c.inner(at, n.subs[0])
	case atomic:
		at := c.emit(inst{op: opAtomic})
		c.inner(at, n.subs[0])
	case cond:
		c.conditional(n)
	default:
		c.emit(inst{op: opAssert, assert: n.kind, neg: n.neg, ascii: n.flags&ASCII != 0, fold: n.flags&MultiLine != 0})
	}
}

// single is the instruction of an item that is one character.
func single(n *node) inst {
	switch {
	case n.kind == oneOf:
		return inst{op: opSet, set: n.set}
	case n.kind == dot && n.flags&DotAll != 0:
		return inst{op: opAny}
	case n.kind == dot:
		return inst{op: opAnyButNewline}
	}
	ascii := n.flags&ASCII != 0
	if n.flags&IgnoreCase != 0 && foldNext(n.r, ascii) != n.r {
		return inst{op: opFold, r: canonical(n.r, ascii), ascii: ascii}
	}
	return inst{op: opChar, r: n.r}
}

// inner emits what runs on its own; the instruction at knows where it ends.
func (c *compiler) inner(at int, n *node) {
	c.node(n)
	c.emit(inst{op: opMatch})
	c.prog[at].x = len(c.prog)
}

func (c *compiler) alternatives(subs []*node) {
	var jumps []int
	for i, s := range subs {
		if i == len(subs)-1 {
			c.node(s)
			break
		}
		split := c.emit(inst{op: opSplit})
		c.prog[split].x = len(c.prog)
		c.node(s)
		jumps = append(jumps, c.emit(inst{op: opJump}))
		c.prog[split].y = len(c.prog)
	}
	for _, j := range jumps {
		c.prog[j].x = len(c.prog)
	}
}

func (c *compiler) conditional(n *node) {
	at := c.emit(inst{op: opCond, y: n.n})
	c.node(n.subs[0])
	jump := c.emit(inst{op: opJump})
	c.prog[at].x = len(c.prog)
	c.node(n.subs[1])
	c.prog[jump].x = len(c.prog)
}

func (c *compiler) repeat(n *node) {
	if n.mode == possessive {
		plain := *n
		plain.mode = greedy
		at := c.emit(inst{op: opAtomic})
		c.inner(at, &plain)
		return
	}
	sub := n.subs[0]
	if sub.kind == seq && len(sub.subs) == 1 {
		sub = sub.subs[0]
	}
	switch sub.kind {
	case char, dot, oneOf:
		item := single(sub)
		c.emit(inst{op: opLoop, item: &item, min: n.min, max: n.max, mode: n.mode})
		return
	}
	for range n.min {
		c.node(sub)
	}
	if n.max == infinite {
		c.star(sub, n.mode)
		return
	}
	var splits []int
	for range n.max - n.min {
		splits = append(splits, c.split(n.mode))
		c.node(sub)
	}
	for _, s := range splits {
		c.leave(s, n.mode, len(c.prog))
	}
}

// split emits a choice between going on, which follows, and leaving.
func (c *compiler) split(m mode) int {
	at := c.emit(inst{op: opSplit})
	if m == lazy {
		c.prog[at].y = at + 1
	} else {
		c.prog[at].x = at + 1
	}
	return at
}

// leave sets where a choice leaves to.
func (c *compiler) leave(at int, m mode, to int) {
	if m == lazy {
		c.prog[at].x = to
	} else {
		c.prog[at].y = to
	}
}

func (c *compiler) star(sub *node, m mode) {
	register := c.slots
	c.slots++
	top := c.split(m)
	c.emit(inst{op: opMark, x: register})
	c.node(sub)
	progress := c.emit(inst{op: opProgress, x: register})
	c.emit(inst{op: opJump, x: top})
	c.leave(top, m, len(c.prog))
	c.prog[progress].y = len(c.prog)
}
