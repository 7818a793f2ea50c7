package stpl

import (
	"fmt"
	"slices"
	"strings"

	"mdserver/stpl/internal/syntax"
)

// maxQuoted is how much of a line a message quotes, in bytes.
const maxQuoted = 80

// refusals are the errors of a template that cannot run, by line.
func (e *Engine) refusals(name, source string, errs []*syntax.Error) []*Error {
	if len(errs) == 0 {
		return nil
	}
	slices.SortStableFunc(errs, func(a, b *syntax.Error) int { return a.Line - b.Line })
	out, lines := make([]*Error, len(errs)), strings.Split(source, "\n")
	for i, err := range errs {
		out[i] = &Error{File: name, Line: err.Line, Kind: err.Kind, Message: shortened(err.Message)}
		e.explain(lineOf(lines, err.Line), out[i])
	}
	return out
}

// explain adds the text of its line to an error that shows that the line may not
// be meant as code, and a hint.
func (e *Engine) explain(line string, bad *Error) {
	line = strings.TrimSpace(line)
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

// lineOf is one of the lines of a text, from 1, or empty.
func lineOf(lines []string, number int) string {
	if number < 1 || number > len(lines) {
		return ""
	}
	return lines[number-1]
}
