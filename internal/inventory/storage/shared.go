package storage

import (
	"context"

	"github.com/google/uuid"

	"mdserver/internal/instance"
)

// Shared is a Store that several inventories write, each on its own host.
//
// Load returns the last table that this host knows, and does not wait for
// others. What has changed since follows by Take.
//
// Changed receives a value when Take may have something to return. Take returns
// the updates since the table of Load, in the order in which they were made,
// those of this inventory among them.
//
// Commit is like Apply, and holds only if all that the changes touch is as it was
// after the last update that Take returned, and if the host names in Free are
// still free. If not, the error is ErrConflict. It returns the revision of the
// change, which Take returns later.
//
// Fits reports whether the changes can be made in one step. Changes whose weights are
// at most one in all do; Weight is the faster question while they are collected.
//
// Wrote reports whether this host wrote the record of a guest last, or released it. So
// a commit whose outcome was unknown is not taken for another host's.
//
// Away returns why Commit would fail now, or nil if it is worth a try. It is a
// report of what is known, and does not wait.
//
// ID identifies this host's store among all that have the inventory, for ever.
//
// Keep makes a record that is not shared durable on this host, in place of a former
// one of the same guest. Forget removes it. Unshared returns all that are kept.
//
// All but Away and ID are called from one goroutine at a time.
type Shared interface {
	Store
	ID() string
	Away() error
	Unshared(ctx context.Context) ([]Unshared, error)
	Keep(ctx context.Context, record Unshared) error
	Forget(ctx context.Context, id uuid.UUID) error
	Changed() <-chan struct{}
	Take() []Update
	Commit(ctx context.Context, changes []instance.Change) (revision int64, err error)
	Fits(changes []instance.Change) bool
	Weight(change instance.Change) float64
	Wrote(id uuid.UUID) bool
}

// Update is one step of a shared store.
type Update struct {
	Revision int64 // grows with each update
	Change   instance.Change
	Whole    *instance.Table // the whole table instead of a change, or nil
}

// Unshared is the record of a guest that this host has made while the shared store
// was away.
type Unshared struct {
	Record instance.Instance `json:"record"`
	// Base is the shared record that it was made from, or nil for a new guest.
	Base *instance.Instance `json:"base,omitempty"`
}
