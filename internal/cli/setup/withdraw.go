package setup

import (
	"context"
	"errors"
	"io/fs"
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
	notes, err := entryNotes(ctx, cfg.Server.Database)
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

// entryNotes returns the notes on the entries in libvirt's networks, by network.
// A database that is not there has none.
func entryNotes(ctx context.Context, database string) (map[string]string, error) {
	reader, err := boltstore.OpenReader(database)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	all, err := reader.Notes(ctx)
	if err != nil {
		return nil, err
	}
	return network.EntryNotes(all), nil
}
