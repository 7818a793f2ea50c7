package object

import (
	"math"
	"math/big"
	"math/bits"

	"mdserver/stpl/internal/number"
)

// numberError makes an exception of an error of package number.
func numberError(err error) error {
	switch err := err.(type) {
	case number.ValueError:
		return RaiseValue(ValueError, Str(err))
	case number.OverflowError:
		return RaiseValue(OverflowError, Str(err))
	}
	return err // of the meter
}

// MakeInt returns i as an Int if it fits, else as a *Big that owns i.
func MakeInt(i *big.Int) Value {
	if i.IsInt64() {
		return Int(i.Int64())
	}
	return &Big{i}
}

// BigInt returns the integer value of an int or bool. It must not be changed.
func BigInt(v Value) (*big.Int, bool) {
	switch v := v.(type) {
	case Int:
		return big.NewInt(int64(v)), true
	case Bool:
		return big.NewInt(int64(boolInt(v))), true
	case *Big:
		return v.i, true
	}
	return nil, false
}

func boolInt(b Bool) Int {
	if b {
		return 1
	}
	return 0
}

// AsInt returns the value of an int or bool that fits 64 bits.
func AsInt(v Value) (int64, bool) {
	switch v := v.(type) {
	case Int:
		return int64(v), true
	case Bool:
		return int64(boolInt(v)), true
	}
	return 0, false
}

// AsFloat returns a number as a float.
func AsFloat(v Value) (float64, bool) {
	switch v := v.(type) {
	case Float:
		return float64(v), true
	case Int:
		return float64(v), true
	case Bool:
		return float64(boolInt(v)), true
	case *Big:
		f, _ := new(big.Float).SetInt(v.i).Float64()
		return f, true
	}
	return 0, false
}

// IndexArg returns v as a Go int for a parameter that wants an integer.
// Values beyond the range of int are clamped.
func IndexArg(v Value) (int, error) {
	if i, ok := AsInt(v); ok {
		return int(i), nil
	}
	if b, ok := v.(*Big); ok {
		if b.i.Sign() < 0 {
			return math.MinInt, nil
		}
		return math.MaxInt, nil
	}
	return 0, Raise(TypeError, "'%s' object cannot be interpreted as an integer", TypeName(v))
}

func isInt(v Value) bool {
	switch v.(type) {
	case Int, Bool, *Big:
		return true
	}
	return false
}

func isNumber(v Value) bool {
	_, f := v.(Float)
	return f || isInt(v)
}

// intArith does + - * on two small integers without overflow.
func intArith(op Op, a, b Int) (Value, bool) {
	switch op {
	case Add:
		if c := a + b; (c > a) == (b > 0) {
			return c, true
		}
	case Sub:
		if c := a - b; (c < a) == (b > 0) {
			return c, true
		}
	case Mul:
		hi, lo := bits.Mul64(absU(a), absU(b))
		if hi == 0 && lo < 1<<63 {
			return a * b, true
		}
	}
	return nil, false
}

func absU(a Int) uint64 {
	if a < 0 {
		return uint64(-a)
	}
	return uint64(a)
}

func numeric(t *Thread, op Op, a, b Value) (Value, error) {
	if isInt(a) && isInt(b) {
		return intBinary(t, op, a, b)
	}
	x, _ := AsFloat(a)
	y, _ := AsFloat(b)
	if err := bigFits(a, b); err != nil {
		return nil, err
	}
	return floatBinary(op, x, y)
}

func bigFits(vs ...Value) error {
	for _, v := range vs {
		if b, ok := v.(*Big); ok && b.i.BitLen() > 1024 {
			return Raise(OverflowError, "int too large to convert to float")
		}
	}
	return nil
}

func intBinary(t *Thread, op Op, a, b Value) (Value, error) {
	switch op {
	case Div:
		return intDiv(a, b)
	case Pow:
		return intPow(t, a, b)
	case LShift, RShift:
		return shift(t, op, a, b)
	}
	if x, ok := AsInt(a); ok {
		if y, ok := AsInt(b); ok {
			if v, err, done := smallBinary(op, a, b, Int(x), Int(y)); done {
				return v, err
			}
		}
	}
	x, _ := BigInt(a)
	y, _ := BigInt(b)
	if err := chargeBig(t, op, x, y); err != nil {
		return nil, err
	}
	return bigBinary(op, x, y)
}

func smallBinary(op Op, a, b Value, x, y Int) (Value, error, bool) {
	switch op {
	case Add, Sub, Mul:
		v, ok := intArith(op, x, y)
		return v, nil, ok
	case FloorDiv, Mod:
		if y == 0 {
			return nil, zeroDivision(op, false), true
		}
		if x == math.MinInt64 {
			return nil, nil, false
		}
		q, r := x/y, x%y
		if r != 0 && (r < 0) != (y < 0) {
			q, r = q-1, r+y
		}
		if op == Mod {
			return r, nil, true
		}
		return q, nil, true
	}
	_, ab := a.(Bool)
	_, bb := b.(Bool)
	var r Int
	switch op {
	case And:
		r = x & y
	case Or:
		r = x | y
	case Xor:
		r = x ^ y
	default:
		return nil, nil, false
	}
	if ab && bb {
		return Bool(r != 0), nil, true
	}
	return r, nil, true
}

