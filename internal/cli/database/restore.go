package database

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/spf13/cobra"

	"mdserver/internal/build"
	"mdserver/internal/cli/command"
	"mdserver/internal/cli/output"
	"mdserver/internal/client"
	"mdserver/internal/config"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/backup"
	"mdserver/internal/inventory/boltstore"
)

// errRunning: a command would replace the file that a server has open.
var errRunning = errors.New("mdserver runs; stop it first: systemctl stop mdserver")

// RestoreCommand is the command restore.
func RestoreCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restore FILE|-",
		Short: "Replace the database by a backup",
		Long: `Replace the configured database and the identity authority by those of a
backup. The backup is checked first, and the former files are kept beside the
new ones; snapshots of the former and of the restored guests are made, too. Guests
that do not fit this host's configuration are listed, and restored anyway.

Stop the server first, so that no guest is registered in a database that is
about to be replaced. A restore that was interrupted can be repeated.`,
		Example: `  mdserver restore --dry-run /var/backups/mdserver.backup
  systemctl stop mdserver
  mdserver restore /var/backups/mdserver.backup
  systemctl start mdserver`,
		Args: command.Exactly(1),
	}
	dryRun := cmd.Flags().Bool("dry-run", false, "show what would change, and change nothing")
	yes := command.YesFlag(cmd)
	cmd.RunE = command.WithConfig(func(cmd *cobra.Command, cfg *config.Config, args []string) error {
		b, err := readBackup(cmd, args[0])
		if err != nil {
			return err
		}
		if err := printRestore(cmd, cfg, args[0], b); err != nil || *dryRun {
			return err
		}
		if err := mayRestore(cmd, *yes); err != nil {
			return err
		}
		saveFormer(cmd, cfg)
		return restore(cmd, cfg, b)
	})
	return cmd
}

// mayRestore checks that no server runs, and that the administrator agrees.
func mayRestore(cmd *cobra.Command, yes bool) error {
	c, err := command.Connect(cmd)
	if err != nil {
		return err
	}
	if _, err := c.Status(cmd.Context()); err == nil {
		return errRunning
	}
	return mayReplace(cmd, yes)
}

// mayReplace checks that the administrator agrees.
func mayReplace(cmd *cobra.Command, yes bool) error {
	if yes {
		return nil
	}
	if err := command.NeedsTerminal(cmd, "to replace the database"); err != nil {
		return err
	}
	return command.Confirm(cmd, "Replace the database?")
}

// saveFormer makes a snapshot of the database before it is replaced. A database
// that is damaged has none; a copy of it is kept in any case.
func saveFormer(cmd *cobra.Command, cfg *config.Config) {
	if cfg.Server.Snapshots == 0 {
		return
	}
	present, err := backup.FromFiles(cmd.Context(), filesOf(cfg), cfg.Service.Hostname, build.Version)
	if err == nil && present.Header.Guests > 0 {
		present.Header.Reason = backup.BeforeRestore
		err = backup.Save(cfg.Server.Database, present, cfg.Server.Snapshots)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		output.Printf(cmd.OutOrStdout(), "no snapshot of the present database was made: %v\n", err)
	}
}

// saveRestored makes a snapshot of what was restored. So the newest snapshot is
// not one of the database that was replaced.
func saveRestored(cmd *cobra.Command, cfg *config.Config, b *backup.Backup) {
	if cfg.Server.Snapshots == 0 {
		return
	}
	restored := backup.New(cfg.Service.Hostname, build.Version, b.Table, b.Notes, b.Identity)
	restored.Header.Reason = backup.Restored
	if err := backup.Save(cfg.Server.Database, restored, cfg.Server.Snapshots); err != nil {
		output.Printf(cmd.OutOrStdout(), "no snapshot of the restored database was made: %v\n", err)
	}
}

// filesOf are the files that a backup contains.
func filesOf(cfg *config.Config) backup.Files {
	return backup.Files{Database: cfg.Server.Database, Identity: cfg.Server.Identity}
}

func restore(cmd *cobra.Command, cfg *config.Config, b *backup.Backup) error {
	former, err := backup.Restore(filesOf(cfg), b)
	for _, name := range former {
		output.Printf(cmd.OutOrStdout(), "kept: %s\n", name)
	}
	if errors.Is(err, boltstore.ErrInUse) {
		return errRunning
	}
	if err != nil {
		return err
	}
	saveRestored(cmd, cfg, b)
	return output.Printf(cmd.OutOrStdout(), "restored %s; start the server: systemctl start mdserver\n", cfg.Server.Database)
}

// printRestore shows what a restore changes, and what does not fit this host.
func printRestore(cmd *cobra.Command, cfg *config.Config, path string, b *backup.Backup) error {
	out := cmd.OutOrStdout()
	if err := printBackup(cmd.OutOrStdout(), path, b); err != nil {
		return err
	}
	present, err := presentGuests(cmd, cfg)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		output.Printf(out, "the present database cannot be compared: %v\n", err)
	}
	c := backup.Compare(present, b.Table.Instances)
	for _, change := range []struct {
		what  string
		names []string
	}{{"added", c.Added}, {"removed", c.Removed}, {"changed", c.Changed}} {
		for _, name := range change.names {
			output.Printf(out, "%s: %s\n", change.what, name)
		}
	}
	for _, guest := range b.Table.Instances {
		for _, problem := range Misfits(cfg, &guest) {
			output.Printf(out, "does not fit: %s: %s\n", guest.Name, problem)
		}
	}
	return nil
}

// presentGuests are the guests of the running server, or else of the sound
// part of the database.
func presentGuests(cmd *cobra.Command, cfg *config.Config) ([]instance.Instance, error) {
	c, err := command.Connect(cmd)
	if err != nil {
		return nil, err
	}
	data, err := c.Backup(cmd.Context())
	if err == nil {
		b, err := backup.Read(bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		return b.Table.Instances, nil
	}
	if !errors.Is(err, client.ErrNotRunning) {
		return nil, err
	}
	reader, err := boltstore.OpenReader(cfg.Server.Database)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	table, err := reader.Load(cmd.Context())
	return table.Instances, err
}

// Misfits says what of a guest does not fit the configured networks. The
// addresses of a network that libvirt runs are not known here, nor the ranges of
// other hosts.
func Misfits(cfg *config.Config, guest *instance.Instance) []string {
	var problems []string
	for _, place := range guest.Attachments() {
		i := slices.IndexFunc(cfg.Networks, func(n config.Network) bool { return n.Name == place.Network })
		if i < 0 {
			problems = append(problems, fmt.Sprintf("its network %q is not configured", place.Network))
			continue
		}
		n := cfg.Networks[i]
		if n.Backend == config.BackendLibvirt || n.Scope == config.ScopeHost && cfg.Store.Backend == config.BackendEtcd {
			continue
		}
		for _, addr := range place.Addrs() {
			if !n.Network.Contains(addr) && !n.Network6.Contains(addr) {
				problems = append(problems, fmt.Sprintf("its address %s is outside the network %q", addr, n.Name))
			}
		}
	}
	return problems
}
