package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/storage"
)

type keyValue = mvccpb.KeyValue

// pages reads all keys with a prefix at a revision; 0: the newest one.
func pages(ctx context.Context, client *clientv3.Client, prefix string, revision int64, each func(key string, kv *keyValue)) error {
	end := clientv3.GetPrefixRangeEnd(prefix)
	for key := prefix; ; {
		resp, err := page(ctx, client, key, end, revision)
		if err != nil {
			return err
		}
		if revision == 0 {
			revision = resp.Header.Revision
		}
		for _, kv := range resp.Kvs {
			each(string(kv.Key), kv)
		}
		if !resp.More {
			return nil
		}
		key = string(resp.Kvs[len(resp.Kvs)-1].Key) + "\x00"
	}
}

func page(ctx context.Context, client *clientv3.Client, key, end string, revision int64) (*clientv3.GetResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	return client.Get(ctx, key, clientv3.WithRange(end), clientv3.WithLimit(pageSize), clientv3.WithRev(revision))
}

// Reader implements storage.Reader without a cache. It reads etcd each time.
type Reader struct {
	client *clientv3.Client
	prefix string
}

// NewReader reads the inventory below a prefix. The caller closes the client.
func NewReader(client *clientv3.Client, prefix string) *Reader { return &Reader{client, prefix} }

// Load implements storage.Reader. A record that cannot be read is an error.
func (r *Reader) Load(ctx context.Context) (instance.Table, error) {
	present, _, err := r.read(ctx)
	if err != nil {
		return instance.Table{}, err
	}
	return present.table(), nil
}

// read returns all records at one revision, and the mark. The mark is empty if
// there is none.
func (r *Reader) read(ctx context.Context) (*mirror, mark, error) {
	m, header, err := readMark(ctx, r.client, r.prefix)
	if err != nil {
		return nil, mark{}, r.wrap(err)
	}
	whole := newStep(header.Revision)
	var failures []error
	for _, kind := range []string{guestsKey, restingKey, sparesKey} {
		err := pages(ctx, r.client, r.prefix+kind, whole.revision, func(key string, kv *keyValue) {
			failures = append(failures, whole.set(strings.TrimPrefix(key, r.prefix), kv, ""))
		})
		failures = append(failures, err)
	}
	if err := errors.Join(failures...); err != nil {
		return nil, mark{}, r.wrap(err)
	}
	present := newMirror("")
	present.apply(whole)
	return present, m, nil
}

// Note implements storage.Reader.
func (r *Reader) Note(ctx context.Context, key string) (string, error) {
	resp, err := r.client.Get(ctx, r.prefix+notesKey+key)
	if err != nil {
		return "", r.wrap(err)
	}
	if len(resp.Kvs) == 0 {
		return "", nil
	}
	return string(resp.Kvs[0].Value), nil
}

// Notes implements storage.Reader.
func (r *Reader) Notes(ctx context.Context) (map[string]string, error) {
	notes := map[string]string{}
	err := pages(ctx, r.client, r.prefix+notesKey, 0, func(key string, kv *keyValue) {
		notes[strings.TrimPrefix(key, r.prefix+notesKey)] = string(kv.Value)
	})
	if err != nil {
		return nil, r.wrap(err)
	}
	return notes, nil
}

// Close implements storage.Reader.
func (r *Reader) Close() error { return nil }

func (r *Reader) wrap(err error) error {
	return fmt.Errorf("read the inventory in etcd below %s: %w", r.prefix, err)
}

// Note implements storage.Reader.
func (s *Store) Note(ctx context.Context, key string) (string, error) {
	return NewReader(s.client, s.prefix).Note(ctx, key)
}

// Notes implements storage.Reader.
func (s *Store) Notes(ctx context.Context) (map[string]string, error) {
	return NewReader(s.client, s.prefix).Notes(ctx)
}

// SetNote implements storage.Store.
func (s *Store) SetNote(ctx context.Context, key, text string) (err error) {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case key == "":
		return s.wrap("write", errors.New("a note needs a key"))
	case text == "":
		_, err = s.client.Delete(ctx, s.prefix+notesKey+key)
	default:
		_, err = s.client.Put(ctx, s.prefix+notesKey+key, text)
	}
	switch {
	case err == nil:
		return nil
	case refused(err):
		return s.wrap("write", err)
	}
	return s.wrap("write", fmt.Errorf("%w: %w", storage.ErrUncertain, err))
}

var _ storage.Reader = (*Reader)(nil)
