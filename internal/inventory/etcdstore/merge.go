package etcdstore

import (
	"context"
	"errors"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"mdserver/internal/counted"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/storage"
)

// Decide returns what is missing in the inventory with an ID. The ID is "" and the
// table is empty if there is no inventory yet. An error ends the merge.
type Decide func(id string, present instance.Table) (instance.Change, error)

// maxMerges is how often Merge reads the inventory: once to change it, once to
// compare it, and again if other hosts change it meanwhile.
const maxMerges = 10

// Merge changes the inventory below a prefix until decide finds nothing missing in
// what was read back, and returns the ID of the inventory. It needs no cache and
// does not follow etcd. It reports how many of all records are written.
//
// A change that is too large for one transaction is made by several. Merge can be
// repeated after an error. Errors: ErrNewer, ErrTooLarge, storage.ErrConflict, and
// those of decide and of etcd.
func Merge(ctx context.Context, client *clientv3.Client, prefix string, decide Decide, progress func(done, all int)) (string, error) {
	r := NewReader(client, prefix)
	for range maxMerges {
		present, m, err := r.read(ctx)
		if err != nil {
			return "", err
		}
		change, err := decide(m.Inventory, present.table())
		switch {
		case err != nil:
			return "", err
		case m.Inventory == "":
			if _, _, err := createMark(ctx, client, prefix); err != nil && !errors.Is(err, errJustCreated) {
				return "", r.wrap(err)
			}
			continue
		case change.Empty():
			return m.Inventory, nil
		}
		err = r.write(ctx, present, m, change, progress)
		if err != nil && !errors.Is(err, storage.ErrConflict) {
			return "", err
		}
	}
	return "", r.wrap(storage.ErrConflict)
}

// write makes a change of what was read.
func (r *Reader) write(ctx context.Context, present *mirror, m mark, change instance.Change, progress func(done, all int)) error {
	plans, err := present.plans([]instance.Change{change})
	if err != nil {
		return r.wrap(err)
	}
	all, done := len(plans), 0
	packed := pack(plans)
	for _, p := range packed {
		if err := p.checkSize(); err != nil {
			return r.wrap(err)
		}
	}
	for _, p := range packed {
		if err := r.transact(ctx, p, m); err != nil {
			return r.wrap(err)
		}
		if done += p.parts; progress != nil {
			progress(done, all)
		}
	}
	return nil
}

// transact makes one transaction, if the inventory is still the same one.
func (r *Reader) transact(ctx context.Context, p *plan, m mark) error {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	same := clientv3.Compare(clientv3.ModRevision(r.prefix+schemaKey), "=", m.revision)
	resp, err := r.client.Txn(ctx).If(append(p.comparisons(r.prefix), same)...).Then(p.operations(r.prefix)...).Commit()
	switch {
	case err != nil:
		return fmt.Errorf("write: %w", err)
	case !resp.Succeeded:
		return storage.ErrConflict
	}
	return nil
}

// Joining brings the guests of a database that was never in etcd there.
type Joining interface {
	// Decide is a Decide.
	Decide(id string, present instance.Table) (instance.Change, error)
	// Done is called when the guests are in etcd and the database is a cache.
	Done()
}

// join brings the guests of this host into etcd, if it has some that were never
// there and the administrator has asked for that. It returns what to call when the
// database is their cache.
func (s *Store) join(ctx context.Context) (done func(), err error) {
	known, err := s.cache.Note(ctx, inventoryNote)
	if err != nil || known != "" {
		return func() {}, err
	}
	ours, err := s.cache.Load(ctx)
	if err != nil || len(ours.Instances) == 0 {
		return func() {}, err
	}
	joining, err := s.joining(ctx, ours)
	if err != nil {
		return nil, fmt.Errorf("%w: this host's database has %s not in etcd: %w", ErrOther, counted.Of(len(ours.Instances), "guest that is", "guests that are"), err)
	}
	decide := func(id string, present instance.Table) (instance.Change, error) {
		change, err := joining.Decide(id, present)
		if err != nil {
			err = fmt.Errorf("%w: %w", ErrOther, err)
		}
		return change, err
	}
	if _, err := Merge(ctx, s.client, s.prefix, decide, nil); err != nil {
		return nil, fmt.Errorf("bring the guests of this host into etcd: %w", err)
	}
	return joining.Done, nil
}

// notAsked is the Join of a server whose administrator has not asked for it.
func notAsked(context.Context, instance.Table) (Joining, error) {
	return nil, errors.New("`mdserver store migrate --to etcd` brings them there")
}
