package inventory

import (
	"context"

	"mdserver/internal/instance"
)

// Store keeps the table where it survives the process. The inventory calls it
// from one goroutine at a time.
//
// Apply makes all changes durable before it returns, in their order and all
// or none of them: after a crash Load gives either the table before the call
// or the one after it. Within one change, deletions come before puts and
// addresses wake before others begin to rest. Putting a guest replaces the
// record of the same UUID; deleting or waking what is not there is no error.
// When Apply fails, nothing was changed, unless the error is ErrUncertain: then
// the changes may have been made, and Load tells whether they were.
//
// Load gives the whole table, in any order. A new store is an empty table.
// After ErrUncertain it first brings the store back to a state that is known,
// and fails while it cannot.
//
// SetAside takes guests out of the table, and keeps their records where an
// administrator finds them, with the reason for each.
//
// Close releases the store; no method may be called after it.
type Store interface {
	Load(ctx context.Context) (instance.Table, error)
	Apply(ctx context.Context, changes []instance.Change) error
	SetAside(ctx context.Context, guests []instance.Instance, reasons []error) error
	Close() error
}
