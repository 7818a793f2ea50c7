package modules

import (
	"strconv"
	"strings"
	"time"

	"mdserver/stpl/internal/object"
)

// reader reads a text along a format with % directives.
type reader struct {
	s       string
	f       fields
	pm      int // -1: no %p
	hour12  bool
	yday    int
	haveDay bool
	zone    *zone
}

func strptime(t *object.Thread, s, format string) (object.Value, error) {
	if err := t.Work(len(s) + len(format)); err != nil {
		return nil, err
	}
	r := &reader{s: s, f: fields{1900, 1, 1}, pm: -1}
	mismatch := func() error {
		return object.Raise(object.ValueError, "time data %s does not match format %s", plain(object.Str(s)), plain(object.Str(format)))
	}
	ok, err := r.along(format)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, mismatch()
	case r.s != "":
		return nil, object.Raise(object.ValueError, "unconverted data remains: %s", r.s)
	}
	if r.pm >= 0 && r.hour12 {
		r.f[3] = r.f[3]%12 + 12*r.pm
	}
	if r.yday > 0 && !r.haveDay {
		at := time.Date(r.f[0], 1, r.yday, 0, 0, 0, 0, time.UTC)
		r.f[1], r.f[2] = int(at.Month()), at.Day()
	}
	return r.f.build(datetimeType, r.zone)
}

func (r *reader) along(format string) (bool, error) {
	for i := 0; i < len(format); i++ {
		c := format[i]
		switch {
		case isWrapSpace(rune(c)):
			trimmed := strings.TrimLeft(r.s, " \t\n\r\v\f")
			if len(trimmed) == len(r.s) {
				return false, nil
			}
			r.s = trimmed
		case c != '%':
			if r.s == "" || !strings.EqualFold(r.s[:1], format[i:i+1]) {
				return false, nil
			}
			r.s = r.s[1:]
		case i+1 == len(format):
			return false, object.Raise(object.ValueError, "stray %% in format %s", plain(object.Str(format)))
		default:
			i++
			if more, ok := composed[format[i]]; ok && format[i] != 'D' && format[i] != 'F' && format[i] != 'T' && format[i] != 'R' && format[i] != 'r' {
				if ok, err := r.along(strings.ReplaceAll(more, "%e", "%d")); !ok || err != nil {
					return ok, err
				}
				continue
			}
			if ok, err := r.directive(format[i], format); !ok || err != nil {
				return ok, err
			}
		}
	}
	return true, nil
}

// numbers are the numeric directives: most digits, least and greatest value,
// the field they set and what is added.
var numbers = map[byte]struct{ digits, low, high, field int }{
	'Y': {4, 0, 9999, 0}, 'm': {2, 1, 12, 1}, 'd': {2, 1, 31, 2}, 'H': {2, 0, 23, 3}, 'I': {2, 1, 12, 3},
	'M': {2, 0, 59, 4}, 'S': {2, 0, 61, 5},
}

func (r *reader) directive(c byte, format string) (bool, error) {
	if n, ok := numbers[c]; ok {
		v, ok := r.number(n.digits, n.low, n.high, c == 'Y')
		r.f[n.field] = v
		r.haveDay = r.haveDay || c == 'd' || c == 'm'
		r.hour12 = r.hour12 || c == 'I'
		return ok, nil
	}
	var v int
	var ok bool
	switch c {
	case '%':
		if ok = strings.HasPrefix(r.s, "%"); ok {
			r.s = r.s[1:]
		}
	case 'y':
		v, ok = r.number(2, 0, 99, true)
		if v < 69 {
			v += 100
		}
		r.f[0] = 1900 + v
	case 'j':
		r.yday, ok = r.number(3, 1, 366, false)
	case 'f':
		ok = r.fraction()
	case 'p':
		r.pm, ok = r.word([]string{"am", "pm"}, 0)
	case 'a', 'A':
		_, ok = r.word(weekdayNames, map[byte]int{'a': 3}[c])
	case 'b', 'h', 'B':
		v, ok = r.word(monthNames, map[byte]int{'b': 3, 'h': 3}[c])
		r.f[1], r.haveDay = v+1, true
	case 'w':
		_, ok = r.number(1, 0, 6, true)
	case 'z':
		ok = r.offset()
	case 'Z':
		_, ok = r.word([]string{"utc", "gmt"}, 0)
	default:
		return false, object.Raise(object.ValueError, "'%c' is a bad directive in format %s", c, plain(object.Str(format)))
	}
	return ok, nil
}

