package object

import (
	"math"
	"math/big"

	"mdserver/stpl/internal/number"
)

func floatBinary(op Op, x, y float64) (Value, error) {
	switch op {
	case Add:
		return Float(x + y), nil
	case Sub:
		return Float(x - y), nil
	case Mul:
		return Float(x * y), nil
	case Div:
		if y == 0 {
			return nil, zeroDivision(op, true)
		}
		return Float(x / y), nil
	case FloorDiv, Mod:
		if y == 0 {
			return nil, zeroDivision(op, true)
		}
		q, r := number.DivMod(x, y)
		if op == Mod {
			return Float(r), nil
		}
		return Float(q), nil
	}
	return floatPow(x, y)
}

func floatPow(x, y float64) (Value, error) {
	if x == 0 && y < 0 {
		return nil, Raise(ZeroDivisionError, "0.0 cannot be raised to a negative power")
	}
	if x < 0 && y != math.Trunc(y) && !math.IsInf(y, 0) && !math.IsInf(x, 0) {
		return nil, Raise(ValueError, "complex numbers are not supported: negative number to a fractional power")
	}
	r := number.Pow(x, y)
	if math.IsInf(r, 0) && !math.IsInf(x, 0) && !math.IsInf(y, 0) {
		return nil, RaiseValue(OverflowError, Tuple{Int(34), Str("Numerical result out of range")})
	}
	return Float(r), nil
}

// FloatToInt converts a float to an int, as int() does.
func FloatToInt(f float64) (Value, error) {
	switch {
	case math.IsNaN(f):
		return nil, Raise(ValueError, "cannot convert float NaN to integer")
	case math.IsInf(f, 0):
		return nil, Raise(OverflowError, "cannot convert float infinity to integer")
	}
	f = math.Trunc(f)
	if math.Abs(f) < 1<<62 {
		return Int(f), nil
	}
	i, _ := big.NewFloat(f).Int(nil)
	return MakeInt(i), nil
}
