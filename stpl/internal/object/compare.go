package object

import (
	"cmp"
	"errors"
	"math"
	"math/big"
	"strings"
)

// Comparable is a value of another package with an order and an equality of
// its own. Compare returns ok=false where the two have neither. Its error says why
// they have no order.
type Comparable interface {
	Value
	Compare(other Value) (cmp int, ok bool, err error)
}

// ErrNoOrder is the error of values that have no order, if there is no more to say.
var ErrNoOrder = errors.New("no order")

// Truth is a value of another package that may be false.
type Truth interface{ Truth() bool }

// Truthy reports the truth of v.
func Truthy(v Value) bool {
	switch v := v.(type) {
	case NoneValue:
		return false
	case Bool:
		return bool(v)
	case Int:
		return v != 0
	case Str:
		return v != ""
	case Float:
		return v != 0
	case Truth:
		return v.Truth()
	}
	if n, ok := length(v); ok {
		return n > 0
	}
	return true
}

// Equal reports a == b.
func Equal(t *Thread, a, b Value) (bool, error) {
	switch x := a.(type) {
	case Str:
		y, ok := b.(Str)
		if !ok || len(x) != len(y) {
			return false, nil
		}
		return x == y, t.Scan(len(x))
	case Int:
		if y, ok := b.(Int); ok {
			return x == y, nil
		}
	case *List:
		if y, ok := b.(*List); ok {
			if x == y {
				return true, nil
			}
			return equalItems(t, x.items, y.items)
		}
		return false, nil
	}
	if isNumber(a) && isNumber(b) {
		c, ordered := compareNumbers(a, b)
		return ordered && c == 0, nil
	}
	return equalOther(t, a, b)
}

