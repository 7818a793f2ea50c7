package number

import (
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"mdserver/stpl/internal/meter"
)

func newMeter(t *testing.T, steps int64) *meter.Meter {
	t.Helper()
	limits := meter.Limits{Steps: steps, Memory: 1 << 20, Time: time.Hour, Recursion: 10}
	m := meter.New(t.Context(), meter.NewBudget(limits), func(_ meter.Limit, message string) error { return errors.New(message) })
	t.Cleanup(func() { m.End() })
	return &m
}

// same reports whether two floats are the same, even if that is no number.
func same(x, y float64) bool { return x == y || math.IsNaN(x) && math.IsNaN(y) }

// The answers in this file are those of Python 3.11.

func TestParseInt(t *testing.T) {
	for _, tt := range []struct {
		text string
		base int
		want int64
	}{
		{"42", 10, 42}, {" -42\n", 10, -42}, {"+1_000", 10, 1000}, {"٣٤", 10, 34}, {"0x_ff", 16, 255}, {"0xff", 0, 255}, {"0b101", 0, 5},
		{"0o17", 8, 15}, {"z", 36, 35}, {"-0", 0, 0}, {"00", 0, 0}, {"12", 0, 12}, {"0b1", 16, 177}, {"0B1", 2, 1}, {"0", 0, 0}, {"-0x_f", 0, -15},
	} {
		if got, err := ParseInt(newMeter(t, 1000), tt.text, tt.base); err != nil || got.Int64() != tt.want {
			t.Errorf("%q in base %d: %v (%v), want %d", tt.text, tt.base, got, err, tt.want)
		}
	}
	for _, tt := range []struct {
		text string
		base int
		want string // an error
	}{
		{"012", 0, "no number"}, {"1__0", 10, "no number"}, {"_1", 10, "no number"}, {"1_", 10, "no number"}, {"", 10, "no number"},
		{"--1", 10, "no number"}, {"_-1", 10, "no number"}, {"0x", 16, "no number"}, {"9", 8, "no number"}, {"12a", 10, "no number"},
		{"-+1", 10, "no number"}, {"+-1", 10, "no number"}, {"07", 0, "no number"}, {"", 0, "no number"}, {"-", 0, "no number"},
		{strings.Repeat("9", 4301), 10, "Exceeds the limit (4300 digits) for integer string conversion: value has 4301 digits; use sys.set_int_max_str_digits() to increase the limit"},
		{strings.Repeat("f", MaxBits/8+1), 16, "integers of more than 262144 bits are not supported"}, // our own bound
		{strings.Repeat("f", 10_000), 16, "the template took more than 5000 steps"},
		{strings.Repeat(" ", 100_000) + "1", 10, "the template took more than 5000 steps"},
	} {
		if got, err := ParseInt(newMeter(t, 5000), tt.text, tt.base); err == nil || err.Error() != tt.want {
			t.Errorf("%.20q in base %d: %v (%v), want %s", tt.text, tt.base, got, err, tt.want)
		}
	}
}

func TestParseLongIntegers(t *testing.T) {
	for _, tt := range []struct {
		digit  string
		digits int
		base   int
	}{
		{"9", MaxDigits, 10}, {"f", MaxBits / 8, 16}, {"1", MaxBits / 8, 2},
	} {
		text := strings.Repeat(tt.digit, tt.digits)
		if got, err := ParseInt(newMeter(t, 1<<20), text, tt.base); err != nil || got.Text(tt.base) != text {
			t.Errorf("%d digits in base %d: %v", tt.digits, tt.base, err)
		}
	}
}

// Reading an integer costs more than its text is long, as it is multiplied.
func TestParseIntIsCharged(t *testing.T) {
	m := newMeter(t, 10_000)
	if _, err := ParseInt(m, strings.Repeat("1", 160), 10); err != nil {
		t.Fatal(err)
	}
	if steps, _ := m.End().Used(); steps != 1+160/16+1+160 {
		t.Errorf("%d steps", steps)
	}
}

