// Package storage is the contract between the inventory and the stores that keep
// it: what a store does, what several hosts can ask of a shared one, and what it
// reports of guests whose records it has set aside.
package storage

import (
	"context"
	"errors"

	"mdserver/internal/instance"
)

var (
	// ErrUncertain: a write failed so that it is not known whether the change
	// was made. It comes with the inventory's ErrStore.
	ErrUncertain = errors.New("the change may have been made")
	// ErrAway: the shared store does not answer. The AddressProblem of a
	// registration is one of it if a guest has to wait for its address; else it
	// comes with the inventory's ErrStore.
	ErrAway = errors.New("etcd does not answer")
	// ErrConflict: another writer has changed what a commit was worked out from.
	// Nothing was changed. Only Shared.Commit returns it.
	ErrConflict = errors.New("the inventory was changed meanwhile")
)

// Reader reads what a store keeps: the table of guests, and notes beside it. A
// note is a short text with a key, such as the key that signs tokens. Only the
// server and root can read notes, so they may be secret.
//
// Load returns the whole table, in any order. A new store is an empty table.
//
// Note returns the note with a key, or "" if there is none. Notes returns all
// notes by key, except those that the store keeps for itself.
//
// An ended context makes each of them fail.
//
// Close releases the store; no method may be called after it.
type Reader interface {
	Load(ctx context.Context) (instance.Table, error)
	Note(ctx context.Context, key string) (string, error)
	Notes(ctx context.Context) (map[string]string, error)
	Close() error
}

// Store keeps the table and the notes where they survive the process. The
// inventory calls Load, Apply, SetAside and Rewrite from one goroutine at a time. The
// methods for notes may be called from any goroutine at any time.
//
// After an error that is ErrUncertain, Load first brings the store back to a
// state that is known, and fails while it cannot.
//
// Apply makes all changes durable before it returns, in their order and all
// or none of them: after a crash Load returns either the table before the call
// or the one after it. Within one change, deletions come before puts and
// addresses wake before others begin to rest. Putting a guest replaces the
// record of the same UUID; deleting or waking what is not there is no error.
// When Apply fails, nothing was changed, unless the error is ErrUncertain: then
// the changes may have been made, and Load tells whether they were.
//
// SetAside takes guests out of the table, and keeps their records where an
// administrator finds them, with the reason for each.
//
// Rewrite makes a damaged store hold this table, and the notes that it had. What
// is damaged is kept where an administrator finds it. It fails if the store is not
// damaged.
//
// SetNote makes a note durable before it returns, and replaces a former one
// with the same key. An empty text removes the note. It fails like Apply. A key
// is any text that is not empty; SetNote refuses keys that the store keeps for
// itself, and those are not part of Notes.
type Store interface {
	Reader
	Apply(ctx context.Context, changes []instance.Change) error
	SetAside(ctx context.Context, guests []instance.Instance, reasons []error) error
	Rewrite(ctx context.Context, table instance.Table) error
	SetNote(ctx context.Context, key, text string) error
}
