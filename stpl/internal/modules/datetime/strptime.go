package datetime

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"mdserver/stpl/internal/object"
)

// What the directives of strptime accept, in any case.
var accepted = map[byte]string{
	'Y': `\d{4}`, 'y': `\d\d`, 'm': `1[0-2]|0?[1-9]`, 'd': `3[01]|[12]\d|0?[1-9]`, 'H': `2[0-3]|[01]?\d`, 'I': `1[0-2]|0?[1-9]`,
	'M': `[0-5]?\d`, 'S': `6[01]|[0-5]?\d`, 'f': `\d{1,6}`, 'j': `36[0-6]|3[0-5]\d|[12]\d\d|0?[1-9]\d|0{0,2}[1-9]`, 'w': `[0-6]`,
	'p': `am|pm`, 'Z': `utc|gmt`, 'z': isoOffset, '%': `%`,
	'A': strings.Join(weekdays, "|"), 'a': initials(weekdays), 'B': strings.Join(months, "|"), 'b': initials(months),
}

const isoOffset = `z|[+-](?:[01]\d|2[0-3]):?[0-5]\d(?::?[0-5]\d)?`

// The directives that set a field.
var fieldOf = map[byte]int{'Y': 0, 'm': 1, 'd': 2, 'H': 3, 'I': 3, 'M': 4, 'S': 5, 'f': 6}

var (
	weekdays = []string{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}
	months   = []string{
		"january", "february", "march", "april", "may", "june",
		"july", "august", "september", "october", "november", "december",
	}
	composed = strings.NewReplacer("%%", "%%", "%c", "%a %b %d %H:%M:%S %Y", "%x", "%m/%d/%y", "%X", "%H:%M:%S")
	blanks   = regexp.MustCompile(`\s+`)
)

func initials(names []string) string {
	var short []string
	for _, name := range names {
		short = append(short, name[:3])
	}
	return strings.Join(short, "|")
}

// timeFormat is a format of strptime: a pattern with a group for each directive.
type timeFormat struct {
	pattern    *regexp.Regexp
	directives []byte
}

type timeFormats struct{}

// perDirective is what a byte of a format takes as a pattern.
const perDirective = 2048

// newTimeFormat compiles a format, once for each render.
func newTimeFormat(t *object.Thread, format string) (*timeFormat, error) {
	known := t.Local(timeFormats{}, func() any { return map[string]*timeFormat{} }).(map[string]*timeFormat)
	if f := known[format]; f != nil {
		return f, nil
	}
	if err := t.Charge(perDirective*(1+len(format)), 1600*(1+len(format))); err != nil {
		return nil, err
	}
	f := &timeFormat{}
	var b strings.Builder
	b.WriteString("(?i)^")
	rest := composed.Replace(format)
	for {
		plainText, directive, found := strings.Cut(rest, "%")
		b.WriteString(blanks.ReplaceAllString(regexp.QuoteMeta(plainText), `\s+`))
		if !found {
			break
		}
		if directive == "" {
			return nil, object.Raise(object.ValueError, "stray %% in format %s", object.PlainRepr(object.Str(format)))
		}
		c := directive[0]
		if accepted[c] == "" {
			return nil, object.Raise(object.ValueError, "'%c' is a bad directive in format %s", []rune(directive)[0], object.PlainRepr(object.Str(format)))
		}
		b.WriteString("(" + accepted[c] + ")")
		f.directives = append(f.directives, c)
		rest = directive[1:]
	}
	var err error
	if f.pattern, err = regexp.Compile(b.String()); err != nil {
		return nil, object.Raise(object.ValueError, "bad format %s", object.PlainRepr(object.Str(format)))
	}
	known[format] = f
	return f, nil
}

