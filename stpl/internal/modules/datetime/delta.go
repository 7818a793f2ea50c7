package datetime

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"strings"
	"time"

	"mdserver/stpl/internal/number"
	"mdserver/stpl/internal/object"
)

// Lengths in microseconds.
const (
	second = int64(1_000_000)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// maxDays is Python's bound on a timedelta. Within it a count of microseconds
// needs more than 64 bits; maxDelta is what fits, some 292,000 years.
const (
	maxDays  = 999_999_999
	maxDelta = 106_751_991 * day
)

// delta is a timedelta.
type delta struct{ us int64 }

func newDelta(us int64) (object.Value, error) {
	if us > maxDelta || us < -maxDelta {
		return nil, deltaOverflow(float64(us) / float64(day))
	}
	return &delta{us}, nil
}

func deltaOverflow(days float64) error {
	if math.Abs(days) > maxDays {
		return object.Raise(object.OverflowError, "days=%.0f; must have magnitude <= %d", math.Floor(days), maxDays)
	}
	return object.Raise(object.OverflowError, "a timedelta of %.0f days is not supported in templates", days)
}

// Class, HashKey and Truth implement object.Value, object.Hashable and object.Truth.
func (*delta) Class() *object.Type { return TimeDelta }
func (d *delta) HashKey() any      { return *d }
func (d *delta) Truth() bool       { return d.us != 0 }

// Compare implements object.Comparable.
func (d *delta) Compare(other object.Value) (order int, ok bool, err error) {
	o, ok := other.(*delta)
	if !ok {
		return 0, false, nil
	}
	return cmp.Compare(d.us, o.us), true, nil
}

// parts are days, seconds and microseconds; only days may be negative.
func (d *delta) parts() (days, seconds, us int64) {
	days = floorDiv(d.us, day)
	rest := d.us - days*day
	return days, rest / second, rest % second
}

// Text implements object.Texter.
func (d *delta) Text() string {
	days, seconds, us := d.parts()
	s := fmt.Sprintf("%d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
	if us != 0 {
		s += fmt.Sprintf(".%06d", us)
	}
	if days == 0 {
		return s
	}
	plural := "s"
	if days == 1 || days == -1 {
		plural = ""
	}
	return fmt.Sprintf("%d day%s, %s", days, plural, s)
}

// Repr implements object.Texter.
func (d *delta) Repr() string {
	days, seconds, us := d.parts()
	var list []string
	for _, p := range []struct {
		name string
		n    int64
	}{{"days", days}, {"seconds", seconds}, {"microseconds", us}} {
		if p.n != 0 {
			list = append(list, fmt.Sprintf("%s=%d", p.name, p.n))
		}
	}
	if list == nil {
		return "datetime.timedelta(0)"
	}
	return "datetime.timedelta(" + strings.Join(list, ", ") + ")"
}

// Abs implements builtins.Absolute.
func (d *delta) Abs() object.Value { return &delta{max(d.us, -d.us)} }

// Binary implements object.Operand.
func (d *delta) Binary(_ *object.Thread, op object.Op, other object.Value, reflected bool) (object.Value, error) {
	if other == nil { // unary
		switch op {
		case object.Sub:
			return &delta{-d.us}, nil
		case object.Add:
			return d, nil
		}
		return nil, nil
	}
	if o, ok := other.(*delta); ok {
		if reflected {
			d, o = o, d
		}
		return deltaPair(op, d.us, o.us)
	}
	if op == object.Mul {
		return d.scale(other)
	}
	if reflected || op != object.Div && op != object.FloorDiv {
		return nil, nil
	}
	return d.divide(op, other)
}

func deltaPair(op object.Op, a, b int64) (object.Value, error) {
	switch op {
	case object.Add:
		return newDelta(a + b)
	case object.Sub:
		return newDelta(a - b)
	case object.Div, object.FloorDiv, object.Mod:
		if b == 0 {
			return nil, object.Raise(object.ZeroDivisionError, "integer division or modulo by zero")
		}
	}
	switch op {
	case object.Div:
		f, _ := big.NewRat(a, b).Float64()
		return object.Float(f), nil
	case object.FloorDiv:
		return object.Int(floorDiv(a, b)), nil
	case object.Mod:
		return newDelta(a - floorDiv(a, b)*b)
	}
	return nil, nil
}

func (d *delta) scale(v object.Value) (object.Value, error) {
	f, ok := object.AsFloat(v)
	if !ok {
		return nil, nil
	}
	if math.IsNaN(f) || math.Abs(f*float64(d.us)) > float64(maxDelta) {
		return nil, deltaOverflow(f * float64(d.us) / float64(day))
	}
	if n, ok := object.AsInt(v); ok {
		return newDelta(d.us * n)
	}
	r := new(big.Rat).SetFloat64(f)
	return newDelta(roundRat(r.Mul(r, new(big.Rat).SetInt64(d.us))))
}

func (d *delta) divide(op object.Op, v object.Value) (object.Value, error) {
	f, ok := object.AsFloat(v)
	n, isInt := object.AsInt(v)
	switch {
	case !ok || op == object.FloorDiv && !isInt:
		return nil, nil
	case f == 0 && isInt:
		return nil, object.Raise(object.ZeroDivisionError, "integer division or modulo by zero")
	case f == 0:
		return nil, object.Raise(object.ZeroDivisionError, "division by zero")
	case math.IsNaN(f) || math.IsInf(f, 0):
		return nil, object.Raise(object.ValueError, "cannot divide a timedelta by %v", f)
	case op == object.FloorDiv:
		return newDelta(floorDiv(d.us, n))
	}
	if math.Abs(float64(d.us)/f) > float64(maxDelta) {
		return nil, deltaOverflow(float64(d.us) / f / float64(day))
	}
	r := new(big.Rat).SetFloat64(f)
	return newDelta(roundRat(r.Quo(new(big.Rat).SetInt64(d.us), r)))
}

func roundRat(r *big.Rat) int64 { return number.RoundHalfEven(r.Num(), r.Denom()).Int64() }

var deltaProperties = map[string]func(*delta) object.Value{
	"days":         func(d *delta) object.Value { days, _, _ := d.parts(); return object.Int(days) },
	"seconds":      func(d *delta) object.Value { _, seconds, _ := d.parts(); return object.Int(seconds) },
	"microseconds": func(d *delta) object.Value { _, _, us := d.parts(); return object.Int(us) },
}

func init() {
	units := []int64{day, second, 1, 1000, minute, hour, 7 * day}
	TimeDelta.Constructor(object.NewBuiltin("timedelta", "days? seconds? microseconds? milliseconds? minutes? hours? weeks?",
		func(_ *object.Thread, a []object.Value) (object.Value, error) {
			sum := new(big.Rat)
			for i, v := range a {
				if v == nil {
					continue
				}
				r := new(big.Rat)
				if n, ok := object.BigInt(v); ok {
					r.SetInt(n)
				} else if f, ok := object.AsFloat(v); !ok || r.SetFloat64(f) == nil {
					return nil, object.Raise(object.TypeError, "unsupported type for timedelta component: %s", object.TypeName(v))
				}
				sum.Add(sum, r.Mul(r, new(big.Rat).SetInt64(units[i])))
			}
			if f, _ := sum.Float64(); math.Abs(f) > float64(maxDelta) {
				return nil, deltaOverflow(f / float64(day))
			}
			return newDelta(roundRat(sum))
		}))
	TimeDelta.Define(object.Method("total_seconds", "", func(_ *object.Thread, d *delta, _ []object.Value) (object.Value, error) {
		f, _ := big.NewRat(d.us, second).Float64()
		return object.Float(f), nil
	}))
	TimeDelta.Static("resolution", &delta{1}).Static("min", &delta{-maxDelta}).Static("max", &delta{maxDelta})
}

// zone is a timezone: a fixed offset from UTC.
type zone struct {
	offset int64 // microseconds
	name   string
}

var UTC = &zone{}

// Class and HashKey implement object.Value and object.Hashable.
func (*zone) Class() *object.Type { return TimeZone }
func (z *zone) HashKey() any      { return z.offset }

// Compare implements object.Comparable.
func (z *zone) Compare(other object.Value) (order int, ok bool, err error) {
	o, ok := other.(*zone)
	if !ok {
		return 0, false, nil
	}
	return cmp.Compare(z.offset, o.offset), true, object.ErrNoOrder
}

// Text implements object.Texter.
func (z *zone) Text() string {
	switch {
	case z.name != "":
		return z.name
	case z.offset == 0:
		return "UTC"
	}
	return "UTC" + offsetText(z.offset, ":")
}

// Repr implements object.Texter.
func (z *zone) Repr() string {
	if z == UTC {
		return "datetime.timezone.utc"
	}
	s := "datetime.timezone(" + (&delta{z.offset}).Repr()
	if z.name != "" {
		s += ", " + object.PlainRepr(object.Str(z.name))
	}
	return s + ")"
}

// offsetText writes an offset as +01:30, with seconds if there are any.
func offsetText(us int64, colon string) string {
	sign := "+"
	if us < 0 {
		sign, us = "-", -us
	}
	d := time.Duration(us) * time.Microsecond
	s := fmt.Sprintf("%s%02d%s%02d", sign, int(d.Hours()), colon, int(d.Minutes())%60)
	if us%minute != 0 {
		s += fmt.Sprintf("%s%02d", colon, us%minute/second)
		if us%second != 0 {
			s += fmt.Sprintf(".%06d", us%second)
		}
	}
	return s
}

func init() {
	TimeZone.Constructor(object.NewBuiltin("timezone", "offset name:str?", func(_ *object.Thread, a []object.Value) (object.Value, error) {
		d, ok := a[0].(*delta)
		if !ok {
			return nil, object.Raise(object.TypeError, "timezone() argument 1 must be datetime.timedelta, not %s", object.TypeName(a[0]))
		}
		if d.us <= -day || d.us >= day {
			return nil, object.Raise(object.ValueError, "offset must be a timedelta strictly between -timedelta(hours=24) and timedelta(hours=24), not %s.", d.Repr())
		}
		name := object.Text(a[1])
		if name == "" && d.us == 0 {
			return UTC, nil
		}
		return &zone{d.us, name}, nil
	})).Static("utc", UTC)
	TimeZone.Define(
		object.Method("utcoffset", "dt", func(_ *object.Thread, z *zone, _ []object.Value) (object.Value, error) {
			return &delta{z.offset}, nil
		}),
		object.Method("tzname", "dt", func(_ *object.Thread, z *zone, _ []object.Value) (object.Value, error) {
			return object.Str(z.Text()), nil
		}),
	)
}
