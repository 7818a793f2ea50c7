// Package store has the commands that check the inventory in etcd, and move it there or
// back.
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"mdserver/internal/cli/command"
	"mdserver/internal/cli/exit"
	"mdserver/internal/config"
	"mdserver/internal/etcd"
)

// Command is the command store, with those below it.
func Command() *cobra.Command {
	return command.Group(&cobra.Command{
		Use:     "store",
		Short:   "Check the inventory in etcd, or move it there or back",
		Example: "  sudo mdserver store check",
	}, checkCommand(), migrateCommand(), keyCommand())
}

// withEtcd calls a function with a client for the cluster in the configuration. The
// backend in use may be another one.
func withEtcd(cmd *cobra.Command, cfg *config.Config, f func(client *etcd.Client) error) error {
	if len(cfg.Store.Endpoints) == 0 {
		return exit.With(exit.Unreadable, fmt.Errorf("%s: store.endpoints is not set, accepted: the members of an etcd cluster", command.ConfigFile(cmd, nil)))
	}
	client, err := etcd.Open(cmd.Context(), cfg.Store, slog.New(slog.DiscardHandler))
	if err != nil {
		return exit.With(exit.Unreadable, err)
	}
	err = f(client)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("etcd does not answer: %w", err)
	}
	return errors.Join(err, client.Close())
}
