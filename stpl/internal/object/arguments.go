package object

// Room is memory for the many small things of a render: the arguments of calls,
// the items of short displays, iterators. Within a render none of it is used
// twice, since a function may keep what it was given. When the render is over
// and Clear was called, another one may have it.
type Room struct {
	args   shelf[Args]
	lists  shelf[listIter]
	values shelf[Value]
}

// NewRoom makes an empty room.
func NewRoom() *Room {
	return &Room{args: newShelf[Args](64), lists: newShelf[listIter](32), values: newShelf[Value](320)}
}

// Clear forgets everything.
func (r *Room) Clear() {
	r.args.clear()
	r.lists.clear()
	r.values.clear()
}

// shelf hands out its items once, and allocates when there are no more.
type shelf[T any] struct {
	items []T
	used  int
}

func newShelf[T any](n int) shelf[T] { return shelf[T]{items: make([]T, n)} }

func (s *shelf[T]) clear() {
	clear(s.items[:s.used])
	s.used = 0
}

// take returns n items, which are zero and have no room behind them.
func (s *shelf[T]) take(n int) []T {
	if n > len(s.items)-s.used {
		return make([]T, n)
	}
	from := s.used
	s.used += n
	return s.items[from:s.used:s.used]
}

// NewArgs makes arguments with room for n positional ones, which are nil.
func (t *Thread) NewArgs(n int) *Args {
	a := &t.room.args.take(1)[0]
	a.Pos = t.Values(n)
	return a
}

// Values makes n values, which are nil.
func (t *Thread) Values(n int) []Value { return t.room.values.take(n) }

func (t *Thread) pair(a, b Value) Tuple {
	p := t.Values(2)
	p[0], p[1] = a, b
	return p
}

func (t *Thread) listIter(l *List) *listIter {
	it := &t.room.lists.take(1)[0]
	it.l = l
	return it
}