var (
	weekdayNames = []string{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}
	monthNames   = []string{
		"january", "february", "march", "april", "may", "june",
		"july", "august", "september", "october", "november", "december",
	}
)

// number reads as many digits as give a number within the bounds.
func (r *reader) number(digits, low, high int, exact bool) (int, bool) {
	n := 0
	for n < digits && n < len(r.s) && r.s[n] >= '0' && r.s[n] <= '9' {
		n++
	}
	for least := 1; n >= least; n-- {
		if exact && n < digits {
			return 0, false
		}
		if v, err := strconv.Atoi(r.s[:n]); err == nil && v >= low && v <= high {
			r.s = r.s[n:]
			return v, true
		}
	}
	return 0, false
}

func (r *reader) fraction() bool {
	n := 0
	for n < 6 && n < len(r.s) && r.s[n] >= '0' && r.s[n] <= '9' {
		n++
	}
	if n == 0 {
		return false
	}
	v, err := strconv.Atoi((r.s[:n] + "000000")[:6])
	r.f[6], r.s = v, r.s[n:]
	return err == nil
}

// word reads one of the names, or its first letters if short is not 0.
func (r *reader) word(names []string, short int) (int, bool) {
	for i, name := range names {
		if short > 0 {
			name = name[:short]
		}
		if len(r.s) >= len(name) && strings.EqualFold(r.s[:len(name)], name) {
			r.s = r.s[len(name):]
			return i, true
		}
	}
	return 0, false
}

// offset reads Z, +hhmm, +hh:mm, each with optional seconds.
func (r *reader) offset() bool {
	us, n, ok := parseOffset(r.s)
	if !ok {
		return false
	}
	r.s = r.s[n:]
	r.zone = utc
	if us != 0 {
		r.zone = &zone{offset: us}
	}
	return true
}

// parseOffset reads an offset at the beginning of s and how long it is.
func parseOffset(s string) (us int64, n int, ok bool) {
	if strings.HasPrefix(s, "Z") {
		return 0, 1, true
	}
	if s == "" || s[0] != '+' && s[0] != '-' {
		return 0, 0, false
	}
	n = 1
	colon := len(s) > 3 && s[3] == ':'
	for i, unit := range []int64{hour, minute, second} {
		at := n
		if i > 0 && colon {
			if at >= len(s) || s[at] != ':' {
				break
			}
			at++
		}
		if at+2 > len(s) {
			break
		}
		v, err := strconv.Atoi(s[at : at+2])
		if err != nil || s[at] < '0' || s[at] > '9' || v > 59 || i == 0 && v > 23 {
			break
		}
		us += int64(v) * unit
		n = at + 2
	}
	if n < 5 {
		return 0, 0, false
	}
	if s[0] == '-' {
		us = -us
	}
	return us, n, true
}

// parseISO reads what isoformat writes.
func parseISO(kind *object.Type) object.Func {
	return func(t *object.Thread, a []object.Value) (object.Value, error) {
		s, ok := a[0].(object.Str)
		if !ok {
			return nil, object.Raise(object.TypeError, "fromisoformat: argument must be str")
		}
		bad := object.Raise(object.ValueError, "Invalid isoformat string: %s", plain(s))
		r := &reader{s: string(s), f: fields{1900, 1, 1}, pm: -1}
		date := "%Y-%m-%d"
		switch {
		case len(s) > 4 && s[4] != '-':
			date = "%Y%m%d"
		case len(s) < 10 || s[7] != '-':
			return nil, bad
		}
		if ok, err := r.along(date); !ok || err != nil {
			return nil, bad
		}
		if kind == datetimeType && r.s != "" {
			r.s = r.s[1:]
			if !r.clockISO() {
				return nil, bad
			}
		}
		if r.s != "" {
			return nil, bad
		}
		return r.f.build(kind, r.zone)
	}
}

func (r *reader) clockISO() bool {
	if ok, _ := r.along("%H"); !ok {
		return false
	}
	for _, part := range []string{":%M", ":%S"} {
		if strings.HasPrefix(r.s, ":") {
			if ok, _ := r.along(part); !ok {
				return false
			}
		}
	}
	if strings.HasPrefix(r.s, ".") || strings.HasPrefix(r.s, ",") {
		r.s = r.s[1:]
		if !r.fraction() {
			return false
		}
	}
	return r.s == "" || r.offset()
}
