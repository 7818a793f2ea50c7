package etcdstore

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// rivalKV has something done before a transaction is made.
type rivalKV struct {
	clientv3.KV
	first atomic.Pointer[func()]
}

func (r *rivalKV) Txn(ctx context.Context) clientv3.Txn {
	if do := r.first.Swap(nil); do != nil {
		(*do)()
	}
	return r.KV.Txn(ctx)
}

// TestConflicts: a change is worked out again, and that is counted, if another host was
// faster with something that it depends on.
func TestConflicts(t *testing.T) {
	cluster := startEtcd(t)
	client := connect(t, cluster)
	kv := &rivalKV{KV: client.KV}
	through := clientv3.NewCtxClient(t.Context())
	through.KV, through.Watcher = kv, client.Watcher
	h, rival := newHost(t, through, options("10.0.0.0/24")), newHost(t, connect(t, cluster), options("10.0.0.0/24"))
	within(t, 10*time.Second, h.store.Link)
	within(t, 10*time.Second, rival.store.Link)
	if _, err := h.Register(t.Context(), dom(1, "first")); err != nil {
		t.Fatal(err)
	}
	agree(t, []*host{h, rival})
	if got := h.Conflicts(); got != 0 {
		t.Errorf("%d conflicts without a rival", got)
	}
	register := func() {
		if _, err := rival.Register(context.Background(), dom(2, "=same")); err != nil {
			t.Error(err)
		}
	}
	kv.first.Store(&register)
	reg, err := h.Register(t.Context(), dom(3, "same"))
	if err != nil || reg.Instance.Hostname == "same" {
		t.Errorf("the host name that another guest has: %v: %q", err, reg.Instance.Hostname)
	}
	if got := h.Conflicts(); got == 0 {
		t.Error("the conflict was not counted")
	}
	if got := rival.Conflicts(); got != 0 {
		t.Errorf("the rival has %d conflicts", got)
	}
}
