package host

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"mdserver/internal/config"
	"mdserver/internal/etcd/cluster"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/backup"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/inventory/storage"
)

// Guests are those of the server, or of its database while it does not run.
type Guests struct {
	List []instance.Instance
	Err  error
}

// Database is the file with the guests. While the server runs, only Asides and
// Withheld are read.
type Database struct {
	Err      error // why it cannot be read: an error of boltstore.OpenReader
	Exists   bool
	Guests   int
	Damage   []boltstore.Finding
	Snapshot string // the newest that can be read, if the database cannot

	Asides      []string // files with records that were set aside
	Withheld    []storage.Withheld
	WithheldErr error
}

func readDatabase(ctx context.Context, path string, client Client, s Server) (Database, Guests) {
	d := Database{Asides: boltstore.Asides(path)}
	d.Withheld, d.WithheldErr = boltstore.Withheld(path)
	var guests Guests
	if s.Running() {
		guests.List, guests.Err = client.Instances(ctx)
		return d, guests
	}
	guests.List, d.Damage, d.Err = openDatabase(ctx, path)
	d.Guests = len(guests.List)
	if !errors.Is(d.Err, fs.ErrNotExist) { // without a database, there are no guests
		guests.Err = d.Err
	}
	if d.Err != nil {
		_, err := os.Stat(path)
		d.Exists = err == nil
		d.Snapshot = backup.NewestSound(path)
	}
	return d, guests
}

// openDatabase returns the sound guests of a database that no server has open, and
// what is wrong with it. Errors: those of boltstore.OpenReader.
func openDatabase(ctx context.Context, path string) ([]instance.Instance, []boltstore.Finding, error) {
	reader, err := boltstore.OpenReader(path)
	if err != nil {
		return nil, nil, err
	}
	defer reader.Close()
	table, err := reader.Load(ctx)
	return table.Instances, reader.Findings(), err
}

// Store is the etcd cluster that has the inventory, if one has.
type Store struct {
	Found cluster.Inspection
	Err   error // files in the configuration cannot be used
}

func readStore(ctx context.Context, cfg config.Store, inspect Inspect) Store {
	if cfg.Backend != config.BackendEtcd {
		return Store{}
	}
	found, err := inspect(ctx, cfg)
	return Store{found, err}
}
