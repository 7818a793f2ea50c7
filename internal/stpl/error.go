package stpl

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Error is what is wrong with a template, or went wrong in it.
type Error struct {
	File    string
	Line    int    // 0 if it is not known
	Kind    string // as Python calls it: SyntaxError, NameError, …
	Message string
}

// Error reads FILE:LINE: Kind: message.
func (e *Error) Error() string {
	return fmt.Sprintf("%s:%d: %s: %s", e.File, e.Line, e.Kind, e.Message)
}

func compileError(name string, lines []int, err error) *Error {
	var syntaxErr syntax.Error
	var resolveErr resolve.ErrorList
	line := int32(0)
	switch {
	case errors.As(err, &syntaxErr):
		line = syntaxErr.Pos.Line
	case errors.As(err, &resolveErr):
		line = resolveErr[0].Pos.Line
	}
	return &Error{File: name, Line: templateLine(lines, line), Kind: "SyntaxError", Message: message(err)}
}

func message(err error) string {
	var syntaxErr syntax.Error
	var resolveErr resolve.ErrorList
	switch {
	case errors.As(err, &syntaxErr):
		return syntaxErr.Msg
	case errors.As(err, &resolveErr):
		return resolveErr[0].Msg
	}
	return err.Error()
}

func templateLine(lines []int, line int32) int {
	if line < 1 || int(line) > len(lines) {
		return len(lines)
	}
	return lines[line-1]
}

// kinds tell Python's names of errors by the wording of Starlark's.
var kinds = []struct {
	pattern *regexp.Regexp
	kind    string
	message string
}{
	{regexp.MustCompile(`^(\w+Error): (.*)$`), "$1", "$2"},
	{regexp.MustCompile(`predeclared variable (\S+) is uninitialized`), "NameError", "name '$1' is not defined"},
	{regexp.MustCompile(`(?:global|local) variable (\S+) referenced before assignment`), "NameError", "name '$1' is not defined"},
	{regexp.MustCompile(`^key (.*) not in (?:dict|mapping).*`), "KeyError", "$1"},
	{regexp.MustCompile(`^(.*has no \..*)$`), "AttributeError", "$1"},
	{regexp.MustCompile(`^(.*invalid literal.*)$`), "ValueError", "$1"},
	{regexp.MustCompile(`^(.*division by zero.*|.*modulo by zero.*)$`), "ZeroDivisionError", "$1"},
	{regexp.MustCompile(`^(.*out of range.*)$`), "IndexError", "$1"},
	{regexp.MustCompile(`(too many steps|it took too long)`), "TimeoutError", "$1"},
}

// runError finds the line of a failed run. An error of an included template
// is that template's.
func runError(t *Template, err error) error {
	var inner *Error
	if errors.As(err, &inner) {
		return inner
	}
	line := 0
	var eval *starlark.EvalError
	if errors.As(err, &eval) {
		for _, frame := range eval.CallStack {
			if frame.Pos.Filename() == t.name && frame.Pos.Line > 0 {
				line = templateLine(t.lines, frame.Pos.Line)
			}
		}
	}
	text := strings.TrimPrefix(err.Error(), "internal error: ")
	for _, k := range kinds {
		if m := k.pattern.FindStringSubmatchIndex(text); m != nil {
			kind := string(k.pattern.ExpandString(nil, k.kind, text, m))
			return &Error{t.name, line, kind, string(k.pattern.ExpandString(nil, k.message, text, m))}
		}
	}
	return &Error{t.name, line, "TypeError", text}
}
