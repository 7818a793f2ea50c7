package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Forget calls release, which takes from a host what it has, and removes the host from the
// list if that succeeds. A host that is alive is refused before that, and one that is away
// cannot come back until Forget returns. With force, a host that is alive is removed, too.
// A host that was removed comes back with its next start, and is not drained then.
//
// Errors: ErrAlive, those of release and of etcd.
func (f *Fleet) Forget(ctx context.Context, id string, force bool, release func(context.Context) error) error {
	removals := []clientv3.Op{clientv3.OpDelete(f.Prefix + hostsKey + id), clientv3.OpDelete(f.Prefix + drainedKey + id)}
	var held []clientv3.Cmp
	if !force {
		holding, stop := context.WithCancel(ctx)
		defer stop()
		place, err := f.hold(holding, id)
		if err != nil {
			return err
		}
		defer place.end(ctx, f)
		alive := f.Prefix + aliveKey + id
		held = append(held, clientv3.Compare(clientv3.LeaseValue(alive), "=", place.id))
		removals = append(removals, clientv3.OpDelete(alive))
	}
	if err := release(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	resp, err := f.Client.Txn(ctx).If(held...).Then(removals...).Commit()
	switch {
	case err != nil:
		return fmt.Errorf("forget a host: %w", err)
	case !resp.Succeeded:
		return errors.New("forget a host: it took too long, and the host may be alive again; look, and try again")
	}
	return nil
}

// hold takes the place of a host that is away and keeps it until ctx ends, so that the host
// cannot come back. If the host is alive, the error is ErrAlive.
func (f *Fleet) hold(ctx context.Context, id string) (*lease, error) {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	granted, err := f.Client.Grant(call, int64(leaseTime/time.Second))
	if err != nil {
		return nil, fmt.Errorf("forget a host: %w", err)
	}
	place := &lease{id: granted.ID}
	alive := f.Prefix + aliveKey + id
	resp, err := f.Client.Txn(call).
		If(clientv3.Compare(clientv3.CreateRevision(alive), "=", 0)).
		Then(clientv3.OpPut(alive, "forgotten by "+f.session, clientv3.WithLease(place.id))).
		Commit()
	if err == nil && !resp.Succeeded {
		place.end(ctx, f)
		return nil, ErrAlive
	}
	if err == nil {
		place.renewed, err = f.Client.KeepAlive(ctx, place.id)
	}
	if err != nil {
		place.end(ctx, f)
		return nil, fmt.Errorf("forget a host: %w", err)
	}
	return place, nil
}
