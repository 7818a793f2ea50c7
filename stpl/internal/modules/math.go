package modules

import (
	"math"
	"math/big"

	"mdserver/stpl/internal/object"
)

func mathModule() members {
	m := members{
		"pi": object.Float(math.Pi), "e": object.Float(math.E), "tau": object.Float(2 * math.Pi),
		"inf": object.Float(math.Inf(1)), "nan": object.Float(math.NaN()),
	}
	for name, f := range map[string]func(float64) float64{
		"acos": math.Acos, "acosh": math.Acosh, "asin": math.Asin, "asinh": math.Asinh, "atan": math.Atan,
		"atanh": math.Atanh, "cbrt": math.Cbrt, "cos": math.Cos, "cosh": math.Cosh, "erf": math.Erf,
		"erfc": math.Erfc, "exp": math.Exp, "exp2": math.Exp2, "expm1": math.Expm1, "fabs": math.Abs,
		"gamma": math.Gamma, "lgamma": func(x float64) float64 { y, _ := math.Lgamma(x); return y },
		"log1p": math.Log1p, "sin": math.Sin, "sinh": math.Sinh, "sqrt": math.Sqrt, "tan": math.Tan, "tanh": math.Tanh,
		"degrees": func(x float64) float64 { return x * (180 / math.Pi) },
		"radians": func(x float64) float64 { return x * (math.Pi / 180) },
		"ulp":     func(x float64) float64 { x = math.Abs(x); return math.Nextafter(x, math.Inf(1)) - x },
	} {
		m[name] = unaryMath(name, f)
	}
	for name, f := range map[string]func(x, y float64) float64{
		"atan2": math.Atan2, "copysign": math.Copysign, "fmod": math.Mod, "nextafter": math.Nextafter,
		"pow": math.Pow, "remainder": math.Remainder,
	} {
		m[name] = binaryMath(name, f)
	}
	for name, f := range map[string]func(x float64) bool{
		"isnan": math.IsNaN, "isinf": func(x float64) bool { return math.IsInf(x, 0) },
		"isfinite": func(x float64) bool { return !math.IsInf(x, 0) && !math.IsNaN(x) },
	} {
		m[name] = fn(name, "x", func(_ *object.Thread, a []object.Value) (object.Value, error) {
			x, err := number(a[0])
			return object.Bool(f(x)), err
		})
	}
	for name, f := range map[string]func(x float64) float64{"ceil": math.Ceil, "floor": math.Floor, "trunc": math.Trunc} {
		m[name] = rounding(name, f)
	}
	for _, list := range [][]*object.Builtin{logFunctions(), sumFunctions(), integerFunctions()} {
		for _, f := range list {
			m[f.Name] = f
		}
	}
	return m
}

var (
	errDomain = func() error { return object.Raise(object.ValueError, "math domain error") }
	errRange  = func() error { return object.Raise(object.OverflowError, "math range error") }
)

// checked turns a result that is no number into Python's errors.
func checked(y float64, in ...float64) (object.Value, error) {
	for _, x := range in {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			if math.IsNaN(y) && !math.IsNaN(x) {
				return nil, errDomain()
			}
			return object.Float(y), nil
		}
	}
	switch {
	case math.IsNaN(y):
		return nil, errDomain()
	case math.IsInf(y, 0):
		return nil, errRange()
	}
	return object.Float(y), nil
}

// poles are the functions that are infinite at a finite argument; that is a
// domain error, not a range error.
var poles = map[string]bool{"atanh": true, "gamma": true, "lgamma": true, "log1p": true}

func unaryMath(name string, f func(float64) float64) *object.Builtin {
	return fn(name, "x", func(_ *object.Thread, a []object.Value) (object.Value, error) {
		x, err := number(a[0])
		if err != nil {
			return nil, err
		}
		y := f(x)
		if poles[name] && math.IsInf(y, 0) && !math.IsInf(x, 0) && x <= 1 {
			return nil, errDomain()
		}
		return checked(y, x)
	})
}

func binaryMath(name string, f func(x, y float64) float64) *object.Builtin {
	return fn(name, "x y", func(_ *object.Thread, a []object.Value) (object.Value, error) {
		x, err := number(a[0])
		if err != nil {
			return nil, err
		}
		y, err := number(a[1])
		if err != nil {
			return nil, err
		}
		z := f(x, y)
		switch {
		case math.IsNaN(z) && (math.IsNaN(x) || math.IsNaN(y)):
			return object.Float(z), nil
		case name == "pow" && x == 0 && y < 0 && !math.IsInf(y, 0):
			return nil, errDomain()
		case math.IsInf(z, 0) && name == "nextafter":
			return object.Float(z), nil
		case math.IsInf(z, 0) && (math.IsInf(x, 0) || math.IsInf(y, 0)):
			return object.Float(z), nil
		}
		return checked(z)
	})
}

