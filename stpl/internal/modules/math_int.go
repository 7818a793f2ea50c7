package modules

import (
	"math/big"

	"mdserver/stpl/internal/object"
)

// maxFactorial bounds what factorial, comb and perm count up to: beyond it
// the result has more digits than an integer may have here.
const maxFactorial = 25_000

func integerFunctions() []*object.Builtin {
	return []*object.Builtin{
		fn("gcd", "*integers", func(t *object.Thread, a []object.Value) (object.Value, error) {
			return foldIntegers(t, a[0].(object.Tuple), 0, func(z, x *big.Int) *big.Int {
				return z.GCD(nil, nil, z, new(big.Int).Abs(x))
			})
		}),
		fn("lcm", "*integers", func(t *object.Thread, a []object.Value) (object.Value, error) {
			return foldIntegers(t, a[0].(object.Tuple), 1, lcm)
		}),
		fn("factorial", "n", func(t *object.Thread, a []object.Value) (object.Value, error) {
			n, err := count(a[0], "factorial() not defined for negative values")
			if err != nil {
				return nil, err
			}
			return product(t, 1, n)
		}),
		fn("perm", "n k?", func(t *object.Thread, a []object.Value) (object.Value, error) {
			n, k, err := choose(a, "n must be a non-negative integer", "k must be a non-negative integer")
			if err != nil || k > n {
				return object.Int(0), err
			}
			return product(t, n-k+1, n)
		}),
		fn("comb", "n k", func(t *object.Thread, a []object.Value) (object.Value, error) {
			n, k, err := choose(a, "n must be a non-negative integer", "k must be a non-negative integer")
			if err != nil || k > n {
				return object.Int(0), err
			}
			k = min(k, n-k)
			over, err := product(t, n-k+1, n)
			if err != nil {
				return nil, err
			}
			under, err := product(t, 1, k)
			if err != nil {
				return nil, err
			}
			return object.Binary(t, object.FloorDiv, over, under)
		}),
		fn("isqrt", "n", func(t *object.Thread, a []object.Value) (object.Value, error) {
			n, err := integer(a[0])
			if err != nil {
				return nil, err
			}
			if n.Sign() < 0 {
				return nil, object.Raise(object.ValueError, "isqrt() argument must be nonnegative")
			}
			if err := t.Step(1 + len(n.Bits())*len(n.Bits())/64); err != nil {
				return nil, err
			}
			return object.MakeInt(new(big.Int).Sqrt(n)), nil
		}),
	}
}

func integer(v object.Value) (*big.Int, error) {
	i, ok := object.BigInt(v)
	if !ok {
		return nil, object.Raise(object.TypeError, "'%s' object cannot be interpreted as an integer", object.TypeName(v))
	}
	return i, nil
}

func foldIntegers(t *object.Thread, vs object.Tuple, start int64, f func(z, x *big.Int) *big.Int) (object.Value, error) {
	z := big.NewInt(start)
	for _, v := range vs {
		x, err := integer(v)
		if err != nil {
			return nil, err
		}
		n := len(z.Bits()) + len(x.Bits())
		if err := t.Step(1 + n*n/16); err != nil {
			return nil, err
		}
		if err := t.Alloc(16 * n); err != nil {
			return nil, err
		}
		z = f(z, x)
	}
	return object.MakeInt(z), nil
}

func lcm(z, x *big.Int) *big.Int {
	if z.Sign() == 0 || x.Sign() == 0 {
		return new(big.Int)
	}
	x = new(big.Int).Abs(x)
	g := new(big.Int).GCD(nil, nil, z, x)
	return z.Mul(z, x.Quo(x, g))
}

func count(v object.Value, negative string) (int, error) {
	n, err := object.IndexArg(v)
	if err == nil && n < 0 {
		err = object.Raise(object.ValueError, "%s", negative)
	}
	return n, err
}

func choose(a []object.Value, badN, badK string) (n, k int, err error) {
	if n, err = count(a[0], badN); err != nil {
		return 0, 0, err
	}
	if isNone(a[1]) {
		return n, n, nil
	}
	k, err = count(a[1], badK)
	return n, k, err
}

// product multiplies the integers from low to high.
func product(t *object.Thread, low, high int) (object.Value, error) {
	if high-low > maxFactorial {
		return nil, object.Raise(object.OverflowError, "a product of more than %d factors is not supported in templates", maxFactorial)
	}
	if low > high {
		return object.Int(1), nil
	}
	if high-low < 8 {
		var p object.Value = object.Int(low)
		for i := low + 1; i <= high; i++ {
			var err error
			if p, err = object.Binary(t, object.Mul, p, object.Int(i)); err != nil {
				return nil, err
			}
		}
		return p, nil
	}
	middle := low + (high-low)/2
	x, err := product(t, low, middle)
	if err != nil {
		return nil, err
	}
	y, err := product(t, middle+1, high)
	if err != nil {
		return nil, err
	}
	return object.Binary(t, object.Mul, x, y)
}
