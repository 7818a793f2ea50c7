package etcdstore

import (
	"context"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// SharedNote implements sharedkeys.Notes.
func (s *Store) SharedNote(ctx context.Context, key string) (text string, revision int64, err error) {
	resp, err := s.client.Get(ctx, s.prefix+notesKey+key)
	switch {
	case err != nil:
		return "", 0, s.wrap("read", err)
	case len(resp.Kvs) == 0:
		return "", 0, nil
	}
	return string(resp.Kvs[0].Value), resp.Kvs[0].ModRevision, nil
}

// SwapNote implements sharedkeys.Notes. After an error the note may be written.
func (s *Store) SwapNote(ctx context.Context, key, text string, revision int64) (bool, error) {
	key = s.prefix + notesKey + key
	resp, err := s.client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", revision)).Then(clientv3.OpPut(key, text)).Commit()
	if err != nil {
		return false, s.wrap("write", err)
	}
	return resp.Succeeded, nil
}
