package format

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"mdserver/stpl/internal/meter"
)

func newMeter(t *testing.T) *meter.Meter {
	t.Helper()
	return newMeterWith(t, 1<<20)
}

func newMeterWith(t *testing.T, memory int64) *meter.Meter {
	t.Helper()
	limits := meter.Limits{Steps: 1 << 20, Memory: memory, Time: time.Hour, Recursion: 10}
	m := meter.New(t.Context(), meter.NewBudget(limits), func(_ meter.Limit, message string) error { return errors.New(message) })
	t.Cleanup(func() { m.End() })
	return &m
}

// check compares a text or an error with Python's.
func check(t *testing.T, what any, got string, err error, want, message string) {
	t.Helper()
	given := ""
	if err != nil {
		given = err.Error()
	}
	if got != want || given != message {
		t.Errorf("%v: %q, error %q, want %q, error %q", what, got, given, want, message)
	}
}

// The answers in this file are those of Python 3.11.

func TestText(t *testing.T) {
	for _, tt := range []struct{ spec, s, want, message string }{
		{"", "abc", "abc", ""},
		{">6", "abc", "   abc", ""},
		{"*^7", "abc", "**abc**", ""},
		{"é<5", "añb", "añbéé", ""},
		{".2", "añb", "añ", ""},
		{"06", "ab", "ab0000", ""},
		{">06", "ab", "0000ab", ""},
		{"x<06", "ab", "abxxxx", ""},
		{"4", "abc", "abc ", ""},
		{"3", "abc", "abc", ""},
		{".0", "abc", "", ""},
		{"s", "x", "x", ""},
		{"+", "x", "", "Sign not allowed in string format specifier"},
		{"z", "x", "", "Negative zero coercion (z) not allowed in string format specifier"},
		{"#", "x", "", "Alternate form (#) not allowed in string format specifier"},
		{"=5", "x", "", "'=' alignment not allowed in string format specifier"},
		{",", "x", "", "Cannot specify ',' with 's'."},
		{"d", "x", "", "Unknown format code 'd' for object of type 'str'"},
		{"5.", "x", "", "Format specifier missing precision"},
		{"__", "x", "", "Cannot specify '_' with '_'."},
		{",_", "x", "", "Cannot specify both ',' and '_'."},
		{"_,", "x", "", "Cannot specify both ',' and '_'."},
		{"1:", "x", "", "Unknown format code ':' for object of type 'str'"},
		{"1000001", "x", "", "Too many decimal digits in format string: more than 1000000 is not supported"},
		{".1000001", "x", "", "Too many decimal digits in format string: more than 1000000 is not supported"},
		{"10s!", "x", "", "Invalid format specifier '10s!' for object of type 'str'"},
		{"9999999", "x", "", "Too many decimal digits in format string: more than 1000000 is not supported"}, // our own bound
	} {
		got, err := Text(newMeter(t), tt.spec, tt.s)
		check(t, tt, got, err, tt.want, tt.message)
	}
}

