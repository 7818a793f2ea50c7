package number

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// Text is the decimal text of an integer.
func Text(i *big.Int) (string, error) {
	if i.BitLen() <= MaxDigits*4 { // 10 is less than 2**4
		if s := i.String(); len(strings.TrimPrefix(s, "-")) <= MaxDigits {
			return s, nil
		}
	}
	return "", ValueError(fmt.Sprintf("Exceeds the limit (%d digits) for integer string conversion; use sys.set_int_max_str_digits() to increase the limit", MaxDigits))
}

// Repr is the shortest text that reads back as f.
func Repr(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case math.IsNaN(f):
		return "nan"
	}
	s := strconv.FormatFloat(f, 'e', -1, 64)
	e := strings.IndexByte(s, 'e')
	exp, _ := strconv.Atoi(s[e+1:])
	if exp < -4 || exp >= 16 {
		return s
	}
	s = strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// Hex is float.hex.
func Hex(f float64) string {
	switch {
	case math.IsInf(f, 0) || math.IsNaN(f):
		return Repr(f)
	case f == 0:
		return strings.TrimSuffix(Repr(f), "0.0") + "0x0.0p+0"
	case math.Abs(f) < 0x1p-1022: // subnormal
		s := fmt.Sprintf("0x0.%013xp-1022", math.Float64bits(f)&(1<<52-1))
		if f < 0 {
			return "-" + s
		}
		return s
	}
	s := strconv.FormatFloat(f, 'x', 13, 64)
	mant, exp, _ := strings.Cut(s, "p")
	n, _ := strconv.Atoi(exp)
	if n < 0 {
		return mant + "p" + strconv.Itoa(n)
	}
	return mant + "p+" + strconv.Itoa(n)
}
