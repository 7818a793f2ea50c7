package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/exit"
)

// exitCodes is what each exit code means, for help, man pages and docs.
var exitCodes = []struct {
	code    int
	meaning string
}{
	{0, "success"},
	{exit.Failure, "the command failed, or found something wrong (doctor, check, verify), or the boot of a guest failed (wait)"},
	{exit.Usage, "the command line is wrong; or the boot of a guest is degraded (wait)"},
	{exit.Unreadable, "the configuration, or a file that the command line names, cannot be read"},
	{exit.NotFound, "there is no such guest, network, host or configuration key"},
	{exit.Unreachable, "the server cannot be reached"},
	{exit.Trouble, "the server runs, but something is wrong (status)"},
	{exit.Timeout, "the time is over (wait, host drain)"},
	{exit.Config, "the server cannot start before its configuration or database is repaired (serve)"},
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