func TestInt(t *testing.T) {
	power := func(base, exponent int64) *big.Int {
		return new(big.Int).Exp(big.NewInt(base), big.NewInt(exponent), nil)
	}
	huge := power(10, 400)
	for _, tt := range []struct {
		spec          string
		i             *big.Int
		want, message string
	}{
		{"", big.NewInt(42), "42", ""},
		{"d", big.NewInt(-42), "-42", ""},
		{"+", big.NewInt(42), "+42", ""},
		{" d", big.NewInt(42), " 42", ""},
		{"08", big.NewInt(-42), "-0000042", ""},
		{"010_x", big.NewInt(0xabcdef12), "0_abcd_ef12", ""},
		{",", big.NewInt(1234567), "1,234,567", ""},
		{"_b", big.NewInt(1023), "11_1111_1111", ""},
		{"#b", big.NewInt(5), "0b101", ""},
		{"#o", big.NewInt(8), "0o10", ""},
		{"#X", big.NewInt(255), "0XFF", ""},
		{"x", big.NewInt(-255), "-ff", ""},
		{"c", big.NewInt(0x20ac), "€", ""},
		{"5c", big.NewInt(65), "    A", ""},
		{"e", big.NewInt(12345), "1.234500e+04", ""},
		{".1%", big.NewInt(1), "100.0%", ""},
		{"^9", big.NewInt(5), "    5    ", ""},
		{"012,", big.NewInt(12345), "0,000,012,345", ""},
		{"016,", big.NewInt(123456789), "0,000,123,456,789", ""},
		{"n", big.NewInt(7), "7", ""},
		{"d", big.NewInt(0), "0", ""},
		{"-", big.NewInt(5), "5", ""},
		{"#d", big.NewInt(5), "5", ""},
		{"+,", big.NewInt(123456), "+123,456", ""},
		{"*=12,", big.NewInt(12345), "******12,345", ""},
		{"0>12,", big.NewInt(12345), "00000012,345", ""},
		{"z.1f", big.NewInt(5), "5.0", ""},
		{"c", big.NewInt(0), "\x00", ""},
		{"c", big.NewInt(0x10ffff), "\U0010ffff", ""},
		{"x", power(16, 5000), "1" + strings.Repeat("0", 5000), ""},
		{"", power(10, 4299), "1" + strings.Repeat("0", 4299), ""},
		{"", power(10, 4300), "", "Exceeds the limit (4300 digits) for integer string conversion; use sys.set_int_max_str_digits() to increase the limit"},
		{"e", power(2, 1023), "8.988466e+307", ""},
		{"e", new(big.Int).Sub(power(2, 1024), big.NewInt(1)), "", "int too large to convert to float"},
		{"e", new(big.Int).Neg(power(2, 1024)), "", "int too large to convert to float"},
		{"1000001", big.NewInt(5), "", "Too many decimal digits in format string: more than 1000000 is not supported"},
		{"c", power(2, 70), "", "%c arg not in range(0x110000)"},
		{".0d", big.NewInt(5), "", "Precision not allowed in integer format specifier"},
		{"g", huge, "", "int too large to convert to float"},
		{"c", big.NewInt(-1), "", "%c arg not in range(0x110000)"},
		{"c", big.NewInt(0x110000), "", "%c arg not in range(0x110000)"},
		{"+c", big.NewInt(65), "", "Sign not allowed with integer format specifier 'c'"},
		{"#c", big.NewInt(65), "", "Alternate form (#) not allowed with integer format specifier 'c'"},
		{",c", big.NewInt(65), "", "Cannot specify ',' with 'c'."},
		{".3d", big.NewInt(5), "", "Precision not allowed in integer format specifier"},
		{"z", big.NewInt(5), "", "Negative zero coercion (z) not allowed in integer format specifier"},
		{",x", big.NewInt(5), "", "Cannot specify ',' with 'x'."},
		{"s", big.NewInt(5), "", "Unknown format code 's' for object of type 'int'"},
	} {
		got, err := Int(newMeter(t), tt.spec, "int", tt.i)
		check(t, tt.spec, got, err, tt.want, tt.message)
	}
}

