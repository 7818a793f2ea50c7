// Package sharedkeys keeps secrets of several hosts the same. They are in one note
// that all hosts read, sealed with a key that each host has in a file.
package sharedkeys

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"mdserver/internal/sealed"
)

// note is the key of the note, and the name under which it is sealed.
const note = "keys"

// maxAttempts is how often a sync is repeated if other hosts write meanwhile.
const maxAttempts = 5

// ErrBusy: other hosts have changed the note again and again.
var ErrBusy = errors.New("other hosts change the shared keys all the time")

// Notes are notes that all hosts share.
type Notes interface {
	// SharedNote returns a note and its revision, which are "" and 0 if there is none.
	SharedNote(ctx context.Context, key string) (text string, revision int64, err error)
	// SwapNote replaces a note if it still has a revision, and reports whether it did.
	SwapNote(ctx context.Context, key, text string, revision int64) (bool, error)
}

// Secrets are secrets by name. An empty one is like none.
type Secrets map[string]string

// State is what a host remembers of its last sync: a hash of each secret.
type State map[string]string

// Sharer shares secrets.
type Sharer struct {
	Notes Notes
	Keys  sealed.Keys
	// Changes reports whether a host may replace a shared secret by its own, after it
	// has changed that. Other secrets stay as the first host made them.
	Changes func(name string) bool
}

// Sync compares a host's secrets with the shared ones. It shares those that no host
// has shared before, and those that this host has changed. It returns the secrets that
// this host should have from now on, and its new state.
//
// Errors: sealed.ErrOtherKey, sealed.ErrDamaged, ErrBusy, and those of the notes.
func (s *Sharer) Sync(ctx context.Context, own Secrets, last State) (Secrets, State, error) {
	for range maxAttempts {
		shared, old, revision, err := s.read(ctx)
		if err != nil {
			return nil, nil, err
		}
		now := s.merge(own, shared, last)
		if maps.Equal(now, shared) && !old {
			return now, stateOf(now), nil
		}
		swapped, err := s.write(ctx, now, revision)
		if err != nil {
			return nil, nil, err
		}
		if swapped {
			return now, stateOf(now), nil
		}
	}
	return nil, nil, ErrBusy
}

// read returns the shared secrets. old reports whether they should be sealed with
// another key.
func (s *Sharer) read(ctx context.Context) (shared Secrets, old bool, revision int64, err error) {
	text, revision, err := s.Notes.SharedNote(ctx, note)
	if err != nil || text == "" {
		return Secrets{}, false, revision, err
	}
	data, old, err := s.Keys.Open(note, text)
	if err != nil {
		return nil, false, 0, fmt.Errorf("the keys that the hosts share: %w", err)
	}
	if err := json.Unmarshal(data, &shared); err != nil {
		return nil, false, 0, fmt.Errorf("the keys that the hosts share: %w", sealed.ErrDamaged) // the reason might quote a key
	}
	return shared, old, revision, nil
}

func (s *Sharer) write(ctx context.Context, secrets Secrets, revision int64) (bool, error) {
	data, err := json.Marshal(secrets)
	if err != nil {
		return false, err
	}
	return s.Notes.SwapNote(ctx, note, s.Keys.Seal(note, data), revision)
}

// merge returns the secrets that all hosts should have. Those that this host does not
// have stay.
func (s *Sharer) merge(own, shared Secrets, last State) Secrets {
	now := maps.Clone(shared)
	for name, secret := range own {
		known, isShared := shared[name]
		changedHere := last[name] == hash(known) && s.Changes(name)
		if secret != "" && (!isShared || changedHere) {
			now[name] = secret
		}
	}
	return now
}

func stateOf(secrets Secrets) State {
	state := State{}
	for name, secret := range secrets {
		state[name] = hash(secret)
	}
	return state
}

func hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:16])
}
