package manual

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// Reference is the reference of a command and of those below it, in Markdown. Between
// the list of commands and their sections it has the text environment.
func Reference(root *cobra.Command, environment string) string {
	var b strings.Builder
	b.WriteString("# Commands\n\n" +
		"`mdserver help COMMAND` and `man mdserver-COMMAND` show the same. All commands share the [exit codes](exit-codes.md), the\n" +
		"[error codes](#error-codes) for programs, and these flags:\n\n" +
		textBlock(root.PersistentFlags().FlagUsages()))
	for _, group := range root.Groups() {
		b.WriteString("**" + strings.TrimSuffix(group.Title, ":") + "**\n\n| command | purpose |\n|---|---|\n")
		for _, cmd := range root.Commands() {
			if cmd.GroupID == group.ID {
				writeIndex(&b, cmd)
			}
		}
		b.WriteString("\n")
	}
	b.WriteString(environment)
	writeReference(&b, root)
	return b.String()
}

// documented reports whether the reference has a command.
func documented(cmd *cobra.Command) bool {
	return cmd.IsAvailableCommand() && !cmd.IsAdditionalHelpTopicCommand()
}

// writeIndex writes the rows of a table for a command, or for those below it.
func writeIndex(b *strings.Builder, cmd *cobra.Command) {
	if !documented(cmd) {
		return
	}
	if !cmd.HasAvailableSubCommands() || TakesArguments(cmd) {
		b.WriteString(fmt.Sprintf("| [`%s`](#%s) | %s |\n", cmd.CommandPath(), strings.ReplaceAll(cmd.CommandPath(), " ", "-"), cmd.Short))
	}
	for _, child := range cmd.Commands() {
		writeIndex(b, child)
	}
}

// writeReference writes the sections of a command and of those below it.
func writeReference(b *strings.Builder, cmd *cobra.Command) {
	b.WriteString("## " + cmd.CommandPath() + "\n\n" + cmd.Short + ".\n\n")
	b.WriteString(textBlock(strings.ReplaceAll("\n"+cmd.Example, "\n  ", "\n")))
	b.WriteString("Usage: `" + usageLine(cmd) + "`\n\n")
	b.WriteString(prose(details(cmd)))
	if flags := cmd.LocalNonPersistentFlags().FlagUsages(); flags != "" && cmd.HasParent() {
		b.WriteString("Flags:\n\n" + textBlock(flags))
	}
	for _, child := range cmd.Commands() {
		if documented(child) {
			writeReference(b, child)
		}
	}
}

// prose is a description in Markdown. A paragraph with indented lines is a table in
// plain text, and stays as it is.
func prose(text string) string {
	var b strings.Builder
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		switch {
		case paragraph == "":
		case strings.HasPrefix(paragraph, "  ") || strings.Contains(paragraph, "\n  "):
			b.WriteString(textBlock(paragraph))
		default:
			b.WriteString(strings.NewReplacer("<", "&lt;", "*", `\*`).Replace(paragraph) + "\n\n")
		}
	}
	return b.String()
}

// textBlock is a block of plain text in Markdown, or nothing for an empty text.
func textBlock(text string) string {
	if text = strings.Trim(text, "\n"); text == "" {
		return ""
	}
	return "```text\n" + text + "\n```\n\n"
}
