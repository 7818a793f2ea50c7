package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// Groups of commands in the help of the root command.
var (
	groupGuests      = &cobra.Group{ID: "guests", Title: "Guests and networks:"}
	groupBoots       = &cobra.Group{ID: "boots", Title: "Boots:"}
	groupSSH         = &cobra.Group{ID: "ssh", Title: "SSH:"}
	groupUserdata    = &cobra.Group{ID: "userdata", Title: "User-data:"}
	groupServer      = &cobra.Group{ID: "server", Title: "Server:"}
	groupDiagnosis   = &cobra.Group{ID: "diagnosis", Title: "Diagnosis:"}
	groupMaintenance = &cobra.Group{ID: "maintenance", Title: "Backup and migration:"}
	groupSetup       = &cobra.Group{ID: "setup", Title: "Installation:"}
	groupHelp        = &cobra.Group{ID: "help", Title: "Help:"}
)

// addGroup adds commands to the root command as a group.
func addGroup(root *cobra.Command, group *cobra.Group, commands ...*cobra.Command) {
	root.AddGroup(group)
	for _, cmd := range commands {
		cmd.GroupID = group.ID
	}
	root.AddCommand(commands...)
}

// setHelp makes all commands below root explain themselves in the same form.
func setHelp(root *cobra.Command) {
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		_ = printf(cmd.OutOrStdout(), "%s", verbatim(helpOf(cmd))) // nowhere to report it
	})
	root.SetHelpCommandGroupID(groupHelp.ID)
	root.SetCompletionCommandGroupID(groupHelp.ID)
	root.InitDefaultHelpCmd()
	if help, _, err := root.Find([]string{"help"}); err == nil {
		help.Short = "Show the help of a command"
		help.Long = ""
		help.Example = "  mdserver help instance rm\n  mdserver help exit-codes"
	}
	completionHelp(root)
}

// helpOf is the help of a command: what it does, examples, how it is called, and
// then the details.
func helpOf(cmd *cobra.Command) string {
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
	if cmd.HasAvailableSubCommands() && !takesArguments(cmd) {
		return cmd.CommandPath() + " COMMAND"
	}
	return cmd.UseLine()
}

// takesArguments reports whether a command takes arguments of its own.
func takesArguments(cmd *cobra.Command) bool { return strings.Contains(cmd.Use, " ") }

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

// completionHelp completes the command that cobra adds. With the name of no shell
// it fails: cobra's own prints its help and succeeds.
func completionHelp(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	completion, _, err := root.Find([]string{"completion"})
	if err != nil {
		return
	}
	group(completion)
	completion.Short = "Print a script that completes commands in a shell"
	completion.Long = "\"mdserver install\" installs the scripts for bash, zsh and fish."
	completion.Example = "  source <(mdserver completion bash)"
	for _, shell := range completion.Commands() {
		shell.Short = "Print the script for " + shell.Name()
		shell.Long = ""
		shell.Example = "  mdserver completion " + shell.Name()
	}
}

// completeNothing keeps the shell from offering files for commands that take no
// arguments.
func completeNothing(cmd *cobra.Command) {
	if cmd.ValidArgsFunction == nil && !takesArguments(cmd) {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	for _, child := range cmd.Commands() {
		completeNothing(child)
	}
}
