package database

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"mdserver/internal/build"
	"mdserver/internal/cli/command"
	"mdserver/internal/cli/exit"
	"mdserver/internal/cli/output"
	"mdserver/internal/cli/view"
	"mdserver/internal/client"
	"mdserver/internal/config"
	"mdserver/internal/counted"
	"mdserver/internal/inventory/backup"
)

// BackupCommand is the command backup, with those below it.
func BackupCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup FILE|-",
		Short: "Back up guests, addresses and keys",
		Long: `Save everything that the server stores in one file: guests with their addresses,
instance-ids and passwords, addresses in quarantine, the server's notes, and the
keys of tokens, identity documents and ssh host certificates. The file contains
secrets, so only its owner can read it. Configuration and templates are not in it.

If the server runs, it makes the backup and continues to serve. If it does not run,
the command reads the configured database. The backup is checked before and after it
is written. A file of that name is replaced as a whole, or not changed after an error.`,
		Example: `  mdserver backup /var/backups/mdserver.backup
  mdserver backup - | ssh other mdserver restore --yes -`,
		Args: command.Exactly(1),
		RunE: command.WithConfig(func(cmd *cobra.Command, cfg *config.Config, args []string) error {
			if args[0] == "-" && output.IsTerminal(output.Beneath(cmd.OutOrStdout())) {
				return exit.With(exit.Usage, errors.New("a backup contains secrets and is not printed on a terminal; name a file, or use a pipe"))
			}
			data, err := makeBackup(cmd, cfg)
			if err != nil {
				return err
			}
			if args[0] == "-" {
				return output.Raw(cmd, data)
			}
			return writeBackup(cmd, args[0], data)
		}),
	}
	cmd.AddCommand(backupCheckCommand(), backupListCommand())
	return cmd
}

// makeBackup asks the running server, or else reads the database. What it
// gives has been checked.
func makeBackup(cmd *cobra.Command, cfg *config.Config) ([]byte, error) {
	c, err := command.Connect(cmd)
	if err != nil {
		return nil, err
	}
	data, err := c.Backup(cmd.Context())
	if errors.Is(err, client.ErrNotRunning) {
		data, err = readStopped(cmd, cfg)
	}
	if err != nil {
		return nil, err
	}
	if _, err := backup.Read(bytes.NewReader(data)); err != nil {
		return nil, fmt.Errorf("nothing is written: %w", err)
	}
	return data, nil
}

// Present reads what this host has: of the running server, or else of the
// database.
func Present(cmd *cobra.Command, cfg *config.Config) (*backup.Backup, error) {
	data, err := makeBackup(cmd, cfg)
	if err != nil {
		return nil, err
	}
	return backup.Read(bytes.NewReader(data))
}

func readStopped(cmd *cobra.Command, cfg *config.Config) ([]byte, error) {
	b, err := backup.FromFiles(cmd.Context(), filesOf(cfg), cfg.Service.Hostname, build.Version)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	err = backup.Write(&text, b)
	return text.Bytes(), err
}

// writeBackup writes the file and reads it again. Another backup that it
// replaces may have been readable by others; the new one is not.
func writeBackup(cmd *cobra.Command, path string, data []byte) error {
	info, err := os.Stat(path)
	if err == nil && info.Mode().IsRegular() {
		if err := os.Chmod(path, command.NewFileMode); err != nil {
			return err
		}
	}
	if err := command.WriteFile(path, data, command.NewFileMode); err != nil {
		return err
	}
	if err == nil && !info.Mode().IsRegular() { // a pipe cannot be read again
		return nil
	}
	b, err := readBackup(cmd, path)
	if err != nil {
		return err
	}
	return printBackup(cmd.OutOrStdout(), path, b)
}

func backupCheckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "check FILE|-",
		Short:   "Check a backup and say what is in it",
		Long:    "Check a backup, its checksum and each record, and say what is in it.",
		Example: "  mdserver backup check /var/backups/mdserver.backup",
		Args:    command.Exactly(1),
	}
	return view.Report(cmd, checkedBackupView, func(cmd *cobra.Command, args []string) (checkedBackup, error) {
		b, err := readBackup(cmd, args[0])
		if err != nil {
			return checkedBackup{}, err
		}
		return checkedBackup{args[0], b}, nil
	})
}

// checkedBackup is a backup that was read from a file.
type checkedBackup struct {
	path   string
	backup *backup.Backup
}

var checkedBackupView = view.View[checkedBackup]{
	Text: func(w io.Writer, c checkedBackup) error { return printBackup(w, c.path, c.backup) },
	Data: func(c checkedBackup) any { return c.backup.Header },
}

func backupListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ls",
		Short: "List the snapshots that the server has made",
		Long: `List the snapshots that the server has made, the newest first, with the reason:
one is made daily, before an import, before a restore (of the guests that are
replaced), and after a restore (of those that are restored). Each is a backup
that "mdserver restore FILE" takes. The key mdserver.snapshots sets how many are kept.`,
		Example: "  mdserver backup ls",
		Args:    command.Exactly(0),
	}
	return view.Report(cmd, view.View[[]backup.Snapshot]{Sheet: snapshotSheet}, func(cmd *cobra.Command, _ []string) ([]backup.Snapshot, error) {
		cfg, err := command.LoadConfig(cmd)
		if err != nil {
			return nil, err
		}
		return backup.Snapshots(cfg.Server.Database)
	})
}

func snapshotSheet(all []backup.Snapshot) view.Sheet {
	s := view.Sheet{Columns: []string{"FILE", "CREATED", "BYTES", "REASON"}}
	for _, file := range all {
		s.Rows = append(s.Rows, []string{file.Path, file.Created.Format(time.RFC3339), strconv.FormatInt(file.Size, 10), string(file.Reason)})
	}
	return s
}

// readBackup reads and checks a backup from a file, or from standard input if
// path is "-".
func readBackup(cmd *cobra.Command, path string) (*backup.Backup, error) {
	in, err := command.OpenInput(cmd, path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	b, err := backup.Read(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return b, nil
}

func printBackup(w io.Writer, path string, b *backup.Backup) error {
	h := b.Header
	return output.Printf(w, "%s: %s and %s of %s, %s\n",
		path, counted.Guests(h.Guests), counted.Resting(h.Resting), h.Host, h.Created.Format("2006-01-02 15:04:05 MST"))
}
