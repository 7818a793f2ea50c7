package etcdstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"mdserver/internal/inventory/storage"
)

// schema grows with changes that an older mdserver could not keep.
const schema = 1

// mark is the value of the schema key.
type mark struct {
	Version   int    `json:"v"`
	Schema    int    `json:"schema"`
	Inventory string `json:"inventory"` // a random ID

	revision int64 // of the key
}

var errJustCreated = errors.New("another host has just created the inventory")

// readMark reads the schema key. The mark is empty if there is none.
func readMark(ctx context.Context, client *clientv3.Client, prefix string) (mark, *etcdserverpb.ResponseHeader, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	resp, err := client.Get(ctx, prefix+schemaKey)
	if err != nil {
		return mark{}, nil, err
	}
	if len(resp.Kvs) == 0 {
		return mark{}, resp.Header, nil
	}
	var m mark
	if err := json.Unmarshal(resp.Kvs[0].Value, &m); err != nil {
		return mark{}, nil, fmt.Errorf("%w: the key %s%s cannot be read: %w", ErrOther, prefix, schemaKey, err)
	}
	if m.Schema > schema {
		return mark{}, nil, fmt.Errorf("%w, with the schema %d; this one reads %d", ErrNewer, m.Schema, schema)
	}
	if m.Inventory == "" {
		return mark{}, nil, fmt.Errorf("%w: the key %s%s names no inventory", ErrOther, prefix, schemaKey)
	}
	m.revision = resp.Kvs[0].ModRevision
	return m, resp.Header, nil
}

// createMark makes the mark of a new inventory. It returns its revision and the ID
// of the inventory.
func createMark(ctx context.Context, client *clientv3.Client, prefix string) (int64, string, error) {
	m := mark{Version: format, Schema: schema, Inventory: uuid.NewString()}
	text, err := json.Marshal(m)
	if err != nil {
		return 0, "", err
	}
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	key := prefix + schemaKey
	resp, err := client.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).Then(clientv3.OpPut(key, string(text))).Commit()
	switch {
	case err != nil:
		return 0, "", err
	case !resp.Succeeded:
		return 0, "", errJustCreated
	}
	return resp.Header.Revision, m.Inventory, nil
}

// checkMark makes sure that etcd has the inventory that this host knows, or makes
// the mark of a new one. It returns the revision to read at.
func (s *Store) checkMark(ctx context.Context) (revision int64, id string, err error) {
	known, err := s.cache.Note(ctx, inventoryNote)
	if err != nil {
		return 0, "", err
	}
	m, header, err := readMark(ctx, s.client, s.prefix)
	if err != nil {
		return 0, "", err
	}
	s.cluster = header.ClusterId
	switch {
	case m.Inventory == "" && known != "":
		return 0, "", fmt.Errorf("%w: nothing is below %s, but this host knows an inventory of that place; restore etcd from a backup", ErrOther, s.prefix)
	case m.Inventory == "":
		return createMark(ctx, s.client, s.prefix)
	case known != "" && known != m.Inventory:
		return 0, "", fmt.Errorf("%w: it is %s, and this host knows %s; choose another prefix, or move the cache of this host away", ErrOther, m.Inventory, known)
	}
	return header.Revision, m.Inventory, nil
}

// Inventory returns the ID of the inventory in etcd that a database is the cache of,
// or "" if the database is one of its own.
func Inventory(ctx context.Context, database storage.Reader) (string, error) {
	return database.Note(ctx, inventoryNote)
}

// InventoryOf is Inventory for the notes of a database.
func InventoryOf(notes map[string]string) string { return notes[inventoryNote] }

// Detach notes that a cache is used as a database of its own from now on. Its guests
// are not replaced by those in etcd later.
func Detach(ctx context.Context, cache storage.Store) error {
	id, err := Inventory(ctx, cache)
	if err != nil || id == "" {
		return err
	}
	if err := keepAll(ctx, cache); err != nil {
		return err
	}
	return cache.SetNote(ctx, inventoryNote, "")
}
