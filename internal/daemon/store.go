package daemon

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/google/renameio/v2"

	"mdserver/internal/build"
	"mdserver/internal/config"
	"mdserver/internal/etcd"
	"mdserver/internal/fleet"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/backup"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/inventory/etcdstore"
	"mdserver/internal/inventory/migrate"
	"mdserver/internal/sealed"
)

// CheckStore reports whether the inventory can be kept where [store] wants it. It
// does not connect.
func CheckStore(cfg *config.Config) error {
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

// openStore gives the store of the inventory: the database itself, or etcd, with the
// database for what is known of it. Notes such as the key of tokens stay in the
// database of each host.
func (d *Daemon) openStore(ctx context.Context, cfg *config.Config, database *boltstore.Store) (inventory.Store, error) {
	if cfg.Store.Backend != config.BackendEtcd {
		return database, d.leaveEtcd(ctx, cfg, database)
	}
	var err error
	if d.hostID, err = openHostID(ctx, cfg, database); err != nil {
		return nil, err
	}
	if d.etcd, err = etcd.Open(cfg.Store, d.log); err != nil {
		return nil, err
	}
	store, err := etcdstore.Open(ctx, etcdstore.Options{Client: d.etcd.Client, Prefix: cfg.Store.Prefix, Cache: database, Log: d.log,
		Join: func(ctx context.Context, ours instance.Table) (etcdstore.Joining, error) {
			return d.join(ctx, cfg, ours)
		}})
	if err != nil {
		return nil, errors.Join(err, d.closeEtcd())
	}
	d.shared = store
	d.fleet = fleet.New(fleet.Options{Client: d.etcd.Client, Prefix: cfg.Store.Prefix, ID: d.hostID, Name: ownName(cfg),
		Version: build.Version, Log: d.log.With("part", "fleet")})
	return store, nil
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
func (d *Daemon) join(ctx context.Context, cfg *config.Config, ours instance.Table) (etcdstore.Joining, error) {
	path := cfg.Server.Database
	join, err := migrate.NewJoin(path, cfg.Store.Prefix, migrate.Host{Name: hostName(cfg), ID: d.hostID}, ours, d.log)
	if err != nil {
		return nil, err
	}
	return join, d.saveFormer(ctx, cfg, ours, config.BackendEtcd)
}

// leaveEtcd makes a cache of etcd the database of this host alone. Guests of other
// hosts are only removed from it if the administrator has ordered that.
func (d *Daemon) leaveEtcd(ctx context.Context, cfg *config.Config, database *boltstore.Store) error {
	path := cfg.Server.Database
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
		if err := d.saveFormer(ctx, cfg, table, config.BackendBolt); err != nil {
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
		d.log.Info("the database has the guests of this host alone from now on; its state before is a backup",
			"removed", len(removed), "backup", migrate.Former(path, config.BackendBolt))
	}
	return errors.Join(etcdstore.Detach(ctx, database), migrate.RemoveOrder(path))
}

// saveFormer makes a backup of the table before the server changes over to a backend.
func (d *Daemon) saveFormer(ctx context.Context, cfg *config.Config, table instance.Table, to string) error {
	notes, err := d.store.Notes(ctx)
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

func (d *Daemon) closeEtcd() error {
	if d.etcd == nil {
		return nil
	}
	return d.etcd.Close()
}

// hostName is the name of this host among those that share the inventory.
func hostName(cfg *config.Config) string {
	if cfg.Store.Backend != config.BackendEtcd {
		return ""
	}
	return ownName(cfg)
}

func ownName(cfg *config.Config) string {
	name, _ := os.Hostname() // it fails only without /proc
	return cmp.Or(cfg.Store.Host, name)
}

func (d *Daemon) closeInventory() error { return errors.Join(d.inventory.Close(), d.closeEtcd()) }

// refusesStart reports whether a failure ends the start. A change that etcd has not
// taken does not: it is tried again, and guests are served without it.
func (d *Daemon) refusesStart(err error) bool {
	if d.etcd != nil && errors.Is(err, inventory.ErrStore) {
		d.log.Error("etcd has not taken a change at the start; guests are served as they are known", "error", err)
		return false
	}
	return err != nil
}
