package cli

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"mdserver/internal/config"
)

// docsCommand writes the reference of all commands, for packages and for the
// project's own documentation.
func docsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:    "docs",
		Short:  "Write man pages and the command reference",
		Hidden: true,
		Args:   args(cobra.NoArgs),
		RunE:   func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "man DIR",
		Short: "Write man pages into a directory",
		Args:  args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			header := &doc.GenManHeader{Section: "8", Source: "mdserver " + config.Version, Manual: "mdserver"}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return err
			}
			pages, _ := filepath.Glob(filepath.Join(args[0], "mdserver*.8"))
			fmt.Fprintf(cmd.OutOrStdout(), "wrote %d man pages to %s\n", len(pages), args[0])
			return nil
		},
	})
	return cmd
}
