package store

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/command"
	"mdserver/internal/cli/output"
	"mdserver/internal/config"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/sealed"
)

func keyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "key FILE",
		Short: "Make a key that seals what hosts share in etcd",
		Long: `Make a random key that seals what hosts share in etcd: the key of tokens, the
identity authority and the ssh host authority. The file is for the server's user
alone. Copy it to all hosts by a safe way, and set store.key to its name there. The
first host that starts with it shares its keys; the others use those from then on.

A file may have several keys, one a line: the first one seals, and each one opens.`,
		Example: `  sudo mdserver store key /etc/mdserver/store.key`,
		Args:    command.Exactly(1),
		RunE: command.WithConfig(func(cmd *cobra.Command, cfg *config.Config, args []string) error {
			return writeKey(cmd, cfg.Server.Database, args[0])
		}),
	}
}

// writeKey makes a file with a key. It replaces no file, because a key that is lost
// opens nothing any more.
func writeKey(cmd *cobra.Command, database, path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, command.NewFileMode)
	if errors.Is(err, os.ErrExist) {
		return errors.New(path + " exists; a key is not replaced, because what was sealed with it would be lost")
	}
	if err != nil {
		return err
	}
	_, err = file.WriteString(sealed.NewKey())
	err = errors.Join(err, file.Chmod(command.NewFileMode), file.Sync(), file.Close(), boltstore.GiveToService(database, path))
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return output.Printf(cmd.OutOrStdout(), "made %s; copy it to all hosts, and set store.key there\n", path)
}
