package format

import (
	"fmt"
	"math"
	"math/big"
	"strings"

	"mdserver/stpl/internal/character"
	"mdserver/stpl/internal/meter"
	"mdserver/stpl/internal/number"
)

func (f *Spec) unknownVerb() error {
	return invalid("Unknown format code '%s' for object of type '%s'", Shown(f.Verb), f.kind)
}

// Shown returns a character as messages show it: itself if it is visible
// ASCII, or else its number.
func Shown(r rune) string {
	if r > ' ' && r < 0x7f {
		return string(r)
	}
	return fmt.Sprintf("\\x%x", r)
}

// Text is format(s, spec). The error is a ValueError or the meter's.
func Text(m *meter.Meter, spec, s string) (string, error) {
	f, err := parse(spec, "str")
	if err != nil {
		return "", err
	}
	switch {
	case f.Verb != 0 && f.Verb != 's':
		return "", f.unknownVerb()
	case f.Sign != 0:
		return "", invalid("Sign not allowed in string format specifier")
	case f.noMinusZero:
		return "", invalid("Negative zero coercion (z) not allowed in string format specifier")
	case f.Alt:
		return "", invalid("Alternate form (#) not allowed in string format specifier")
	case f.Align == '=':
		return "", invalid("'=' alignment not allowed in string format specifier")
	case f.Group != 0:
		return "", invalid("Cannot specify '%c' with 's'.", f.Group)
	}
	if f.Precision >= 0 {
		s = s[:character.Offset(s, f.Precision)]
	}
	return f.Pad(m, "", s, '<')
}

// Int is format(i, spec) for an int or a value of another kind of it. The error
// may be an OverflowError, too.
func Int(m *meter.Meter, spec, kind string, i *big.Int) (string, error) {
	f, err := parse(spec, kind)
	if err != nil {
		return "", err
	}
	isFloat := strings.ContainsRune("eEfFgG%", f.Verb)
	isInt := f.Verb == 0 || strings.ContainsRune("dbcoxXn", f.Verb)
	switch {
	case f.Precision >= 0 && isInt:
		return "", invalid("Precision not allowed in integer format specifier")
	case f.noMinusZero && !isFloat:
		return "", invalid("Negative zero coercion (z) not allowed in integer format specifier")
	case f.Verb == 'c':
		return f.char(m, i)
	case isFloat:
		x, _ := new(big.Float).SetInt(i).Float64()
		if math.IsInf(x, 0) {
			return "", number.OverflowError("int too large to convert to float")
		}
		return f.Float(m, x)
	case !isInt:
		return "", f.unknownVerb()
	case f.Group == ',' && strings.ContainsRune("boxX", f.Verb):
		return "", invalid("Cannot specify ',' with '%c'.", f.Verb)
	}
	return f.Digits(m, i)
}

// Digits writes an int in the base of the verb, with as many digits as the
// precision says.
func (f *Spec) Digits(m *meter.Meter, i *big.Int) (string, error) {
	base, prefix := 10, ""
	switch f.Verb {
	case 'b':
		base, prefix = 2, "0b"
	case 'o':
		base, prefix = 8, "0o"
	case 'x', 'X':
		base, prefix = 16, "0"+string(f.Verb)
	}
	if err := m.Alloc(i.BitLen() + 64); err != nil {
		return "", err
	}
	digits, err := textInBase(new(big.Int).Abs(i), base)
	if err != nil {
		return "", err
	}
	if f.Verb == 'X' {
		digits = strings.ToUpper(digits)
	}
	zeros, err := m.Repeat("0", f.Precision-len(digits))
	if err != nil {
		return "", err
	}
	if !f.Alt {
		prefix = ""
	}
	return f.grouped(m, f.sign(i.Sign() < 0)+prefix, zeros+digits, "", base)
}

// textInBase bounds decimal digits only, as Python does.
func textInBase(i *big.Int, base int) (string, error) {
	if base == 10 {
		return number.Text(i)
	}
	return i.Text(base), nil
}

func (f *Spec) char(m *meter.Meter, i *big.Int) (string, error) {
	switch {
	case f.Sign != 0:
		return "", invalid("Sign not allowed with integer format specifier 'c'")
	case f.Alt:
		return "", invalid("Alternate form (#) not allowed with integer format specifier 'c'")
	case f.Group != 0:
		return "", invalid("Cannot specify '%c' with 'c'.", f.Group)
	}
	if !i.IsInt64() || i.Int64() < 0 || i.Int64() > 0x10ffff {
		return "", number.OverflowError("%c arg not in range(0x110000)")
	}
	return f.Pad(m, "", string(rune(i.Int64())), '>')
}

func (f *Spec) sign(negative bool) string {
	switch {
	case negative:
		return "-"
	case f.Sign == '+' || f.Sign == ' ':
		return string(f.Sign)
	}
	return ""
}

// grouped inserts the grouping character, zero-pads within the groups and pads.
func (f *Spec) grouped(m *meter.Meter, prefix, digits, tail string, base int) (string, error) {
	if f.Group == 0 {
		return f.Pad(m, prefix, digits+tail, '>')
	}
	size := 3
	if base != 10 {
		size = 4
	}
	if f.Fill == '0' && f.Align == '=' {
		room := f.Width - len(prefix) - len(tail)
		zeros, err := m.Repeat("0", missingDigits(len(digits), room, size))
		if err != nil {
			return "", err
		}
		digits = zeros + digits
	}
	if err := m.AllocN(len(digits), 4); err != nil {
		return "", err
	}
	var b strings.Builder
	for i := range len(digits) {
		if i > 0 && (len(digits)-i)%size == 0 {
			b.WriteByte(f.Group)
		}
		b.WriteByte(digits[i])
	}
	return f.Pad(m, prefix, b.String()+tail, '>')
}

// missingDigits is how many zeros n digits in groups of size lack to fill room.
func missingDigits(n, room, size int) int {
	want := room - room/(size+1)
	if room%(size+1) == 0 { // a group is not led by its separator
		want++
	}
	return want - n
}