func TestFloat(t *testing.T) {
	for _, tt := range []struct {
		spec          string
		x             float64
		want, message string
	}{
		{"", 1.0, "1.0", ""},
		{"", 1e+16, "1e+16", ""},
		{"", math.Copysign(0, -1), "-0.0", ""},
		{"z.0f", -0.4, "0", ""},
		{"e", 12345.678, "1.234568e+04", ""},
		{".3E", 0.00012345, "1.234E-04", ""},
		{"f", 1.0 / 3, "0.333333", ""},
		{".0f", 2.5, "2", ""},
		{"#.0f", 2.0, "2.", ""},
		{"g", 1e-05, "1e-05", ""},
		{"g", 123456789.0, "1.23457e+08", ""},
		{"#g", 1.0, "1.00000", ""},
		{".3", 1234.5, "1.23e+03", ""},
		{".1", 0.05, "0.05", ""},
		{".1", 10.0, "1e+01", ""},
		{"%", 0.25, "25.000000%", ""},
		{".0%", 0.125, "12%", ""},
		{"+,.2f", 1234567.891, "+1,234,567.89", ""},
		{"010.2f", -3.14159, "-000003.14", ""},
		{"015,.1f", -1234567.0, "-0,001,234,567.0", ""},
		{"_e", 1234567.0, "1.234567e+06", ""},
		{"n", 1.5, "1.5", ""},
		{"F", math.Inf(1), "INF", ""},
		{"08", math.Inf(-1), "-0000inf", ""},
		{"%", math.NaN(), "nan%", ""},
		{"F", 1.5, "1.500000", ""},
		{"G", 1e20, "1E+20", ""},
		{".3G", math.Inf(1), "INF", ""},
		{"#.0%", 0.5, "50.%", ""},
		{"#.0e", 1.0, "1.e+00", ""},
		{"#.1g", 20.0, "2.e+01", ""},
		{"#", 1e16, "1.e+16", ""},
		{"#", 1.5, "1.5", ""},
		{".0", 5.0, "5e+00", ""},
		{".2", 100.0, "1e+02", ""},
		{".3", 0.0, "0.0", ""},
		{"0=6", 1.5, "0001.5", ""},
		{"+", math.NaN(), "+nan", ""},
		{"", math.Copysign(math.NaN(), -1), "nan", ""},
		{"08,", math.NaN(), "00000nan", ""},
		{"09,", math.Inf(-1), "-00000inf", ""},
		{"#%", 1.0, "100.000000%", ""},
		{"#e", 1.0, "1.000000e+00", ""},
		{".1", 0.0, "0e+00", ""},
		{".2", 12.0, "1.2e+01", ""},
		{"#.2", 12.0, "1.2e+01", ""},
		{".3", 100.0, "1e+02", ""},
		{"#.3", 100.0, "1.00e+02", ""},
		{"#.1", 1.0, "1.e+00", ""},
		{"z", math.Copysign(0, -1), "0.0", ""},
		{"z.1f", -0.06, "-0.1", ""},
		{"z.0e", math.Copysign(0, -1), "0e+00", ""},
		{".0g", 1.5, "2", ""},
		{"#.3", 1e10, "1.00e+10", ""},
		{"é>6", 1.0, "ééé1.0", ""},
		{"<6", 1.0, "1.0   ", ""},
		{"=+7", 1.0, "+   1.0", ""},
		{"07,.1f", math.Inf(1), "0000inf", ""},
		{"_.2f", 1e6, "1_000_000.00", ""},
		{"x", 1.0, "", "Unknown format code 'x' for object of type 'float'"},
		{".", 1.0, "", "Format specifier missing precision"},
	} {
		got, err := Float(newMeter(t), tt.spec, tt.x)
		check(t, tt, got, err, tt.want, tt.message)
	}
}

