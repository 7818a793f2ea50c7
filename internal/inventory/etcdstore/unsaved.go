package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/storage"
)

// unsaved is what the cache lacks of etcd's records. It belongs to the goroutine that
// follows etcd.
type unsaved struct {
	whole     *whole // that the cache has to have first, or nil
	after     *step  // what changes after it; guests and addresses in quarantine alone
	uncertain bool   // the cache has to be loaded before the next write
}

// whole is a table that replaces the cache's.
type whole struct {
	table     instance.Table
	inventory string // its ID
	saved     func() // called when it is on the disk
}

// replace has the cache get a whole table.
func (u *unsaved) replace(w whole) { u.whole, u.after = &w, nil }

// add has the cache get the records of a step.
func (u *unsaved) add(s *step) {
	if u.after == nil {
		u.after = newStep(s.revision)
	}
	maps.Copy(u.after.guests, s.guests)
	maps.Copy(u.after.resting, s.resting)
}

// save writes what the cache lacks. After an error, the rest of it is still unsaved.
func (u *unsaved) save(ctx context.Context, cache storage.Store) error {
	if u.uncertain {
		if _, err := cache.Load(ctx); err != nil {
			return err
		}
		u.uncertain = false
	}
	err := u.write(ctx, cache)
	u.uncertain = errors.Is(err, storage.ErrUncertain)
	return err
}

func (u *unsaved) write(ctx context.Context, cache storage.Store) error {
	if u.whole != nil {
		if err := u.whole.save(ctx, cache); err != nil {
			return err
		}
		u.whole = nil
	}
	if u.after == nil {
		return nil
	}
	if change := u.after.change(); !change.Empty() {
		if err := cache.Apply(ctx, []instance.Change{change}); err != nil {
			return err
		}
	}
	u.after = nil
	return nil
}

func (w *whole) save(ctx context.Context, cache storage.Store) error {
	before, err := cache.Load(ctx)
	if err != nil {
		return err
	}
	if err := cache.Apply(ctx, []instance.Change{difference(before, w.table)}); err != nil {
		return err
	}
	if err := cache.SetNote(ctx, inventoryNote, w.inventory); err != nil {
		return err
	}
	w.saved()
	return nil
}

// save brings the cache to what steps have. What fails is tried again with the next one
// and at each check of etcd.
func (s *Store) save(ctx context.Context, steps ...*step) {
	for _, step := range steps {
		if step.whole == nil {
			s.unsaved.add(step)
		}
	}
	err := s.unsaved.save(ctx, s.cache)
	spares := s.changeSpares(ctx, func(p *spares) { // after the guests that have got some of them
		for _, step := range steps {
			p.follow(step, s.id)
		}
	})
	if spares != nil {
		err = errors.Join(err, fmt.Errorf("the spare addresses: %w", spares))
	}
	if ctx.Err() != nil {
		return
	}
	if s.complaint.New(err) {
		s.log.Error("the inventory could not be saved on this host; without etcd, the next start would serve an older one; it is tried again", "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notSaved = err
}
