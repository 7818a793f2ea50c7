package cli

import (
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// docsCommand writes the reference of all commands, for packages and for the
// project's own documentation.
func docsCommand() *cobra.Command {
	return group(&cobra.Command{
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
		Args:    exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			pages, err := manPages()
			if err != nil {
				return err
			}
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			for _, page := range pages {
				if err := writeFile(filepath.Join(args[0], path.Base(page.Path)), page.Content, 0o644); err != nil {
					return err
				}
			}
			return printf(cmd.OutOrStdout(), "wrote %d man pages to %s\n", len(pages), args[0])
		},
	}
}

// environment is the part of the reference on environment variables.
const environment = `## Environment variables

| variable | in place of |
|---|---|
| ` + "`" + envConfig + "`" + ` | the flag ` + "`--config`" + ` |
| ` + "`" + envSocket + "`" + ` | the flag ` + "`--socket`" + ` |

A flag takes precedence over its variable.

`

// reference is the reference of all commands in Markdown: docs/reference/commands.md.
func reference() (string, error) {
	root := newRoot()
	var b strings.Builder
	b.WriteString("# Commands\n\n[Exit codes](exit-codes.md) of all commands.\n\n" + errorCodesMarkdown() + "\n")
	b.WriteString(environment)
	err := writeReference(&b, root)
	return b.String(), err
}

func writeReference(w io.Writer, cmd *cobra.Command) error {
	link := func(file string) string {
		return "#" + strings.ReplaceAll(strings.TrimSuffix(file, ".md"), "_", "-")
	}
	if err := doc.GenMarkdownCustom(cmd, w, link); err != nil {
		return err
	}
	for _, child := range cmd.Commands() {
		if !child.IsAvailableCommand() || child.IsAdditionalHelpTopicCommand() {
			continue
		}
		if err := writeReference(w, child); err != nil {
			return err
		}
	}
	return nil
}