func TestParts(t *testing.T) {
	for _, tt := range []struct {
		s       string
		want    Part
		rest    string
		message string
	}{
		{"plain", Part{Text: "plain"}, "", ""},
		{"a{}b", Part{Text: "a", Field: true}, "b", ""},
		{"{{x", Part{Text: "{"}, "x", ""},
		{"a}}b", Part{Text: "a}"}, "b", ""},
		{"a}}", Part{Text: "a}"}, "", ""},
		{"{:>5}", Part{Field: true, Spec: ">5"}, "", ""},
		{"{!r}", Part{Field: true, Conv: 'r'}, "", ""},
		{"{a!r}", Part{Field: true, First: "a", Conv: 'r'}, "", ""},
		{"{.a}", Part{Field: true, Path: ".a"}, "", ""},
		{"{[a]}", Part{Field: true, Path: "[a]"}, "", ""},
		{"{[[]}", Part{Field: true, Path: "[[]"}, "", ""},
		{"{:[^9}", Part{Field: true, Spec: "[^9"}, "", ""},
		{"{a:[{w}}z", Part{Field: true, First: "a", Spec: "[{w}"}, "z", ""},
		{"{a:{w[0]}}z", Part{Field: true, First: "a", Spec: "{w[0]}"}, "z", ""},
		{"{a[b]:c", Part{}, "", "unmatched '{' in format spec"},
		{"{0.name[k]!r:>10}", Part{Field: true, First: "0", Path: ".name[k]", Conv: 'r', Spec: ">10"}, "", ""},
		{"{a:{w}.{p}}z", Part{Field: true, First: "a", Spec: "{w}.{p}"}, "z", ""},
		{"{a[!]}", Part{Field: true, First: "a", Path: "[!]"}, "", ""},
		{"{a[:]}", Part{Field: true, First: "a", Path: "[:]"}, "", ""},
		{"{a[{]}", Part{Field: true, First: "a", Path: "[{]"}, "", ""},
		{"{a!}", Part{}, "", "unmatched '{' in format spec"},
		{"{a!r", Part{}, "", "unmatched '{' in format spec"},
		{"{a:{b}", Part{}, "", "unmatched '{' in format spec"},
		{"{a:x[", Part{}, "", "unmatched '{' in format spec"},
		{"{a[:}", Part{}, "", "expected '}' before end of string"},
		{"{a[x", Part{}, "", "expected '}' before end of string"},
		{"}", Part{}, "", "Single '}' encountered in format string"},
		{"{", Part{}, "", "Single '{' encountered in format string"},
		{"{a", Part{}, "", "expected '}' before end of string"},
		{"{a!rx}", Part{}, "", "expected ':' after conversion specifier"},
		{"{a{b}}", Part{}, "", "unexpected '{' in field name"},
	} {
		got, rest, err := CutPart(tt.s)
		if err != nil {
			got, rest = Part{}, ""
		}
		if got != tt.want || rest != tt.rest {
			t.Errorf("%q: %+v and %q, want %+v and %q", tt.s, got, rest, tt.want, tt.rest)
		}
		check(t, tt.s, "", err, "", tt.message)
	}
}

func TestSteps(t *testing.T) {
	for _, tt := range []struct {
		path, name    string
		isKey         bool
		rest, message string
	}{
		{".a", "a", false, "", ""},
		{".a.b", "a", false, ".b", ""},
		{".a[0]", "a", false, "[0]", ""},
		{"[a.b]", "a.b", true, "", ""},
		{"[0].x", "0", true, ".x", ""},
		{".", "", false, "", "Empty attribute in format string"},
		{"[]", "", false, "", "Empty attribute in format string"},
		{"[0", "", false, "", "Missing ']' in format string"},
		{"..a", "", false, "", "Empty attribute in format string"},
		{"x", "", false, "", "Only '.' or '[' may follow ']' in format field specifier"},
	} {
		name, isKey, rest, err := CutStep(tt.path)
		if isKey != tt.isKey || rest != tt.rest {
			t.Errorf("%q: %v and %q, want %v and %q", tt.path, isKey, rest, tt.isKey, tt.rest)
		}
		check(t, tt.path, name, err, tt.name, tt.message)
	}
}

