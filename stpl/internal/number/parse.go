package number

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"mdserver/stpl/internal/character"
	"mdserver/stpl/internal/meter"
)

// ParseInt reads the text of an integer as int(text, base) does, and charges for
// it. The error is ErrSyntax, a ValueError, an OverflowError or the meter's.
func ParseInt(m *meter.Meter, text string, base int) (*big.Int, error) {
	if err := m.Work(len(text)); err != nil {
		return nil, err
	}
	s := character.ASCIIDigits(strings.TrimFunc(text, character.IsSpace))
	neg := strings.HasPrefix(s, "-")
	if neg || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	s, base, ok := cutBase(s, base)
	if !ok || s == "" || s[0] == '_' || s[len(s)-1] == '_' || strings.Contains(s, "__") {
		return nil, ErrSyntax
	}
	s = strings.ReplaceAll(s, "_", "")
	switch {
	case s[0] == '-' || s[0] == '+':
		return nil, ErrSyntax
	case len(s) > MaxDigits && base&(base-1) != 0:
		return nil, ValueError(fmt.Sprintf("Exceeds the limit (%d digits) for integer string conversion: value has %d digits; use sys.set_int_max_str_digits() to increase the limit", MaxDigits, len(s)))
	case len(s) > MaxBits/8:
		return nil, ErrBits
	}
	if err := m.Work(len(s) * 16); err != nil {
		return nil, err
	}
	i, ok := new(big.Int).SetString(s, base)
	if !ok {
		return nil, ErrSyntax
	}
	if neg {
		i.Neg(i)
	}
	return i, nil
}

// cutBase strips a prefix such as 0x and settles base 0.
func cutBase(s string, base int) (string, int, bool) {
	prefixes := map[string]int{"0x": 16, "0o": 8, "0b": 2}
	if len(s) > 2 {
		if b := prefixes[strings.ToLower(s[:2])]; b != 0 && (base == 0 || base == b) {
			return strings.TrimPrefix(s[2:], "_"), b, true
		}
	}
	if base == 0 {
		if len(s) > 1 && s[0] == '0' && strings.Trim(s, "0_") != "" {
			return s, 10, false
		}
		return s, 10, true
	}
	return s, base, true
}

// ParseFloat reads the text of a float as float(text) does.
func ParseFloat(text string) (float64, error) {
	s := character.ASCIIDigits(strings.TrimFunc(text, character.IsSpace))
	if strings.ContainsAny(s, "xX") { // Go reads hexadecimal floats, too
		return 0, ErrSyntax
	}
	if len(s) == len("-nan") && (s[0] == '-' || s[0] == '+') && strings.EqualFold(s[1:], "nan") {
		return math.NaN(), nil // its sign shows nowhere
	}
	f, err := strconv.ParseFloat(s, 64) // which knows where an underscore may stand
	if err != nil && !math.IsInf(f, 0) {
		return 0, ErrSyntax
	}
	return f, nil
}
