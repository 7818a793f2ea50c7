package object

import (
	"math"
	"math/big"
)

func numberBuiltins() []*Builtin {
	return []*Builtin{
		NewBuiltin("abs", "x /", func(t *Thread, a []Value) (Value, error) {
			switch v := a[0].(type) {
			case Float:
				return Float(math.Abs(float64(v))), nil
			case Int, Bool, *Big:
				i, _ := BigInt(v)
				return MakeInt(new(big.Int).Abs(i)), nil
			case Absolute:
				return v.Abs(), nil
			}
			return nil, Raise(TypeError, "bad operand type for abs(): '%s'", TypeName(a[0]))
		}),
		NewBuiltin("divmod", "x y /", builtinDivmod),
		NewBuiltin("pow", "base exp mod?", builtinPow),
		NewBuiltin("round", "number ndigits:none+int?", builtinRound),
	}
}

func builtinDivmod(t *Thread, a []Value) (Value, error) {
	_, left := a[0].(Operand)
	_, right := a[1].(Operand)
	switch {
	case left || right:
	case !isNumber(a[0]) || !isNumber(a[1]):
		return nil, unsupported("divmod()", a[0], a[1])
	case (isFloat(a[0]) || isFloat(a[1])) && !Truthy(a[1]):
		return nil, Raise(ZeroDivisionError, "float divmod()")
	}
	q, err := Binary(t, FloorDiv, a[0], a[1])
	if err != nil {
		return nil, err
	}
	r, err := Binary(t, Mod, a[0], a[1])
	return Tuple{q, r}, err
}

// Absolute is a value of another package that abs takes.
type Absolute interface{ Abs() Value }

func builtinPow(t *Thread, a []Value) (Value, error) {
	if a[2] == nil || a[2] == None {
		return Binary(t, Pow, a[0], a[1])
	}
	x, ok1 := BigInt(a[0])
	y, ok2 := BigInt(a[1])
	m, ok3 := BigInt(a[2])
	if !ok1 || !ok2 || !ok3 {
		return nil, Raise(TypeError, "pow() 3rd argument not allowed unless all arguments are integers")
	}
	if m.Sign() == 0 {
		return nil, Raise(ValueError, "pow() 3rd argument cannot be 0")
	}
	words := len(m.Bits()) + 1
	if err := t.Step(1 + y.BitLen()*words*words/16); err != nil {
		return nil, err
	}
	z := new(big.Int)
	if y.Sign() < 0 {
		if z.ModInverse(x, m) == nil {
			return nil, Raise(ValueError, "base is not invertible for the given modulus")
		}
		x, y, z = z, new(big.Int).Neg(y), new(big.Int)
	}
	z.Exp(x, y, new(big.Int).Abs(m))
	if m.Sign() < 0 && z.Sign() > 0 {
		z.Add(z, m)
	}
	return MakeInt(z), nil
}

func builtinRound(t *Thread, a []Value) (Value, error) {
	digits, given := IntOr(a[1], 0), a[1] != nil && a[1] != None
	switch v := a[0].(type) {
	case Float:
		return roundFloat(float64(v), digits, given)
	case Int, Bool, *Big:
		if digits >= 0 {
			i, _ := BigInt(v)
			return MakeInt(new(big.Int).Set(i)), nil
		}
		return roundInt(v, -digits), nil
	}
	return nil, Raise(TypeError, "type %s doesn't define __round__ method", TypeName(a[0]))
}

func roundInt(v Value, digits int) Value {
	i, _ := BigInt(v)
	if digits > maxBits/3 || digits < 0 { // the least int has no negative
		return Int(0)
	}
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits)), nil)
	q := RoundHalfEven(i, unit)
	return MakeInt(q.Mul(q, unit))
}

// RoundHalfEven is the integer nearest to num/den, the even one of two.
func RoundHalfEven(num, den *big.Int) *big.Int {
	q, r := new(big.Int).DivMod(num, den, new(big.Int))
	if c := r.Lsh(r, 1).Cmp(den); c > 0 || c == 0 && q.Bit(0) == 1 {
		q.Add(q, big.NewInt(1))
	}
	return q
}

func roundFloat(f float64, digits int, given bool) (Value, error) {
	if !given {
		return FloatToInt(math.RoundToEven(f))
	}
	if math.IsInf(f, 0) || math.IsNaN(f) || digits > 323 {
		return Float(f), nil
	}
	if digits < -308 {
		return Float(math.Copysign(0, f)), nil
	}
	// Exact rounding, half to even, of the decimal value that f stands for.
	r := new(big.Rat)
	r.SetFloat64(f)
	unit := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(digits, -digits))), nil))
	if digits < 0 {
		unit.Inv(unit)
	}
	r.Mul(r, unit)
	r.SetInt(RoundHalfEven(r.Num(), r.Denom()))
	x, _ := r.Quo(r, unit).Float64()
	return Float(math.Copysign(x, f)), nil
}

// radix makes bin, oct and hex.
func radix(name, spec string) *Builtin {
	return NewBuiltin(name, "number:int /", func(t *Thread, a []Value) (Value, error) {
		s, err := Format(t, a[0], spec)
		return Str(s), err
	})
}
