package number

import (
	"math"
	"math/big"
)

// powPrecision is how many bits powers are worked out with: enough that only
// the last step rounds.
const powPrecision = 256

// Pow is x to the power of y, rounded correctly as C libraries do it,
// which math.Pow does not.
func Pow(x, y float64) float64 {
	rough := math.Pow(x, y)
	if rough == 0 || math.IsInf(rough, 0) || math.IsNaN(rough) || x == 1 || y == 0 {
		return rough
	}
	whole, part := math.Modf(math.Abs(y))
	if whole >= 1<<62 {
		return rough
	}
	base := new(big.Float).SetPrec(powPrecision).SetFloat64(math.Abs(x))
	r := new(big.Float).SetPrec(powPrecision).SetInt64(1)
	for square, n := new(big.Float).Copy(base), uint64(whole); n > 0; n >>= 1 {
		if n&1 == 1 {
			r.Mul(r, square)
		}
		if n > 1 {
			square.Mul(square, square)
		}
	}
	for part > 0 { // each binary digit of the fraction is a square root
		base.Sqrt(base)
		if part *= 2; part >= 1 {
			r.Mul(r, base)
			part--
		}
	}
	if y < 0 {
		r.Quo(new(big.Float).SetPrec(powPrecision).SetInt64(1), r)
	}
	f, _ := r.Float64()
	return math.Copysign(f, rough)
}

// DivMod is the pair of x // y and x % y, for y that is not zero.
func DivMod(x, y float64) (q, r float64) {
	r = math.Mod(x, y)
	q = (x - r) / y
	if r != 0 {
		if (r < 0) != (y < 0) {
			r += y
			q--
		}
	} else {
		r = math.Copysign(0, y)
	}
	if q != 0 {
		f := math.Floor(q)
		if q-f > 0.5 {
			f++
		}
		return f, r
	}
	return math.Copysign(0, x/y), r
}

// RoundHalfEven is the integer nearest to num/den, the even one of two.
func RoundHalfEven(num, den *big.Int) *big.Int {
	q, r := new(big.Int).DivMod(num, den, new(big.Int))
	if c := r.Lsh(r, 1).Cmp(den); c > 0 || c == 0 && q.Bit(0) == 1 {
		q.Add(q, big.NewInt(1))
	}
	return q
}

// RoundInt rounds an integer to a power of ten, the even multiple of two.
func RoundInt(i *big.Int, power int) *big.Int {
	if power > MaxBits/3 || power < 0 { // the least int has no negative
		return new(big.Int)
	}
	unit := pow10(power)
	q := RoundHalfEven(i, unit)
	return q.Mul(q, unit)
}

// Round rounds the decimal value that f stands for to digits after the point,
// half to even.
func Round(f float64, digits int) float64 {
	if math.IsInf(f, 0) || math.IsNaN(f) || digits > 323 {
		return f
	}
	if digits < -308 {
		return math.Copysign(0, f)
	}
	r := new(big.Rat)
	r.SetFloat64(f)
	unit := new(big.Rat).SetInt(pow10(max(digits, -digits)))
	if digits < 0 {
		unit.Inv(unit)
	}
	r.Mul(r, unit)
	r.SetInt(RoundHalfEven(r.Num(), r.Denom()))
	x, _ := r.Quo(r, unit).Float64()
	return math.Copysign(x, f)
}

func pow10(n int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
}
