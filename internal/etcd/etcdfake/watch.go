package etcdfake

import (
	"context"
	"slices"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

type watching struct{ e *Etcd }

// watcher is a watch. Its goroutine hands responses over, so that requests do not wait for
// the reader.
type watcher struct {
	from, to []byte
	waiting  []clientv3.WatchResponse // guarded by the lock of Etcd
	more     chan struct{}            // signals that responses wait
	ended    bool
}

// Watch implements clientv3.Watcher.
func (w watching) Watch(ctx context.Context, key string, opts ...clientv3.OpOption) clientv3.WatchChan {
	op := clientv3.OpGet(key, opts...)
	one := &watcher{from: op.KeyBytes(), to: op.RangeBytes(), more: make(chan struct{}, 1)}
	told := make(chan clientv3.WatchResponse)
	err := w.e.do(ctx, "watch", key, func() error {
		if op.IsCreatedNotify() {
			one.send(clientv3.WatchResponse{Header: w.e.header(), Created: true})
		}
		if op.Rev() > 0 && op.Rev() < w.e.compact {
			one.send(clientv3.WatchResponse{Header: w.e.header(), Canceled: true, CompactRevision: w.e.compact})
			one.end()
			return nil
		}
		w.e.watchers[one] = true
		if op.Rev() > 0 {
			one.catchUp(w.e.header(), w.e.history, op.Rev())
		}
		return nil
	})
	if err != nil {
		one.send(clientv3.WatchResponse{Canceled: true, CancelReason: err.Error()})
		one.end()
	}
	go w.e.hand(ctx, one, told)
	return told
}

// RequestProgress implements clientv3.Watcher; no watch asks for it.
func (watching) RequestProgress(context.Context) error { return nil }

// Close implements clientv3.Watcher: a watch ends with its context.
func (watching) Close() error { return nil }

// hand hands responses over until the watch or ctx ends.
func (e *Etcd) hand(ctx context.Context, w *watcher, told chan<- clientv3.WatchResponse) {
	defer close(told)
	defer func() {
		e.mu.Lock()
		delete(e.watchers, w)
		e.mu.Unlock()
	}()
	for {
		e.mu.Lock()
		waiting, ended := w.waiting, w.ended
		w.waiting = nil
		e.mu.Unlock()
		for _, resp := range waiting {
			select {
			case told <- resp:
			case <-ctx.Done():
				return
			}
		}
		if ended {
			return
		}
		select {
		case <-w.more:
		case <-ctx.Done():
			return
		}
	}
}

// send queues a response for the watch. The caller holds the lock.
func (w *watcher) send(resp clientv3.WatchResponse) {
	w.waiting = append(w.waiting, resp)
	select {
	case w.more <- struct{}{}:
	default:
	}
}

func (w *watcher) end() { w.ended = true }

// tell sends the events that the watch covers.
func (w *watcher) tell(header *etcdserverpb.ResponseHeader, events []*mvccpb.Event) {
	var mine []*clientv3.Event
	for _, event := range events {
		if covers(w.from, w.to, event.Kv.Key) {
			mine = append(mine, (*clientv3.Event)(event))
		}
	}
	if len(mine) > 0 {
		w.send(clientv3.WatchResponse{Header: header, Events: mine})
	}
}

// catchUp sends the events since a revision.
func (w *watcher) catchUp(header *etcdserverpb.ResponseHeader, history []*mvccpb.Event, since int64) {
	first := slices.IndexFunc(history, func(event *mvccpb.Event) bool { return event.Kv.ModRevision >= since })
	if first >= 0 {
		w.tell(header, history[first:])
	}
}
