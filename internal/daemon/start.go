package daemon

import (
	"context"
	"errors"

	"mdserver/internal/config"
	"mdserver/internal/daemon/store"
	"mdserver/internal/daemon/upkeep"
	"mdserver/internal/identity"
	"mdserver/internal/imds"
	"mdserver/internal/inventory"
	"mdserver/internal/networks"
)

// openInventory opens the store and, at the first start, takes over the guests of
// the Python mdserver's. All that fails leaves the store closed.
func (d *Daemon) openInventory(ctx context.Context, cfg *config.Config) (*inventory.Inventory, error) {
	var err error
	if d.store, err = store.Open(ctx, cfg, d.log); err != nil {
		return nil, err
	}
	inv, err := inventory.Open(ctx, d.store.Inventory, d.inventoryOptions(cfg, networks.Configured(cfg)))
	if err != nil {
		return nil, errors.Join(err, d.store.Inventory.Close(), d.store.CloseEtcd())
	}
	d.upkeep = upkeep.New(inv, d.store.Database, d.config.Load, d.log)
	if err := d.upkeep.CompleteAsides(); err != nil {
		d.log.Error("records that were set aside could not be completed from a snapshot", "error", err)
	}
	inv.Reconfigure(d.inventoryOptions(cfg, networks.Configured(cfg))) // with what is withheld now
	if err := d.importLegacy(ctx, cfg.Server.DBFile, d.store.Database, inv); d.refusesStart(err) {
		return nil, errors.Join(err, inv.Close(), d.store.CloseEtcd())
	}
	if d.tokenKey, err = tokenKey(ctx, d.store.Database); err != nil {
		return nil, errors.Join(err, inv.Close(), d.store.CloseEtcd())
	}
	return inv, nil
}

// refusesStart reports whether a failure ends the start. A change that etcd has not
// taken does not: it is tried again, and guests are served without it.
func (d *Daemon) refusesStart(err error) bool {
	if d.store.Etcd != nil && errors.Is(err, inventory.ErrStore) {
		d.log.Error("etcd has not taken a change at the start; guests are served as they are known", "error", err)
		return false
	}
	return err != nil
}

func (d *Daemon) closeInventory() error { return errors.Join(d.inventory.Close(), d.store.CloseEtcd()) }

// openIdentity opens the authority that signs identity documents, and makes it at
// the first start.
func (d *Daemon) openIdentity(cfg *config.Config) (*identity.Authority, error) {
	path := cfg.Server.Identity
	authority, created, err := identity.Open(path, cfg.Service.Hostname)
	if err != nil {
		return nil, err
	}
	if created {
		d.log.Info("created the key and certificate for identity documents", "path", path)
	}
	return authority, nil
}

// tokenKeyName is the note in the database, which only the server can read, that
// holds the signing key of tokens.
const tokenKeyName = "imds_key"

func tokenKey(ctx context.Context, store inventory.Store) (imds.Key, error) {
	text, err := store.Note(ctx, tokenKeyName)
	if err != nil {
		return imds.Key{}, err
	}
	if text != "" {
		return imds.ParseKey(text)
	}
	key := imds.NewKey()
	return key, store.SetNote(ctx, tokenKeyName, key.Text())
}
