// Package storetest holds what tests of stores and their users need: the
// contract that every storage.Store keeps, as a test, and a store in memory.
package storetest

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"sync"

	"github.com/google/uuid"

	"mdserver/internal/instance"
)

// Memory is an storage.Store that forgets everything with the process. It
// can be used again after Close, as a file can be opened again.
type Memory struct {
	mu      sync.Mutex
	guests  map[uuid.UUID]instance.Instance
	resting map[netip.Addr]instance.Resting
	notes   map[string]string
}

// NewMemory gives an empty store.
func NewMemory() *Memory {
	return &Memory{guests: map[uuid.UUID]instance.Instance{}, resting: map[netip.Addr]instance.Resting{}, notes: map[string]string{}}
}

// Load implements storage.Reader.
func (m *Memory) Load(ctx context.Context) (instance.Table, error) {
	if err := ctx.Err(); err != nil {
		return instance.Table{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return instance.Table{
		Instances: slices.Collect(maps.Values(m.guests)),
		Resting:   slices.Collect(maps.Values(m.resting)),
	}, nil
}

// Apply implements storage.Store.
func (m *Memory) Apply(ctx context.Context, changes []instance.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, change := range changes {
		for _, id := range change.Delete {
			delete(m.guests, id)
		}
		for _, guest := range change.Put {
			m.guests[guest.UUID] = guest
		}
		for _, addr := range change.Wake {
			delete(m.resting, addr)
		}
		for _, resting := range change.Rest {
			m.resting[resting.Addr] = resting
		}
	}
	return nil
}

// SetAside implements storage.Store; the records are kept nowhere.
func (m *Memory) SetAside(ctx context.Context, guests []instance.Instance, _ []error) error {
	var change instance.Change
	for _, guest := range guests {
		change.Delete = append(change.Delete, guest.UUID)
	}
	return m.Apply(ctx, []instance.Change{change})
}

// Rewrite implements storage.Store; memory is never damaged.
func (m *Memory) Rewrite(context.Context, instance.Table) error {
	return errors.New("it is not damaged")
}

// Note implements storage.Reader.
func (m *Memory) Note(ctx context.Context, key string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.notes[key], ctx.Err()
}

// Notes implements storage.Reader.
func (m *Memory) Notes(ctx context.Context) (map[string]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.notes), ctx.Err()
}

// SetNote implements storage.Store.
func (m *Memory) SetNote(ctx context.Context, key, text string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if key == "" {
		return errors.New("a note needs a key")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if text == "" {
		delete(m.notes, key)
	} else {
		m.notes[key] = text
	}
	return nil
}

// Close implements storage.Reader.
func (m *Memory) Close() error { return nil }
