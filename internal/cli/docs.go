package cli

import (
	"os"
	"path"
	"path/filepath"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/command"
	"mdserver/internal/cli/output"
)

// docsCommand writes the reference of all commands, for packages and for the
// project's own documentation.
func docsCommand() *cobra.Command {
	return command.Group(&cobra.Command{
		Use:     "docs",
		Short:   "Write man pages and the command reference",
		Example: "  mdserver docs man man8",
		Hidden:  true,
	}, manPagesCommand())
}

func manPagesCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "man DIR",
		Short:   "Write man pages into a directory",
		Example: "  mdserver docs man man8",
		Args:    command.Exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			pages, err := manPages()
			if err != nil {
				return err
			}
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			for _, page := range pages {
				if err := command.WriteFile(filepath.Join(args[0], path.Base(page.Path)), page.Content, 0o644); err != nil {
					return err
				}
			}
			return output.Printf(cmd.OutOrStdout(), "wrote %d man pages to %s\n", len(pages), args[0])
		},
	}
}
