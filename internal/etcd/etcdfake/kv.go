package etcdfake

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
)

// kv implements etcdserverpb.KVClient. Methods that are missing here panic.
type kv struct {
	etcdserverpb.KVClient
	e *Etcd
}

func (k kv) Range(ctx context.Context, r *etcdserverpb.RangeRequest, _ ...grpc.CallOption) (resp *etcdserverpb.RangeResponse, err error) {
	err = k.e.do(ctx, "range", string(r.Key), func() (err error) {
		resp, err = k.e.read(r)
		return err
	})
	return resp, err
}

func (k kv) Put(ctx context.Context, r *etcdserverpb.PutRequest, _ ...grpc.CallOption) (resp *etcdserverpb.PutResponse, err error) {
	err = k.e.do(ctx, "put", string(r.Key), func() error {
		w := k.e.begin()
		if resp, err = w.put(r); err != nil {
			return w.undo(err)
		}
		resp.Header = w.end()
		return nil
	})
	return resp, err
}

func (k kv) DeleteRange(ctx context.Context, r *etcdserverpb.DeleteRangeRequest, _ ...grpc.CallOption) (resp *etcdserverpb.DeleteRangeResponse, err error) {
	err = k.e.do(ctx, "delete", string(r.Key), func() error {
		w := k.e.begin()
		resp = w.remove(r)
		resp.Header = w.end()
		return nil
	})
	return resp, err
}

func (k kv) Txn(ctx context.Context, r *etcdserverpb.TxnRequest, _ ...grpc.CallOption) (resp *etcdserverpb.TxnResponse, err error) {
	err = k.e.do(ctx, "txn", firstKey(r), func() error {
		w := k.e.begin()
		if resp, err = w.txn(r); err != nil {
			return w.undo(err)
		}
		resp.Header = w.end()
		return nil
	})
	return resp, err
}

func (k kv) Compact(ctx context.Context, r *etcdserverpb.CompactionRequest, _ ...grpc.CallOption) (resp *etcdserverpb.CompactionResponse, err error) {
	err = k.e.do(ctx, "compact", "", func() error {
		k.e.compact = r.Revision
		resp = &etcdserverpb.CompactionResponse{Header: k.e.header()}
		return nil
	})
	return resp, err
}

// firstKey returns the first key that a transaction writes or reads.
func firstKey(r *etcdserverpb.TxnRequest) string {
	for _, op := range r.Success {
		switch {
		case op.GetRequestPut() != nil:
			return string(op.GetRequestPut().Key)
		case op.GetRequestDeleteRange() != nil:
			return string(op.GetRequestDeleteRange().Key)
		case op.GetRequestRange() != nil:
			return string(op.GetRequestRange().Key)
		case op.GetRequestTxn() != nil:
			return firstKey(op.GetRequestTxn())
		}
	}
	return ""
}

// write is a change of one revision.
type write struct {
	e      *Etcd
	before map[string]keyValue
	events []*mvccpb.Event
}

func (e *Etcd) begin() *write { return &write{e: e, before: maps.Clone(e.present)} }

// undo restores the keys after a write has failed.
func (w *write) undo(err error) error {
	w.e.present = w.before
	return err
}

func (w *write) end() *etcdserverpb.ResponseHeader {
	w.e.commit(w.events)
	return w.e.header()
}

func (w *write) put(r *etcdserverpb.PutRequest) (*etcdserverpb.PutResponse, error) {
	next := &mvccpb.KeyValue{Key: r.Key, Value: r.Value, Lease: r.Lease, Version: 1, CreateRevision: w.e.revision + 1, ModRevision: w.e.revision + 1}
	var held *lease
	if id := clientv3.LeaseID(r.Lease); id != clientv3.NoLease {
		if held = w.e.leases[id]; held == nil {
			return nil, rpctypes.ErrGRPCLeaseNotFound
		}
		held.keys[string(r.Key)] = true
	}
	resp := &etcdserverpb.PutResponse{}
	if before := w.e.present[string(r.Key)]; before != nil {
		next.Version, next.CreateRevision = before.Version+1, before.CreateRevision
		if former := w.e.leases[clientv3.LeaseID(before.Lease)]; former != nil && former != held {
			delete(former.keys, string(r.Key))
		}
		if r.PrevKv {
			resp.PrevKv = before
		}
	}
	w.e.present[string(r.Key)] = next
	w.events = append(w.events, &mvccpb.Event{Type: mvccpb.Event_PUT, Kv: next})
	return resp, nil
}

func (w *write) remove(r *etcdserverpb.DeleteRangeRequest) *etcdserverpb.DeleteRangeResponse {
	resp := &etcdserverpb.DeleteRangeResponse{}
	for _, kv := range within(w.e.present, r.Key, r.RangeEnd) {
		delete(w.e.present, string(kv.Key))
		w.events = append(w.events, &mvccpb.Event{Type: mvccpb.Event_DELETE, Kv: &mvccpb.KeyValue{Key: kv.Key, ModRevision: w.e.revision + 1}})
		resp.Deleted++
	}
	return resp
}

