// Package datetime is Python's datetime and time. Templates do not see the
// host's time zone: local time is UTC.
package datetime

import (
	"time"

	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

// Python's range of years.
const minYear, maxYear = 1, 9999

// Module makes the module datetime.
func Module() native.Members {
	return native.Members{
		"date": Date, "time": Clock, "datetime": DateTime, "timedelta": TimeDelta, "timezone": TimeZone,
		"UTC": UTC, "MINYEAR": object.Int(minYear), "MAXYEAR": object.Int(maxYear),
	}
}

// instant is a date, a datetime or a time of day: Python's fields, kept as the
// same wall clock in UTC.
type instant struct {
	kind *object.Type
	wall time.Time
	zone *zone // nil: naive
}

// The types of the module.
var (
	Date      = object.NewType("date", "datetime", instantProperty(0, 3, false))
	DateTime  = object.NewType("datetime", "datetime", instantProperty(0, 7, true))
	Clock     = object.NewType("time", "datetime", instantProperty(3, 4, true))
	TimeDelta = object.NewType("timedelta", "datetime", object.Properties(deltaProperties))
	TimeZone  = object.NewType("timezone", "datetime", nil)
)

// Class implements object.Value.
func (d *instant) Class() *object.Type { return d.kind }

// HashKey implements object.Hashable.
func (d *instant) HashKey() any {
	type key struct {
		kind  string
		at    int64
		aware bool
	}
	return key{d.kind.Name, d.utc().UnixMicro(), d.zone != nil}
}

// utc is the moment of an aware instant, the wall clock of a naive one.
func (d *instant) utc() time.Time {
	if d.zone == nil {
		return d.wall
	}
	return d.wall.Add(-time.Duration(d.zone.offset) * time.Microsecond)
}

// Compare implements object.Comparable.
func (d *instant) Compare(other object.Value) (cmp int, ok bool, err error) {
	o, same := other.(*instant)
	if !same || o.kind != d.kind {
		return 0, false, nil
	}
	if (d.zone == nil) != (o.zone == nil) {
		return 0, false, object.Raise(object.TypeError, "can't compare offset-naive and offset-aware %ss", d.kind.Name)
	}
	return d.utc().Compare(o.utc()), true, nil
}

// Text implements object.Texter.
func (d *instant) Text() string { return d.iso(" ", "auto") }

// Format implements object.Formatter.
func (d *instant) Format(t *object.Thread, spec string) (string, error) {
	if spec == "" {
		return d.Text(), nil
	}
	return strftime(t, d, spec)
}

// newInstant checks the range of a result.
func newInstant(kind *object.Type, wall time.Time, z *zone) (object.Value, error) {
	if y := wall.Year(); y < minYear || y > maxYear {
		return nil, object.Raise(object.OverflowError, "date value out of range")
	}
	return &instant{kind, wall, z}, nil
}

// fields are the arguments year, month, day, hour, minute, second, microsecond.
type fields [7]int

var fieldNames = [7]string{"year", "month", "day", "hour", "minute", "second", "microsecond"}

// build checks the fields and makes an instant of them.
func (f fields) build(kind *object.Type, z *zone) (object.Value, error) {
	limits := [7][2]int{{minYear, maxYear}, {1, 12}, {1, 31}, {0, 23}, {0, 59}, {0, 59}, {0, 999999}}
	for i, l := range limits {
		if f[i] >= l[0] && f[i] <= l[1] {
			continue
		}
		switch i {
		case 0:
			return nil, object.Raise(object.ValueError, "year %d is out of range", f[0])
		case 2:
			return nil, object.Raise(object.ValueError, "day is out of range for month")
		}
		return nil, object.Raise(object.ValueError, "%s must be in %d..%d", fieldNames[i], l[0], l[1])
	}
	wall := time.Date(f[0], time.Month(f[1]), f[2], f[3], f[4], f[5], f[6]*1000, time.UTC)
	if wall.Day() != f[2] {
		return nil, object.Raise(object.ValueError, "day is out of range for month")
	}
	return &instant{kind, wall, z}, nil
}

func (d *instant) fields() fields {
	w := d.wall
	return fields{w.Year(), int(w.Month()), w.Day(), w.Hour(), w.Minute(), w.Second(), w.Nanosecond() / 1000}
}

// read fills the fields that are given, from the first-th on. The signature wants
// integers.
func (f *fields) read(a []object.Value, first int) error {
	for i, v := range a {
		n := object.IntOr(v, f[first+i])
		if n > 1<<31-1 || n < -1<<31 {
			return object.Raise(object.OverflowError, "Python int too large to convert to C int")
		}
		f[first+i] = n
	}
	return nil
}

// zoneArg reads a tzinfo.
func zoneArg(v object.Value) (*zone, error) {
	if native.IsNone(v) {
		return nil, nil
	}
	z, ok := v.(*zone)
	if !ok {
		return nil, object.Raise(object.TypeError, "tzinfo argument must be None or of a tzinfo subclass, not type '%s'", object.TypeName(v))
	}
	return z, nil
}

// with makes an instant of the fields and the zone. Arguments that are given replace
// them: the first count arguments are fields from first on, the next is a tzinfo.
func (f fields) with(kind *object.Type, z *zone, a []object.Value, first, count int) (_ object.Value, err error) {
	if err := f.read(a[:count], first); err != nil {
		return nil, err
	}
	if len(a) > count && a[count] != nil {
		if z, err = zoneArg(a[count]); err != nil {
			return nil, err
		}
	}
	return f.build(kind, z)
}

func construct(kind *object.Type, first, count int) object.Func {
	return func(_ *object.Thread, a []object.Value) (object.Value, error) {
		return fields{1900, 1, 1}.with(kind, nil, a, first, count)
	}
}

func replace(signature string, first, count int) *object.Builtin {
	return object.Method("replace", signature, func(_ *object.Thread, d *instant, a []object.Value) (object.Value, error) {
		return d.fields().with(d.kind, d.zone, a, first, count)
	})
}

func instantProperty(first, count int, aware bool) func(*object.Thread, object.Value, string) (object.Value, error) {
	return func(_ *object.Thread, v object.Value, name string) (object.Value, error) {
		d := v.(*instant)
		for i, field := range fieldNames[first : first+count] {
			if name == field {
				return object.Int(d.fields()[first+i]), nil
			}
		}
		switch {
		case name == "tzinfo" && aware:
			if d.zone == nil {
				return object.None, nil
			}
			return d.zone, nil
		case name == "fold" && aware:
			return object.Int(0), nil
		}
		return nil, nil
	}
}

// Binary implements object.Operand.
func (d *instant) Binary(_ *object.Thread, op object.Op, other object.Value, reflected bool) (object.Value, error) {
	if d.kind == Clock {
		return nil, nil
	}
	switch o := other.(type) {
	case *delta:
		if op == object.Add || op == object.Sub && !reflected {
			us := o.us
			if op == object.Sub {
				us = -us
			}
			return d.shift(us)
		}
	case *instant:
		if op != object.Sub || reflected || o.kind != d.kind {
			return nil, nil
		}
		if (d.zone == nil) != (o.zone == nil) {
			return nil, object.Raise(object.TypeError, "can't subtract offset-naive and offset-aware datetimes")
		}
		return newDelta(micros(d.utc()) - micros(o.utc()))
	}
	return nil, nil
}

// micros counts microseconds in a way that years 1 to 9999 fit.
func micros(t time.Time) int64 { return t.Unix()*1e6 + int64(t.Nanosecond()/1000) }

func (d *instant) shift(us int64) (object.Value, error) {
	if d.kind == Date {
		us = floorDiv(us, day) * day
	}
	at := micros(d.wall) + us
	return newInstant(d.kind, time.Unix(floorDiv(at, 1e6), (at-floorDiv(at, 1e6)*1e6)*1000).UTC(), d.zone)
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}
