package modules

import (
	"fmt"
	"strings"
	"time"

	"mdserver/stpl/internal/object"
)

// strftime writes an instant as a format with % directives says, in the C
// locale.
func strftime(t *object.Thread, d *instant, format string) (string, error) {
	if err := t.AllocN(len(format), 32); err != nil {
		return "", err
	}
	if err := t.Work(4 * len(format)); err != nil {
		return "", err
	}
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		flag := byte(0)
		if strings.IndexByte("-_0^#", format[i]) >= 0 && i+1 < len(format) {
			flag = format[i]
			i++
		}
		s, ok := directive(d, format[i])
		if !ok {
			b.WriteString("%" + strings.Trim(string(flag), "\x00") + format[i:i+1])
			continue
		}
		b.WriteString(flagged(s, flag))
	}
	return b.String(), nil
}

// flagged applies glibc's flags: no padding, blanks, zeros, capitals.
func flagged(s string, flag byte) string {
	digits := strings.TrimLeft(s, "0 ")
	if digits == "" && s != "" {
		digits = s[len(s)-1:]
	}
	switch flag {
	case '-':
		return digits
	case '_':
		return strings.Repeat(" ", len(s)-len(digits)) + digits
	case '0':
		return strings.Repeat("0", len(s)-len(digits)) + digits
	case '^', '#':
		return strings.ToUpper(s)
	}
	return s
}

// composed are the directives that stand for others.
var composed = map[byte]string{
	'c': "%a %b %e %H:%M:%S %Y", 'x': "%m/%d/%y", 'X': "%H:%M:%S", 'D': "%m/%d/%y",
	'F': "%Y-%m-%d", 'T': "%H:%M:%S", 'R': "%H:%M", 'r': "%I:%M:%S %p",
}

// layouts are the directives that Go's time formats alike.
var layouts = map[byte]string{
	'a': "Mon", 'A': "Monday", 'b': "Jan", 'h': "Jan", 'B': "January", 'd': "02", 'e': "_2", 'm': "01",
	'y': "06", 'H': "15", 'I': "03", 'M': "04", 'S': "05", 'p': "PM", 'j': "002",
}

func directive(d *instant, c byte) (string, bool) {
	w := d.wall
	if layout, ok := layouts[c]; ok {
		return w.Format(layout), true
	}
	if format, ok := composed[c]; ok {
		var b strings.Builder
		for i := 0; i < len(format); i++ {
			if format[i] == '%' {
				i++
				s, _ := directive(d, format[i])
				b.WriteString(s)
				continue
			}
			b.WriteByte(format[i])
		}
		return b.String(), true
	}
	return plainDirective(d, w, c)
}

func plainDirective(d *instant, w time.Time, c byte) (string, bool) {
	weekday, yday := int(w.Weekday()), w.YearDay()-1
	isoYear, isoWeek := w.ISOWeek()
	switch c {
	case 'Y':
		return fmt.Sprint(w.Year()), true
	case 'C':
		return fmt.Sprintf("%02d", w.Year()/100), true
	case 'f':
		return fmt.Sprintf("%06d", w.Nanosecond()/1000), true
	case 'P':
		return w.Format("pm"), true
	case 'k':
		return fmt.Sprintf("%2d", w.Hour()), true
	case 'l':
		return fmt.Sprintf("%2d", (w.Hour()+11)%12+1), true
	case 'w':
		return fmt.Sprint(weekday), true
	case 'u':
		return fmt.Sprint((weekday+6)%7 + 1), true
	case 'U':
		return fmt.Sprintf("%02d", (yday+7-weekday)/7), true
	case 'W':
		return fmt.Sprintf("%02d", (yday+7-(weekday+6)%7)/7), true
	case 'G':
		return fmt.Sprint(isoYear), true
	case 'g':
		return fmt.Sprintf("%02d", isoYear%100), true
	case 'V':
		return fmt.Sprintf("%02d", isoWeek), true
	case 's':
		return fmt.Sprint(d.utc().Unix()), true
	case 'z':
		if d.zone == nil {
			return "", true
		}
		return offsetText(d.zone.offset, ""), true
	case 'Z':
		if d.zone == nil {
			return "", true
		}
		return d.zone.Text(), true
	case 'n':
		return "\n", true
	case 't':
		return "\t", true
	case '%':
		return "%", true
	}
	return "", false
}
