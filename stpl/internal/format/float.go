package format

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"mdserver/stpl/internal/meter"
	"mdserver/stpl/internal/number"
)

// Float is format(x, spec). The error is a ValueError or the meter's.
func Float(m *meter.Meter, spec string, x float64) (string, error) {
	f, err := parse(spec, "float")
	if err != nil {
		return "", err
	}
	return f.Float(m, x)
}

// Float writes a float.
func (f *Spec) Float(m *meter.Meter, x float64) (string, error) {
	if f.Verb != 0 && !strings.ContainsRune("eEfFgGn%", f.Verb) {
		return "", f.unknownVerb()
	}
	if err := m.Alloc(max(f.Precision, 0) + 400); err != nil {
		return "", err
	}
	text := floatText(math.Abs(x), byte(f.Verb), f.Precision, f.Alt)
	if f.Verb == '%' {
		text += "%"
	}
	negative := math.Signbit(x) && !math.IsNaN(x)
	if f.noMinusZero && strings.Trim(text, "0.%eE+-") == "" {
		negative = false
	}
	prefix := f.sign(negative)
	digits, tail := text, ""
	if i := strings.IndexAny(text, ".e%E"); i >= 0 {
		digits, tail = text[:i], text[i:]
	}
	if math.IsInf(x, 0) || math.IsNaN(x) {
		return f.Pad(m, prefix, text, '>')
	}
	return f.grouped(m, prefix, digits, tail, 10)
}

// floatText formats a number that is not negative.
func floatText(x float64, verb byte, precision int, alt bool) string {
	upper := verb == 'E' || verb == 'F' || verb == 'G'
	s := ""
	switch {
	case math.IsInf(x, 0):
		s = "inf"
	case math.IsNaN(x):
		s = "nan"
	case verb == 0 && precision < 0:
		s = number.Repr(x)
		return withPoint(s, alt && !strings.Contains(s, "."))
	case verb == '%':
		if precision < 0 {
			precision = 6
		}
		return withPoint(strconv.FormatFloat(x*100, 'f', precision, 64), alt && precision == 0)
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
