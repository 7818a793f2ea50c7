package datetime

import (
	"strconv"
	"strings"

	"github.com/itchyny/timefmt-go"

	"mdserver/stpl/internal/object"
)

// formatted is the most that a byte of a format can write, as in %999d.
const formatted = 256

// strftime writes an instant as a format with % directives says, in the C
// locale.
func strftime(t *object.Thread, d *instant, format string) (string, error) {
	if err := t.Charge(formatted*len(format), 4*len(format)); err != nil {
		return "", err
	}
	offset, name := "", ""
	if d.zone != nil {
		offset, name = offsetText(d.zone.offset, ""), d.zone.Text()
	}
	isoYear, _ := d.wall.ISOWeek()
	// As the wall clock is kept as UTC, and glibc pads no years.
	own := strings.NewReplacer("%%", "%%",
		"%Y", strconv.Itoa(d.wall.Year()), "%G", strconv.Itoa(isoYear),
		"%z", offset, "%Z", strings.ReplaceAll(name, "%", "%%"))
	return timefmt.Format(d.wall, own.Replace(format)), nil
}
