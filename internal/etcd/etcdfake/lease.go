package etcdfake

import (
	"context"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// leasing implements clientv3.Lease. Methods that are missing here panic.
type leasing struct {
	clientv3.Lease
	e *Etcd
}

type lease struct {
	ttl  time.Duration
	keys map[string]bool
	end  *time.Timer
}

// Grant makes a lease, which ends if it is not renewed.
func (l leasing) Grant(ctx context.Context, ttl int64) (resp *clientv3.LeaseGrantResponse, err error) {
	err = l.e.do(ctx, "grant", "", func() error {
		l.e.granted++
		id := l.e.granted
		one := &lease{ttl: time.Duration(ttl) * time.Second, keys: map[string]bool{}}
		one.end = time.AfterFunc(one.ttl, func() {
			l.e.mu.Lock()
			defer l.e.mu.Unlock()
			l.e.endLease(id)
		})
		l.e.leases[id] = one
		resp = &clientv3.LeaseGrantResponse{ResponseHeader: l.e.header(), ID: id, TTL: ttl}
		return nil
	})
	return resp, err
}

// Revoke ends a lease.
func (l leasing) Revoke(ctx context.Context, id clientv3.LeaseID) (resp *clientv3.LeaseRevokeResponse, err error) {
	err = l.e.do(ctx, "revoke", "", func() error {
		if l.e.leases[id] == nil {
			return rpctypes.ErrLeaseNotFound
		}
		l.e.endLease(id)
		resp = &clientv3.LeaseRevokeResponse{Header: l.e.header()}
		return nil
	})
	return resp, err
}

// KeepAlive renews a lease until it or ctx ends, and closes the channel then.
func (l leasing) KeepAlive(ctx context.Context, id clientv3.LeaseID) (<-chan *clientv3.LeaseKeepAliveResponse, error) {
	renewed := make(chan *clientv3.LeaseKeepAliveResponse, 16)
	ttl, err := l.renew(ctx, id)
	if err != nil {
		return nil, err
	}
	go func() {
		defer close(renewed)
		for known := time.Now(); err != rpctypes.ErrLeaseNotFound && time.Since(known) < ttl; _, err = l.renew(ctx, id) {
			if err == nil {
				known = time.Now()
				select {
				case renewed <- &clientv3.LeaseKeepAliveResponse{ID: id, TTL: int64(ttl / time.Second)}:
				default: // the caller does not read them
				}
			}
			select {
			case <-time.After(ttl / 3):
			case <-ctx.Done():
				return
			}
		}
	}()
	return renewed, nil
}

// renew restarts the time of a lease.
func (l leasing) renew(ctx context.Context, id clientv3.LeaseID) (ttl time.Duration, err error) {
	err = l.e.do(ctx, "keepalive", "", func() error {
		one := l.e.leases[id]
		if one == nil {
			return rpctypes.ErrLeaseNotFound
		}
		one.end.Reset(one.ttl)
		ttl = one.ttl
		return nil
	})
	return ttl, err
}

// endLease removes a lease and its keys. The caller holds the lock.
func (e *Etcd) endLease(id clientv3.LeaseID) {
	one := e.leases[id]
	if one == nil {
		return
	}
	one.end.Stop()
	delete(e.leases, id)
	w := e.begin()
	for key := range one.keys {
		w.remove(&etcdserverpb.DeleteRangeRequest{Key: []byte(key)})
	}
	w.end()
}
