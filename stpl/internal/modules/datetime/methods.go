package datetime

import (
	"fmt"
	"math"
	"strings"
	"time"

	"mdserver/stpl/internal/modules/collections"
	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

func init() {
	Date.Constructor(object.NewBuiltin("date", "year:int month:int day:int", construct(Date, 0, 3)))
	Clock.Constructor(object.NewBuiltin("time", "hour:int? minute:int? second:int? microsecond:int? tzinfo? * fold?", construct(Clock, 3, 4)))
	DateTime.Constructor(object.NewBuiltin("datetime", "year:int month:int day:int hour:int? minute:int? second:int? microsecond:int? tzinfo? * fold?", construct(DateTime, 0, 7)))
	DateTime.Extend(Date)

	const dateParts, timeParts = "year:int? month:int? day:int?", "hour:int? minute:int? second:int? microsecond:int? tzinfo? * fold?"
	Date.Define(calendarMethods()...).Define(replace(dateParts, 0, 3),
		on("isoformat", "", func(d *instant) object.Value { return object.Str(d.iso("T", "auto")) }))
	Clock.Define(textMethod(), replace(timeParts, 3, 4),
		object.Method("isoformat", "timespec:str?", func(_ *object.Thread, d *instant, a []object.Value) (object.Value, error) {
			return d.isoFormat("T", native.StrOr(a[0], "auto"))
		}))
	DateTime.Define(datetimeMethods()...).Define(zoneMethods()...).Define(replace(dateParts+" "+timeParts, 0, 7))
	Clock.Define(zoneMethods()...)
	for _, f := range dateStatics() {
		Date.Static(f.Name, f)
	}
	for _, f := range datetimeStatics() {
		DateTime.Static(f.Name, f)
	}
	limit := func(kind *object.Type, y, m, d, h, min, s, us int) *instant {
		return &instant{kind, time.Date(y, time.Month(m), d, h, min, s, us*1000, time.UTC), nil}
	}
	Date.Static("min", limit(Date, 1, 1, 1, 0, 0, 0, 0)).Static("max", limit(Date, 9999, 12, 31, 0, 0, 0, 0))
	DateTime.Static("min", limit(DateTime, 1, 1, 1, 0, 0, 0, 0)).Static("max", limit(DateTime, 9999, 12, 31, 23, 59, 59, 999999))
}

// on makes a method of an instant.
func on(name, signature string, f func(d *instant) object.Value) *object.Builtin {
	return object.Method(name, signature, func(_ *object.Thread, d *instant, _ []object.Value) (object.Value, error) { return f(d), nil })
}

func textMethod() *object.Builtin {
	return object.Method("strftime", "format:str", func(t *object.Thread, d *instant, a []object.Value) (object.Value, error) {
		return object.NewStr(strftime(t, d, object.Text(a[0])))
	})
}

func calendarMethods() []*object.Builtin {
	return []*object.Builtin{
		textMethod(),
		on("weekday", "", func(d *instant) object.Value { return object.Int((d.wall.Weekday() + 6) % 7) }),
		on("isoweekday", "", func(d *instant) object.Value { return object.Int((d.wall.Weekday()+6)%7 + 1) }),
		on("toordinal", "", func(d *instant) object.Value { return object.Int(ordinal(d.wall)) }),
		on("ctime", "", func(d *instant) object.Value { return object.Str(d.wall.Format("Mon Jan _2 15:04:05 2006")) }),
		object.Method("isocalendar", "", func(t *object.Thread, d *instant, _ []object.Value) (object.Value, error) {
			year, week := d.wall.ISOWeek()
			return object.CallPos(t, isoCalendarType, native.Ints(year, week, int(d.wall.Weekday()+6)%7+1)...)
		}),
		object.Method("timetuple", "", func(t *object.Thread, d *instant, _ []object.Value) (object.Value, error) {
			return newTimeTuple(t, timeTupleType, d.wall, -1)
		}),
	}
}

var isoCalendarType = collections.NewNamedTuple("datetime.IsoCalendarDate", "", []string{"year", "week", "weekday"}, nil)

// ordinal is the number of a day; January 1st of year 1 is 1.
func ordinal(t time.Time) int64 { return floorDiv(t.Unix(), 86400) + 719163 }

func zoneMethods() []*object.Builtin {
	return []*object.Builtin{
		on("utcoffset", "", func(d *instant) object.Value {
			if d.zone == nil {
				return object.None
			}
			return &delta{d.zone.offset}
		}),
		on("tzname", "", func(d *instant) object.Value {
			if d.zone == nil {
				return object.None
			}
			return object.Str(d.zone.Text())
		}),
		on("dst", "", func(*instant) object.Value { return object.None }),
	}
}

func datetimeMethods() []*object.Builtin {
	return []*object.Builtin{
		object.Method("isoformat", "sep:str? timespec:str?", func(_ *object.Thread, d *instant, a []object.Value) (object.Value, error) {
			return d.isoFormat(native.StrOr(a[0], "T"), native.StrOr(a[1], "auto"))
		}),
		on("date", "", func(d *instant) object.Value {
			y, m, n := d.wall.Date()
			return &instant{Date, time.Date(y, m, n, 0, 0, 0, 0, time.UTC), nil}
		}),
		on("time", "", func(d *instant) object.Value { return d.clock(nil) }),
		on("timetz", "", func(d *instant) object.Value { return d.clock(d.zone) }),
		on("timestamp", "", func(d *instant) object.Value {
			return object.Float(float64(micros(d.utc())) / 1e6) // a naive time is taken as UTC
		}),
		object.Method("utctimetuple", "", func(t *object.Thread, d *instant, _ []object.Value) (object.Value, error) {
			return newTimeTuple(t, timeTupleType, d.utc(), 0)
		}),
		object.Method("astimezone", "tz?", func(_ *object.Thread, d *instant, a []object.Value) (object.Value, error) {
			z, err := zoneArg(a[0])
			if z == nil {
				z = UTC
			}
			if err != nil {
				return nil, err
			}
			return newInstant(d.kind, d.utc().Add(time.Duration(z.offset)*time.Microsecond), z)
		}),
	}
}

// clock is the time of the day alone.
func (d *instant) clock(z *zone) *instant {
	f := d.fields()
	return &instant{Clock, time.Date(1900, 1, 1, f[3], f[4], f[5], f[6]*1000, time.UTC), z}
}

var timespecs = map[string]string{
	"hours": "15", "minutes": "15:04", "seconds": "15:04:05", "milliseconds": "15:04:05.000", "microseconds": "15:04:05.000000",
}

func (d *instant) isoFormat(sep, spec string) (object.Value, error) {
	switch {
	case len([]rune(sep)) != 1:
		return nil, object.Raise(object.TypeError, "isoformat() argument 1 must be a unicode character, not str")
	case spec != "auto" && timespecs[spec] == "":
		return nil, object.Raise(object.ValueError, "Unknown timespec value")
	}
	return object.Str(d.iso(sep, spec)), nil
}

func (d *instant) iso(sep, spec string) string {
	date := fmt.Sprintf("%04d-%02d-%02d", d.wall.Year(), d.wall.Month(), d.wall.Day())
	if d.kind == Date {
		return date
	}
	if spec == "auto" {
		spec = "seconds"
		if d.wall.Nanosecond() != 0 {
			spec = "microseconds"
		}
	}
	s := d.wall.Format(timespecs[spec])
	if d.kind == DateTime {
		s = date + sep + s
	}
	if d.zone != nil {
		s += offsetText(d.zone.offset, ":")
	}
	return s
}

// Repr implements object.Texter.
func (d *instant) Repr() string {
	f := d.fields()
	first, last := 0, 7
	switch d.kind {
	case Date:
		last = 3
	case Clock:
		first = 3
	}
	for last > 5 && f[last-1] == 0 {
		last--
	}
	var parts []string
	for _, n := range f[first:last] {
		parts = append(parts, fmt.Sprint(n))
	}
	if d.zone != nil {
		parts = append(parts, "tzinfo="+d.zone.Repr())
	}
	return "datetime." + d.kind.Name + "(" + strings.Join(parts, ", ") + ")"
}

func dateStatics() []*object.Builtin {
	return []*object.Builtin{
		object.NewBuiltin("today", "", func(*object.Thread, []object.Value) (object.Value, error) {
			return &instant{Date, time.Now().UTC().Truncate(24 * time.Hour), nil}, nil
		}),
		object.NewBuiltin("fromisoformat", "date_string", parseISO(Date)),
		object.NewBuiltin("fromtimestamp", "timestamp:float", func(_ *object.Thread, a []object.Value) (object.Value, error) {
			d, err := fromTimestamp(a[0], nil)
			if err != nil {
				return nil, err
			}
			return &instant{Date, d.(*instant).wall.Truncate(24 * time.Hour), nil}, nil
		}),
		fromOrdinal(Date),
	}
}

func datetimeStatics() []*object.Builtin {
	now := func(z *zone) object.Value {
		t := time.Now().UTC().Truncate(time.Microsecond)
		if z != nil {
			t = t.Add(time.Duration(z.offset) * time.Microsecond)
		}
		return &instant{DateTime, t, z}
	}
	return []*object.Builtin{
		fromOrdinal(DateTime),
		object.NewBuiltin("now", "tz?", func(_ *object.Thread, a []object.Value) (object.Value, error) {
			z, err := zoneArg(a[0])
			return now(z), err
		}),
		object.NewBuiltin("today", "", func(*object.Thread, []object.Value) (object.Value, error) { return now(nil), nil }),
		object.NewBuiltin("utcnow", "", func(*object.Thread, []object.Value) (object.Value, error) { return now(nil), nil }),
		object.NewBuiltin("fromtimestamp", "timestamp:float tz?", func(_ *object.Thread, a []object.Value) (object.Value, error) {
			z, err := zoneArg(a[1])
			if err != nil {
				return nil, err
			}
			return fromTimestamp(a[0], z)
		}),
		object.NewBuiltin("utcfromtimestamp", "timestamp:float", func(_ *object.Thread, a []object.Value) (object.Value, error) { return fromTimestamp(a[0], nil) }),
		object.NewBuiltin("fromisoformat", "date_string", parseISO(DateTime)),
		object.NewBuiltin("strptime", "date_string:str format:str", func(t *object.Thread, a []object.Value) (object.Value, error) {
			return strptime(t, object.Text(a[0]), object.Text(a[1]))
		}),
		object.NewBuiltin("combine", "date time tzinfo?", func(_ *object.Thread, a []object.Value) (object.Value, error) {
			d, ok := a[0].(*instant)
			c, ok2 := a[1].(*instant)
			if !ok || !ok2 || d.kind == Clock || c.kind != Clock {
				return nil, object.Raise(object.TypeError, "combine() wants a date and a time, not %s and %s", object.TypeName(a[0]), object.TypeName(a[1]))
			}
			f, g := d.fields(), c.fields()
			copy(f[3:], g[3:])
			return f.build(DateTime, c.zone)
		}),
	}
}

// fromTimestamp makes a datetime of seconds since 1970; the signature wants a
// number. Without a zone it is in UTC: templates do not see the host's.
func fromTimestamp(v object.Value, z *zone) (object.Value, error) {
	f := native.Number(v)
	switch {
	case math.IsNaN(f):
		return nil, object.Raise(object.ValueError, "Invalid value NaN (not a number)")
	case math.Abs(f) > 1e12:
		return nil, object.Raise(object.ValueError, "year is out of range")
	}
	whole := math.Floor(f)
	us := int64(math.RoundToEven((f - whole) * 1e6))
	wall := time.Unix(int64(whole), us*1000).UTC()
	if z != nil {
		wall = wall.Add(time.Duration(z.offset) * time.Microsecond)
	}
	if y := wall.Year(); y < minYear || y > maxYear {
		return nil, object.Raise(object.ValueError, "year %d is out of range", y)
	}
	return &instant{DateTime, wall, z}, nil
}

func fromOrdinal(kind *object.Type) *object.Builtin {
	return object.NewBuiltin("fromordinal", "ordinal:int", func(_ *object.Thread, a []object.Value) (object.Value, error) {
		n := object.IntOr(a[0], 0)
		if n < 1 || n > 3652059 {
			return nil, object.Raise(object.ValueError, "ordinal must be in 1..3652059")
		}
		return newInstant(kind, time.Unix(int64(n-719163)*86400, 0).UTC(), nil)
	})
}
