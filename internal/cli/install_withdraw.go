package cli

import (
	"context"
	"maps"
	"slices"

	"mdserver/internal/config"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/libvirt/connection"
	"mdserver/internal/libvirt/network"
)

// withdraw removes the entries that the database notes as mdserver's from
// libvirt's networks, except from those that are named.
func withdraw(ctx context.Context, cfg *config.Config, except []string) ([]network.Withdrawal, error) {
	notes, err := boltstore.Notes(cfg.Server.Database, network.NotePrefix)
	if err != nil {
		return nil, err
	}
	endpoint := connection.Endpoint{Session: cfg.Libvirt.URI.Session, Socket: cfg.Libvirt.URI.Socket}
	var all []network.Withdrawal
	for _, name := range slices.Sorted(maps.Keys(notes)) {
		if !slices.Contains(except, name) {
			all = append(all, network.Withdraw(ctx, endpoint, name, notes[name]))
		}
	}
	return all, nil
}
