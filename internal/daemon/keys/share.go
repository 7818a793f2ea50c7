package keys

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/renameio/v2"

	"mdserver/internal/config"
	"mdserver/internal/health"
	"mdserver/internal/hostkeys"
	"mdserver/internal/identity"
	"mdserver/internal/inventory/backup"
	"mdserver/internal/inventory/boltstore"
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

	period = 5 * time.Second
	// patience bounds how long a start waits for the shared keys.
	patience = 1500 * time.Millisecond
)

// fixedSecrets are the shared keys that no host replaces, and that a server reads at its
// start alone.
var fixedSecrets = []string{identitySecret, tokenKeyName}

// secretNotes are the notes that hosts share.
func secretNotes() []string { return append(hostkeys.SecretNotes(), tokenKeyName) }

// Share replaces this host's keys by the shared ones before they are used, if hosts share
// notes and the configuration has a file for that; notes is nil without etcd. refresh reads the key of ssh host certificates
// again, which is one of them, now and later. If etcd does not answer, the host uses
// what it has: the shared keys, except at its first start.
func (k *Keys) Share(ctx context.Context, cfg *config.Config, notes sharedkeys.Notes, refresh func(ctx context.Context) error) error {
	if notes == nil || cfg.Store.Key == "" {
		return nil
	}
	return k.share(ctx, cfg.Store.Key, notes, refresh)
}

// share is Share with the path of the key file.
func (k *Keys) share(ctx context.Context, file string, notes sharedkeys.Notes, refresh func(ctx context.Context) error) error {
	seals, err := sealed.ReadFile(file)
	if err != nil {
		return fmt.Errorf("store.key: %w", err)
	}
	mayChange := func(name string) bool { return !slices.Contains(fixedSecrets, name) }
	k.sharer, k.refresh = &sharedkeys.Sharer{Notes: notes, Keys: seals, Changes: mayChange}, refresh
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if k.used, err = k.hasShared(ctx); err != nil {
		return err
	}
	changed, failure := k.sync(limited)
	k.note(failure)
	if k.used, err = k.hasShared(ctx); err != nil {
		return err
	}
	if err := k.openTokenKey(ctx); err != nil {
		return err
	}
	if k.used {
		k.TokenKey = k.TokenKey.Shared()
	}
	if k.inUse, err = k.own(ctx); err != nil {
		return err
	}
	if !changed {
		return nil
	}
	k.log.Info("this host uses the keys that the hosts share", "key", file)
	if err := k.openIdentity(); err != nil {
		return err
	}
	return k.refresh(ctx)
}

// Shared reports whether the configuration asks for keys that hosts share.
func (k *Keys) Shared() bool { return k.sharer != nil }

// Follow shares what this host changes, and takes what others have changed, until
// ctx ends.
func (k *Keys) Follow(ctx context.Context) {
	if k.sharer == nil {
		return
	}
	pace.Every(ctx, period, func() { k.followOnce(ctx) })
}

func (k *Keys) followOnce(ctx context.Context) {
	restart, err := k.exchange(ctx)
	if err != nil || !restart {
		k.note(err)
		return
	}
	k.trouble.Store(&health.Trouble{Part: "keys", State: health.Warning, Look: []string{"systemctl restart mdserver"},
		Message: "this host has got the keys that the hosts share, and uses them after a restart"})
}

// exchange shares keys once, and reports whether the server has to be restarted to
// use those that the host has now.
func (k *Keys) exchange(ctx context.Context) (restart bool, err error) {
	limited, cancel := context.WithTimeout(ctx, period)
	defer cancel()
	changed, err := k.sync(limited)
	k.stale = k.stale || changed
	if err != nil {
		return false, err
	}
	if k.stale {
		if err := k.refresh(ctx); err != nil {
			return false, err
		}
		k.stale = false
	}
	return k.needsRestart(limited)
}

// needsRestart reports whether this server runs with keys other than the host has, or started
// before the host shared its keys.
func (k *Keys) needsRestart(ctx context.Context) (bool, error) {
	own, err := k.own(ctx)
	if err != nil {
		return false, err
	}
	if slices.ContainsFunc(fixedSecrets, func(name string) bool { return own[name] != k.inUse[name] }) {
		return true, nil
	}
	shared, err := k.hasShared(ctx)
	return shared && !k.used, err
}

// note keeps why the keys could not be shared. An etcd that does not answer has a
// trouble of its own, as long as the keys in use are the shared ones.
func (k *Keys) note(err error) {
	if err == nil {
		k.trouble.Store(nil)
		k.complaint.New(nil)
		return
	}
	foreign := errors.Is(err, sealed.ErrOtherKey) || errors.Is(err, sealed.ErrDamaged)
	if k.used && !foreign {
		return
	}
	outcome := "this host uses keys of its own for tokens, identity documents and ssh host certificates"
	if k.used {
		outcome = "this host uses the shared keys as it knew them"
	}
	message := outcome + ": " + err.Error()
	if foreign {
		message += "; copy the file store.key from another host"
	}
	k.trouble.Store(&health.Trouble{Part: "keys", State: health.Wrong, Message: message, Look: []string{"mdserver store check"}})
	if k.complaint.New(err) {
		k.log.Error("the keys that the hosts share cannot be read; "+outcome, "error", err)
	}
}

// sync shares keys once, and reports whether those of this host have changed.
func (k *Keys) sync(ctx context.Context) (changed bool, err error) {
	own, err := k.own(ctx)
	if err != nil {
		return false, err
	}
	last, err := k.last(ctx)
	if err != nil {
		return false, err
	}
	now, state, err := k.sharer.Sync(ctx, own, last)
	if err != nil {
		return false, err
	}
	for name, secret := range own {
		if now[name] != secret {
			changed = true
			if err := k.keep(ctx, name, now[name]); err != nil {
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
	return true, k.database.SetNote(ctx, keysNote, string(text)) // also if they are this host's own, which are shared from now on
}

// own are the keys of this host.
func (k *Keys) own(ctx context.Context) (sharedkeys.Secrets, error) {
	notes, err := k.database.Notes(ctx)
	if err != nil {
		return nil, err
	}
	own := sharedkeys.Secrets{}
	for _, name := range secretNotes() {
		own[name] = notes[name]
	}
	own[identitySecret], err = backup.ReadIdentity(k.file)
	return own, err
}

// hasShared reports whether this host has the shared keys.
func (k *Keys) hasShared(ctx context.Context) (bool, error) {
	state, err := k.last(ctx)
	return len(state) > 0, err
}

func (k *Keys) last(ctx context.Context) (state sharedkeys.State, err error) {
	text, err := k.database.Note(ctx, keysNote)
	if err != nil || text == "" {
		return nil, err
	}
	return state, json.Unmarshal([]byte(text), &state)
}

// keep stores a shared key in the place of this host's own.
func (k *Keys) keep(ctx context.Context, name, secret string) error {
	if name != identitySecret {
		return k.database.SetNote(ctx, name, secret)
	}
	if err := identity.Check([]byte(secret)); err != nil {
		return fmt.Errorf("the identity authority that the hosts share: %w", err)
	}
	if _, err := boltstore.KeepFormer(k.file); err != nil {
		return err
	}
	return renameio.WriteFile(k.file, []byte(secret), 0o600)
}

// Trouble is why the shared keys are not in use; nil if they are, or if none are
// shared.
func (k *Keys) Trouble() []health.Trouble {
	if trouble := k.trouble.Load(); trouble != nil {
		return []health.Trouble{*trouble}
	}
	return nil
}
