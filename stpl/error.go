package stpl

import (
	"errors"
	"fmt"
	"strings"

	"mdserver/stpl/internal/object"
)

// Error is what is wrong with a template, or went wrong in it.
type Error struct {
	File    string
	Line    int    // from 1; 0 if it is not known
	Kind    string // as Python calls it: SyntaxError, NameError, …
	Message string
}

// Error reads FILE:LINE: Kind: message.
func (e *Error) Error() string {
	text := fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Kind)
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// runError makes an Error of an exception that no template caught. An error in
// an included template is that template's.
func runError(t *Template, err error) error {
	e, ok := errors.AsType[*object.Exception](err)
	if !ok {
		return err
	}
	bad := t.engine.failure(&Error{File: t.name, Line: e.Line}, e)
	if e.File != "" {
		bad.File = e.File
	}
	if bad.File == t.name && bad.Kind == "NameError" {
		t.engine.explain(lineOf(strings.Split(t.source, "\n"), bad.Line), bad)
	}
	return bad
}

// failure completes an Error by what an exception says, and by the key that sets
// the limit that was reached.
func (e *Engine) failure(at *Error, err error) *Error {
	exception, ok := errors.AsType[*object.Exception](err)
	if !ok {
		return at
	}
	at.Kind, at.Message = exception.KindName(), shortened(exception.Message())
	if key := e.opts.LimitKeys[exception.Limit]; key != "" {
		at.Message += " (" + key + ")"
	}
	return at
}

// maxMessage is the longest message in bytes: a template can make one of a
// megabyte.
const maxMessage = 2000

func shortened(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	return strings.ToValidUTF8(message[:maxMessage], "") + "…"
}