func equalItems(t *Thread, x, y []Value) (bool, error) {
	if len(x) != len(y) {
		return false, nil
	}
	if err := t.Enter(); err != nil {
		return false, err
	}
	defer t.Leave()
	for i := range x {
		if err := t.Step(1); err != nil {
			return false, err
		}
		if ok, err := same(t, x[i], y[i]); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// same is Python's "is or ==", which containers use.
func same(t *Thread, a, b Value) (bool, error) {
	switch a.(type) {
	case Str, Bytes: // which Is compares, too, but does not charge for
	default:
		if Is(a, b) {
			return true, nil
		}
	}
	return Equal(t, a, b)
}

func equalOther(t *Thread, a, b Value) (bool, error) {
	switch x := a.(type) {
	case NoneValue:
		return a == b, nil
	case Bytes:
		y, ok := b.(Bytes)
		if !ok || len(x) != len(y) {
			return false, nil
		}
		return x == y, t.Scan(len(x))
	case Tuple:
		if y, ok := asTuple(b); ok {
			return equalItems(t, x, y)
		}
	case TupleLike:
		if y, ok := asTuple(b); ok {
			return equalItems(t, x.Tuple(), y)
		}
	case *Dict:
		if y, ok := b.(*Dict); ok {
			return x.equal(t, y)
		}
	case *Range:
		if y, ok := b.(*Range); ok {
			n := x.len()
			return n == y.len() && (n == 0 || x.start == y.start && (n == 1 || x.step == y.step)), nil
		}
	case *Slice:
		if y, ok := b.(*Slice); ok {
			return Equal(t, Tuple{x.Start, x.Stop, x.Step}, Tuple{y.Start, y.Stop, y.Step})
		}
	case Comparable:
		c, ok, _ := x.Compare(b)
		return ok && c == 0, nil
	}
	if x, y, err := bothSets(t, a, b); x != nil || err != nil {
		if err != nil {
			return false, err
		}
		return setEqual(t, x, y)
	}
	return Is(a, b), nil
}

// Is reports identity. Immutable values of equal content count as identical.
func Is(a, b Value) bool {
	switch x := a.(type) {
	case Tuple:
		y, ok := b.(Tuple)
		return ok && len(x) == len(y) && (len(x) == 0 || &x[0] == &y[0])
	case Float:
		y, ok := b.(Float)
		return ok && math.Float64bits(float64(x)) == math.Float64bits(float64(y)) && x == x
	case *Builtin:
		y, ok := b.(*Builtin)
		return ok && (x == y || x.recv != nil && y.recv != nil && x.Name == y.Name && x.method == y.method && Is(x.recv, y.recv))
	}
	if _, ok := b.(Tuple); ok {
		return false
	}
	return a == b
}

func compareNumbers(a, b Value) (order int, ordered bool) {
	if x, ok := AsInt(a); ok {
		if y, ok := AsInt(b); ok {
			return cmp.Compare(x, y), true
		}
	}
	x, xi := BigInt(a)
	y, yi := BigInt(b)
	if xi && yi {
		return x.Cmp(y), true
	}
	f, g := exact(a), exact(b)
	if f == nil || g == nil {
		return 0, false
	}
	return f.Cmp(g), true
}

// exact is a number without rounding, nil for NaN.
func exact(v Value) *big.Float {
	if f, ok := v.(Float); ok {
		if math.IsNaN(float64(f)) {
			return nil
		}
		return big.NewFloat(float64(f))
	}
	i, _ := BigInt(v)
	return new(big.Float).SetPrec(uint(i.BitLen()) + 64).SetInt(i)
}

// Order is an ordering operator.
type Order uint8

// The ordering operators.
const (
	Less Order = iota
	LessEqual
	Greater
	GreaterEqual
)

var orderText = [...]string{"<", "<=", ">", ">="}

func (o Order) holds(cmp int) bool {
	switch o {
	case Less:
		return cmp < 0
	case LessEqual:
		return cmp <= 0
	case Greater:
		return cmp > 0
	}
	return cmp >= 0
}

// Ordered computes a < b and the like.
func Ordered(t *Thread, o Order, a, b Value) (bool, error) {
	if x, y, err := bothSets(t, a, b); x != nil || err != nil {
		if err != nil {
			return false, err
		}
		return setOrdered(t, o, x, y)
	}
	if isNumber(a) && isNumber(b) {
		c, ordered := compareNumbers(a, b)
		return ordered && o.holds(c), nil
	}
	switch x := a.(type) {
	case Str:
		if y, ok := b.(Str); ok {
			return o.holds(strings.Compare(string(x), string(y))), t.Scan(min(len(x), len(y)))
		}
	case Bytes:
		if y, ok := b.(Bytes); ok {
			return o.holds(strings.Compare(string(x), string(y))), t.Scan(min(len(x), len(y)))
		}
	case *List:
		if y, ok := b.(*List); ok {
			return orderedItems(t, o, x.items, y.items)
		}
	case Tuple:
		if y, ok := asTuple(b); ok {
			return orderedItems(t, o, x, y)
		}
	case TupleLike:
		if y, ok := asTuple(b); ok {
			return orderedItems(t, o, x.Tuple(), y)
		}
	case Comparable:
		switch c, ok, err := x.Compare(b); {
		case err == nil && ok:
			return o.holds(c), nil
		case err != nil && err != ErrNoOrder:
			return false, err
		}
	}
	return false, Raise(TypeError, "'%s' not supported between instances of '%s' and '%s'", orderText[o], TypeName(a), TypeName(b))
}

func orderedItems(t *Thread, o Order, x, y []Value) (bool, error) {
	if err := t.Enter(); err != nil {
		return false, err
	}
	defer t.Leave()
	for i := 0; i < len(x) && i < len(y); i++ {
		if err := t.Step(1); err != nil {
			return false, err
		}
		eq, err := same(t, x[i], y[i])
		if err != nil {
			return false, err
		}
		if !eq {
			return Ordered(t, o, x[i], y[i])
		}
	}
	return o.holds(len(x) - len(y)), nil
}

// Contains reports item in container.
func Contains(t *Thread, container, item Value) (bool, error) {
	switch c := container.(type) {
	case Str:
		s, ok := item.(Str)
		if !ok {
			return false, Raise(TypeError, "'in <string>' requires string as left operand, not %s", TypeName(item))
		}
		return strings.Contains(string(c), string(s)), t.Work(len(c))
	case Bytes:
		return bytesContains(t, c, item)
	case *Dict:
		_, ok, err := c.Get(t, item)
		return ok, err
	case *Set:
		return c.has(t, item)
	case *Range:
		if i, ok := AsInt(item); ok {
			return c.contains(i), nil
		}
	case Container:
		return c.Contains(t, item)
	}
	return containsIter(t, container, item)
}

// Container is a value of another package that knows what it contains.
type Container interface {
	Contains(t *Thread, item Value) (bool, error)
}

func bytesContains(t *Thread, b Bytes, item Value) (bool, error) {
	if err := t.Work(len(b)); err != nil {
		return false, err
	}
	switch v := item.(type) {
	case Bytes:
		return strings.Contains(string(b), string(v)), nil
	case Int, Bool, *Big:
		i, ok := AsInt(v)
		if !ok || i < 0 || i > 255 {
			return false, Raise(ValueError, "byte must be in range(0, 256)")
		}
		return strings.IndexByte(string(b), byte(i)) >= 0, nil
	}
	return false, Raise(TypeError, "a bytes-like object is required, not '%s'", TypeName(item))
}

func containsIter(t *Thread, container, item Value) (bool, error) {
	it, err := Iterate(t, container)
	if err != nil {
		return false, Raise(TypeError, "argument of type '%s' is not iterable", TypeName(container))
	}
	for {
		if err := t.Step(1); err != nil {
			return false, err
		}
		v, err := it.Next(t)
		if v == nil || err != nil {
			return false, err
		}
		if ok, err := same(t, v, item); ok || err != nil {
			return ok, err
		}
	}
}
