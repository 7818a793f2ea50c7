package etcdstore

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"mdserver/internal/inventory"
)

// newLossyHost is newHost with a lossyKV.
func newLossyHost(t testing.TB, client *clientv3.Client, opts inventory.Options) *host {
	t.Helper()
	lossy := &lossyKV{KV: client.KV}
	through := clientv3.NewCtxClient(t.Context())
	through.KV, through.Watcher = lossy, &heldWatcher{client.Watcher, &lossy.watch}
	h := newHost(t, through, opts)
	h.lossy = lossy
	return h
}

// lossyKV loses answers of etcd: of the next writes, as many as lose says.
type lossyKV struct {
	clientv3.KV
	lose atomic.Int32
	make atomic.Bool // the transaction is made nevertheless

	watch sync.Mutex // while it is locked, no watch tells of changes
}

// heldWatcher holds back what a watch tells while held is locked.
type heldWatcher struct {
	clientv3.Watcher
	held *sync.Mutex
}

func (w *heldWatcher) Watch(ctx context.Context, key string, opts ...clientv3.OpOption) clientv3.WatchChan {
	told := make(chan clientv3.WatchResponse)
	go func() {
		defer close(told)
		for response := range w.Watcher.Watch(ctx, key, opts...) {
			w.held.Lock()
			select {
			case told <- response:
			case <-ctx.Done():
			}
			w.held.Unlock()
		}
	}()
	return told
}

func (l *lossyKV) loses() bool { return l.lose.Add(-1) >= 0 }

func (l *lossyKV) Put(ctx context.Context, key, value string, opts ...clientv3.OpOption) (*clientv3.PutResponse, error) {
	if l.loses() {
		return nil, context.DeadlineExceeded
	}
	return l.KV.Put(ctx, key, value, opts...)
}

func (l *lossyKV) Txn(ctx context.Context) clientv3.Txn { return &lossyTxn{l.KV.Txn(ctx), l} }

type lossyTxn struct {
	clientv3.Txn
	kv *lossyKV
}

func (t *lossyTxn) If(cs ...clientv3.Cmp) clientv3.Txn   { t.Txn = t.Txn.If(cs...); return t }
func (t *lossyTxn) Then(ops ...clientv3.Op) clientv3.Txn { t.Txn = t.Txn.Then(ops...); return t }

func (t *lossyTxn) Commit() (*clientv3.TxnResponse, error) {
	if !t.kv.loses() {
		return t.Txn.Commit()
	}
	if t.kv.make.Load() {
		if _, err := t.Txn.Commit(); err != nil {
			return nil, err
		}
	}
	return nil, context.DeadlineExceeded
}
