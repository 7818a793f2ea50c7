package cli

import (
	"fmt"
	"strings"
)

// Exit codes, see exitCodes.
const (
	exitFailure = 1
	exitUsage   = 2
	exitBlind   = 3
	exitConfig  = 78 // EX_CONFIG of sysexits.h
)

// exitCodes are all exit codes of all commands. The reference and the manual
// page are made of them.
var exitCodes = []struct {
	code    int
	meaning string
}{
	{0, "success"},
	{exitFailure, "the command failed, or found something wrong"},
	{exitUsage, "the command line is wrong"},
	{exitBlind, "nothing could be examined (doctor, database check)"},
	{exitConfig, "the configuration or the database must be repaired before the server can start; its unit does not start it again"},
}

// describeExitCodes lists the exit codes, with a format for the code and the
// meaning of each.
func describeExitCodes(format string) string {
	var text strings.Builder
	for _, e := range exitCodes {
		text.WriteString(fmt.Sprintf(format, e.code, e.meaning))
	}
	return text.String()
}

// exitError ends the program with a code of its own. Its err is nil if
// everything has been printed.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }
