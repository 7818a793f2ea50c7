package etcdstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"time"

	"github.com/google/uuid"
	clientv3 "go.etcd.io/etcd/client/v3"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
)

const (
	schema      = 1
	pageSize    = 1000
	listTimeout = 10 * time.Second // for each page
	maxPause    = time.Second      // between two attempts

	checkEvery   = 2 * time.Second
	checkTimeout = 5 * time.Second
)

// mark is the value of the schema key.
type mark struct {
	Version   int    `json:"v"`
	Schema    int    `json:"schema"`
	Inventory string `json:"inventory"` // a random ID
}

// run follows etcd until ctx ends.
func (s *Store) run(ctx context.Context) {
	defer close(s.done)
	var revision int64 // of the last step; 0: the whole table is read first
	for pause := maxPause / 16; ctx.Err() == nil; pause = min(2*pause, maxPause) {
		before := revision
		err := s.follow(ctx, &revision)
		if ctx.Err() != nil {
			return
		}
		s.lost(err)
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
	}
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	watch := s.client.Watch(ctx, s.prefix, clientv3.WithPrefix(), clientv3.WithRev(*revision+1), clientv3.WithCreatedNotify())
	check := time.NewTicker(checkEvery)
	defer check.Stop()
	for {
		select {
		case resp, ok := <-watch:
			if !ok {
				return errors.New("the watch has ended")
			}
			if err := s.receive(ctx, resp, revision); err != nil {
				return err
			}
		case <-check.C:
			if err := s.check(ctx, revision); err != nil {
				return err
			}
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
	if err != nil {
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
	revision, id, err := s.checkMark(ctx)
	if err != nil {
		return nil, err
	}
	whole := newStep(revision)
	for _, kind := range []string{guestsKey, restingKey, s.writer} {
		err := pages(ctx, s.client, s.prefix+kind, revision, func(key string, kv *keyValue) {
			s.note(whole.set(strings.TrimPrefix(key, s.prefix), kv, s.writer))
		})
		if err != nil {
			return nil, err
		}
	}
	m := newMirror()
	m.apply(whole)
	if err := s.saveWhole(ctx, m.table(), id); err != nil {
		s.log.Error("the inventory could not be saved on this host; the next start without etcd would serve an older one", "error", err)
	}
	return m, nil
}

// checkMark makes sure that etcd has the inventory that this host knows, or makes
// the mark of a new one. It returns the revision to read at.
func (s *Store) checkMark(ctx context.Context) (revision int64, id string, err error) {
	known, err := s.cache.Note(ctx, inventoryNote)
	if err != nil {
		return 0, "", err
	}
	if known == "" {
		if err := s.checkEmpty(ctx); err != nil {
			return 0, "", err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	resp, err := s.client.Get(ctx, s.prefix+schemaKey)
	if err == nil {
		s.cluster = resp.Header.ClusterId
	}
	switch {
	case err != nil:
		return 0, "", err
	case len(resp.Kvs) == 0 && known != "":
		return 0, "", fmt.Errorf("%w: nothing is below %s, but this host knows an inventory of that place; restore etcd from a backup", ErrOther, s.prefix)
	case len(resp.Kvs) == 0:
		return s.createMark(ctx)
	}
	var m mark
	if err := json.Unmarshal(resp.Kvs[0].Value, &m); err != nil {
		return 0, "", fmt.Errorf("%w: the key %s%s cannot be read: %w", ErrOther, s.prefix, schemaKey, err)
	}
	switch {
	case m.Schema > schema:
		return 0, "", fmt.Errorf("%w, with the schema %d; this one reads %d", ErrNewer, m.Schema, schema)
	case known != "" && known != m.Inventory:
		return 0, "", fmt.Errorf("%w: it is %s, and this host knows %s; choose another prefix, or move the cache of this host away", ErrOther, m.Inventory, known)
	}
	return resp.Header.Revision, m.Inventory, nil
}

// checkEmpty keeps guests that were never in etcd from being replaced.
func (s *Store) checkEmpty(ctx context.Context) error {
	table, err := s.cache.Load(ctx)
	if err == nil && len(table.Instances) > 0 {
		err = fmt.Errorf("%w: this host's database has %d guests that are not in etcd; export them with the backend bolt, "+
			"set mdserver.database to a new file, and import them", ErrOther, len(table.Instances))
	}
	return err
}

// Detach notes that a cache is used as a database of its own from now on. Its guests
// are not replaced by those in etcd later.
func Detach(ctx context.Context, cache inventory.Store) error {
	id, err := cache.Note(ctx, inventoryNote)
	if err != nil || id == "" {
		return err
	}
	return cache.SetNote(ctx, inventoryNote, "")
}

func (s *Store) createMark(ctx context.Context) (int64, string, error) {
	m := mark{Version: format, Schema: schema, Inventory: uuid.NewString()}
	text, err := json.Marshal(m)
	if err != nil {
		return 0, "", err
	}
	key := s.prefix + schemaKey
	resp, err := s.client.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).Then(clientv3.OpPut(key, string(text))).Commit()
	switch {
	case err != nil:
		return 0, "", err
	case !resp.Succeeded:
		return 0, "", errors.New("another host has just created the inventory")
	}
	return resp.Header.Revision, m.Inventory, nil
}

// saveWhole brings the cache to a table.
func (s *Store) saveWhole(ctx context.Context, table instance.Table, id string) error {
	before, err := s.cache.Load(ctx)
	if err != nil {
		return err
	}
	if err := s.cache.Apply(ctx, []instance.Change{difference(before, table)}); err != nil {
		return err
	}
	s.unsaved = nil
	return s.cache.SetNote(ctx, inventoryNote, id)
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
