package stpl

import (
	"fmt"
	"strings"
)

// maxQuoted is how much of a line a message quotes, in bytes.
const maxQuoted = 80

// explain adds the text of the line to an error that shows that the line may not
// be meant as code, and a hint.
func (e *Engine) explain(source string, bad *Error) {
	line := strings.TrimSpace(lineOf(source, bad.Line))
	if line == "" || bad.Kind != "SyntaxError" && !nameAfterPercent(bad, line) {
		return
	}
	hint := ""
	switch {
	case strings.HasPrefix(line, "%"):
		hint = "; a line that begins with % is code: write %%" + e.orRaw()
	case strings.Contains(line, "{{"):
		hint = "; what is between {{ and }} is code: write {{'{{'}} for two braces" + e.orRaw()
	}
	if len(line) > maxQuoted {
		line = strings.ToValidUTF8(line[:maxQuoted], "") + "…"
	}
	bad.Message = fmt.Sprintf("%s: %s%s", bad.Message, line, hint)
}

// orRaw says how a file is passed through untouched, if it can be.
func (e *Engine) orRaw() string {
	if e.opts.RawHeader == "" {
		return ""
	}
	return ", or begin the file with " + e.opts.RawHeader
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
