package daemon

import (
	"context"
	"errors"
	"os"

	"mdserver/internal/config"
	"mdserver/internal/etcd"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/inventory/etcdstore"
)

// CheckStore reports whether the inventory can be kept where [store] wants it. It
// does not connect.
func CheckStore(cfg *config.Config) error {
	if cfg.Store.Backend != config.BackendEtcd {
		return nil
	}
	return etcd.CheckFiles(cfg.Store)
}

// openStore gives the store of the inventory: the database itself, or etcd, with the
// database for what is known of it. Notes such as the key of tokens stay in the
// database of each host.
func (d *Daemon) openStore(ctx context.Context, cfg *config.Config, database *boltstore.Store) (inventory.Store, error) {
	if cfg.Store.Backend != config.BackendEtcd {
		return database, etcdstore.Detach(ctx, database)
	}
	var err error
	if d.etcd, err = etcd.Open(cfg.Store, d.log); err != nil {
		return nil, err
	}
	store, err := etcdstore.Open(ctx, etcdstore.Options{Client: d.etcd.Client, Prefix: cfg.Store.Prefix, Cache: database, Log: d.log})
	if err != nil {
		return nil, errors.Join(err, d.closeEtcd())
	}
	d.shared = store
	return store, nil
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
	name, _ := os.Hostname() // it fails only without /proc
	return name
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
