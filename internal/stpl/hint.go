package stpl

import (
	"fmt"
	"strings"
)

// maxQuoted is how much of a line a message quotes, in bytes.
const maxQuoted = 80

// explain adds the text of the line to an error that shows that the line may not
// be meant as code, and a hint.
func explain(source string, e *Error) {
	line := strings.TrimSpace(lineOf(source, e.Line))
	if line == "" || e.Kind != "SyntaxError" && !nameAfterPercent(e, line) {
		return
	}
	hint := ""
	switch {
	case strings.HasPrefix(line, "%"):
		hint = "; a line that begins with % is code: write %%, or begin the file with ## mdserver: raw"
	case strings.Contains(line, "{{"):
		hint = "; what is between {{ and }} is code: write {{'{{'}} for two braces, or begin the file with ## mdserver: raw"
	}
	if len(line) > maxQuoted {
		line = strings.ToValidUTF8(line[:maxQuoted], "") + "…"
	}
	e.Message = fmt.Sprintf("%s: %s%s", e.Message, line, hint)
}

// nameAfterPercent reports whether an unknown name stands right behind a percent
// sign, such as the h of %h/bin.
func nameAfterPercent(e *Error, line string) bool {
	_, name, _ := strings.Cut(e.Message, "'")
	name, _, _ = strings.Cut(name, "'")
	return e.Kind == "NameError" && name != "" && strings.HasPrefix(line, "%"+name)
}

// lineOf is a line of a text, from 1, or empty.
func lineOf(text string, number int) string {
	for line := range strings.Lines(text) {
		if number--; number == 0 {
			return line
		}
	}
	return ""
}
