package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/renameio/v2"

	"mdserver/internal/config"
	"mdserver/internal/health"
	"mdserver/internal/hostkeys"
	"mdserver/internal/identity"
	"mdserver/internal/inventory/backup"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/logging/once"
	"mdserver/internal/pace"
	"mdserver/internal/sealed"
	"mdserver/internal/sharedkeys"
)

const (
	// identitySecret is the name of the identity authority among the shared keys. The
	// others have those of their notes.
	identitySecret = "identity"
	// keysNote is what this host remembers of the shared keys.
	keysNote = "store/keys"

	keysPeriod = 5 * time.Second
	// keysPatience bounds how long a start waits for the shared keys.
	keysPatience = 1500 * time.Millisecond
)

// fixedSecrets are the shared keys that no host replaces, and that a server reads at its
// start alone.
var fixedSecrets = []string{identitySecret, tokenKeyName}

// secretNotes are the notes that hosts share.
func secretNotes() []string { return append(hostkeys.SecretNotes(), tokenKeyName) }

// sharedKeys are the keys that this host shares with others.
type sharedKeys struct {
	sharer    sharedkeys.Sharer
	used      bool // the ones in use are shared, now or at an earlier start
	complaint once.Complaint
	trouble   atomic.Pointer[health.Trouble]
}

// useSharedKeys replaces this host's keys by the shared ones before they are used, if
// the configuration has a file for that. If etcd does not answer, the host uses what it
// has: the shared keys, except at its first start.
func (d *Daemon) useSharedKeys(ctx context.Context, cfg *config.Config) error {
	if d.store.Shared == nil || cfg.Store.Key == "" {
		return nil
	}
	keys, err := sealed.ReadFile(cfg.Store.Key)
	if err != nil {
		return fmt.Errorf("store.key: %w", err)
	}
	mayChange := func(name string) bool { return !slices.Contains(fixedSecrets, name) }
	d.keys = &sharedKeys{sharer: sharedkeys.Sharer{Notes: d.store.Shared, Keys: keys, Changes: mayChange}}
	limited, cancel := context.WithTimeout(ctx, keysPatience)
	defer cancel()
	if d.keys.used, err = d.knowsKeys(ctx); err != nil {
		return err
	}
	changed, failure := d.syncKeys(limited, cfg)
	d.noteKeys(failure)
	if d.keys.used, err = d.knowsKeys(ctx); err != nil {
		return err
	}
	if d.tokenKey, err = tokenKey(ctx, d.store.Database); err != nil {
		return err
	}
	if d.keys.used {
		d.tokenKey = d.tokenKey.Shared()
	}
	if !changed {
		return nil
	}
	d.log.Info("this host uses the keys that the hosts share", "key", cfg.Store.Key)
	if d.identity, err = d.openIdentity(cfg); err != nil {
		return err
	}
	return d.ssh.authority.Refresh(ctx)
}

// followKeys shares what this host changes, and takes what others have changed, until
// ctx ends.
func (d *Daemon) followKeys(ctx context.Context) {
	if d.keys == nil {
		return
	}
	restart := false
	pace.Every(ctx, keysPeriod, func() {
		needed, err := d.exchangeKeys(ctx)
		restart = restart || needed
		if err != nil || !restart {
			d.noteKeys(err)
			return
		}
		d.keys.trouble.Store(&health.Trouble{Part: "keys", State: health.Warning, Look: []string{"systemctl restart mdserver"},
			Message: "this host has got the keys that the hosts share, and uses them after a restart"})
	})
}

// exchangeKeys shares keys once, and reports whether the server has to be restarted to
// use those that it got.
func (d *Daemon) exchangeKeys(ctx context.Context) (restart bool, err error) {
	limited, cancel := context.WithTimeout(ctx, keysPeriod)
	defer cancel()
	before, err := d.ownKeys(limited)
	if err != nil {
		return false, err
	}
	changed, err := d.syncKeys(limited, d.config.Load())
	if err != nil || !changed {
		return false, err
	}
	after, err := d.ownKeys(limited)
	if err != nil {
		return true, err // what was replaced is not known any more
	}
	restart = !d.keys.used || slices.ContainsFunc(fixedSecrets, func(name string) bool { return before[name] != after[name] })
	return restart, d.ssh.authority.Refresh(ctx)
}

