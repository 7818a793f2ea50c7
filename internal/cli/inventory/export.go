package inventory

import (
	"github.com/spf13/cobra"

	"mdserver/internal/api"
	"mdserver/internal/cli/command"
	"mdserver/internal/client"
	"mdserver/internal/visible"
)

// ExportCommand is the command export.
func ExportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write the inventory as JSON, or as the Python mdserver's database",
		Long: `Write the inventory as JSON, or as a database that the Python mdserver reads as
its db_file:

  json           everything, for "mdserver import": guests with instance-ids and
                 passwords, and addresses in quarantine. A file that the command
                 makes is readable by its owner only.
  legacy-list    a list of entries. All versions of the Python mdserver read it, and
                 releases up to 0.6.7 read nothing else.
  legacy-object  an object with "metadata" and "entries", which only the
                 development version after 0.6.7 reads.
  legacy         the form that was imported, or legacy-list if there was no import.

With --output, the file is replaced as a whole, or not changed after an error.`,
		Example: `  mdserver export --format json --output guests.json
  mdserver export --format legacy --output /var/lib/mdserver/db_file.json`,
		Args: command.Exactly(0),
	}
	format := cmd.Flags().String("format", "legacy", "`FORMAT` of the output: json, legacy, legacy-list or legacy-object")
	output := command.OutputFlag(cmd)
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(api.ExportFormats, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	cmd.RunE = command.WithServer(func(cmd *cobra.Command, server *client.Client, _ []string) error {
		data, err := server.Export(cmd.Context(), *format)
		if err != nil {
			return err
		}
		return command.WriteOutput(cmd, *output, visible.EscapeJSON(data))
	})
	return cmd
}
