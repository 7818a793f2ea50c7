package cli

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"mdserver/internal/client"
)

// Exit codes.
const (
	exitFailure     = 1
	exitUsage       = 2
	exitUnreadable  = 3
	exitNotFound    = 4
	exitUnreachable = 5
	exitTrouble     = 6
	exitDegraded    = 2   // as cloud-init's status has it
	exitTimeout     = 124 // as timeout(1) has it

	// exitConfig is EX_CONFIG of sysexits.h. The unit does not start a server again
	// that ended so.
	exitConfig = 78
)

// exitCodes is what each exit code means, for help, man pages and docs.
var exitCodes = []struct {
	code    int
	meaning string
}{
	{0, "success"},
	{exitFailure, "the command failed, or found something wrong (doctor, check, verify), or the boot of a guest failed (wait)"},
	{exitUsage, "the command line is wrong; or the boot of a guest is degraded (wait)"},
	{exitUnreadable, "the configuration, or a file that the command line names, cannot be read"},
	{exitNotFound, "there is no such guest, network, host or configuration key"},
	{exitUnreachable, "the server cannot be reached"},
	{exitTrouble, "the server runs, but something is wrong (status)"},
	{exitTimeout, "the time is over (wait, host drain)"},
	{exitConfig, "the server cannot start before its configuration or database is repaired (serve)"},
}

// exitError ends the program with a code of its own. Its err is nil if everything
// has been printed.
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

// exitCode is the code for the outcome of a command.
func exitCode(err error) int {
	var exit *exitError
	var refused *client.Error
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.code
	case errors.Is(err, client.ErrNotRunning), errors.Is(err, client.ErrUnreachable):
		return exitUnreachable
	case errors.As(err, &refused) && refused.Status == http.StatusNotFound:
		return exitNotFound
	}
	return exitFailure
}

// exitCodesTopic is a page of help about exit codes.
func exitCodesTopic() *cobra.Command {
	var b strings.Builder
	b.WriteString("Exit codes of all commands:\n\n")
	for _, e := range exitCodes {
		b.WriteString(fmt.Sprintf("  %-4d%s\n", e.code, e.meaning))
	}
	return &cobra.Command{Use: "exit-codes", Short: "List the exit codes of all commands", Long: strings.TrimSuffix(b.String(), "\n")}
}

// exitCodesPage is docs/reference/exit-codes.md.
func exitCodesPage() string {
	var b strings.Builder
	b.WriteString("# Exit codes\n\nAll commands share these exit codes. The help of a command says when it ends with 1 or 6\n" +
		"although it did its work: it found something wrong.\n\n| code | meaning |\n|---|---|\n")
	for _, e := range exitCodes {
		b.WriteString(fmt.Sprintf("| %d | %s |\n", e.code, e.meaning))
	}
	b.WriteString("\nWith `-o json`, an error also has a [code for programs](commands.md#error-codes). `mdserver help exit-codes` prints this table.\n" +
		"libvirt's hook, `mdserver hook`, always ends with 0, so that it never keeps a guest from starting.\n")
	return b.String()
}

// exitCodesMan is the section of a man page about exit codes.
func exitCodesMan() string {
	var b strings.Builder
	b.WriteString(".SH EXIT STATUS\n")
	for _, e := range exitCodes {
		b.WriteString(fmt.Sprintf(".TP\n.B %d\n%s\n", e.code, e.meaning))
	}
	return b.String() + "\n"
}
