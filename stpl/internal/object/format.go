package object

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"mdserver/stpl/internal/character"
	"mdserver/stpl/internal/number"
)

// Formatter is a value of another package with a format of its own.
type Formatter interface {
	Format(t *Thread, spec string) (string, error)
}

// Format returns format(v, spec).
func Format(t *Thread, v Value, spec string) (string, error) {
	if f, ok := v.(Formatter); ok {
		return f.Format(t, spec)
	}
	if spec == "" {
		return ToStr(t, v)
	}
	if err := t.Work(len(spec)); err != nil {
		return "", err
	}
	switch v := v.(type) {
	case Str:
		return formatStr(t, v, spec)
	case Bool, Int, *Big:
		return formatInt(t, v, spec)
	case Float:
		f, err := parseSpec(spec, v)
		if err != nil {
			return "", err
		}
		return f.float(t, float64(v), v)
	}
	return "", Raise(TypeError, "unsupported format string passed to %s.__format__", TypeName(v))
}

func unknownVerb(verb rune, v Value) error {
	return Raise(ValueError, "Unknown format code '%c' for object of type '%s'", verb, TypeName(v))
}

func formatStr(t *Thread, v Str, spec string) (string, error) {
	f, err := parseSpec(spec, v)
	if err != nil {
		return "", err
	}
	switch {
	case f.verb != 0 && f.verb != 's':
		return "", unknownVerb(f.verb, v)
	case f.sign != 0:
		return "", Raise(ValueError, "Sign not allowed in string format specifier")
	case f.noMinusZero:
		return "", Raise(ValueError, "Negative zero coercion (z) not allowed in string format specifier")
	case f.alt:
		return "", Raise(ValueError, "Alternate form (#) not allowed in string format specifier")
	case f.align == '=' && !f.zero:
		return "", Raise(ValueError, "'=' alignment not allowed in string format specifier")
	case f.group != 0:
		return "", Raise(ValueError, "Cannot specify '%c' with 's'.", f.group)
	}
	if f.zero && f.align == '=' {
		f.align = '<'
	}
	s := string(v)
	if f.precision >= 0 {
		s = s[:character.Offset(s, f.precision)]
	}
	return f.pad(t, "", s, '<')
}

func formatInt(t *Thread, v Value, spec string) (string, error) {
	f, err := parseSpec(spec, v)
	if err != nil {
		return "", err
	}
	i, _ := BigInt(v)
	if f.precision >= 0 && (f.verb == 0 || strings.ContainsRune("dbcoxXn", f.verb)) {
		return "", Raise(ValueError, "Precision not allowed in integer format specifier")
	}
	isFloat := f.verb == '%' || f.verb != 0 && strings.ContainsRune("eEfFgG", f.verb)
	if f.noMinusZero && !isFloat {
		return "", Raise(ValueError, "Negative zero coercion (z) not allowed in integer format specifier")
	}
	base, prefix := 10, ""
	switch f.verb {
	case 0, 'd', 'n':
	case 'b':
		base, prefix = 2, "0b"
	case 'o':
		base, prefix = 8, "0o"
	case 'x', 'X':
		base, prefix = 16, "0"+string(f.verb)
	case 'c':
		return f.char(t, i)
	case 'e', 'E', 'f', 'F', 'g', 'G', '%':
		if err := bigFits(v); err != nil {
			return "", err
		}
		x, _ := AsFloat(v)
		return f.float(t, x, v)
	default:
		return "", unknownVerb(f.verb, v)
	}
	if f.group == ',' && base != 10 {
		return "", Raise(ValueError, "Cannot specify ',' with '%c'.", f.verb)
	}
	return f.integer(t, i, base, prefix)
}

func (f *formatSpec) integer(t *Thread, i *big.Int, base int, prefix string) (string, error) {
	if err := t.Alloc(i.BitLen() + 64); err != nil {
		return "", err
	}
	if base == 10 && i.BitLen() > number.MaxDigits*4 {
		return "", Raise(ValueError, "Exceeds the limit (%d digits) for integer string conversion", number.MaxDigits)
	}
	digits := new(big.Int).Abs(i).Text(base)
	if f.verb == 'X' {
		digits = strings.ToUpper(digits)
	}
	if !f.alt {
		prefix = ""
	}
	prefix = f.signText(i.Sign() < 0) + prefix
	return f.grouped(t, prefix, digits, "", base)
}

func (f *formatSpec) char(t *Thread, i *big.Int) (string, error) {
	switch {
	case f.sign != 0:
		return "", Raise(ValueError, "Sign not allowed with integer format specifier 'c'")
	case f.alt:
		return "", Raise(ValueError, "Alternate form (#) not allowed with integer format specifier 'c'")
	case f.group != 0:
		return "", Raise(ValueError, "Cannot specify '%c' with 'c'.", f.group)
	}
	if !i.IsInt64() || i.Int64() < 0 || i.Int64() > 0x10ffff {
		return "", Raise(OverflowError, "%%c arg not in range(0x110000)")
	}
	return f.pad(t, "", string(rune(i.Int64())), '>')
}

