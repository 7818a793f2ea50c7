package output

import (
	"bytes"
	"strings"
	"testing"

	"mdserver/internal/cli/outputtest"
	"mdserver/internal/visible"
)

// With colors, too, nothing but our own sequences reaches a terminal.
func TestPaintIsHarmless(t *testing.T) {
	for _, state := range []string{"ok", "warning", "wrong", "error", hostile} {
		var out bytes.Buffer
		s := &Screen{Writer: visible.Writer{W: &out}, Colored: true}
		Printf(s, "%s %s\n", Paint(hostile, state), hostile)
		if err := ColoredFields(s, []Field{{hostile, Paint(hostile, state)}}); err != nil {
			t.Fatal(err)
		}
		text := out.String()
		if want := colorOf(state); want != "" && (strings.Count(text, want) != 2 || strings.Count(text, sgrReset) != 2) {
			t.Errorf("not in the color of %s: %q", state, text)
		}
		outputtest.MustBeHarmless(t, strings.NewReplacer(sgrGreen, "", sgrYellow, "", sgrRed, "", sgrReset, "").Replace(text))
	}
}