func chargeBig(t *Thread, op Op, x, y *big.Int) error {
	n := x.BitLen() + y.BitLen()
	if op == Mul && n > number.MaxBits {
		return numberError(number.ErrBits)
	}
	w := len(x.Bits())*len(y.Bits())/64 + 1
	if err := t.Step(w); err != nil {
		return err
	}
	return t.Alloc(n/8 + 64)
}

func bigBinary(op Op, x, y *big.Int) (Value, error) {
	z := new(big.Int)
	switch op {
	case Add:
		z.Add(x, y)
	case Sub:
		z.Sub(x, y)
	case Mul:
		z.Mul(x, y)
	case FloorDiv, Mod:
		if y.Sign() == 0 {
			return nil, zeroDivision(op, false)
		}
		m := new(big.Int)
		z.DivMod(x, y, m) // Euclidean: 0 <= m < |y|
		if m.Sign() != 0 && y.Sign() < 0 {
			z.Sub(z, big.NewInt(1))
			m.Add(m, y)
		}
		if op == Mod {
			z = m
		}
	case And:
		z.And(x, y)
	case Or:
		z.Or(x, y)
	case Xor:
		z.Xor(x, y)
	}
	if z.BitLen() > number.MaxBits {
		return nil, numberError(number.ErrBits)
	}
	return MakeInt(z), nil
}

func zeroDivision(op Op, float bool) error {
	switch {
	case op == Div && !float:
		return Raise(ZeroDivisionError, "division by zero")
	case op == Div:
		return Raise(ZeroDivisionError, "float division by zero")
	case float && op == Mod:
		return Raise(ZeroDivisionError, "float modulo")
	case float:
		return Raise(ZeroDivisionError, "float floor division by zero")
	case op == Mod:
		return Raise(ZeroDivisionError, "integer modulo by zero")
	}
	return Raise(ZeroDivisionError, "integer division or modulo by zero")
}

func intDiv(a, b Value) (Value, error) {
	x, _ := BigInt(a)
	y, _ := BigInt(b)
	if y.Sign() == 0 {
		return nil, zeroDivision(Div, false)
	}
	f, _ := new(big.Rat).SetFrac(x, y).Float64()
	if math.IsInf(f, 0) {
		return nil, Raise(OverflowError, "integer division result too large for a float")
	}
	if f == 0 && (x.Sign() < 0) != (y.Sign() < 0) {
		f = math.Copysign(0, -1) // also 0 / -7
	}
	return Float(f), nil
}

func intPow(t *Thread, a, b Value) (Value, error) {
	x, _ := BigInt(a)
	y, _ := BigInt(b)
	if y.Sign() < 0 {
		if x.Sign() == 0 {
			return nil, Raise(ZeroDivisionError, "0.0 cannot be raised to a negative power")
		}
		fx, _ := AsFloat(a)
		fy, _ := AsFloat(b)
		return Float(number.Pow(fx, fy)), nil
	}
	if x.BitLen() > 1 {
		if !y.IsInt64() || y.Int64() > number.MaxBits || int64(x.BitLen())*y.Int64() > number.MaxBits+64 {
			return nil, numberError(number.ErrBits)
		}
		n := x.BitLen() * int(y.Int64())
		if err := t.Step(n/256 + n/4096*n/4096/8); err != nil {
			return nil, err
		}
		if err := t.Alloc(n / 4); err != nil {
			return nil, err
		}
	} else if x.Sign() != 0 { // 1 or -1
		if x.Sign() < 0 && y.Bit(0) == 0 {
			return Int(1), nil
		}
		return MakeInt(x), nil
	}
	return MakeInt(new(big.Int).Exp(x, y, nil)), nil
}

func shift(t *Thread, op Op, a, b Value) (Value, error) {
	x, _ := BigInt(a)
	n, ok := AsInt(b)
	if y, _ := BigInt(b); y.Sign() < 0 {
		return nil, Raise(ValueError, "negative shift count")
	}
	if op == RShift {
		if !ok || n > number.MaxBits {
			n = number.MaxBits
		}
		return MakeInt(new(big.Int).Rsh(x, uint(n))), nil
	}
	if x.Sign() == 0 {
		return Int(0), nil
	}
	if !ok || n > number.MaxBits || n+int64(x.BitLen()) > number.MaxBits {
		return nil, numberError(number.ErrBits)
	}
	if err := t.Alloc(int(n) / 8); err != nil {
		return nil, err
	}
	return MakeInt(new(big.Int).Lsh(x, uint(n))), nil
}
