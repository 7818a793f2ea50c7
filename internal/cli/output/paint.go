package output

import (
	"fmt"

	"mdserver/internal/visible"
)

// Colors of ECMA-48's SGR.
const (
	sgrGreen  = "\x1b[32m"
	sgrYellow = "\x1b[33m"
	sgrRed    = "\x1b[31m"
	sgrReset  = "\x1b[0m"
)

// colorOf is the color of a state.
func colorOf(state string) string {
	switch state {
	case "ok":
		return sgrGreen
	case "warning":
		return sgrYellow
	case "wrong", "error":
		return sgrRed
	}
	return ""
}

// Colored is a text in the color of a state.
type Colored struct{ text, color string }

// Paint gives a text the color of a state: that of ok, warning, wrong or error, or
// else none.
func Paint(text, state string) Colored { return Colored{text, colorOf(state)} }

// State is the word for a state in its color.
func State[S ~string](state S) Colored { return Paint(string(state), string(state)) }

// Format implements fmt.Formatter.
func (c Colored) Format(f fmt.State, verb rune) {
	text := fmt.Sprintf(fmt.FormatString(f, verb), visible.Limit(c.text, MaxText))
	if c.color != "" {
		text = c.color + text + sgrReset
	}
	_, _ = f.Write([]byte(text)) // into the text that is formatted
}
