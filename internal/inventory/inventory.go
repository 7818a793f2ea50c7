// Package inventory is the live table of guests: it registers and releases
// them, gives them host names and addresses, and tells others what changed.
//
// The table is in memory. Readers take a Snapshot, which costs one atomic load
// and never changes under them. All writes go through one goroutine, which
// gathers what waits, makes it durable with one write to the Store, publishes
// the new snapshot, feeds the subscribers, and only then answers.
package inventory

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/draft"
	"mdserver/internal/inventory/index"
	"mdserver/internal/inventory/rules"
	"mdserver/internal/inventory/storage"
	"mdserver/internal/refusal"
)

// Options are the rules of the inventory. All of them but Log can change while it
// runs, see Reconfigure.
type Options = rules.Options

// Inventory is the table and its writer. All its methods may be called from
// any goroutine.
type Inventory struct {
	ctx    context.Context // of the store's writes
	store  storage.Store
	log    *slog.Logger
	shared storage.Shared // store, if it is one; else nil
	// What the writer knows of a shared store. The snapshot has more: what is unshared.
	settled   *index.Index
	revision  int64 // of the last update
	unshared  map[uuid.UUID]storage.Unshared
	stale     bool          // the snapshot lacks some of it
	conflicts atomic.Uint64 // see Conflicts

	snapshot atomic.Pointer[Snapshot]
	rules    atomic.Pointer[rules.Rules]
	now      func() time.Time // of Open's options
	feed     *feed
	refusals refusal.Log
	// uncertain: the writer's own; a write may have been made or not, and the
	// table is loaded again before the next one.
	uncertain bool
	failure   atomic.Pointer[WriteFailure] // of the last write; nil: it was made
	writing   atomic.Pointer[time.Time]    // when the present batch began; nil: there is none

	queue     chan *request
	closing   chan struct{}
	closeOnce sync.Once
	closeErr  error
	done      chan struct{} // closed by the writer when it ends
}

// Open loads the table from store and starts the writer. Guests whose records
// contradict each other are set aside, and all others are served. The inventory owns
// the store from here on, unless Open fails. The values of ctx, but not its
// end, hold for later writes too.
func Open(ctx context.Context, store storage.Store, opts Options) (*Inventory, error) {
	if opts.Now == nil {
		opts.Now = steadyClock()
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	table, err := load(ctx, store, rules.New(opts))
	if err != nil {
		return nil, fmt.Errorf("load the inventory: %w", err)
	}
	start := &Snapshot{Index: table}
	inv := &Inventory{
		ctx:     context.WithoutCancel(ctx),
		store:   store,
		log:     opts.Log,
		settled: table,
		now:     opts.Now,
		feed:    newFeed(start),
		queue:   make(chan *request, maxBatch),
		closing: make(chan struct{}),
		done:    make(chan struct{}),
	}
	inv.shared, _ = store.(storage.Shared)
	inv.snapshot.Store(start)
	inv.Reconfigure(opts)
	if inv.shared != nil {
		if err := inv.loadUnshared(ctx); err != nil {
			return nil, fmt.Errorf("load the changes that are not shared yet: %w", err)
		}
		inv.refresh()
	}
	go inv.write()
	return inv, nil
}

// Close stops the writer and closes the store. Requests that still wait get
// ErrClosed, and so do later ones; snapshots stay readable.
func (inv *Inventory) Close() error {
	inv.closeOnce.Do(func() {
		close(inv.closing)
		<-inv.done
		inv.closeErr = inv.store.Close()
	})
	return inv.closeErr
}

// Snapshot gives the inventory as it is now.
func (inv *Inventory) Snapshot() *Snapshot { return inv.snapshot.Load() }

// Now is the inventory's time, for quarantine and for guests that are gone.
func (inv *Inventory) Now() time.Time { return inv.rules.Load().Time() }

// Reconfigure replaces the rules for all requests that are not being worked on
// yet. Guests keep what they have until they are registered again.
func (inv *Inventory) Reconfigure(opts Options) {
	if opts.Now == nil {
		opts.Now = inv.now
	}
	r := rules.New(opts)
	if inv.shared != nil {
		r.MostWakes, r.ID = sharedWakes, inv.shared.ID()
	}
	inv.rules.Store(r)
}

// WriteFailure is a write to the store that failed.
type WriteFailure struct {
	Err   error
	Since time.Time // of the first of a row
}

// WriteFailure returns why the last write failed, or nil if it was made or there
// was none.
func (inv *Inventory) WriteFailure() *WriteFailure { return inv.failure.Load() }

// Settle brings the store back to a known state after a failed write, as the next
// change does. It does nothing if the state is known.
func (inv *Inventory) Settle(ctx context.Context) error {
	return inv.submit(ctx, func(*draft.Draft) error { return nil })
}

// Reload reads the table again from a store that another program has written to. A
// store that is damaged is written again from memory.
func (inv *Inventory) Reload(ctx context.Context) error {
	if inv.shared != nil { // the table follows the other writers anyway
		_, err := inv.shared.Load(ctx)
		return err
	}
	err := inv.submit(ctx, func(*draft.Draft) error { inv.uncertain = true; return nil })
	if err != nil {
		return err
	}
	return inv.Settle(ctx)
}

// Writing returns for how long the writer has worked on its present batch, or 0 if
// it waits for requests. It stays short unless the store hangs.
func (inv *Inventory) Writing() time.Duration {
	if began := inv.writing.Load(); began != nil {
		return time.Since(*began)
	}
	return 0
}

func (inv *Inventory) noteWrite(err error) {
	if err == nil {
		inv.failure.Store(nil)
		return
	}
	failure := &WriteFailure{err, inv.Now()}
	if before := inv.failure.Load(); before != nil {
		failure.Since = before.Since
	}
	inv.failure.Store(failure)
}

// Subscribe starts a change feed with the next change. To miss nothing, begin
// with the guests of the subscription's Start.
func (inv *Inventory) Subscribe() *Subscription { return inv.feed.subscribe() }

// load makes the indices of what the store has, without the guests that
// contradict each other.
func load(ctx context.Context, store storage.Store, r *rules.Rules) (*index.Index, error) {
	table, err := read(ctx, store, r)
	if err != nil {
		return nil, err
	}
	loaded, conflicts := index.Build(table, r.Primary())
	if _, shared := store.(storage.Shared); len(conflicts) == 0 || shared { // what is true follows by Take
		return loaded, nil
	}
	guests, reasons := contradictory(conflicts)
	if err := store.SetAside(ctx, guests, reasons); err != nil {
		return nil, fmt.Errorf("set aside %d conflicting records: %w", len(guests), err)
	}
	return load(ctx, store, r)
}

// read reads the table, in which nothing is still to come.
func read(ctx context.Context, store storage.Store, r *rules.Rules) (instance.Table, error) {
	table, err := store.Load(ctx)
	if _, shared := store.(storage.Shared); err == nil && !shared { // all hosts have the same table
		index.PastOnly(&table, r.Time())
	}
	return table, err
}

// contradictory lists each guest of the conflicts once.
func contradictory(conflicts []index.Contradiction) (guests []instance.Instance, reasons []error) {
	seen := map[uuid.UUID]bool{}
	for _, c := range conflicts {
		for _, guest := range []*instance.Instance{c.Guest, c.Holder} {
			if guest != nil && !seen[guest.UUID] {
				seen[guest.UUID] = true
				guests, reasons = append(guests, *guest), append(reasons, c.Err)
			}
		}
	}
	return guests, reasons
}
