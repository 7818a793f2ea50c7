// Package database has the commands that back up, restore, check and salvage what a host
// stores, with a server or without one.
package database

import (
	"errors"
	"io"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/command"
	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/view"
	"mdserver/internal/counted"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/inventory/storage"
)

// Command is the command database, with those below it.
func Command() *cobra.Command {
	return command.Group(&cobra.Command{
		Use:     "database",
		Short:   "Check the database of guests",
		Example: "  sudo mdserver database check",
	}, checkCommand(), salvageCommand(), compactCommand())
}

// databaseReport is what `mdserver database check --json` prints.
type databaseReport struct {
	File     string   `json:"file"`
	Guests   int      `json:"guests"`   // whose records are sound
	Resting  int      `json:"resting"`  // addresses
	Findings []string `json:"findings"` // what is damaged
	Whole    bool     `json:"whole"`    // nothing is lost, even if there are findings
	Aside    []string `json:"aside"`    // files with records that were set aside before
	// Withheld are guests in these files. Their addresses and names are given to
	// no other guest.
	Withheld []storage.Withheld `json:"withheld"`
}

func checkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Check each record of the database, without changing it",
		Example: `  sudo mdserver database check
  mdserver database check copy.db`,
		Long: `Check each record of the database, without changing it: its checksum, that it is
under its own key, that none is missing, and that the last change is there. FILE
is the configured database, if none is given. No server may have it open; a
server checks its database at each start, sets aside what is damaged, and serves
all other guests.

The exit code is 0 if the database is sound, or if it is damaged but a start
would serve all guests: all records are in it as they were last written. It is
1 if a record is damaged or missing, and 3 if the database cannot be read.`,
		Args: command.AtMost(1),
	}
	return view.Report(cmd, databaseView, func(cmd *cobra.Command, args []string) (databaseReport, error) {
		path, err := databasePath(cmd, args)
		if err != nil {
			return databaseReport{}, err
		}
		return checkDatabase(cmd, path)
	})
}

var databaseView = view.View[databaseReport]{
	Text:  printDatabase,
	Wrong: func(r databaseReport) bool { return !r.Whole },
}

// databasePath is the file that a command names, or the configured one.
func databasePath(cmd *cobra.Command, args []string) (string, error) {
	if len(args) > 0 {
		return args[0], nil
	}
	cfg, err := command.LoadConfig(cmd)
	if err != nil {
		return "", err
	}
	return cfg.Server.Database, nil
}

func checkDatabase(cmd *cobra.Command, path string) (databaseReport, error) {
	report := databaseReport{File: path, Findings: []string{}, Aside: append([]string{}, boltstore.Asides(path)...)}
	withheld, err := boltstore.Withheld(path)
	if err != nil {
		report.Findings = append(report.Findings, err.Error())
	}
	report.Withheld = append([]storage.Withheld{}, withheld...)
	reader, err := boltstore.OpenReader(path)
	switch {
	case errors.Is(err, boltstore.ErrDamaged), errors.Is(err, boltstore.ErrMissing):
		report.Findings = append(report.Findings, err.Error())
		return report, nil
	case err != nil:
		return report, exit.With(exit.Unreadable, err)
	}
	defer reader.Close()
	table, err := reader.Load(cmd.Context())
	if err != nil {
		return report, exit.With(exit.Unreadable, err)
	}
	report.Whole = reader.Whole() && len(report.Findings) == 0
	report.Guests, report.Resting = len(table.Instances), len(table.Resting)
	for _, f := range reader.Findings() {
		report.Findings = append(report.Findings, f.String())
	}
	return report, nil
}

func printDatabase(out io.Writer, r databaseReport) error {
	for _, f := range r.Findings {
		output.Printf(out, "damaged: %s\n", f)
	}
	for _, name := range r.Aside {
		output.Printf(out, "set aside before: %s\n", name)
	}
	for _, w := range r.Withheld {
		output.Printf(out, "reserved: addresses %v and host name %q of %s\n", w.Addrs, w.Hostname, w)
	}
	if r.Whole && len(r.Findings) > 0 {
		output.Printf(out, "nothing is lost: the next start serves all guests, and keeps a copy of the damaged file\n")
	}
	return output.Printf(out, "%s: %s and %s are sound, %s\n",
		r.File, counted.Guests(r.Guests), counted.Resting(r.Resting), counted.Of(len(r.Findings), "finding", "findings"))
}
