// Package store opens what the inventory is kept in: the database of this host, and
// etcd if the configuration says so. It changes from one to the other where an
// administrator has ordered that.
package store

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/google/renameio/v2"

	"mdserver/internal/build"
	"mdserver/internal/config"
	"mdserver/internal/etcd"
	"mdserver/internal/fleet"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/backup"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/inventory/etcdstore"
	"mdserver/internal/inventory/migrate"
	"mdserver/internal/inventory/storage"
	"mdserver/internal/sealed"
	"mdserver/internal/sharedkeys"
)

// Check reports whether the inventory can be kept where [store] wants it. It
// does not connect.
func Check(cfg *config.Config) error {
	if cfg.Store.Backend != config.BackendEtcd {
		return nil
	}
	err := etcd.CheckFiles(cfg.Store)
	if cfg.Store.Key != "" {
		if _, keyErr := sealed.ReadFile(cfg.Store.Key); keyErr != nil {
			err = errors.Join(err, fmt.Errorf("store.key: %w", keyErr))
		}
	}
	return err
}

// Store is what the inventory is kept in.
type Store struct {
	Inventory storage.Store    // the database, or etcd; who opens an inventory with it closes it, too
	Database  *boltstore.Store // of this host: its notes stay there, such as the key of tokens

	// Without etcd, these are nil and empty.
	Etcd   *etcd.Client
	Shared *etcdstore.Store // the inventory in etcd
	Fleet  *fleet.Fleet     // the hosts that share it
	HostID string           // of this host there

	log *slog.Logger
}

// Open opens the database, and etcd with the database for what is known of it if the
// configuration says so. A failure leaves nothing open. ErrDatabase means that the database
// cannot be used. The connection to etcd lasts until ctx ends or CloseEtcd is called.
func Open(ctx context.Context, cfg *config.Config, log *slog.Logger) (*Store, error) {
	if err := Check(cfg); err != nil {
		return nil, err
	}
	database, err := openDatabase(cfg.Server.Database, log)
	if err != nil {
		return nil, err
	}
	s := &Store{Database: database, log: log}
	if cfg.Store.Backend == config.BackendEtcd {
		err = s.openEtcd(ctx, cfg)
	} else {
		s.Inventory = database
		err = s.leaveEtcd(ctx, cfg)
	}
	if err != nil {
		return nil, errors.Join(err, database.Close())
	}
	return s, nil
}

// CloseEtcd closes the connection to etcd, if there is one.
func (s *Store) CloseEtcd() error {
	if s.Etcd == nil {
		return nil
	}
	return s.Etcd.Close()
}

// Drained reports whether this host is out of service, as far as it knows.
func (s *Store) Drained() bool {
	if s.Fleet == nil {
		return false
	}
	since, _ := s.Fleet.Drained()
	return !since.IsZero()
}

// SharedNotes are the notes that hosts share, or nil without etcd.
func (s *Store) SharedNotes() sharedkeys.Notes {
	if s.Shared == nil {
		return nil
	}
	return s.Shared
}

// openEtcd opens the inventory in etcd. All that fails leaves the connection closed.
func (s *Store) openEtcd(ctx context.Context, cfg *config.Config) error {
	var err error
	if s.HostID, err = openHostID(ctx, cfg, s.Database); err != nil {
		return err
	}
	if s.Etcd, err = etcd.Open(ctx, cfg.Store, s.log); err != nil {
		return err
	}
	if s.Shared, err = etcdstore.Open(ctx, s.shared(cfg)); err != nil {
		return errors.Join(err, s.CloseEtcd())
	}
	s.Inventory = s.Shared
	s.Fleet = fleet.New(fleet.Options{Client: s.Etcd.Client, Prefix: cfg.Store.Prefix, ID: s.HostID, Name: HostName(cfg),
		Version: build.Version, Log: s.log.With("part", "fleet")})
	return nil
}

// shared are the options of the inventory in etcd.
func (s *Store) shared(cfg *config.Config) etcdstore.Options {
	return etcdstore.Options{Client: s.Etcd.Client, Prefix: cfg.Store.Prefix, Cache: s.Database, Log: s.log,
		Join: func(ctx context.Context, ours instance.Table) (etcdstore.Joining, error) {
			return s.join(ctx, cfg, ours)
		}}
}

// openHostID gives the ID of this host, which guests that were copied into etcd have
// already.
func openHostID(ctx context.Context, cfg *config.Config, database *boltstore.Store) (string, error) {
	order, err := migrate.ReadOrder(cfg.Server.Database)
	if err == nil && order.HostID != "" {
		return etcdstore.ChooseHostID(ctx, database, order.HostID)
	}
	return etcdstore.HostID(ctx, database) // an order that cannot be read is reported when it is followed
}

// join prepares to bring guests of the database into etcd, as the administrator has
// ordered.
func (s *Store) join(ctx context.Context, cfg *config.Config, ours instance.Table) (etcdstore.Joining, error) {
	path := cfg.Server.Database
	join, err := migrate.NewJoin(path, cfg.Store.Prefix, migrate.Host{Name: HostName(cfg), ID: s.HostID}, ours, s.log)
	if err != nil {
		return nil, err
	}
	return join, s.saveFormer(ctx, cfg, ours, config.BackendEtcd)
}

// leaveEtcd makes a cache of etcd the database of this host alone. Guests of other
// hosts are only removed from it if the administrator has ordered that.
func (s *Store) leaveEtcd(ctx context.Context, cfg *config.Config) error {
	path, database := cfg.Server.Database, s.Database
	known, err := etcdstore.Inventory(ctx, database)
	if err != nil || known == "" {
		return err
	}
	order, err := migrate.ReadOrder(path)
	if err != nil {
		return err
	}
	if order.To == config.BackendBolt {
		table, err := database.Load(ctx)
		if err != nil {
			return err
		}
		if err := s.saveFormer(ctx, cfg, table, config.BackendBolt); err != nil {
			return err
		}
		id, err := etcdstore.HostID(ctx, database)
		if err != nil {
			return err
		}
		removed, err := order.Leave(ctx, database, migrate.Host{ID: id})
		if err != nil {
			return err
		}
		s.log.Info("the database has the guests of this host alone from now on; its state before is a backup",
			"removed", len(removed), "backup", migrate.Former(path, config.BackendBolt))
	}
	return errors.Join(etcdstore.Detach(ctx, database), migrate.RemoveOrder(path))
}

// saveFormer makes a backup of the table before the server changes over to a backend.
func (s *Store) saveFormer(ctx context.Context, cfg *config.Config, table instance.Table, to string) error {
	notes, err := s.Database.Notes(ctx)
	if err != nil {
		return err
	}
	authority, err := backup.ReadIdentity(cfg.Server.Identity)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := backup.Write(&text, backup.New(cfg.Service.Hostname, build.Version, table, notes, authority)); err != nil {
		return err
	}
	return renameio.WriteFile(migrate.Former(cfg.Server.Database, to), text.Bytes(), 0o600)
}

// HostName is the name of this host among those that share an inventory.
func HostName(cfg *config.Config) string {
	name, _ := os.Hostname() // it fails only without /proc
	return cmp.Or(cfg.Store.Host, name)
}
