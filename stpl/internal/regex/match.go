package regex

// Options are how a match is looked for.
type Options struct {
	Pos, End int  // the part of the text, in characters
	Anchored bool // at Pos only
	Full     bool // up to End
	// Advance forbids an empty match at Pos.
	Advance bool
	// Step is asked for work, Alloc for memory in bytes, both beforehand.
	Step, Alloc func(n int) error
}

// Match finds the first match in the text. It returns the captures: two
// positions for the whole and each group, -1 if it did not take part, and last
// the number of the group that ended last; nil if there is no match.
func (re *Regexp) Match(text []rune, o Options) ([]int, error) {
	if err := o.Alloc(16 * re.slots); err != nil {
		return nil, err
	}
	m := &machine{re: re, text: text[:o.End], o: o, slots: make([]int, re.slots)}
	for start := o.Pos; start <= o.End; start++ {
		if first := re.prog[1]; first.op == opChar && !o.Anchored {
			for start < o.End && text[start] != first.r {
				if err := m.work(); err != nil {
					return nil, err
				}
				start++
			}
		}
		for i := range m.slots {
			m.slots[i] = -1
		}
		m.stack = m.stack[:0]
		m.forbidden = -1
		if o.Advance && start == o.Pos {
			m.forbidden = start
		}
		_, ok, err := m.run(0, start, true)
		if err != nil {
			return nil, err
		}
		if ok {
			return m.slots[:2*(re.Groups+1)+1], nil
		}
		if o.Anchored {
			break
		}
	}
	return nil, nil
}

type entryKind uint8

const (
	tryAt   entryKind = iota // go on at pc from pos
	shorter                  // a greedy loop: give back down to low
	longer                   // a lazy loop: take one more, up to low times
	restore                  // slot pc was pos
)

// entry is something to undo or to try instead.
type entry struct {
	kind entryKind
	pc   int
	pos  int
	low  int
}

const entrySize = 32

type machine struct {
	re        *Regexp
	text      []rune
	o         Options
	slots     []int
	stack     []entry
	count     int // work since the last step
	forbidden int // where a match must not end
}

// workPerStep is how many instructions make a step.
const workPerStep = 8

func (m *machine) work() error {
	if m.count++; m.count < 8*workPerStep {
		return nil
	}
	m.count = 0
	return m.o.Step(8)
}

func (m *machine) push(e entry) error {
	if len(m.stack) == cap(m.stack) {
		n := max(64, 2*cap(m.stack))
		if err := m.o.Alloc(n * entrySize); err != nil {
			return err
		}
		m.stack = append(make([]entry, 0, n), m.stack...)
	}
	m.stack = append(m.stack, e)
	return nil
}

func (m *machine) set(slot, value int) error {
	if err := m.push(entry{kind: restore, pc: slot, pos: m.slots[slot]}); err != nil {
		return err
	}
	m.slots[slot] = value
	return nil
}

// run executes from pc until a match instruction. What it leaves on the stack
// are choices that a caller can go back to.
func (m *machine) run(pc, pos int, whole bool) (end int, ok bool, err error) {
	base := len(m.stack)
	for {
		if err := m.work(); err != nil {
			return 0, false, err
		}
		if m.re.prog[pc].op == opMatch {
			if !whole || pos != m.forbidden && (!m.o.Full || pos == len(m.text)) {
				return pos, true, nil
			}
			ok = false
		} else if pc, pos, ok, err = m.step(pc, pos); err != nil {
			return 0, false, err
		}
		if !ok {
			if pc, pos, ok = m.back(base); !ok {
				return 0, false, nil
			}
		}
	}
}

// back undoes down to the last choice and takes its other way.
func (m *machine) back(base int) (pc, pos int, ok bool) {
	for len(m.stack) > base {
		top := len(m.stack) - 1
		e := &m.stack[top]
		switch e.kind {
		case restore:
			m.slots[e.pc] = e.pos
		case tryAt:
			pc, pos = e.pc, e.pos
			m.stack = m.stack[:top]
			return pc, pos, true
		case shorter:
			if e.pos > e.low {
				e.pos--
				return e.pc, e.pos, true
			}
		case longer:
			if e.low > 0 && e.pos < len(m.text) && m.one(m.re.prog[e.pc-1].item, m.text[e.pos]) {
				e.pos++
				e.low--
				return e.pc, e.pos, true
			}
		}
		m.stack = m.stack[:top]
	}
	return 0, 0, false
}

// commit forgets the choices above base but keeps what must be undone.
func (m *machine) commit(base int) {
	kept := base
	for _, e := range m.stack[base:] {
		if e.kind == restore {
			m.stack[kept] = e
			kept++
		}
	}
	m.stack = m.stack[:kept]
}