func rounding(name string, f func(float64) float64) *object.Builtin {
	return fn(name, "x", func(_ *object.Thread, a []object.Value) (object.Value, error) {
		if i, ok := object.BigInt(a[0]); ok {
			return object.MakeInt(new(big.Int).Set(i)), nil
		}
		x, err := number(a[0])
		if err != nil {
			return nil, err
		}
		return object.FloatToInt(f(x))
	})
}

func logFunctions() []*object.Builtin {
	one := func(name string, f func(float64) float64, perBit float64) *object.Builtin {
		return fn(name, "x", func(_ *object.Thread, a []object.Value) (object.Value, error) {
			y, err := logarithm(a[0], f, perBit)
			return object.Float(y), err
		})
	}
	return []*object.Builtin{
		one("log2", math.Log2, 1), one("log10", math.Log10, math.Log10(2)),
		fn("log", "x base?", func(_ *object.Thread, a []object.Value) (object.Value, error) {
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
		fn("frexp", "x", func(_ *object.Thread, a []object.Value) (object.Value, error) {
			x, err := number(a[0])
			if err != nil {
				return nil, err
			}
			frac, exp := math.Frexp(x)
			return object.Tuple{object.Float(frac), object.Int(exp)}, nil
		}),
		fn("modf", "x", func(_ *object.Thread, a []object.Value) (object.Value, error) {
			x, err := number(a[0])
			if err != nil {
				return nil, err
			}
			if math.IsInf(x, 0) {
				return object.Tuple{object.Float(math.Copysign(0, x)), object.Float(x)}, nil
			}
			whole := math.Trunc(x)
			return object.Tuple{object.Float(math.Copysign(x-whole, x)), object.Float(whole)}, nil
		}),
		fn("ldexp", "x i", func(_ *object.Thread, a []object.Value) (object.Value, error) {
			x, err := number(a[0])
			if err != nil {
				return nil, err
			}
			i, err := object.IndexArg(a[1])
			if err != nil {
				return nil, err
			}
			return checked(math.Ldexp(x, max(-5000, min(i, 5000))), x)
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
	x, err := number(v)
	if err != nil {
		return 0, err
	}
	if x <= 0 {
		return 0, errDomain()
	}
	return f(x), nil
}

func sumFunctions() []*object.Builtin {
	return []*object.Builtin{
		fn("fsum", "seq", func(t *object.Thread, a []object.Value) (object.Value, error) {
			sum := new(big.Float).SetPrec(2200) // holds every sum of floats exactly
			special := 0.0
			err := object.Each(t, a[0], func(v object.Value) error {
				x, err := number(v)
				if math.IsInf(x, 0) || math.IsNaN(x) {
					special += x
					return err
				}
				sum.Add(sum, new(big.Float).SetFloat64(x))
				return err
			})
			if err != nil || special != 0 {
				return object.Float(special), err
			}
			f, _ := sum.Float64()
			return object.Float(f), nil
		}),
		fn("prod", "iterable * start?", func(t *object.Thread, a []object.Value) (object.Value, error) {
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
		fn("hypot", "*coordinates", func(_ *object.Thread, a []object.Value) (object.Value, error) {
			return norm(a[0].(object.Tuple))
		}),
		fn("dist", "p q", func(t *object.Thread, a []object.Value) (object.Value, error) {
			p, err := object.ToSlice(t, a[0])
			if err != nil {
				return nil, err
			}
			q, err := object.ToSlice(t, a[1])
			if err != nil {
				return nil, err
			}
			if len(p) != len(q) {
				return nil, object.Raise(object.ValueError, "both points must have the same number of dimensions")
			}
			for i := range p {
				if p[i], err = object.Binary(t, object.Sub, p[i], q[i]); err != nil {
					return nil, err
				}
			}
			return norm(p)
		}),
		fn("isclose", "a b * rel_tol? abs_tol?", isClose),
	}
}

func norm(vs []object.Value) (object.Value, error) {
	sum := new(big.Float).SetPrec(2200)
	for _, v := range vs {
		x, err := number(v)
		if err != nil {
			return nil, err
		}
		if math.IsInf(x, 0) || math.IsNaN(x) {
			return object.Float(math.Abs(x)), nil
		}
		f := new(big.Float).SetPrec(2200).SetFloat64(x)
		sum.Add(sum, f.Mul(f, f))
	}
	f, _ := sum.SetPrec(300).Sqrt(sum).Float64()
	return object.Float(f), nil
}

func isClose(_ *object.Thread, a []object.Value) (object.Value, error) {
	in := [4]float64{2: 1e-9}
	for i, v := range a {
		if v == nil {
			continue
		}
		var err error
		if in[i], err = number(v); err != nil {
			return nil, err
		}
	}
	x, y, rel, abs := in[0], in[1], in[2], in[3]
	switch {
	case rel < 0 || abs < 0:
		return nil, object.Raise(object.ValueError, "tolerances must be non-negative")
	case x == y:
		return object.Bool(true), nil
	case math.IsInf(x, 0) || math.IsInf(y, 0):
		return object.Bool(false), nil
	}
	d := math.Abs(x - y)
	return object.Bool(d <= rel*math.Abs(x) || d <= rel*math.Abs(y) || d <= abs), nil
}
