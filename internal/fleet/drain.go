package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// A host is drained while there is a key for that, apart from the host's record, which
// the host writes at each start.

// drain is the value of that key. Its mere presence counts.
type drain struct {
	Since time.Time `json:"since"`
}

// setDrained notes the value of the key of a host; nil: it was removed.
func (f *Fleet) setDrained(id string, value []byte) {
	if value == nil {
		delete(f.drained, id)
		return
	}
	f.drained[id] = sinceIn(value)
}

// sinceIn is the time in the value of such a key, or a long time ago if it has none.
func sinceIn(value []byte) time.Time {
	var d drain
	if err := json.Unmarshal(value, &d); err != nil || d.Since.IsZero() {
		return time.Unix(0, 0).UTC()
	}
	return d.Since
}

// Drained returns since when this host is drained, or zero if it is in service. known
// is false as long as etcd was never read; after that, the last word counts.
func (f *Fleet) Drained() (since time.Time, known bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.drained[f.ID], f.known
}

// SetDrained takes a host out of service, or puts it back, and returns since when it
// is drained. One that is so already stays as it is. Errors: ErrUnknown, and those of
// etcd.
func (f *Fleet) SetDrained(ctx context.Context, id string, drained bool) (since time.Time, err error) {
	key := f.Prefix + drainedKey + id
	if drained {
		since = time.Now().UTC().Truncate(time.Second)
	}
	value, err := json.Marshal(drain{Since: since})
	if err != nil {
		return time.Time{}, err
	}
	change := clientv3.OpDelete(key)
	if drained {
		absent := clientv3.Compare(clientv3.CreateRevision(key), "=", 0)
		change = clientv3.OpTxn([]clientv3.Cmp{absent}, []clientv3.Op{clientv3.OpPut(key, string(value))}, []clientv3.Op{clientv3.OpGet(key)})
	}
	known := clientv3.Compare(clientv3.CreateRevision(f.Prefix+hostsKey+id), ">", 0)
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	resp, err := f.Client.Txn(ctx).If(known).Then(change).Commit()
	switch {
	case err != nil:
		return time.Time{}, fmt.Errorf("drain a host: %w", err)
	case !resp.Succeeded:
		return time.Time{}, fmt.Errorf("%w: %s", ErrUnknown, id)
	}
	if inner := resp.Responses[0].GetResponseTxn(); inner != nil && !inner.Succeeded {
		since = sinceIn(inner.Responses[0].GetResponseRange().Kvs[0].Value)
	}
	return since, nil
}
