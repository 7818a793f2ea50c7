package cli

import (
	"path"

	"mdserver/internal/cli/command"
	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/manual"
	"mdserver/internal/cli/output"

	"github.com/spf13/cobra"
)

func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man [COMMAND...]",
		Short: "Print the man page of mdserver, or of a command",
		Example: `  mdserver man | man -l -
  mdserver man instance rm | man -l -`,
		ValidArgsFunction: completeCommands,
		RunE: func(cmd *cobra.Command, words []string) error {
			target, rest, err := cmd.Root().Find(words)
			if err == nil && len(rest) > 0 {
				err = command.Unknown(target, rest[0])
			}
			if err != nil {
				return exit.With(exit.Usage, err)
			}
			pages, err := manPages()
			if err != nil {
				return err
			}
			for _, page := range pages {
				if path.Base(page.Path) == manual.ManName(target) {
					return output.Raw(cmd, page.Content)
				}
			}
			return exit.With(exit.Usage, command.Unknown(cmd.Root(), target.Name()))
		},
	}
}

// completeCommands offers the commands below those that are named.
func completeCommands(cmd *cobra.Command, words []string, _ string) ([]string, cobra.ShellCompDirective) {
	target, rest, err := cmd.Root().Find(words)
	if err != nil || len(rest) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, child := range target.Commands() {
		if child.IsAvailableCommand() {
			names = append(names, child.Name()+"\t"+child.Short)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
