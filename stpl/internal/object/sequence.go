package object

import (
	"math"
	"unicode/utf8"

	"mdserver/stpl/internal/character"
	"mdserver/stpl/internal/meter"
)

// length returns len(v) of the values that have one.
func length(v Value) (int, bool) {
	switch v := v.(type) {
	case Str:
		return utf8.RuneCountInString(string(v)), true
	case Bytes:
		return len(v), true
	case *List:
		return len(v.items), true
	case Tuple:
		return len(v), true
	case *Dict:
		return v.live, true
	case *dictView:
		return v.d.live, true
	case *Set:
		return v.d.live, true
	case *Range:
		return int(v.len()), true
	case Sized:
		return v.Len(), true
	}
	return 0, false
}

// Sized is a value of another package that has a length.
type Sized interface{ Len() int }

// Indexed is a value of another package that has elements.
type Indexed interface {
	Index(t *Thread, key Value) (Value, error)
}

// Len returns len(v).
func Len(v Value) (int, error) {
	n, ok := length(v)
	if !ok {
		return 0, Raise(TypeError, "object of type '%s' has no len()", TypeName(v))
	}
	return n, nil
}

func (r *Range) len() int64 {
	switch {
	case r.step > 0 && r.start < r.stop:
		return (r.stop-r.start-1)/r.step + 1
	case r.step < 0 && r.start > r.stop:
		return (r.start-r.stop-1)/-r.step + 1
	}
	return 0
}

func (r *Range) contains(i int64) bool {
	if r.step > 0 && (i < r.start || i >= r.stop) || r.step < 0 && (i > r.start || i <= r.stop) {
		return false
	}
	return (i-r.start)%r.step == 0
}

// slice takes a part of the range. A step beyond the range's length is as good
// as one just beyond, which keeps the product small.
func (r *Range) slice(start, stop, step, n int) *Range {
	step = max(-n-1, min(step, n+1))
	return &Range{r.start + int64(start)*r.step, r.start + int64(stop)*r.step, r.step * int64(step)}
}

// Index computes v[key].
func Index(t *Thread, v, key Value) (Value, error) {
	switch v := v.(type) {
	case *Dict:
		item, ok, err := v.Get(t, key)
		if err != nil {
			return nil, err
		}
		if !ok {
			return v.missing(t, key)
		}
		return item, nil
	case Indexed:
		return v.Index(t, key)
	case *Type:
		return v.parameterized()
	}
	if !isSequence(v) {
		if _, ok := v.(*Range); !ok {
			return nil, Raise(TypeError, "'%s' object is not subscriptable", TypeName(v))
		}
	}
	if s, ok := key.(*Slice); ok {
		return slice(t, v, s)
	}
	return indexAt(t, v, key)
}

func indexAt(t *Thread, v, key Value) (Value, error) {
	if s, ok := v.(Str); ok {
		if err := t.Scan(len(s)); err != nil {
			return nil, err
		}
	}
	n, _ := length(v)
	i, err := position(v, key, n, "")
	if err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case *List:
		return v.items[i], nil
	case Tuple:
		return v[i], nil
	case Bytes:
		return Int(v[i]), nil
	case *Range:
		return Int(v.start + int64(i)*v.step), nil
	}
	return charAt(t, string(v.(Str)), i, n)
}

// position resolves an index into a sequence of n items. The text outside is
// the message for an index out of range; if empty, it is that of reading v.
func position(v, key Value, n int, outside string) (int, error) {
	i, ok := AsInt(key)
	if !ok {
		return 0, wrongIndex(v, key)
	}
	if i < 0 {
		i += int64(n)
	}
	if i >= 0 && i < int64(n) {
		return int(i), nil
	}
	if outside != "" {
		return 0, Raise(IndexError, "%s", outside)
	}
	switch v.(type) {
	case Str:
		return 0, Raise(IndexError, "string index out of range")
	case Bytes:
		return 0, Raise(IndexError, "index out of range")
	case *Range:
		return 0, Raise(IndexError, "range object index out of range")
	}
	return 0, Raise(IndexError, "%s index out of range", TypeName(v))
}

// wrongIndex returns the error of an index that is no int, or is too large.
func wrongIndex(v, key Value) error {
	if _, big := key.(*Big); big {
		return Raise(IndexError, "cannot fit 'int' into an index-sized integer")
	}
	name := TypeName(v)
	switch name {
	case "str":
		return Raise(TypeError, "string indices must be integers, not '%s'", TypeName(key))
	case "bytes":
		name = "byte"
	}
	return Raise(TypeError, "%s indices must be integers or slices, not %s", name, TypeName(key))
}

func charAt(t *Thread, s string, i, n int) (Value, error) {
	if n == len(s) {
		return Str(s[i : i+1]), nil
	}
	if err := t.Work(len(s)); err != nil {
		return nil, err
	}
	at := character.Offset(s, i)
	_, size := utf8.DecodeRuneInString(s[at:])
	return Str(s[at : at+size]), nil
}

