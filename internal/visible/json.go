package visible

import (
	"fmt"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// JSON writes JSON texts to W with the characters escaped that encoding/json
// leaves as they are, although they are not visible: DEL, C1, directions and
// the like. The values stay the same. Each Write is one whole text.
type JSON struct{ W io.Writer }

// Write implements io.Writer.
func (j JSON) Write(p []byte) (int, error) {
	if _, err := j.W.Write(EscapeJSON(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// EscapeJSON escapes what is not visible in a JSON text. Outside of its strings
// there is nothing to escape.
func EscapeJSON(text []byte) []byte {
	escaped := make([]byte, 0, len(text))
	for len(text) > 0 {
		r, width := utf8.DecodeRune(text)
		switch high, low := utf16.EncodeRune(r); {
		case r == '\r' || ofText(string(text[:width]), r):
			escaped = append(escaped, text[:width]...)
		case low != utf8.RuneError:
			escaped = fmt.Appendf(escaped, `\u%04x\u%04x`, high, low)
		default:
			escaped = fmt.Appendf(escaped, `\u%04x`, r)
		}
		text = text[width:]
	}
	return escaped
}
