// Package exit is how commands end: the exit codes, and errors that carry one.
package exit

import (
	"errors"
	"net/http"

	"mdserver/internal/client"
)

// Exit codes.
const (
	Failure     = 1
	Usage       = 2
	Unreadable  = 3
	NotFound    = 4
	Unreachable = 5
	Trouble     = 6
	Degraded    = 2   // as cloud-init's status has it
	Timeout     = 124 // as timeout(1) has it

	// Config is EX_CONFIG of sysexits.h. The unit does not start a server again
	// that ended so.
	Config = 78
)

// coded ends the program with a code of its own. Its err is nil if everything
// has been printed.
type coded struct {
	code int
	err  error
}

func (e *coded) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *coded) Unwrap() error { return e.err }

// With is err with an exit code of its own, or nil if err is nil.
func With(code int, err error) error {
	if err == nil {
		return nil
	}
	return &coded{code, err}
}

// Silently ends a command with a code after everything has been printed.
func Silently(code int) error { return &coded{code: code} }

// Code is the code for the outcome of a command.
func Code(err error) int {
	var exit *coded
	var refused *client.Error
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.code
	case errors.Is(err, client.ErrNotRunning), errors.Is(err, client.ErrUnreachable):
		return Unreachable
	case errors.As(err, &refused) && refused.Status == http.StatusNotFound:
		return NotFound
	}
	return Failure
}
