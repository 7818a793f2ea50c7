// Package keys has the keys of this host, for tokens, identity documents and ssh host
// certificates. It makes them at the first start, and keeps them the same as those of
// the hosts that share an inventory with this one.
package keys

import (
	"context"
	"log/slog"
	"sync/atomic"

	"mdserver/internal/config"
	"mdserver/internal/health"
	"mdserver/internal/identity"
	"mdserver/internal/imds"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/logging/once"
	"mdserver/internal/sharedkeys"
)

// Keys are the keys of this host.
type Keys struct {
	Identity *identity.Authority // signs identity documents
	TokenKey imds.Key            // signs tokens

	database *boltstore.Store // its notes are all keys but the identity authority
	file     string           // the identity authority's
	hostname string
	log      *slog.Logger

	sharer    *sharedkeys.Sharer              // nil: each host has keys of its own
	refresh   func(ctx context.Context) error // reads the key of ssh host certificates again
	stale     bool                            // that key has to be read again
	used      bool                            // the keys in use are shared, now or at an earlier start
	inUse     sharedkeys.Secrets              // the secrets that the server started with
	complaint once.Complaint
	trouble   atomic.Pointer[health.Trouble]
}

// Open opens the keys for tokens and identity documents, and makes them at the first
// start. Another part opens those for ssh host certificates.
func Open(ctx context.Context, cfg *config.Config, database *boltstore.Store, log *slog.Logger) (*Keys, error) {
	k := &Keys{database: database, file: cfg.Server.Identity, hostname: cfg.Service.Hostname, log: log}
	if err := k.openTokenKey(ctx); err != nil {
		return nil, err
	}
	if err := k.openIdentity(); err != nil {
		return nil, err
	}
	return k, nil
}

// openIdentity opens the authority that signs identity documents, and makes it at
// the first start.
func (k *Keys) openIdentity() error {
	authority, created, err := identity.Open(k.file, k.hostname)
	if err != nil {
		return err
	}
	k.Identity = authority
	if created {
		k.log.Info("created the key and certificate for identity documents", "path", k.file)
	}
	return nil
}

// tokenKeyName is the note in the database, which only the server can read, that
// holds the signing key of tokens.
const tokenKeyName = "imds_key"

// openTokenKey opens the signing key of tokens, and makes it at the first start.
func (k *Keys) openTokenKey(ctx context.Context) error {
	text, err := k.database.Note(ctx, tokenKeyName)
	if err != nil {
		return err
	}
	if text != "" {
		k.TokenKey, err = imds.ParseKey(text)
		return err
	}
	k.TokenKey = imds.NewKey()
	return k.database.SetNote(ctx, tokenKeyName, k.TokenKey.Text())
}