// one reports whether a one-character instruction accepts r.
func (m *machine) one(in *inst, r rune) bool {
	switch in.op {
	case opChar:
		return r == in.r
	case opFold:
		return canonical(r, in.ascii) == in.r
	case opAnyButNewline:
		return r != '\n'
	case opSet:
		return in.set.has(r)
	}
	return true // opAny
}

// step executes one instruction.
func (m *machine) step(pc, pos int) (nextPC, nextPos int, ok bool, err error) {
	in := &m.re.prog[pc]
	switch in.op {
	case opChar, opFold, opAny, opAnyButNewline, opSet:
		return pc + 1, pos + 1, pos < len(m.text) && m.one(in, m.text[pos]), nil
	case opLoop:
		return m.loop(in, pc, pos)
	case opSplit:
		return in.x, pos, true, m.push(entry{kind: tryAt, pc: in.y, pos: pos})
	case opJump:
		return in.x, pos, true, nil
	case opSave:
		if in.x > 1 && in.x%2 == 1 {
			if err := m.set(2*(m.re.Groups+1), in.x/2); err != nil {
				return 0, 0, false, err
			}
		}
		return pc + 1, pos, true, m.set(in.x, pos)
	case opMark:
		return pc + 1, pos, true, m.set(in.x, pos)
	case opProgress:
		if m.slots[in.x] == pos {
			return in.y, pos, true, nil
		}
		return pc + 1, pos, true, nil
	case opAssert:
		return pc + 1, pos, m.assert(in, pos), nil
	case opBackref:
		return m.backref(in, pc, pos)
	case opCond:
		if m.slots[2*in.y+1] >= 0 {
			return pc + 1, pos, true, nil
		}
		return in.x, pos, true, nil
	}
	return m.aside(in, pc, pos)
}

// loop repeats a one-character item.
func (m *machine) loop(in *inst, pc, pos int) (int, int, bool, error) {
	most := in.max
	if in.mode == lazy {
		most = in.min
	}
	at := pos
	for at-pos < most && at < len(m.text) && m.one(in.item, m.text[at]) {
		if err := m.work(); err != nil {
			return 0, 0, false, err
		}
		at++
	}
	if at-pos < in.min {
		return 0, 0, false, nil
	}
	var err error
	switch {
	case in.mode == lazy:
		err = m.push(entry{kind: longer, pc: pc + 1, pos: at, low: in.max - in.min})
	case at-pos > in.min:
		err = m.push(entry{kind: shorter, pc: pc + 1, pos: at, low: pos + in.min})
	}
	return pc + 1, at, true, err
}

// aside runs a lookaround or an atomic group.
func (m *machine) aside(in *inst, pc, pos int) (int, int, bool, error) {
	from := pos
	if in.behind {
		from -= in.min
	}
	base := len(m.stack)
	matched := false
	end := pos
	if from >= 0 {
		var err error
		if end, matched, err = m.run(pc+1, from, false); err != nil {
			return 0, 0, false, err
		}
	}
	switch {
	case matched && in.neg:
		m.undo(base)
	case matched:
		m.commit(base)
	}
	if in.op == opAtomic {
		return in.x, end, matched, nil
	}
	return in.x, pos, matched != in.neg, nil
}

// undo takes back everything above base.
func (m *machine) undo(base int) {
	for i := len(m.stack) - 1; i >= base; i-- {
		if e := m.stack[i]; e.kind == restore {
			m.slots[e.pc] = e.pos
		}
	}
	m.stack = m.stack[:base]
}

func (m *machine) assert(in *inst, pos int) bool {
	n := len(m.text)
	switch in.assert {
	case begin:
		return pos == 0 || in.fold && m.text[pos-1] == '\n'
	case end:
		return pos == n || m.text[pos] == '\n' && (in.fold || pos == n-1)
	case beginText:
		return pos == 0
	case endText:
		return pos == n
	}
	before := pos > 0 && is('w', m.text[pos-1], in.ascii)
	after := pos < n && is('w', m.text[pos], in.ascii)
	if n == 0 {
		return false // in Python an empty text has neither \b nor \B
	}
	return (before != after) != in.neg
}

func (m *machine) backref(in *inst, pc, pos int) (int, int, bool, error) {
	from, to := m.slots[2*in.x], m.slots[2*in.x+1]
	if from < 0 || to < from || pos+to-from > len(m.text) {
		return 0, 0, false, nil
	}
	for i := from; i < to; i++ {
		if err := m.work(); err != nil {
			return 0, 0, false, err
		}
		a, b := m.text[i], m.text[pos+i-from]
		if a != b && !(in.fold && canonical(a, in.ascii) == canonical(b, in.ascii)) {
			return 0, 0, false, nil
		}
	}
	return pc + 1, pos + to - from, true, nil
}
