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
	m := native.Functions(mathFunctions()...)
	m["pi"], m["e"], m["tau"] = object.Float(math.Pi), object.Float(math.E), object.Float(2*math.Pi)
	m["inf"], m["nan"] = object.Float(math.Inf(1)), object.Float(math.NaN())
	for name, f := range map[string]func(float64) float64{"exp": math.Exp, "fabs": math.Abs, "sqrt": math.Sqrt} {
		m[name] = ofNumbers(name, "x", func(x []float64) (object.Value, error) { return checked(f(x[0]), x...) })
	}
	for name, f := range map[string]func(x, y float64) float64{"copysign": math.Copysign, "fmod": math.Mod, "pow": pow} {
		m[name] = ofNumbers(name, "x y", func(x []float64) (object.Value, error) { return checked(f(x[0], x[1]), x...) })
	}
	for name, f := range map[string]func(float64) bool{"isnan": math.IsNaN, "isinf": infinite, "isfinite": finite} {
		m[name] = ofNumbers(name, "x", func(x []float64) (object.Value, error) { return object.Bool(f(x[0])), nil })
	}
	for name, f := range map[string]func(float64) float64{"ceil": math.Ceil, "floor": math.Floor, "trunc": math.Trunc} {
		m[name] = native.Func(name, "x", func(_ *object.Thread, a []object.Value) (object.Value, error) {
			if i, ok := object.BigInt(a[0]); ok {
				return object.MakeInt(new(big.Int).Set(i)), nil
			}
			x, err := native.Number(a[0])
			if err != nil {
				return nil, err
			}
			return object.FloatToInt(f(x))
		})
	}
	return m
}

func infinite(x float64) bool { return math.IsInf(x, 0) }

func finite(x float64) bool { return !math.IsInf(x, 0) && !math.IsNaN(x) }

// pow gives NaN where Python has a domain error.
func pow(x, y float64) float64 {
	if x == 0 && y < 0 && finite(y) {
		return math.NaN()
	}
	return math.Pow(x, y)
}

// ofNumbers makes a function of real numbers.
func ofNumbers(name, signature string, f func(x []float64) (object.Value, error)) *object.Builtin {
	return native.Func(name, signature, func(_ *object.Thread, a []object.Value) (object.Value, error) {
		x := make([]float64, len(a))
		for i, v := range a {
			var err error
			if x[i], err = native.Number(v); err != nil {
				return nil, err
			}
		}
		return f(x)
	})
}

func domainError() error { return object.Raise(object.ValueError, "math domain error") }

// checked turns a result that is no number into Python's errors.
func checked(y float64, from ...float64) (object.Value, error) {
	special := false
	for _, x := range from {
		if math.IsNaN(x) {
			return object.Float(y), nil
		}
		special = special || infinite(x)
	}
	switch {
	case math.IsNaN(y):
		return nil, domainError()
	case infinite(y) && !special:
		return nil, object.Raise(object.OverflowError, "math range error")
	}
	return object.Float(y), nil
}

func mathFunctions() []*object.Builtin {
	log := func(name string, f func(float64) float64, perBit float64) *object.Builtin {
		return native.Func(name, "x", func(_ *object.Thread, a []object.Value) (object.Value, error) {
			y, err := logarithm(a[0], f, perBit)
			return object.Float(y), err
		})
	}
	return []*object.Builtin{
		log("log2", math.Log2, 1), log("log10", math.Log10, math.Log10(2)),
		native.Func("log", "x base?", func(_ *object.Thread, a []object.Value) (object.Value, error) {
			x, err := logarithm(a[0], math.Log, math.Ln2)
			if err != nil || a[1] == nil {
				return object.Float(x), err
			}
			base, err := logarithm(a[1], math.Log, math.Ln2)
			if err != nil {
				return nil, err
			}
			if base == 0 {
				return nil, object.Raise(object.ZeroDivisionError, "float division by zero")
			}
			return object.Float(x / base), nil
		}),
		native.Func("gcd", "*integers", func(t *object.Thread, a []object.Value) (object.Value, error) {
			z := new(big.Int)
			for _, v := range a[0].(object.Tuple) {
				x, err := native.Integer(v)
				if err != nil {
					return nil, err
				}
				if err := chargeBig(t, z, x); err != nil {
					return nil, err
				}
				z.GCD(nil, nil, z, new(big.Int).Abs(x))
			}
			return object.MakeInt(z), nil
		}),
		native.Func("isqrt", "n", func(t *object.Thread, a []object.Value) (object.Value, error) {
			n, err := native.Integer(a[0])
			if err != nil {
				return nil, err
			}
			if n.Sign() < 0 {
				return nil, object.Raise(object.ValueError, "isqrt() argument must be nonnegative")
			}
			if err := chargeBig(t, n, n); err != nil {
				return nil, err
			}
			return object.MakeInt(new(big.Int).Sqrt(n)), nil
		}),
		native.Func("prod", "iterable * start?", func(t *object.Thread, a []object.Value) (object.Value, error) {
			product := a[1]
			if product == nil {
				product = object.Int(1)
			}
			err := object.Each(t, a[0], func(v object.Value) (err error) {
				product, err = object.Binary(t, object.Mul, product, v)
				return err
			})
			return product, err
		}),
	}
}

// logarithm takes integers beyond the floats by their number of bits.
func logarithm(v object.Value, f func(float64) float64, perBit float64) (float64, error) {
	if i, ok := object.BigInt(v); ok && i.Sign() > 0 && i.BitLen() > 1000 {
		shift := i.BitLen() - 64
		x, _ := new(big.Float).SetInt(new(big.Int).Rsh(i, uint(shift))).Float64()
		return f(x) + perBit*float64(shift), nil
	}
	x, err := native.Number(v)
	if err == nil && x <= 0 {
		err = domainError()
	}
	return f(x), err
}

// chargeBig asks for the work on two integers, and for the memory of a result.
func chargeBig(t *object.Thread, x, y *big.Int) error {
	n := len(x.Bits()) + len(y.Bits())
	if err := t.Step(1 + n*n/16); err != nil {
		return err
	}
	return t.Alloc(16 * n)
}