// noteKeys keeps why the keys could not be shared. An etcd that does not answer has a
// trouble of its own, as long as the keys in use are the shared ones.
func (d *Daemon) noteKeys(err error) {
	if err == nil {
		d.keys.trouble.Store(nil)
		d.keys.complaint.New(nil)
		return
	}
	foreign := errors.Is(err, sealed.ErrOtherKey) || errors.Is(err, sealed.ErrDamaged)
	if d.keys.used && !foreign {
		return
	}
	message := "this host uses keys of its own for tokens, identity documents and ssh host certificates: " + err.Error()
	if d.keys.used {
		message = "this host uses the shared keys as it knew them: " + err.Error()
	}
	if foreign {
		message += "; copy the file store.key from another host"
	}
	d.keys.trouble.Store(&health.Trouble{Part: "keys", State: health.Wrong, Message: message, Look: []string{"mdserver store check"}})
	if d.keys.complaint.New(err) {
		d.log.Error("the keys that the hosts share cannot be used; guests are served with this host's own", "error", err)
	}
}

// syncKeys shares keys once, and reports whether those of this host have changed.
func (d *Daemon) syncKeys(ctx context.Context, cfg *config.Config) (changed bool, err error) {
	own, err := d.ownKeys(ctx)
	if err != nil {
		return false, err
	}
	last, err := d.lastKeys(ctx)
	if err != nil {
		return false, err
	}
	now, state, err := d.keys.sharer.Sync(ctx, own, last)
	if err != nil {
		return false, err
	}
	for name, secret := range own {
		if now[name] != secret {
			changed = true
			if err := d.keepKey(ctx, cfg, name, now[name]); err != nil {
				return changed, err
			}
		}
	}
	if maps.Equal(state, last) {
		return changed, nil
	}
	text, err := json.Marshal(state)
	if err != nil {
		return changed, err
	}
	return true, d.store.Database.SetNote(ctx, keysNote, string(text)) // also if they are this host's own, which are shared from now on
}

// ownKeys are the keys of this host.
func (d *Daemon) ownKeys(ctx context.Context) (sharedkeys.Secrets, error) {
	notes, err := d.store.Database.Notes(ctx)
	if err != nil {
		return nil, err
	}
	own := sharedkeys.Secrets{}
	for _, name := range secretNotes() {
		own[name] = notes[name]
	}
	own[identitySecret], err = backup.ReadIdentity(d.config.Load().Server.Identity)
	return own, err
}

// knowsKeys reports whether this host has the shared keys.
func (d *Daemon) knowsKeys(ctx context.Context) (bool, error) {
	state, err := d.lastKeys(ctx)
	return len(state) > 0, err
}

func (d *Daemon) lastKeys(ctx context.Context) (state sharedkeys.State, err error) {
	text, err := d.store.Database.Note(ctx, keysNote)
	if err != nil || text == "" {
		return nil, err
	}
	return state, json.Unmarshal([]byte(text), &state)
}

// keepKey stores a shared key in the place of this host's own.
func (d *Daemon) keepKey(ctx context.Context, cfg *config.Config, name, secret string) error {
	if name != identitySecret {
		return d.store.Database.SetNote(ctx, name, secret)
	}
	if err := identity.Check([]byte(secret)); err != nil {
		return fmt.Errorf("the identity authority that the hosts share: %w", err)
	}
	path := cfg.Server.Identity
	if _, err := boltstore.KeepFormer(path); err != nil {
		return err
	}
	return renameio.WriteFile(path, []byte(secret), 0o600)
}

func (d *Daemon) keysTrouble() []health.Trouble {
	if d.keys == nil {
		return nil
	}
	if trouble := d.keys.trouble.Load(); trouble != nil {
		return []health.Trouble{*trouble}
	}
	return nil
}