func (f *formatSpec) signText(negative bool) string {
	switch {
	case negative:
		return "-"
	case f.sign == '+' || f.sign == ' ':
		return string(f.sign)
	}
	return ""
}

// grouped inserts the grouping character, zero-pads within the groups and pads.
func (f *formatSpec) grouped(t *Thread, prefix, digits, tail string, base int) (string, error) {
	if f.group == 0 {
		return f.pad(t, prefix, digits+tail, '>')
	}
	size := 3
	if base != 10 {
		size = 4
	}
	if f.fill == '0' && f.align == '=' {
		room := f.width - len(prefix) - len(tail)
		zeros, err := t.Repeat("0", missingDigits(len(digits), room, size))
		if err != nil {
			return "", err
		}
		digits = zeros + digits
	}
	if err := t.AllocN(len(digits), 4); err != nil {
		return "", err
	}
	var b strings.Builder
	for i := range len(digits) {
		if i > 0 && (len(digits)-i)%size == 0 {
			b.WriteByte(f.group)
		}
		b.WriteByte(digits[i])
	}
	return f.pad(t, prefix, b.String()+tail, '>')
}

// missingDigits is how many zeros n digits in groups of size lack to fill room.
func missingDigits(n, room, size int) int {
	want := room - room/(size+1)
	if room%(size+1) == 0 { // a group is not led by its separator
		want++
	}
	return want - n
}

func (f *formatSpec) float(t *Thread, x float64, v Value) (string, error) {
	verb := f.verb
	if verb != 0 && !strings.ContainsRune("eEfFgGn%", verb) {
		return "", unknownVerb(verb, v)
	}
	if err := t.Alloc(max(f.precision, 0) + 400); err != nil {
		return "", err
	}
	text := floatText(math.Abs(x), byte(verb), f.precision, f.alt)
	negative := math.Signbit(x) && !math.IsNaN(x)
	if f.noMinusZero && strings.Trim(text, "0.%eE+-") == "" {
		negative = false
	}
	prefix := f.signText(negative)
	digits, tail := text, ""
	if i := strings.IndexAny(text, ".e%E"); i >= 0 {
		digits, tail = text[:i], text[i:]
	}
	if math.IsInf(x, 0) || math.IsNaN(x) {
		return f.pad(t, prefix, text, '>')
	}
	return f.grouped(t, prefix, digits, tail, 10)
}

// floatText formats a number that is not negative.
func floatText(x float64, verb byte, precision int, alt bool) string {
	upper := verb == 'E' || verb == 'F' || verb == 'G'
	s := ""
	switch {
	case math.IsInf(x, 0):
		s = "inf" + percentSign(verb)
	case math.IsNaN(x):
		s = "nan" + percentSign(verb)
	case verb == 0 && precision < 0:
		s = number.Repr(x)
		return withPoint(s, alt && !strings.Contains(s, "."))
	case verb == '%':
		if precision < 0 {
			precision = 6
		}
		return withPoint(strconv.FormatFloat(x*100, 'f', precision, 64), alt && precision == 0) + "%"
	case verb == 'f' || verb == 'F' || verb == 'e' || verb == 'E':
		if precision < 0 {
			precision = 6
		}
		s = withPoint(strconv.FormatFloat(x, verb|0x20, precision, 64), alt && precision == 0)
	default:
		s = general(x, precision, alt, verb == 0)
	}
	if upper {
		s = strings.ToUpper(s)
	}
	return s
}

func percentSign(verb byte) string {
	if verb == '%' {
		return "%"
	}
	return ""
}

// withPoint adds a decimal point, which the alternate form always has.
func withPoint(s string, add bool) string {
	if !add {
		return s
	}
	mant, exp, found := strings.Cut(s, "e")
	if found {
		return mant + ".e" + exp
	}
	return s + "."
}

// general is %g: significant digits, trailing zeros removed unless alt. The
// empty verb keeps one digit after the point and, as repr would, writes 1e+01 at
// one digit.
func general(x float64, precision int, alt, keepPoint bool) string {
	if precision < 0 {
		precision = 6
	}
	precision = max(precision, 1)
	verb := "%.*g"
	if alt {
		verb = "%#.*g"
	}
	s := fmt.Sprintf(verb, precision, x)
	if !keepPoint || strings.Contains(s, "e") {
		return s
	}
	whole, _, hasPoint := strings.Cut(s, ".")
	switch {
	case len(whole) == precision && (whole != "0" || x == 0):
		s = strconv.FormatFloat(x, 'e', precision-1, 64)
		mant, exp, _ := strings.Cut(s, "e")
		if alt || precision == 1 {
			return withPoint(s, alt && precision == 1)
		}
		return strings.TrimRight(strings.TrimRight(mant, "0"), ".") + "e" + exp
	case !hasPoint:
		return s + ".0"
	}
	return s
}
