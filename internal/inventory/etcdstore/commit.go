package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/storage"
)

// callTimeout bounds one request to etcd. Two of them, a transaction and the
// question whether it was made, end within the time that a guest's start has.
const callTimeout = 900 * time.Millisecond

// Fits implements storage.Shared.
func (s *Store) Fits(changes []instance.Change) bool {
	plans, err := s.mirror.plans(changes)
	return err == nil && together(plans).fits()
}

// Weight implements storage.Shared.
func (s *Store) Weight(change instance.Change) float64 {
	plans, err := s.mirror.plans([]instance.Change{change})
	if err != nil {
		return 1 // Commit returns the error
	}
	return together(plans).weight()
}

func together(plans []*plan) *plan {
	all := newPlan()
	for _, p := range plans {
		all.combine(p)
	}
	return all
}

// Commit implements storage.Shared. Changes that are too large for one
// transaction are made by several. If one of these fails, those before it are made,
// and each of them is consistent by itself.
func (s *Store) Commit(ctx context.Context, changes []instance.Change) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	plans, err := s.mirror.plans(changes)
	if err != nil {
		return 0, s.wrap("write", err)
	}
	if len(plans) == 0 {
		return s.mirror.revision, nil
	}
	if err := s.ready(ctx); err != nil {
		s.noteAway(err)
		return 0, s.wrap("write", err)
	}
	if all := together(plans); all.fits() {
		plans = []*plan{all}
	} else {
		plans = pack(plans)
	}
	revision := s.mirror.revision
	for _, p := range plans {
		if err := p.checkSize(); err != nil {
			return 0, s.wrap("write", err)
		}
	}
	if err := s.returnSpares(ctx, changes); err != nil {
		return 0, s.wrap("write", fmt.Errorf("return spare addresses: %w", err))
	}
	for _, p := range plans {
		if revision, err = s.transact(ctx, p); err != nil {
			s.noteAway(err)
			return 0, s.wrap("write", err)
		}
	}
	return revision, nil
}

// noteAway has later changes not wait for etcd if it did not answer.
func (s *Store) noteAway(err error) {
	if errors.Is(err, storage.ErrAway) {
		s.giveUp(err)
	}
}

// ready waits for the link to etcd, and settles a transaction whose outcome is
// unknown. After that, the inventory has to take what has changed first.
func (s *Store) ready(ctx context.Context) error {
	if err := s.awaitLink(ctx); err != nil {
		return err
	}
	if !s.unknown {
		return nil
	}
	if _, _, err := s.putFence(ctx, ""); err != nil {
		return fmt.Errorf("%w: %w", storage.ErrAway, err)
	}
	return storage.ErrConflict
}

// transact makes one transaction and returns its revision.
func (s *Store) transact(ctx context.Context, p *plan) (int64, error) {
	id := uuid.NewString()
	fence := clientv3.Compare(clientv3.ModRevision(s.prefix+s.writer), "=", s.mirror.fence)
	call, cancel := context.WithTimeout(ctx, callTimeout)
	resp, err := s.client.Txn(call).
		If(append(p.comparisons(s.prefix), fence)...).
		Then(append(p.operations(s.prefix), clientv3.OpPut(s.prefix+s.writer, id))...).
		Commit()
	cancel()
	switch {
	case err == nil && resp.Succeeded:
		s.mirror.fence = resp.Header.Revision
		return resp.Header.Revision, nil
	case err == nil:
		return 0, storage.ErrConflict
	case refused(err):
		return 0, err
	}
	return s.settle(ctx, id, err)
}

// refused reports whether etcd has refused a request for certain.
func refused(err error) bool {
	switch status.Code(err) {
	case codes.InvalidArgument, codes.PermissionDenied, codes.Unauthenticated, codes.ResourceExhausted, codes.FailedPrecondition:
		return true
	}
	known := rpctypes.Error(err)
	return errors.Is(known, rpctypes.ErrNoSpace) || errors.Is(known, rpctypes.ErrPermissionDenied) ||
		errors.Is(known, rpctypes.ErrTooManyOps) || errors.Is(known, rpctypes.ErrRequestTooLarge)
}

// settle finds out whether a transaction was made.
func (s *Store) settle(ctx context.Context, id string, failure error) (int64, error) {
	made, revision, err := s.putFence(ctx, id)
	switch {
	case err != nil:
		s.unknown = true
		return 0, fmt.Errorf("%w: %w: %w", storage.ErrUncertain, storage.ErrAway, failure)
	case made:
		return revision, nil
	}
	return 0, fmt.Errorf("%w: %w", storage.ErrAway, failure)
}

// putFence writes the key that each transaction of this host compares. So a
// transaction that is still on its way cannot be made after it. It reports whether
// the transaction with this ID was made before, with its revision.
func (s *Store) putFence(ctx context.Context, id string) (made bool, revision int64, err error) {
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	resp, err := s.client.Put(call, s.prefix+s.writer, uuid.NewString(), clientv3.WithPrevKV())
	if err != nil {
		return false, 0, err
	}
	s.unknown = false
	s.mirror.fence = resp.Header.Revision
	if resp.PrevKv != nil && string(resp.PrevKv.Value) == id {
		return true, resp.PrevKv.ModRevision, nil
	}
	return false, 0, nil
}