func (w *write) txn(r *etcdserverpb.TxnRequest) (*etcdserverpb.TxnResponse, error) {
	resp := &etcdserverpb.TxnResponse{Succeeded: !slices.ContainsFunc(r.Compare, func(c *etcdserverpb.Compare) bool { return !holds(c, w.e.present[string(c.Key)]) })}
	ops := r.Failure
	if resp.Succeeded {
		ops = r.Success
	}
	for _, op := range ops {
		answer, err := w.op(op)
		if err != nil {
			return nil, err
		}
		resp.Responses = append(resp.Responses, answer)
	}
	return resp, nil
}

func (w *write) op(op *etcdserverpb.RequestOp) (*etcdserverpb.ResponseOp, error) {
	switch {
	case op.GetRequestRange() != nil:
		resp, err := w.e.read(op.GetRequestRange())
		return &etcdserverpb.ResponseOp{Response: &etcdserverpb.ResponseOp_ResponseRange{ResponseRange: resp}}, err
	case op.GetRequestPut() != nil:
		resp, err := w.put(op.GetRequestPut())
		return &etcdserverpb.ResponseOp{Response: &etcdserverpb.ResponseOp_ResponsePut{ResponsePut: resp}}, err
	case op.GetRequestDeleteRange() != nil:
		return &etcdserverpb.ResponseOp{Response: &etcdserverpb.ResponseOp_ResponseDeleteRange{ResponseDeleteRange: w.remove(op.GetRequestDeleteRange())}}, nil
	}
	resp, err := w.txn(op.GetRequestTxn())
	return &etcdserverpb.ResponseOp{Response: &etcdserverpb.ResponseOp_ResponseTxn{ResponseTxn: resp}}, err
}

// holds reports whether a comparison is true of a key, which is nil if it does not exist.
func holds(c *etcdserverpb.Compare, kv keyValue) bool {
	if kv == nil && c.Target == etcdserverpb.Compare_VALUE {
		return false
	}
	var order int
	switch c.Target {
	case etcdserverpb.Compare_VERSION:
		order = cmp.Compare(kv.GetVersion(), c.GetVersion())
	case etcdserverpb.Compare_CREATE:
		order = cmp.Compare(kv.GetCreateRevision(), c.GetCreateRevision())
	case etcdserverpb.Compare_MOD:
		order = cmp.Compare(kv.GetModRevision(), c.GetModRevision())
	case etcdserverpb.Compare_VALUE:
		order = bytes.Compare(kv.GetValue(), c.GetValue())
	case etcdserverpb.Compare_LEASE:
		order = cmp.Compare(kv.GetLease(), c.GetLease())
	}
	switch c.Result {
	case etcdserverpb.Compare_EQUAL:
		return order == 0
	case etcdserverpb.Compare_GREATER:
		return order > 0
	case etcdserverpb.Compare_LESS:
		return order < 0
	}
	return order != 0
}

func (e *Etcd) read(r *etcdserverpb.RangeRequest) (*etcdserverpb.RangeResponse, error) {
	switch {
	case r.Revision > e.revision:
		return nil, rpctypes.ErrGRPCFutureRev
	case r.Revision > 0 && r.Revision < e.compact:
		return nil, rpctypes.ErrGRPCCompacted
	}
	found := within(e.at(r.Revision), r.Key, r.RangeEnd)
	order(found, r)
	resp := &etcdserverpb.RangeResponse{Header: e.header(), Count: int64(len(found))}
	if r.Limit > 0 && int64(len(found)) > r.Limit {
		found, resp.More = found[:r.Limit], true
	}
	if !r.CountOnly {
		resp.Kvs = found
	}
	return resp, nil
}

// order sorts keys as a request asks. They arrive in the order of their names.
func order(found []keyValue, r *etcdserverpb.RangeRequest) {
	if r.SortTarget == etcdserverpb.RangeRequest_MOD {
		slices.SortStableFunc(found, func(a, b keyValue) int { return cmp.Compare(a.ModRevision, b.ModRevision) })
	}
	if r.SortOrder == etcdserverpb.RangeRequest_DESCEND {
		slices.Reverse(found)
	}
}

// within returns the keys from one up to another, which is excluded, in order. If to is
// empty, it returns the one key.
func within(keys map[string]keyValue, from, to []byte) []keyValue {
	var found []keyValue
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if covers(from, to, []byte(key)) {
			found = append(found, keys[key])
		}
	}
	return found
}

func covers(from, to, key []byte) bool {
	if len(to) == 0 {
		return bytes.Equal(key, from)
	}
	return bytes.Compare(key, from) >= 0 && (bytes.Equal(to, []byte{0}) || bytes.Compare(key, to) < 0)
}
