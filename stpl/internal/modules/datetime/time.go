package datetime

import (
	"strings"
	"time"

	"mdserver/stpl/internal/modules/collections"
	"mdserver/stpl/internal/modules/native"
	"mdserver/stpl/internal/object"
)

// Time makes the module time.
func Time() native.Members {
	m := native.Functions(
		object.NewBuiltin("time", "", func(*object.Thread, []object.Value) (object.Value, error) {
			return object.Float(float64(time.Now().UnixMicro()) / 1e6), nil
		}),
		object.NewBuiltin("time_ns", "", func(*object.Thread, []object.Value) (object.Value, error) {
			return object.Int(time.Now().UnixNano()), nil
		}),
		object.NewBuiltin("gmtime", "secs:none+float?", timeTupleOf(gmTimeType)),
		object.NewBuiltin("localtime", "secs:none+float?", timeTupleOf(utcTimeType)), // templates do not see the host's zone
		object.NewBuiltin("mktime", "t", fromTuple),
		object.NewBuiltin("strftime", "format:str t?", func(t *object.Thread, a []object.Value) (object.Value, error) {
			d, err := tupleInstant(t, a[1], "strftime")
			if err != nil {
				return nil, err
			}
			return object.NewStr(strftime(t, d, object.Text(a[0])))
		}),
		object.NewBuiltin("strptime", "string:str format:str?", func(t *object.Thread, a []object.Value) (object.Value, error) {
			d, err := strptime(t, object.Text(a[0]), native.StrOr(a[1], "%a %b %d %H:%M:%S %Y"))
			if err != nil {
				return nil, err
			}
			return newTimeTuple(t, timeTupleType, d.(*instant).wall, -1)
		}),
		object.NewBuiltin("asctime", "t?", ctime), object.NewBuiltin("ctime", "secs:none+float?", func(t *object.Thread, a []object.Value) (object.Value, error) {
			v, err := timeTupleOf(utcTimeType)(t, a)
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

// timeTupleType is struct_time, without a zone. Tuples with a zone have types of their own.
var (
	timeTupleType = newTimeType(object.None, object.None)
	utcTimeType   = newTimeType(object.Str("UTC"), object.Int(0)).Extend(timeTupleType)
	gmTimeType    = newTimeType(object.Str("GMT"), object.Int(0)).Extend(timeTupleType)
)

func newTimeType(zone, offset object.Value) *object.Type {
	fields := strings.Fields("tm_year tm_mon tm_mday tm_hour tm_min tm_sec tm_wday tm_yday tm_isdst")
	class := collections.NewNamedTuple("time.struct_time", "", fields, nil).Static("tm_zone", zone).Static("tm_gmtoff", offset)
	filled := class.Member("_make")
	return class.Constructor(object.NewBuiltin("structseq", "sequence dict?", func(t *object.Thread, a []object.Value) (object.Value, error) {
		items, err := object.ToSlice(t, a[0])
		if err != nil {
			return nil, err
		}
		if len(items) < len(fields) {
			return nil, object.Raise(object.TypeError, "%s() takes an at least %d-sequence (%d-sequence given)", class.Name, len(fields), len(items))
		}
		return object.CallPos(t, filled, object.Tuple(items[:len(fields)]))
	}))
}

func newTimeTuple(t *object.Thread, class *object.Type, at time.Time, dst int) (object.Value, error) {
	return object.CallPos(t, class, object.Tuple(native.Ints(at.Year(), int(at.Month()), at.Day(), at.Hour(), at.Minute(), at.Second(),
		int(at.Weekday()+6)%7, at.YearDay(), dst)))
}

func timeTupleOf(class *object.Type) object.Func {
	return func(t *object.Thread, a []object.Value) (object.Value, error) {
		if native.IsNone(a[0]) {
			return newTimeTuple(t, class, time.Now().UTC(), 0)
		}
		d, err := fromTimestamp(a[0], nil)
		if err != nil {
			return nil, err
		}
		return newTimeTuple(t, class, d.(*instant).wall, 0)
	}
}

// tupleInstant reads a struct_time or a tuple like it; now if there is none.
func tupleInstant(t *object.Thread, v object.Value, function string) (*instant, error) {
	if v == nil {
		return &instant{DateTime, time.Now().UTC(), UTC}, nil
	}
	if !v.Class().IsSubclass(object.TupleType) {
		return nil, object.Raise(object.TypeError, "Tuple or struct_time argument required")
	}
	items, err := object.ToSlice(t, v)
	if err != nil {
		return nil, err
	}
	if len(items) != 9 {
		return nil, object.Raise(object.TypeError, "%s(): illegal time tuple argument", function)
	}
	for _, v := range items {
		if _, err := object.IndexArg(v); err != nil {
			return nil, err
		}
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
