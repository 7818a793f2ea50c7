package object

// arguments is room for the arguments of calls, allocated for many calls at
// once: a render makes hundreds. It is never used twice, since a function may
// keep what it was given.
type arguments struct {
	args   []Args
	values []Value
}

const (
	spareArgs   = 16
	spareValues = 64
)

// NewArgs makes arguments with room for n positional ones, which are nil.
func (t *Thread) NewArgs(n int) *Args {
	if len(t.spare.args) == 0 {
		t.spare.args = make([]Args, spareArgs)
	}
	a := &t.spare.args[0]
	t.spare.args = t.spare.args[1:]
	a.Pos = t.values(n)
	return a
}

// values makes n values, which are nil.
func (t *Thread) values(n int) []Value {
	if n > spareValues/4 {
		return make([]Value, n)
	}
	if n > len(t.spare.values) {
		t.spare.values = make([]Value, spareValues)
	}
	v := t.spare.values[:n:n]
	t.spare.values = t.spare.values[n:]
	return v
}
