package fleet

import (
	"context"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// lease is this host's place among the hosts, as long as it is renewed. A nil lease is
// none.
type lease struct {
	id      clientv3.LeaseID
	renewed <-chan *clientv3.LeaseKeepAliveResponse
}

// kept is closed when the lease has ended.
func (l *lease) kept() <-chan *clientv3.LeaseKeepAliveResponse {
	if l == nil {
		return nil
	}
	return l.renewed
}

// end gives the lease back, so that others need not wait for its end.
func (l *lease) end(ctx context.Context, f *Fleet) {
	if l == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_, _ = f.Client.Revoke(ctx, l.id) // it ends anyway
}

// claim takes this host's place, and returns nil while another server has it.
func (f *Fleet) claim(ctx context.Context) (*lease, error) {
	if f.isTaken() {
		f.noteRefused(true)
		return nil, nil
	}
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	granted, err := f.Client.Grant(call, int64(leaseTime/time.Second))
	if err != nil {
		return nil, err
	}
	l := &lease{id: granted.ID}
	made, err := f.put(call, l)
	if err != nil || !made {
		l.end(ctx, f)
		f.noteRefused(!made && err == nil)
		return nil, err
	}
	f.noteRefused(false)
	if l.renewed, err = f.Client.KeepAlive(ctx, l.id); err != nil {
		l.end(ctx, f)
		return nil, err
	}
	return l, nil
}

// put writes the keys of this host, unless another server has its place.
func (f *Fleet) put(ctx context.Context, l *lease) (made bool, err error) {
	record, err := f.record()
	if err != nil {
		return false, err
	}
	alive := f.Prefix + aliveKey + f.ID
	writes := []clientv3.Op{
		clientv3.OpPut(alive, f.session, clientv3.WithLease(l.id)),
		clientv3.OpPut(f.Prefix+hostsKey+f.ID, record),
	}
	for _, condition := range []clientv3.Cmp{
		clientv3.Compare(clientv3.CreateRevision(alive), "=", 0),
		clientv3.Compare(clientv3.Value(alive), "=", f.session), // by a lease that was lost
	} {
		resp, err := f.Client.Txn(ctx).If(condition).Then(writes...).Commit()
		if err != nil {
			return false, err
		}
		if resp.Succeeded {
			return true, nil
		}
	}
	return false, nil
}

// setAlive notes the value of the key that goes with the lease of a host; nil: it was
// removed.
func (f *Fleet) setAlive(id string, value []byte) {
	if value == nil {
		delete(f.alive, id)
		return
	}
	f.alive[id] = string(value)
}

// isTaken reports whether another server has this host's place, as far as is known.
func (f *Fleet) isTaken() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	held := f.alive[f.ID]
	return held != "" && held != f.session
}

// noteRefused notes whether another server has this host's place.
func (f *Fleet) noteRefused(refused bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case !refused:
		f.refused = time.Time{}
	case f.refused.IsZero():
		f.refused = time.Now()
	}
}
