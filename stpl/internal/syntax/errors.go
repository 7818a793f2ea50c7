package syntax

import "fmt"

// Error is one construct that will not run.
type Error struct {
	Line    int
	Kind    string // SyntaxError, IndentationError
	Message string
}

// Error returns "line N: Kind: message".
func (e *Error) Error() string { return fmt.Sprintf("line %d: %s: %s", e.Line, e.Kind, e.Message) }

func syntaxError(line int, format string, args ...any) *Error {
	return &Error{Line: line, Kind: "SyntaxError", Message: fmt.Sprintf(format, args...)}
}
