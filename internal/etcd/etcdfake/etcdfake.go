// Package etcdfake is an etcd in memory, for tests that need the time of a
// testing/synctest bubble or requests that fail on demand. It has what mdserver uses: reads,
// transactions, watches and leases. Its own test compares it with the real etcd.
package etcdfake

import (
	"context"
	"sync"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Fault returns the error of a request, or nil. kind is range, put, delete, txn, compact,
// watch, grant, keepalive or revoke. key is the first key that the request reads or writes,
// or "" for a lease.
type Fault func(kind, key string) error

// Etcd is a cluster. All its methods may be called from any goroutine.
type Etcd struct {
	mu       sync.Mutex
	cluster  uint64
	revision int64
	compact  int64               // the oldest revision that can be read
	history  []*mvccpb.Event     // all changes
	present  map[string]keyValue // by key
	leases   map[clientv3.LeaseID]*lease
	granted  clientv3.LeaseID // the newest lease
	watchers map[*watcher]bool
	hung     chan struct{} // closed when requests may go on; nil: they do not wait
	refuse   Fault
	lose     Fault
}

type keyValue = *mvccpb.KeyValue

// New makes a cluster without keys.
func New() *Etcd {
	return &Etcd{cluster: 0xe7cd, revision: 1, present: map[string]keyValue{}, leases: map[clientv3.LeaseID]*lease{}, watchers: map[*watcher]bool{}}
}

// Client returns a client that ends with ctx.
func (e *Etcd) Client(ctx context.Context) *clientv3.Client {
	c := clientv3.NewCtxClient(ctx)
	c.KV, c.Watcher, c.Lease = clientv3.NewKVFromKVClient(kv{e: e}, c), watching{e}, leasing{e: e}
	return c
}

// Refuse makes requests fail with the errors of f, without effect. With nil, none fails.
func (e *Etcd) Refuse(f Fault) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.refuse = f
}

// Lose makes requests take effect, then fail with the errors of f. With nil, none fails.
func (e *Etcd) Lose(f Fault) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lose = f
}

// Hang makes requests wait until it is called with false.
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

// EndWatches ends each watch with a last response.
func (e *Etcd) EndWatches(last clientv3.WatchResponse) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for w := range e.watchers {
		w.send(last)
		w.end()
	}
	clear(e.watchers)
}

// EndLeases ends all leases as if they had expired.
func (e *Etcd) EndLeases() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for id := range e.leases {
		e.endLease(id)
	}
}

// Leases counts the leases.
func (e *Etcd) Leases() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.leases)
}

// Replace changes the ID of the cluster and keeps its keys.
func (e *Etcd) Replace() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cluster++
}

// do makes a request by calling change with the lock held, unless a fault refuses it.
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

// commit adds the events of one revision, and sends them to the watches.
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

// at returns the keys at a revision; 0 means the present one.
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
