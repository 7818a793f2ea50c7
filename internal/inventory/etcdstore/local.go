package etcdstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/storage"
)

// ID implements storage.Shared.
func (s *Store) ID() string { return s.id }

// Keep implements storage.Shared.
func (s *Store) Keep(ctx context.Context, u storage.Unshared) error {
	text, err := json.Marshal(u)
	if err != nil {
		return err
	}
	return s.cache.SetNote(ctx, storage.UnsharedNote+u.Record.UUID.String(), string(text))
}

// Forget implements storage.Shared.
func (s *Store) Forget(ctx context.Context, id uuid.UUID) error {
	return s.cache.SetNote(ctx, storage.UnsharedNote+id.String(), "")
}

// Unshared implements storage.Shared.
func (s *Store) Unshared(ctx context.Context) ([]storage.Unshared, error) {
	return unsharedIn(ctx, s.cache)
}

func unsharedIn(ctx context.Context, cache storage.Store) ([]storage.Unshared, error) {
	notes, err := cache.Notes(ctx)
	if err != nil {
		return nil, err
	}
	var list []storage.Unshared
	for key, text := range notes {
		if !strings.HasPrefix(key, storage.UnsharedNote) {
			continue
		}
		var u storage.Unshared
		if err := json.Unmarshal([]byte(text), &u); err != nil {
			return nil, fmt.Errorf("the note %q cannot be read: %w", key, err)
		}
		list = append(list, u)
	}
	return list, nil
}

// keepAll makes the unshared records part of a cache that becomes a database of its own,
// where no address is spare.
func keepAll(ctx context.Context, cache storage.Store) error {
	list, err := unsharedIn(ctx, cache)
	if err != nil {
		return err
	}
	var change instance.Change
	for _, u := range list {
		u.Record.Unshared = false
		change.Put = append(change.Put, u.Record)
	}
	if err := cache.Apply(ctx, []instance.Change{change}); err != nil {
		return err
	}
	for _, u := range list {
		if err := cache.SetNote(ctx, storage.UnsharedNote+u.Record.UUID.String(), ""); err != nil {
			return err
		}
	}
	return cache.SetNote(ctx, storage.SparesNote, "")
}

// spares are this host's spare addresses as its disk has them. An address that the
// host gives back is removed from the disk before another host can get it.
type spares struct {
	mu       sync.Mutex
	held     map[netip.Addr]instance.Spare
	returned map[netip.Addr]bool // of held; their transaction is on its way
	unsaved  bool                // the disk has others
}

func (s *Store) loadSpares(ctx context.Context) error {
	s.spares.held, s.spares.returned = map[netip.Addr]instance.Spare{}, map[netip.Addr]bool{}
	text, err := s.cache.Note(ctx, storage.SparesNote)
	if err != nil || text == "" {
		return err
	}
	var list []instance.Spare
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return fmt.Errorf("the note %q cannot be read: %w", storage.SparesNote, err)
	}
	for _, spare := range list {
		s.spares.held[spare.Addr] = spare
	}
	return nil
}

// usable are the spare addresses that were not given back, in order.
func (p *spares) usable() []instance.Spare {
	list := slices.SortedFunc(maps.Values(p.held), func(a, b instance.Spare) int { return a.Addr.Compare(b.Addr) })
	return slices.DeleteFunc(list, func(spare instance.Spare) bool { return p.returned[spare.Addr] })
}

// returnSpares removes addresses from the disk that changes give up. Those of records
// that are not shared yet stay: no other host gets them.
func (s *Store) returnSpares(ctx context.Context, changes []instance.Change) error {
	unshared, err := s.Unshared(ctx)
	if err != nil {
		return err
	}
	kept := map[netip.Addr]bool{}
	for _, u := range unshared {
		for _, addr := range u.Record.Addrs() {
			kept[addr] = true
		}
	}
	for _, c := range changes {
		for _, spare := range c.Hold {
			kept[spare.Addr] = true
		}
	}
	return s.changeSpares(ctx, func(p *spares) {
		for _, c := range changes {
			for _, addr := range c.Drop {
				if _, ok := p.held[addr]; ok && !kept[addr] {
					p.returned[addr] = true
				}
			}
		}
	})
}

// follow notes what etcd has of the spare addresses of an owner.
func (p *spares) follow(step *step, owner string) {
	if step.whole != nil {
		p.held = map[netip.Addr]instance.Spare{}
		for addr, entry := range step.whole.spares {
			p.set(addr, entry.record, owner)
		}
		maps.DeleteFunc(p.returned, func(addr netip.Addr, _ bool) bool { _, held := p.held[addr]; return !held })
	}
	for addr, entry := range step.spares {
		if entry == nil {
			p.set(addr, nil, owner)
		} else {
			p.set(addr, entry.record, owner)
		}
	}
}

func (p *spares) set(addr netip.Addr, record *instance.Spare, owner string) {
	if record == nil || record.Owner != owner {
		delete(p.held, addr)
		delete(p.returned, addr)
		return
	}
	p.held[addr] = *record
}

// changeSpares writes the note if a change makes a difference, or if that has failed
// before.
func (s *Store) changeSpares(ctx context.Context, change func(*spares)) error {
	s.spares.mu.Lock()
	defer s.spares.mu.Unlock()
	before := s.spares.usable()
	change(&s.spares)
	after := s.spares.usable()
	if slices.Equal(before, after) && !s.spares.unsaved {
		return nil
	}
	text, err := json.Marshal(after)
	if err != nil {
		return err
	}
	err = s.cache.SetNote(ctx, storage.SparesNote, string(text))
	s.spares.unsaved = err != nil
	return err
}

// Away implements storage.Shared.
func (s *Store) Away() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link.isUp() || s.link.patience() > 0 {
		return nil
	}
	return s.wrap("write", awayError(s.link.err))
}

// awayError is ErrAway, unless etcd answers and cannot be used.
func awayError(err error) error {
	if errors.Is(err, ErrOther) || errors.Is(err, ErrNewer) {
		return err
	}
	return fmt.Errorf("%w: %w", storage.ErrAway, err)
}
