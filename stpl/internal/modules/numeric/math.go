// Package numeric is Python's math and random.
package numeric

import (
	"math"
	"math/big"

	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

// Math makes the module math.
func Math() native.Members {
	m := native.Functions(
		ofNumbers("sqrt", "x:float", func(x []float64) (object.Value, error) { return checked(math.Sqrt(x[0]), x...) }),
		ofNumbers("fabs", "x:float", func(x []float64) (object.Value, error) { return object.Float(math.Abs(x[0])), nil }),
		ofNumbers("pow", "x:float y:float", func(x []float64) (object.Value, error) { return checked(pow(x[0], x[1]), x...) }),
		ofNumbers("log", "x:float base:float?", logarithm(math.Log)),
		ofNumbers("log2", "x:float", logarithm(math.Log2)),
		ofNumbers("log10", "x:float", logarithm(math.Log10)),
	)
	m["pi"], m["e"], m["tau"] = object.Float(math.Pi), object.Float(math.E), object.Float(2*math.Pi)
	m["inf"], m["nan"] = object.Float(math.Inf(1)), object.Float(math.NaN())
	for name, f := range map[string]func(float64) float64{"ceil": math.Ceil, "floor": math.Floor, "trunc": math.Trunc} {
		m[name] = object.NewBuiltin(name, "x:float", func(_ *object.Thread, a []object.Value) (object.Value, error) {
			if i, ok := object.BigInt(a[0]); ok {
				return object.MakeInt(new(big.Int).Set(i)), nil
			}
			return object.FloatToInt(f(native.Number(a[0])))
		})
	}
	return m
}

// ofNumbers makes a function of real numbers. It is called with those that are
// given.
func ofNumbers(name, signature string, f func(x []float64) (object.Value, error)) *object.Builtin {
	return object.NewBuiltin(name, signature, func(_ *object.Thread, a []object.Value) (object.Value, error) {
		var x []float64
		for _, v := range a {
			if v != nil {
				x = append(x, native.Number(v))
			}
		}
		return f(x)
	})
}

// pow gives NaN where Python has a domain error.
func pow(x, y float64) float64 {
	if x == 0 && y < 0 && !math.IsInf(y, 0) {
		return math.NaN()
	}
	return math.Pow(x, y)
}

// checked turns a result that is no number into Python's errors.
func checked(y float64, from ...float64) (object.Value, error) {
	special := false
	for _, x := range from {
		if math.IsNaN(x) {
			return object.Float(y), nil
		}
		special = special || math.IsInf(x, 0)
	}
	switch {
	case math.IsNaN(y):
		return nil, object.Raise(object.ValueError, "math domain error")
	case math.IsInf(y, 0) && !special:
		return nil, object.Raise(object.OverflowError, "math range error")
	}
	return object.Float(y), nil
}

// logarithm takes a number and perhaps a base.
func logarithm(log func(float64) float64) func(x []float64) (object.Value, error) {
	return func(x []float64) (object.Value, error) {
		for _, x := range x {
			if x <= 0 {
				return nil, object.Raise(object.ValueError, "math domain error")
			}
		}
		y := log(x[0])
		if len(x) == 1 {
			return object.Float(y), nil
		}
		base := log(x[1])
		if base == 0 {
			return nil, object.Raise(object.ZeroDivisionError, "float division by zero")
		}
		return object.Float(y / base), nil
	}
}