func strptime(t *object.Thread, s, format string) (object.Value, error) {
	if err := t.Work(len(s) + 16*len(format)); err != nil {
		return nil, err
	}
	f, err := newTimeFormat(t, format)
	if err != nil {
		return nil, err
	}
	found := f.pattern.FindStringSubmatch(s)
	if found == nil {
		return nil, object.Raise(object.ValueError, "time data %s does not match format %s", object.PlainRepr(object.Str(s)), object.PlainRepr(object.Str(format)))
	}
	if rest := s[len(found[0]):]; rest != "" {
		return nil, object.Raise(object.ValueError, "unconverted data remains: %s", rest)
	}
	return f.read(found[1:])
}

// read makes a datetime of what the directives found.
func (f *timeFormat) read(found []string) (object.Value, error) {
	at := fields{1900, 1, 1}
	var z *zone
	half, yearDay := "", 0
	for i, c := range f.directives {
		text := strings.ToLower(found[i])
		number, _ := strconv.Atoi(text) // what is no number is not used as one
		switch c {
		case 'f':
			number, _ = strconv.Atoi((text + "000000")[:6])
		case 'y':
			at[0] = 1900 + number
			if number < 69 {
				at[0] += 100
			}
		case 'j':
			yearDay = number
		case 'B', 'b':
			at[1] = 1 + slices.IndexFunc(months, func(m string) bool { return strings.HasPrefix(m, text) })
		case 'p':
			half = text
		case 'z':
			z = offsetZone(text)
		}
		if n, ok := fieldOf[c]; ok {
			at[n] = number
		}
	}
	if slices.Contains(f.directives, 'I') && half != "" {
		at[3] %= 12
		if half == "pm" {
			at[3] += 12
		}
	}
	if yearDay > 0 && !slices.ContainsFunc(f.directives, func(c byte) bool { return strings.IndexByte("mdBb", c) >= 0 }) {
		day := time.Date(at[0], 1, yearDay, 0, 0, 0, 0, time.UTC)
		at[0], at[1], at[2] = day.Year(), int(day.Month()), day.Day()
	}
	return at.build(DateTime, z)
}

// offsetZone is the zone of z, +hhmm, or +hh:mm with optional seconds.
func offsetZone(s string) *zone {
	digits := strings.ReplaceAll(strings.Trim(s, "zZ+-"), ":", "")
	var us int64
	for i, unit := range []int64{hour, minute, second} {
		if len(digits) >= 2*i+2 {
			n, _ := strconv.ParseInt(digits[2*i:2*i+2], 10, 64)
			us += n * unit
		}
	}
	switch {
	case us == 0:
		return UTC
	case s[0] == '-':
		us = -us
	}
	return &zone{offset: us}
}

// iso is what isoformat writes: a date, and perhaps a time of day and an offset.
var iso = regexp.MustCompile(`(?is)^(\d{4})(-?)(\d\d)(-?)(\d\d)(?:.(\d\d)(?::?(\d\d)(?::?(\d\d)(?:[.,](\d{1,6})\d*)?)?)?(` + isoOffset + `)?)?$`)

// parseISO reads what isoformat writes.
func parseISO(kind *object.Type) object.Func {
	return func(t *object.Thread, a []object.Value) (object.Value, error) {
		s, ok := a[0].(object.Str)
		if !ok {
			return nil, object.Raise(object.TypeError, "fromisoformat: argument must be str")
		}
		if err := t.Work(len(s)); err != nil {
			return nil, err
		}
		found := iso.FindStringSubmatch(string(s))
		if found == nil || found[2] != found[4] || kind == Date && found[6] != "" {
			return nil, object.Raise(object.ValueError, "Invalid isoformat string: %s", object.PlainRepr(s))
		}
		var f fields
		for i, text := range []string{found[1], found[3], found[5], found[6], found[7], found[8], (found[9] + "000000")[:6]} {
			f[i], _ = strconv.Atoi(text) // 0 for what is not there
		}
		var z *zone
		if found[10] != "" {
			z = offsetZone(found[10])
		}
		return f.build(kind, z)
	}
}
