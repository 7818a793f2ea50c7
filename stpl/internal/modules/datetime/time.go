package datetime

import (
	"fmt"
	"strings"
	"time"

	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

// Time makes the module time.
func Time() native.Members {
	m := native.Functions(
		native.Func("time", "", func(*object.Thread, []object.Value) (object.Value, error) {
			return object.Float(float64(time.Now().UnixMicro()) / 1e6), nil
		}),
		native.Func("time_ns", "", func(*object.Thread, []object.Value) (object.Value, error) {
			return object.Int(time.Now().UnixNano()), nil
		}),
		native.Func("gmtime", "secs?", timeTupleOf),
		native.Func("localtime", "secs?", timeTupleOf), // templates do not see the host's zone
		native.Func("mktime", "t", fromTuple),
		native.Func("strftime", "format:str t?", func(t *object.Thread, a []object.Value) (object.Value, error) {
			format := object.Text(a[0])
			d, err := tupleInstant(t, a[1], "strftime")
			if err != nil {
				return nil, err
			}
			s, err := strftime(t, d, format)
			return object.Str(s), err
		}),
		native.Func("strptime", "string:str format?", func(t *object.Thread, a []object.Value) (object.Value, error) {
			s := object.Text(a[0])
			format, err := native.StrOr(a[1], "%a %b %d %H:%M:%S %Y")
			if err != nil {
				return nil, err
			}
			d, err := strptime(t, s, format)
			if err != nil {
				return nil, err
			}
			return newTimeTuple(d.(*instant).wall, -1), nil
		}),
		native.Func("asctime", "t?", ctime), native.Func("ctime", "secs?", func(t *object.Thread, a []object.Value) (object.Value, error) {
			v, err := timeTupleOf(t, a)
			if err != nil {
				return nil, err
			}
			return ctime(t, []object.Value{v})
		}),
	)
	m["struct_time"] = timeTupleType
	m["timezone"], m["altzone"], m["daylight"] = object.Int(0), object.Int(0), object.Int(0)
	m["tzname"] = object.Tuple{object.Str("UTC"), object.Str("UTC")}
	native.Refuse(m, "time", "a render cannot wait", "sleep")
	native.Refuse(m, "time", "use time.time", "monotonic", "perf_counter", "process_time")
	return m
}

// timeTuple is a struct_time.
type timeTuple struct{ items object.Tuple }

var timeTupleNames = []string{"tm_year", "tm_mon", "tm_mday", "tm_hour", "tm_min", "tm_sec", "tm_wday", "tm_yday", "tm_isdst"}

var timeTupleType = object.NewType("struct_time", "time", func(_ *object.Thread, v object.Value, name string) (object.Value, error) {
	for i, n := range timeTupleNames {
		if n == name {
			return v.(*timeTuple).items[i], nil
		}
	}
	switch name {
	case "tm_zone":
		return object.Str("UTC"), nil
	case "tm_gmtoff":
		return object.Int(0), nil
	}
	return nil, nil
})

func newTimeTuple(t time.Time, dst int) *timeTuple {
	var items object.Tuple
	for _, n := range []int{t.Year(), int(t.Month()), t.Day(), t.Hour(), t.Minute(), t.Second(), int(t.Weekday()+6) % 7, t.YearDay(), dst} {
		items = append(items, object.Int(n))
	}
	return &timeTuple{items}
}

// Class implements object.Value.
func (*timeTuple) Class() *object.Type { return timeTupleType }

// Len implements object.Sized.
func (s *timeTuple) Len() int { return len(s.items) }

// Index implements object.Indexed.
func (s *timeTuple) Index(t *object.Thread, key object.Value) (object.Value, error) {
	return object.Index(t, s.items, key)
}

// Iterate implements object.Iterable.
func (s *timeTuple) Iterate(t *object.Thread) (object.Iterator, error) {
	return object.Iterate(t, s.items)
}

// Text implements object.Texter.
func (s *timeTuple) Text() string { return s.Repr() }

// Repr implements object.Texter.
func (s *timeTuple) Repr() string {
	var parts []string
	for i, v := range s.items {
		parts = append(parts, fmt.Sprintf("%s=%d", timeTupleNames[i], v))
	}
	return "time.struct_time(" + strings.Join(parts, ", ") + ")"
}

func timeTupleOf(_ *object.Thread, a []object.Value) (object.Value, error) {
	if native.IsNone(a[0]) {
		return newTimeTuple(time.Now().UTC(), 0), nil
	}
	d, err := fromTimestamp(a[0], nil)
	if err != nil {
		return nil, err
	}
	return newTimeTuple(d.(*instant).wall, 0), nil
}

// tupleInstant reads a struct_time or a tuple like it; now if there is none.
func tupleInstant(t *object.Thread, v object.Value, function string) (*instant, error) {
	if v == nil {
		return &instant{DateTime, time.Now().UTC(), UTC}, nil
	}
	_, isTuple := v.(object.Tuple)
	if _, ok := v.(*timeTuple); !ok && !isTuple {
		return nil, object.Raise(object.TypeError, "Tuple or struct_time argument required")
	}
	items, err := object.ToSlice(t, v)
	if err != nil {
		return nil, err
	}
	if len(items) != len(timeTupleNames) {
		return nil, object.Raise(object.TypeError, "%s(): illegal time tuple argument", function)
	}
	var f fields
	if err := f.read(items[:6], 0); err != nil {
		return nil, err
	}
	f[1], f[2] = max(f[1], 1), max(f[2], 1)
	d, err := f.build(DateTime, UTC)
	if err != nil {
		return nil, err
	}
	return d.(*instant), nil
}

func fromTuple(t *object.Thread, a []object.Value) (object.Value, error) {
	d, err := tupleInstant(t, a[0], "mktime")
	if err != nil {
		return nil, err
	}
	return object.Float(float64(d.wall.Unix())), nil
}

func ctime(t *object.Thread, a []object.Value) (object.Value, error) {
	d, err := tupleInstant(t, a[0], "asctime")
	if err != nil {
		return nil, err
	}
	return object.Str(d.wall.Format("Mon Jan _2 15:04:05 2006")), nil
}
