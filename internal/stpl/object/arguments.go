package object

// Room is memory for the arguments of a render's calls and for pairs, of which
// there are hundreds. Within a render none of it is used twice, since a function may keep
// what it was given. When the render is over and Clear was called, another one
// may have it.
type Room struct {
	args   [64]Args
	values [256]Value
	// how much of it is in use
	usedArgs, usedValues int
}

// Clear forgets everything.
func (r *Room) Clear() {
	clear(r.args[:r.usedArgs])
	clear(r.values[:r.usedValues])
	r.usedArgs, r.usedValues = 0, 0
}

// NewArgs makes arguments with room for n positional ones, which are nil.
func (t *Thread) NewArgs(n int) *Args {
	r := t.room
	if r == nil || r.usedArgs == len(r.args) {
		return &Args{Pos: t.values(n)}
	}
	a := &r.args[r.usedArgs]
	r.usedArgs++
	a.Pos = t.values(n)
	return a
}

// values makes n values, which are nil.
func (t *Thread) values(n int) []Value {
	r := t.room
	if r == nil || n > len(r.values)-r.usedValues {
		return make([]Value, n)
	}
	from := r.usedValues
	r.usedValues += n
	return r.values[from:r.usedValues:r.usedValues]
}

func (t *Thread) pair(a, b Value) Tuple {
	p := t.values(2)
	p[0], p[1] = a, b
	return p
}