func TestParseFloat(t *testing.T) {
	for text, want := range map[string]float64{
		"1.5": 1.5, " 1e3\n": 1000, "1_0.5_0": 10.5, "inf": math.Inf(1), "-Infinity": math.Inf(-1), "1e999": math.Inf(1), "٣.٥": 3.5, ".5": 0.5, "5.": 5, "9_0": 90, "0_9": 9, "-1e999": math.Inf(-1), "1_0e-1_0": 1e-9, "1e-999": 0,
	} {
		if got, err := ParseFloat(text); err != nil || got != want {
			t.Errorf("%q: %v (%v), want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"nan", "-nan", " +NaN "} {
		if got, err := ParseFloat(text); err != nil || !math.IsNaN(got) {
			t.Errorf("%q: %v (%v)", text, got, err)
		}
	}
	for _, text := range []string{"1__0", "_1", "1_", "1_.5", "1._5", "1:_5", "1_e5", "1__5.0", "0x1p3", "", "e5", "1e", "1e_5", "infinit", "in_f", "0b1", "--nan", "nan1"} {
		if got, err := ParseFloat(text); err != ErrSyntax {
			t.Errorf("%q: %v (%v)", text, got, err)
		}
	}
}

func TestTextOfFloats(t *testing.T) {
	for _, tt := range []struct {
		f         float64
		repr, hex string
	}{
		{0.1, "0.1", "0x1.999999999999ap-4"},
		{1e16, "1e+16", "0x1.1c37937e08000p+53"},
		{1e15, "1000000000000000.0", "0x1.c6bf526340000p+49"},
		{123456789012345680.0, "1.2345678901234568e+17", "0x1.b69b4ba630f35p+56"},
		{1e-5, "1e-05", "0x1.4f8b588e368f1p-17"},
		{0.0001, "0.0001", "0x1.a36e2eb1c432dp-14"},
		{math.Copysign(0, -1), "-0.0", "-0x0.0p+0"},
		{1, "1.0", "0x1.0000000000000p+0"},
		{5e-324, "5e-324", "0x0.0000000000001p-1022"},
		{-1e-310, "-1e-310", "-0x0.012688b70e62bp-1022"},
		{0x1p-1022, "2.2250738585072014e-308", "0x1.0000000000000p-1022"},
		{math.Inf(1), "inf", "inf"},
		{math.Inf(-1), "-inf", "-inf"},
		{math.NaN(), "nan", "nan"},
	} {
		if got := Repr(tt.f); got != tt.repr {
			t.Errorf("repr of %v is %s, want %s", tt.f, got, tt.repr)
		}
		if got := Hex(tt.f); got != tt.hex {
			t.Errorf("hex of %v is %s, want %s", tt.f, got, tt.hex)
		}
	}
}

func TestTextOfLargeIntegers(t *testing.T) {
	ten := big.NewInt(10)
	least := new(big.Int).Exp(ten, big.NewInt(MaxDigits), nil)
	if got, err := Text(least); err == nil || !strings.Contains(err.Error(), "Exceeds the limit (4300 digits)") {
		t.Errorf("%d digits (%v)", len(got), err)
	}
	most := new(big.Int).Sub(least, big.NewInt(1))
	if got, err := Text(most.Neg(most)); err != nil || got != "-"+strings.Repeat("9", MaxDigits) {
		t.Errorf("%d digits (%v)", len(got), err)
	}
}

func TestRound(t *testing.T) {
	for _, tt := range []struct {
		f      float64
		digits int
		want   float64
	}{
		{2.675, 2, 2.67}, {0.5, 0, 0}, {1.5, 0, 2}, {-2.5, 0, -2}, {1234.5, -2, 1200}, {1e300, -309, 0}, {1.1, 400, 1.1}, {5e-324, 323, 0}, {math.Inf(1), 1, math.Inf(1)}, {6e307, -308, 1e308}, {3, 1, 3},
		{math.Inf(-1), 1, math.Inf(-1)}, {math.NaN(), 2, math.NaN()}, {1.1, 1 << 62, 1.1}, {1.1, math.MinInt, 0},
	} {
		if got := Round(tt.f, tt.digits); !same(got, tt.want) {
			t.Errorf("round(%v, %d) = %v, want %v", tt.f, tt.digits, got, tt.want)
		}
	}
	for _, tt := range []struct {
		i     int64
		power int
		want  int64
	}{
		{15, 1, 20}, {25, 1, 20}, {-15, 1, -20}, {5, 1, 0}, {149, 2, 100}, {151, 2, 200}, {7, 3, 0}, {7, 0, 7}, {7, 1 << 62, 0},
		{7, math.MinInt, 0}, // the least int has no negative
	} {
		if got := RoundInt(big.NewInt(tt.i), tt.power); got.Int64() != tt.want {
			t.Errorf("round(%d, -%d) = %v, want %d", tt.i, tt.power, got, tt.want)
		}
	}
}

func TestFloatArithmetic(t *testing.T) {
	inf, zero := math.Inf(1), math.Copysign(0, -1)
	for _, tt := range []struct{ x, y, q, r float64 }{
		{7, 2, 3, 1}, {-7, 2, -4, 1}, {7, -2, -4, -1}, {-7, -2, 3, -1}, {0, -1, zero, zero}, {zero, 1, zero, 0}, {1, inf, 0, 1}, {-1, inf, -1, inf},
		{4.5, 1.5, 3, 0}, {-8530.23, 1.3, -6562, 0.37000000000072797}, // whose quotient is just below the integer
		{-2301110675467839, 0.8810570009821861, -2611761410331685, 0.11681319454098915}, // half way between two
	} {
		q, r := DivMod(tt.x, tt.y)
		if q != tt.q || r != tt.r || math.Signbit(q) != math.Signbit(tt.q) || math.Signbit(r) != math.Signbit(tt.r) {
			t.Errorf("divmod(%v, %v) = %v, %v, want %v, %v", tt.x, tt.y, q, r, tt.q, tt.r)
		}
	}
	for _, tt := range []struct{ x, y, want float64 }{
		{2, 0.5, 1.4142135623730951}, {10, -5, 1e-05}, {1.1, 100, 13780.61233982238}, {2, -1074, 5e-324}, {0.5, 1.5, 0.3535533905932738}, {-2, 3, -8},
		{-8, 1. / 3, math.NaN()}, {math.NaN(), 2, math.NaN()}, {math.NaN(), 0, 1}, {1, math.NaN(), 1}, {2, 2000, inf}, {-2, 2001, -inf}, {inf, -0.5, 0}, {0, -1, inf},
	} {
		if got := Pow(tt.x, tt.y); !same(got, tt.want) {
			t.Errorf("%v ** %v = %v, want %v", tt.x, tt.y, got, tt.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("-0x_1F", 0)
	f.Add("1_0.5e٣", 10)
	f.Fuzz(func(t *testing.T, text string, base int) {
		_, _ = ParseFloat(text)
		if base != 0 && (base < 2 || base > 36) { // which int() refuses
			return
		}
		i, err := ParseInt(newMeter(t, 1<<20), text, base)
		if err != nil {
			return
		}
		back, err := ParseInt(newMeter(t, 1<<20), i.Text(max(base, 2)), max(base, 2))
		if err != nil || back.Cmp(i) != 0 {
			t.Errorf("%q in base %d is %v, and then %v (%v)", text, base, i, back, err)
		}
	})
}
