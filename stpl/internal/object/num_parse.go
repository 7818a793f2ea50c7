package object

import (
	"math/big"
	"strconv"
	"strings"

	"mdserver/stpl/internal/character"
)

// parseInt reads the text of an integer as int(text, base) does.
func parseInt(t *Thread, text string, base int) (Value, error) {
	if base == 10 { // the usual case
		if i, err := strconv.ParseInt(text, 10, 64); err == nil {
			return Int(i), nil
		}
	}
	if err := t.Work(len(text)); err != nil {
		return nil, err
	}
	named := base
	bad := func() error {
		return Raise(ValueError, "invalid literal for int() with base %d: %s", named, PlainRepr(Str(text)))
	}
	s := character.ASCIIDigits(strings.TrimFunc(text, character.IsSpace))
	neg := strings.HasPrefix(s, "-")
	if neg || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	s, base, ok := cutBase(s, base)
	if !ok || s == "" || s[0] == '_' || s[len(s)-1] == '_' || strings.Contains(s, "__") {
		return nil, bad()
	}
	s = strings.ReplaceAll(s, "_", "")
	if s[0] == '-' || s[0] == '+' {
		return nil, bad()
	}
	if len(s) > maxDigits && base&(base-1) != 0 {
		return nil, Raise(ValueError, "Exceeds the limit (%d digits) for integer string conversion: value has %d digits; use sys.set_int_max_str_digits() to increase the limit", maxDigits, len(s))
	}
	if len(s) > maxBits/8 {
		return nil, Raise(OverflowError, "integers of more than %d bits are not supported", maxBits)
	}
	if err := t.Work(len(s) * 16); err != nil {
		return nil, err
	}
	i, ok := new(big.Int).SetString(s, base)
	if !ok {
		return nil, bad()
	}
	if neg {
		i.Neg(i)
	}
	return MakeInt(i), nil
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