func TestPercentDirectives(t *testing.T) {
	for _, tt := range []struct{ s, key, rest, message string }{
		{"(a)s", "a", "s", ""},
		{"((a)b)s", "(a)b", "s", ""},
		{"(a", "", "", "incomplete format key"},
	} {
		key, rest, err := CutKey(tt.s)
		if rest != tt.rest {
			t.Errorf("%q leaves %q, want %q", tt.s, rest, tt.rest)
		}
		check(t, tt.s, key, err, tt.key, tt.message)
	}
	for _, tt := range []struct {
		s    string
		want Spec
		left bool
		rest string
	}{
		{"-+ #0x", Spec{Sign: '+', Alt: true, Zero: true}, true, "x"},
		{" +d", Spec{Sign: '+'}, false, "d"},
		{" d", Spec{Sign: ' '}, false, "d"},
		{"-", Spec{}, true, ""},
		{"", Spec{}, false, ""},
	} {
		var f Spec
		if left, rest := f.CutFlags(tt.s); left != tt.left || rest != tt.rest || f != tt.want {
			t.Errorf("%q: %+v, left %v, and %q", tt.s, f, left, rest)
		}
	}
	f := Spec{Fill: ' ', Alt: true, Width: 10, Precision: 4, Verb: 'x'}
	got, err := f.Digits(newMeter(t), big.NewInt(-255)) // '%#10.4x' % -255
	check(t, "digits", got, err, "   -0x00ff", "")
}

// What a format asks for is charged before it is made.
func TestLongTextsAreCharged(t *testing.T) {
	for _, spec := range []string{"1000000", "01000000,", ".1000000f"} {
		m := newMeter(t)
		var err error
		for i := 0; err == nil && i < 3; i++ {
			_, err = Float(m, spec, 1)
		}
		if err == nil || err.Error() != "the template needs more than 1048576 bytes of memory" {
			t.Errorf("%q three times: %v", spec, err)
		}
	}
}

// Each text that is made on the way is charged, too.
func TestPartsOfATextAreCharged(t *testing.T) {
	long := new(big.Int).Exp(big.NewInt(10), big.NewInt(100), nil)
	for name, tt := range map[string]struct {
		memory int64
		format func(m *meter.Meter) (string, error)
	}{
		"a float's digits":       {300, func(m *meter.Meter) (string, error) { return Float(m, "", 1) }},
		"an integer's digits":    {300, func(m *meter.Meter) (string, error) { return Int(m, "", "int", long) }},
		"groups of them":         {700, func(m *meter.Meter) (string, error) { return Int(m, ",", "int", long) }},
		"zeros before groups":    {700, func(m *meter.Meter) (string, error) { return Int(m, "01000,", "int", big.NewInt(1)) }},
		"zeros of a precision":   {700, func(m *meter.Meter) (string, error) { return (&Spec{Precision: 1000}).Digits(m, long) }},
		"a text without padding": {700, func(m *meter.Meter) (string, error) { return Text(m, "", strings.Repeat("x", 701)) }},
		"padding":                {700, func(m *meter.Meter) (string, error) { return Text(m, "702", "x") }},
		"a padded text":          {1700, func(m *meter.Meter) (string, error) { return Text(m, "1001", "x") }},
	} {
		_, err := tt.format(newMeterWith(t, tt.memory))
		check(t, name, "", err, "", fmt.Sprintf("the template needs more than %d bytes of memory", tt.memory))
	}
}

func FuzzFormat(f *testing.F) {
	f.Add("*^+#012_.3f", "{0.a[b]!r:>{w}}", 12.5)
	f.Add("z,.0%", "a{{}}{", -0.4)
	f.Fuzz(func(t *testing.T, spec, parts string, x float64) {
		_, _ = Text(newMeter(t), spec, parts)
		_, _ = Int(newMeter(t), spec, "int", big.NewInt(int64(x)))
		_, _ = Float(newMeter(t), spec, x)
		_, _, _ = CutKey(parts)
		new(Spec).CutFlags(parts)
		for parts != "" {
			p, rest, err := CutPart(parts)
			if err != nil {
				return
			}
			for path := p.Path; path != "" && err == nil; {
				_, _, path, err = CutStep(path)
			}
			if len(rest) >= len(parts) {
				t.Fatalf("%q leaves %q", parts, rest)
			}
			parts = rest
		}
	})
}
