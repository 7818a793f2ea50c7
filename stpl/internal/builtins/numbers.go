package builtins

import (
	"math"
	"math/big"

	"mdserver/stpl/internal/number"
	"mdserver/stpl/internal/object"
)

func numberFunctions() []*object.Builtin {
	return []*object.Builtin{
		object.NewBuiltin("abs", "x /", func(t *object.Thread, a []object.Value) (object.Value, error) {
			switch v := a[0].(type) {
			case object.Float:
				return object.Float(math.Abs(float64(v))), nil
			case object.Int, object.Bool, *object.Big:
				i, _ := object.BigInt(v)
				return object.MakeInt(new(big.Int).Abs(i)), nil
			case Absolute:
				return v.Abs(), nil
			}
			return nil, object.Raise(object.TypeError, "bad operand type for abs(): '%s'", object.TypeName(a[0]))
		}),
		object.NewBuiltin("divmod", "x y /", builtinDivmod),
		object.NewBuiltin("pow", "base exp mod?", builtinPow),
		object.NewBuiltin("round", "number ndigits:none+int?", builtinRound),
	}
}

func isNumber(v object.Value) bool { _, ok := object.AsFloat(v); return ok }
func isFloat(v object.Value) bool  { _, ok := v.(object.Float); return ok }

func builtinDivmod(t *object.Thread, a []object.Value) (object.Value, error) {
	_, left := a[0].(object.Operand)
	_, right := a[1].(object.Operand)
	switch {
	case left || right:
	case !isNumber(a[0]) || !isNumber(a[1]):
		return nil, object.Raise(object.TypeError, "unsupported operand type(s) for divmod(): '%s' and '%s'", object.TypeName(a[0]), object.TypeName(a[1]))
	case (isFloat(a[0]) || isFloat(a[1])) && !object.Truthy(a[1]):
		return nil, object.Raise(object.ZeroDivisionError, "float divmod()")
	}
	q, err := object.Binary(t, object.FloorDiv, a[0], a[1])
	if err != nil {
		return nil, err
	}
	r, err := object.Binary(t, object.Mod, a[0], a[1])
	return object.Tuple{q, r}, err
}

// Absolute is a value of another package that abs takes.
type Absolute interface{ Abs() object.Value }

func builtinPow(t *object.Thread, a []object.Value) (object.Value, error) {
	if a[2] == nil || a[2] == object.None {
		return object.Binary(t, object.Pow, a[0], a[1])
	}
	x, ok1 := object.BigInt(a[0])
	y, ok2 := object.BigInt(a[1])
	m, ok3 := object.BigInt(a[2])
	if !ok1 || !ok2 || !ok3 {
		return nil, object.Raise(object.TypeError, "pow() 3rd argument not allowed unless all arguments are integers")
	}
	if m.Sign() == 0 {
		return nil, object.Raise(object.ValueError, "pow() 3rd argument cannot be 0")
	}
	words := len(m.Bits()) + 1
	if err := t.Step(1 + y.BitLen()*words*words/16); err != nil {
		return nil, err
	}
	z := new(big.Int)
	if y.Sign() < 0 {
		if z.ModInverse(x, m) == nil {
			return nil, object.Raise(object.ValueError, "base is not invertible for the given modulus")
		}
		x, y, z = z, new(big.Int).Neg(y), new(big.Int)
	}
	z.Exp(x, y, new(big.Int).Abs(m))
	if m.Sign() < 0 && z.Sign() > 0 {
		z.Add(z, m)
	}
	return object.MakeInt(z), nil
}

func builtinRound(t *object.Thread, a []object.Value) (object.Value, error) {
	digits, given := object.IntOr(a[1], 0), a[1] != nil && a[1] != object.None
	switch v := a[0].(type) {
	case object.Float:
		if !given {
			return object.FloatToInt(math.RoundToEven(float64(v)))
		}
		return object.Float(number.Round(float64(v), digits)), nil
	case object.Int, object.Bool, *object.Big:
		i, _ := object.BigInt(v)
		if digits < 0 {
			return object.MakeInt(number.RoundInt(i, -digits)), nil
		}
		return object.MakeInt(new(big.Int).Set(i)), nil
	}
	return nil, object.Raise(object.TypeError, "type %s doesn't define __round__ method", object.TypeName(a[0]))
}

// radix makes bin, oct and hex.
func radix(name, spec string) *object.Builtin {
	return object.NewBuiltin(name, "number:int /", func(t *object.Thread, a []object.Value) (object.Value, error) {
		return object.NewStr(object.Format(t, a[0], spec))
	})
}
