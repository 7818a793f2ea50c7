package object

import (
	"math"
	"math/big"

	"mdserver/stpl/internal/number"
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
			case Operand:
				if less, err := Ordered(t, Less, v, zeroOf(v)); err == nil && less {
					return Unary(t, Sub, v)
				}
				return v, nil
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

// Zeroer is a value of another package that knows the zero of its kind.
type Zeroer interface{ Zero() Value }

// zeroOf returns the zero to compare v with.
func zeroOf(v Value) Value {
	if z, ok := v.(Zeroer); ok {
		return z.Zero()
	}
	return Int(0)
}

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
		if !given {
			return FloatToInt(math.RoundToEven(float64(v)))
		}
		return Float(number.Round(float64(v), digits)), nil
	case Int, Bool, *Big:
		i, _ := BigInt(v)
		if digits < 0 {
			return MakeInt(number.RoundInt(i, -digits)), nil
		}
		return MakeInt(new(big.Int).Set(i)), nil
	}
	return nil, Raise(TypeError, "type %s doesn't define __round__ method", TypeName(a[0]))
}

// radix makes bin, oct and hex.
func radix(name, spec string) *Builtin {
	return NewBuiltin(name, "number:int /", func(t *Thread, a []Value) (Value, error) {
		s, err := Format(t, a[0], spec)
		return Str(s), err
	})
}
