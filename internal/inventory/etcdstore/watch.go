package etcdstore

import (
	"context"
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	clientv3 "go.etcd.io/etcd/client/v3"

	"mdserver/internal/instance"
)

const (
	pageSize    = 1000
	listTimeout = 10 * time.Second // for each page
	maxPause    = time.Second      // between two attempts

	checkEvery   = 2 * time.Second
	checkTimeout = 5 * time.Second
)

// run follows etcd until ctx ends or the store is closed.
func (s *Store) run(ctx context.Context) {
	defer close(s.done)
	defer s.save(context.WithoutCancel(ctx)) // what ctx has kept from the disk
	ctx, stop := context.WithCancel(ctx)
	var following sync.WaitGroup
	following.Go(func() { s.keepFollowing(ctx) })
	select {
	case <-s.closing:
	case <-ctx.Done():
	}
	stop()
	following.Wait()
}

// keepFollowing follows etcd until ctx ends.
func (s *Store) keepFollowing(ctx context.Context) {
	var revision int64 // of the last step; 0: read the whole table first
	for pause := maxPause / 16; ctx.Err() == nil; pause = min(2*pause, maxPause) {
		before := revision
		err := s.follow(ctx, &revision)
		if ctx.Err() != nil {
			return
		}
		s.lost(err)
		s.save(ctx)
		if revision != before {
			pause = maxPause / 16
		}
		select {
		case <-time.After(pause/2 + rand.N(pause/2)):
		case <-ctx.Done():
		}
	}
}

// follow reads the table, if it has to, and what changes after it.
func (s *Store) follow(ctx context.Context, revision *int64) error {
	if *revision == 0 {
		whole, err := s.list(ctx)
		if err != nil {
			return err
		}
		s.deliver(ctx, &step{revision: whole.revision, whole: whole})
		*revision = whole.revision
	} else if s.unread {
		if err := s.check(ctx, revision); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	watch := s.client.Watch(ctx, s.prefix, clientv3.WithPrefix(), clientv3.WithRev(*revision+1), clientv3.WithCreatedNotify())
	check := time.NewTicker(checkEvery)
	defer check.Stop()
	for established := false; ; {
		select {
		case resp, ok := <-watch:
			if !ok {
				return errors.New("the watch has ended")
			}
			if err := s.receive(ctx, resp, revision); err != nil {
				return err
			}
			established = true
		case <-check.C:
			if err := s.check(ctx, revision); err != nil {
				return err
			}
			if established { // or else changes that were missed come first
				s.found()
			}
			s.save(ctx)
		}
	}
}

// receive delivers what a watch has returned.
func (s *Store) receive(ctx context.Context, resp clientv3.WatchResponse, revision *int64) error {
	if resp.CompactRevision > 0 {
		*revision = 0
	}
	if err := resp.Err(); err != nil {
		return err
	}
	if steps := s.steps(resp.Events); len(steps) > 0 {
		s.deliver(ctx, steps...)
		*revision = steps[len(steps)-1].revision
	}
	s.found()
	return nil
}

// check asks etcd whether it answers and is still the one that is followed. A watch
// tells neither: it waits for revisions that a restored etcd reaches much later.
func (s *Store) check(ctx context.Context, revision *int64) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	resp, err := s.client.Get(ctx, s.prefix+schemaKey)
	if s.unread = err != nil; err != nil {
		return err
	}
	if resp.Header.Revision < *revision || s.cluster != 0 && resp.Header.ClusterId != s.cluster {
		*revision = 0
		return errors.New("etcd was replaced, or restored from a backup; the inventory is read again")
	}
	s.cluster = resp.Header.ClusterId
	return nil
}

// steps are the events by revision. A watch has all events of a revision in one
// response.
func (s *Store) steps(events []*clientv3.Event) []*step {
	var steps []*step
	for _, event := range events {
		if n := len(steps); n == 0 || steps[n-1].revision != event.Kv.ModRevision {
			steps = append(steps, newStep(event.Kv.ModRevision))
		}
		kv := event.Kv
		if event.Type == clientv3.EventTypeDelete {
			kv = nil
		}
		key := strings.TrimPrefix(string(event.Kv.Key), s.prefix)
		s.note(steps[len(steps)-1].set(key, kv, s.writer))
	}
	return steps
}

// note logs a record that cannot be read.
func (s *Store) note(err error) {
	if err != nil {
		s.log.Error("a record in etcd cannot be read; what was known of it before is served", "prefix", s.prefix, "error", err)
	}
}

// list reads all records at one revision, and brings the cache in step.
func (s *Store) list(ctx context.Context) (*mirror, error) {
	joined, err := s.join(ctx)
	if err != nil {
		return nil, err
	}
	revision, id, err := s.checkMark(ctx)
	if err != nil {
		return nil, err
	}
	all, broken := newStep(revision), map[string]int64{}
	for _, kind := range []string{guestsKey, restingKey, sparesKey, s.writer} {
		err := pages(ctx, s.client, s.prefix+kind, revision, func(key string, kv *keyValue) {
			key = strings.TrimPrefix(key, s.prefix)
			if err := all.set(key, kv, s.writer); err != nil {
				s.note(err)
				broken[key] = kv.ModRevision
			}
		})
		if err != nil {
			return nil, err
		}
	}
	if err := s.keep(ctx, all, broken); err != nil {
		return nil, err
	}
	m := newMirror(s.id)
	m.apply(all)
	s.unsaved.replace(whole{table: m.table(), inventory: id, saved: joined})
	return m, nil
}

// keep has a whole table keep the guests whose records cannot be read, as this host
// knows them from before. broken has the revisions of such records by their keys.
func (s *Store) keep(ctx context.Context, all *step, broken map[string]int64) error {
	if len(broken) == 0 {
		return nil
	}
	before, err := s.cache.Load(ctx)
	if err != nil {
		return err
	}
	for _, guest := range before.Instances {
		if revision, ok := broken[guestKey(guest.UUID)]; ok {
			all.guests[guest.UUID] = &entry[instance.Instance]{revision: revision, record: &guest}
		}
	}
	return nil
}

// difference is the change that leads from one table to another.
func difference(from, to instance.Table) instance.Change {
	var c instance.Change
	guests := map[uuid.UUID]instance.Instance{}
	for _, guest := range from.Instances {
		guests[guest.UUID] = guest
	}
	for _, guest := range to.Instances {
		if before, ok := guests[guest.UUID]; !ok || !reflect.DeepEqual(before, guest) {
			c.Put = append(c.Put, guest)
		}
		delete(guests, guest.UUID)
	}
	for id := range guests {
		c.Delete = append(c.Delete, id)
	}
	rest := map[string]instance.Resting{}
	for _, r := range from.Resting {
		rest[r.Addr.String()] = r
	}
	for _, r := range to.Resting {
		if before, ok := rest[r.Addr.String()]; !ok || before != r {
			c.Rest = append(c.Rest, r)
		}
		delete(rest, r.Addr.String())
	}
	for _, r := range rest {
		c.Wake = append(c.Wake, r.Addr)
	}
	return c
}
