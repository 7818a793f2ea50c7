package object

import (
	"math"
	"math/big"
)

// powPrecision is how many bits powers are worked out with: enough that only
// the last step rounds.
const powPrecision = 256

// precisePow is x to the power of y, rounded correctly as C libraries do it,
// which math.Pow does not.
func precisePow(x, y float64) float64 {
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
