package inventory

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"mdserver/internal/api"
	"mdserver/internal/cli/command"
	"mdserver/internal/cli/database"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/view"
	"mdserver/internal/counted"
	"mdserver/internal/inventory/document"
)

// ImportCommand is the command import.
func ImportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import FILE|-",
		Short: "Add the guests of an exported inventory",
		Long: `Add the guests and the addresses in quarantine of a file that "mdserver export
--format json" has written, on this host or another one: instance-ids,
addresses, passwords and everything else stay the same. The server must run; it makes
a snapshot of its guests first.

If a guest exists already and its record differs, it is skipped, or replaced with
--replace. The same applies if another guest has its name, address or MAC address,
or if its address is in quarantine. A host name that is taken is changed. If the
file has an unknown field, all of it is refused.

The exit code is 1 if a guest was skipped.`,
		Example: `  mdserver export --format json --output guests.json
  mdserver import guests.json`,
		Args: command.Exactly(1),
	}
	replace := cmd.Flags().Bool("replace", false, "replace the records of guests that exist already")
	return view.Report(cmd, importView, func(cmd *cobra.Command, args []string) (result api.Imported, err error) {
		data, err := readDocument(cmd, args[0])
		if err != nil {
			return result, err
		}
		server, err := command.Connect(cmd)
		if err != nil {
			return result, err
		}
		return server.Import(cmd.Context(), data, *replace)
	})
}

var importView = view.View[api.Imported]{
	Text:  printImported,
	Wrong: func(r api.Imported) bool { return len(r.Skipped) > 0 },
}

func printImported(out io.Writer, r api.Imported) error {
	for _, skip := range r.Skipped {
		output.Printf(out, "skipped: %s, uuid %s: %s\n", skip.Name, skip.UUID, skip.Reason)
	}
	if r.Warning != "" {
		output.Printf(out, "warning: %s\n", r.Warning)
	}
	return output.Printf(out, "%s added, %d replaced, %d unchanged, %d skipped; %s\n",
		counted.Guests(len(r.Added)), len(r.Replaced), r.Unchanged, len(r.Skipped), counted.Resting(r.Resting))
}

// readDocument reads and checks an exported inventory from a file, or from standard
// input if path is "-". Guests that do not fit the configured networks are
// reported.
func readDocument(cmd *cobra.Command, path string) ([]byte, error) {
	data, err := command.ReadInput(cmd, path)
	if err != nil {
		return nil, err
	}
	_, table, err := document.Read(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	cfg, err := command.LoadConfig(cmd)
	if err != nil {
		return nil, err
	}
	for _, guest := range table.Instances {
		for _, problem := range database.Misfits(cfg, &guest) {
			output.Printf(cmd.ErrOrStderr(), "does not fit: %s: %s\n", guest.Name, problem)
		}
	}
	return data, nil
}
