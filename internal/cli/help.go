package cli

import (
	"github.com/spf13/cobra"

	"mdserver/internal/cli/command"
	"mdserver/internal/cli/manual"
	"mdserver/internal/cli/output"
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
		_ = output.Printf(cmd.OutOrStdout(), "%s", output.Verbatim(manual.Help(cmd))) // nowhere to report it
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

// completionHelp completes the command that cobra adds. With the name of no shell
// it fails: cobra's own prints its help and succeeds.
func completionHelp(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	completion, _, err := root.Find([]string{"completion"})
	if err != nil {
		return
	}
	command.Group(completion)
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
	if cmd.ValidArgsFunction == nil && !manual.TakesArguments(cmd) {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	for _, child := range cmd.Commands() {
		completeNothing(child)
	}
}
