// Package hostkeys keeps the public SSH host keys that guests report, and
// certifies them, so that SSH clients know a guest before they first connect.
package hostkeys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/crypto/ssh"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/logging/once"
	"mdserver/internal/pace"
)

// Notes are the notes of an storage.Store.
type Notes interface {
	Note(ctx context.Context, key string) (string, error)
	Notes(ctx context.Context) (map[string]string, error)
	SetNote(ctx context.Context, key, text string) error
}

// notePrefix begins the key of a note with the host keys of one guest. Its UUID
// follows.
const notePrefix = "ssh_host_keys/"

// pause is the least time between two rounds of writing, so that a guest that
// reports all the time costs at most one write a second.
const pause = time.Second

// lastPatience bounds the last round, while the server stops.
const lastPatience = 5 * time.Second

// Keys are the host keys of all guests. They are in memory at once and in the
// notes soon after. Make it with Open.
//
// The last report of a guest counts. Root of a guest chooses its host keys, so an
// earlier report deserves no more trust than a later one. A change under one
// instance-id is recorded and logged.
type Keys struct {
	notes  Notes
	guests func() *inventory.Snapshot
	log    *slog.Logger

	mu      sync.Mutex
	records map[uuid.UUID]Record
	dirty   map[uuid.UUID]bool // to be written
	wake    chan struct{}
}

// Open reads what the notes have. It leaves out guests that are gone, and notes
// that cannot be read; Run removes both from the store.
func Open(ctx context.Context, notes Notes, guests func() *inventory.Snapshot, log *slog.Logger) (*Keys, error) {
	all, err := notes.Notes(ctx)
	if err != nil {
		return nil, fmt.Errorf("ssh host keys: %w", err)
	}
	k := &Keys{notes: notes, guests: guests, log: log, records: map[uuid.UUID]Record{}, dirty: map[uuid.UUID]bool{}, wake: make(chan struct{}, 1)}
	known := guests()
	for key, text := range all {
		name, ok := strings.CutPrefix(key, notePrefix)
		if !ok {
			continue
		}
		id, err := uuid.Parse(name)
		if err != nil {
			log.Warn("a note about ssh host keys is ignored", "note", key, "error", err)
			continue
		}
		record, err := parseRecord(text)
		if _, there := known.ByUUID(id); !there || err != nil {
			k.touch(id)
		} else {
			k.records[id] = record
		}
		if err != nil {
			log.Warn("the ssh host keys of a guest cannot be read and are forgotten", "uuid", id, "error", err)
		}
	}
	return k, nil
}

// Keep replaces the host keys of a guest by those that it reports. Keys that
// SSH clients would not accept are left out; a report without any other
// changes nothing.
func (k *Keys) Keep(id uuid.UUID, keys []ssh.PublicKey) {
	guest, ok := k.guests().ByUUID(id)
	if !ok {
		return
	}
	good, err := acceptableKeys(keys)
	if err != nil {
		k.log.Info("some ssh host keys of a guest are ignored", "guest", guest.Name, "uuid", id, "error", err)
	}
	if len(good) == 0 {
		return
	}
	k.mu.Lock()
	before := k.records[id]
	after := before.next(guest.ID, good, time.Now().UTC().Truncate(time.Second))
	k.records[id] = after
	k.touch(id)
	k.mu.Unlock()
	if len(after.Changes) > 0 && after.Since.After(before.Since) {
		change := after.Changes[len(after.Changes)-1]
		k.log.Warn("the ssh host keys of a guest changed without a new instance-id", "guest", guest.Name, "uuid", id,
			"added", change.Added, "removed", change.Removed)
	}
}

// Of returns the host keys of a guest as they were last reported under its
// present instance-id; the zero Record if they were not.
func (k *Keys) Of(guest *instance.Instance) Record {
	k.mu.Lock()
	defer k.mu.Unlock()
	if r := k.records[guest.UUID]; r.InstanceID == guest.ID {
		return r
	}
	return Record{}
}

// Forget removes the host keys of guests that were released or got a new
// instance-id.
func (k *Keys) Forget(events []instance.Event) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range events {
		if e.Old == nil {
			continue
		}
		if r, ok := k.records[e.Old.UUID]; ok && (e.New == nil || r.InstanceID != e.New.ID) {
			delete(k.records, e.Old.UUID)
			k.touch(e.Old.UUID)
		}
	}
}

// touch has Run write what there is of a guest. The caller holds the lock.
func (k *Keys) touch(id uuid.UUID) {
	k.dirty[id] = true
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Run writes changes to the notes until ctx ends, and once more then.
func (k *Keys) Run(ctx context.Context) {
	var complaint once.Complaint
	save := func(ctx context.Context) {
		if err := k.write(ctx); !errors.Is(err, context.Canceled) && complaint.New(err) {
			k.log.Error("the ssh host keys of guests were not saved", "error", err)
		}
	}
	for ctx.Err() == nil {
		select {
		case <-k.wake:
			save(ctx)
		case <-ctx.Done():
		}
		pace.Sleep(ctx, pause)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastPatience)
	defer cancel()
	save(last)
}

// write writes what has changed. What fails is tried again in the next round.
func (k *Keys) write(ctx context.Context) error {
	k.mu.Lock()
	dirty := k.dirty
	k.dirty = map[uuid.UUID]bool{}
	k.mu.Unlock()
	for _, id := range slices.SortedFunc(maps.Keys(dirty), func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) }) {
		k.mu.Lock()
		text := k.records[id].text()
		k.mu.Unlock()
		if err := k.notes.SetNote(ctx, notePrefix+id.String(), text); err != nil {
			k.mu.Lock()
			for id := range dirty {
				k.touch(id)
			}
			k.mu.Unlock()
			return err
		}
		delete(dirty, id)
	}
	return nil
}
