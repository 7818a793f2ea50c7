// Package etcdfake is an etcd in memory, for tests that need the time of a
// testing/synctest bubble or requests that fail on demand. Its own test compares it with
// the real one. It has what mdserver uses: reads, transactions, watches and leases.
package etcdfake

import (
	"context"
	"sync"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Fault decides what becomes of a request. kind is range, put, delete, txn, compact, watch,
// grant, keepalive or revoke. key is the first one that the request reads or writes; "" for a
// lease.
type Fault func(kind, key string) error

// Etcd is a cluster. All its methods may be called from any goroutine.
type Etcd struct {
	mu       sync.Mutex
	cluster  uint64
	revision int64
	compact  int64               // nothing is known of earlier revisions
	history  []*mvccpb.Event     // all changes
	present  map[string]keyValue // by key
	leases   map[clientv3.LeaseID]*lease
	granted  clientv3.LeaseID // the newest one
	watchers map[*watcher]bool
	hung     chan struct{} // closed when requests go on; nil: they do not wait
	refuse   Fault
	lose     Fault
}

type keyValue = *mvccpb.KeyValue

// New makes a cluster without keys.
func New() *Etcd {
	return &Etcd{cluster: 0xe7cd, revision: 1, present: map[string]keyValue{}, leases: map[clientv3.LeaseID]*lease{}, watchers: map[*watcher]bool{}}
}

// Client is a connection that ends with ctx.
func (e *Etcd) Client(ctx context.Context) *clientv3.Client {
	c := clientv3.NewCtxClient(ctx)
	c.KV, c.Watcher, c.Lease = clientv3.NewKVFromKVClient(kv{e: e}, c), watching{e}, leasing{e: e}
	return c
}

// Refuse has requests fail with the errors of a fault. They are not made. nil: none fails.
func (e *Etcd) Refuse(f Fault) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.refuse = f
}

// Lose has requests fail that are made anyway. nil: none fails.
func (e *Etcd) Lose(f Fault) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lose = f
}

// Hang has requests wait until it is called with false.
func (e *Etcd) Hang(on bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case on && e.hung == nil:
		e.hung = make(chan struct{})
	case !on && e.hung != nil:
		close(e.hung)
		e.hung = nil
	}
}

// wait waits while requests hang.
func (e *Etcd) wait(ctx context.Context) error {
	for {
		e.mu.Lock()
		hung := e.hung
		e.mu.Unlock()
		if hung == nil {
			return ctx.Err()
		}
		select {
		case <-hung:
		case <-ctx.Done():
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// EndWatches sends each watch a last response.
func (e *Etcd) EndWatches(last clientv3.WatchResponse) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for w := range e.watchers {
		w.send(last)
		w.end()
	}
	clear(e.watchers)
}

// EndLeases ends all leases as if their time were over.
func (e *Etcd) EndLeases() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for id := range e.leases {
		e.endLease(id)
	}
}

// Leases is how many there are.
func (e *Etcd) Leases() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.leases)
}

// Replace makes it another cluster with the same keys.
func (e *Etcd) Replace() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cluster++
}

// do makes a request, unless it is to fail. change runs while the lock is held.
func (e *Etcd) do(ctx context.Context, kind, key string, change func() error) error {
	if err := e.wait(ctx); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.refuse != nil {
		if err := e.refuse(kind, key); err != nil {
			return err
		}
	}
	if err := change(); err != nil {
		return err
	}
	if e.lose != nil {
		return e.lose(kind, key)
	}
	return nil
}

func (e *Etcd) header() *etcdserverpb.ResponseHeader {
	return &etcdserverpb.ResponseHeader{ClusterId: e.cluster, Revision: e.revision}
}

// commit makes events that belong to one revision, and tells the watchers.
func (e *Etcd) commit(events []*mvccpb.Event) {
	if len(events) == 0 {
		return
	}
	e.revision = events[0].Kv.ModRevision
	e.history = append(e.history, events...)
	for w := range e.watchers {
		w.tell(e.header(), events)
	}
}

// at are the keys at a revision; 0: the present ones.
func (e *Etcd) at(revision int64) map[string]keyValue {
	if revision == 0 || revision == e.revision {
		return e.present
	}
	then := map[string]keyValue{}
	for _, event := range e.history {
		switch {
		case event.Kv.ModRevision > revision:
			return then
		case event.Type == mvccpb.Event_DELETE:
			delete(then, string(event.Kv.Key))
		default:
			then[string(event.Kv.Key)] = event.Kv
		}
	}
	return then
}