// Bounds resolves a slice against a length, as slice.indices does.
func (s *Slice) Bounds(n int) (start, stop, step int, err error) {
	step = 1
	if s.Step != None {
		if step, err = sliceIndex(s.Step); err != nil {
			return 0, 0, 0, err
		}
		if step == 0 {
			return 0, 0, 0, Raise(ValueError, "slice step cannot be zero")
		}
		step = max(step, -math.MaxInt)
	}
	low, high := 0, n
	if step < 0 {
		low, high = -1, n-1
	}
	first, last := low, high
	if step < 0 {
		first, last = high, low
	}
	if start, err = clampIndex(s.Start, first, n, low, high); err != nil {
		return 0, 0, 0, err
	}
	stop, err = clampIndex(s.Stop, last, n, low, high)
	return start, stop, step, err
}

func sliceIndex(v Value) (int, error) {
	i, err := IndexArg(v)
	if err != nil {
		return 0, Raise(TypeError, "slice indices must be integers or None or have an __index__ method")
	}
	return i, nil
}

// clampIndex resolves a bound of a slice, which is def if it is None.
func clampIndex(v Value, def, n, low, high int) (int, error) {
	if v == None {
		return def, nil
	}
	i, err := sliceIndex(v)
	if err != nil {
		return 0, err
	}
	if i < 0 {
		i += n
	}
	return max(low, min(i, high)), nil
}

func sliceCount(start, stop, step int) int {
	return int((&Range{int64(start), int64(stop), int64(step)}).len())
}

func slice(t *Thread, v Value, s *Slice) (Value, error) {
	n, _ := length(v)
	start, stop, step, err := s.Bounds(n)
	if err != nil {
		return nil, err
	}
	count := sliceCount(start, stop, step)
	if err := t.Work(count); err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case *Range:
		return v.slice(start, stop, step, n), nil
	case Str:
		return sliceStr(t, string(v), start, count, step, n)
	case Bytes:
		out, err := sliceBytes(t, string(v), start, count, step)
		return Bytes(out), err
	case Tuple:
		items, err := sliceItems(t, v, start, count, step)
		return Tuple(items), err
	}
	items, err := sliceItems(t, v.(*List).items, start, count, step)
	return NewList(items), err
}

func sliceItems(t *Thread, items []Value, start, count, step int) ([]Value, error) {
	if err := t.AllocSlots(count); err != nil {
		return nil, err
	}
	out := make([]Value, count)
	for i := range out {
		out[i] = items[start+i*step]
	}
	return out, nil
}

func sliceBytes(t *Thread, s string, start, count, step int) (string, error) {
	if step == 1 {
		return s[start : start+count], nil
	}
	if err := t.Alloc(count); err != nil {
		return "", err
	}
	out := make([]byte, count)
	for i := range out {
		out[i] = s[start+i*step]
	}
	return string(out), nil
}

func sliceStr(t *Thread, s string, start, count, step, n int) (Value, error) {
	if err := t.Scan(len(s)); err != nil { // its characters were counted
		return nil, err
	}
	if count == 0 {
		return Str(""), nil
	}
	if n == len(s) {
		return NewStr(sliceBytes(t, s, start, count, step))
	}
	if err := t.Work(len(s)); err != nil {
		return nil, err
	}
	if step == 1 {
		from := character.Offset(s, start)
		return Str(s[from : from+character.Offset(s[from:], count)]), nil
	}
	if err := t.Alloc(8 * n); err != nil {
		return nil, err
	}
	runes := []rune(s)
	out := make([]rune, count)
	for i := range out {
		out[i] = runes[start+i*step]
	}
	return Str(string(out)), nil
}

// repeat computes seq * n.
func repeat(t *Thread, seq, count Value) (Value, error) {
	n, err := IndexArg(count)
	if err != nil {
		return nil, err
	}
	n = max(n, 0)
	switch v := seq.(type) {
	case Str:
		return NewStr(t.Repeat(string(v), n))
	case Bytes:
		s, err := t.Repeat(string(v), n)
		return Bytes(s), err
	case *List:
		items, err := repeatItems(t, v.items, n)
		return NewList(items), err
	case Tuple:
		items, err := repeatItems(t, v, n)
		return Tuple(items), err
	}
	return nil, nil
}

func repeatItems(t *Thread, items []Value, n int) ([]Value, error) {
	if len(items) == 0 || n == 0 {
		return nil, nil
	}
	if err := t.AllocN(n, meter.SlotSize*len(items)); err != nil {
		return nil, err
	}
	if err := t.Work(n * len(items)); err != nil {
		return nil, err
	}
	out := make([]Value, 0, n*len(items))
	for range n {
		out = append(out, items...)
	}
	return out, nil
}
