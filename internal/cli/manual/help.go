// Package manual explains the commands of mdserver: help, man pages, scripts that
// complete commands in a shell, and the reference. It is given the commands, and
// knows none of them by itself.
package manual

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// Help is the help of a command: what it does, examples, how it is called, and
// then the details.
func Help(cmd *cobra.Command) string {
	if cmd.IsAdditionalHelpTopicCommand() {
		return cmd.Long + "\n"
	}
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	parts := []string{cmd.CommandPath() + ": " + cmd.Short}
	add := func(heading, text string) {
		if text = strings.Trim(text, "\n"); text != "" {
			parts = append(parts, heading+text)
		}
	}
	add("Examples:\n", cmd.Example)
	add("Usage:\n", "  "+usageLine(cmd))
	add("", details(cmd))
	for _, g := range cmd.Groups() {
		add(g.Title+"\n", listCommands(cmd, g.ID))
	}
	add("Commands:\n", listCommands(cmd, ""))
	add("Flags:\n", cmd.LocalFlags().FlagUsages())
	add("Flags of all commands:\n", cmd.InheritedFlags().FlagUsages())
	add("Other names: ", strings.Join(cmd.Aliases, ", "))
	footer := "Exit codes: 0 success, 1 failure, 2 wrong command line; `mdserver help exit-codes` lists all."
	if cmd.HasAvailableSubCommands() {
		footer += "\nHelp of a command: `" + cmd.CommandPath() + " COMMAND --help`"
	}
	add("", footer)
	return strings.Join(parts, "\n\n") + "\n"
}

// usageLine is how a command is called.
func usageLine(cmd *cobra.Command) string {
	if cmd.HasAvailableSubCommands() && !TakesArguments(cmd) {
		return cmd.CommandPath() + " COMMAND"
	}
	return cmd.UseLine()
}

// TakesArguments reports whether a command takes arguments of its own, or does something
// without a command below it.
func TakesArguments(cmd *cobra.Command) bool { return strings.Contains(cmd.Use, " ") }

// listCommands lists the commands of a group below a command.
func listCommands(cmd *cobra.Command, group string) string {
	var b strings.Builder
	for _, child := range cmd.Commands() {
		if child.GroupID == group && (child.IsAvailableCommand() || child.Name() == "help") {
			b.WriteString(fmt.Sprintf("  %-*s %s\n", child.NamePadding(), child.Name(), child.Short))
		}
	}
	return b.String()
}

// details is the description of a command without the sentence that only repeats
// its summary.
func details(cmd *cobra.Command) string {
	rest, _ := strings.CutPrefix(cmd.Long, cmd.Short+".")
	return strings.TrimSpace(rest)
}
