package boltstore

import (
	"bytes"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"go.etcd.io/bbolt"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/storage"
)

// storeWith makes a database with two guests.
func storeWith(t *testing.T) (path string, web, db instance.Instance) {
	t.Helper()
	path = t.TempDir() + "/inventory.db"
	web = instance.Instance{ID: "i-1", Name: "web", UUID: uuid.New(), Hostname: "web.lan", IPv4: netip.MustParseAddr("10.0.0.2"), IPv6: netip.MustParseAddr("fd00::2"),
		Further: []instance.Attachment{{Network: "dmz", IPv4: netip.MustParseAddr("10.1.0.2")}}}
	db = instance.Instance{ID: "i-2", Name: "db", UUID: uuid.New(), Hostname: "db", IPv4: netip.MustParseAddr("10.0.0.3")}
	store := open(t, path)
	if err := store.Apply(t.Context(), []instance.Change{{Put: []instance.Instance{web, db}}}); err != nil {
		t.Fatal(err)
	}
	closeStore(t, store)
	return path, web, db
}

// TestWithheld damages the record of one guest in several ways: what it had is
// known from the rest of it, or from a snapshot.
func TestWithheld(t *testing.T) {
	tests := []struct {
		name       string
		damage     func(b *bbolt.Bucket, key, value []byte) error
		bySnapshot bool // only the snapshot knows
	}{
		{"another letter in its name", func(b *bbolt.Bucket, key, value []byte) error {
			return b.Put(key, bytes.Replace(value, []byte(`"name":"web"`), []byte(`"name":"wex"`), 1))
		}, false},
		{"no JSON", func(b *bbolt.Bucket, key, value []byte) error {
			return b.Put(key, bytes.TrimSuffix(value, []byte("}")))
		}, false},
		{"nothing of it", func(b *bbolt.Bucket, key, _ []byte) error { return b.Put(key, []byte("gone")) }, true},
		{"it is missing", func(b *bbolt.Bucket, key, _ []byte) error { return b.Delete(key) }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path, web, db := storeWith(t)
			edit(t, path, func(tx *bbolt.Tx) error {
				b := tx.Bucket(instancesBucket)
				return tt.damage(b, web.UUID[:], bytes.Clone(b.Get(web.UUID[:])))
			})
			closeStore(t, open(t, path))
			if !tt.bySnapshot {
				expectWithheld(t, path, web)
			}
			for range 2 { // the second time changes nothing
				if err := CompleteAsides(path, "snapshot", []instance.Instance{web, db}, []instance.Instance{db}); err != nil {
					t.Fatal(err)
				}
			}
			expectWithheld(t, path, web)
		})
	}
}

// expectWithheld checks that all addresses of one guest are withheld for it, and
// none for another.
func expectWithheld(t *testing.T, path string, guest instance.Instance) {
	t.Helper()
	all, err := Withheld(path)
	if err != nil {
		t.Fatal(err)
	}
	var addrs []netip.Addr
	for _, w := range all {
		if w.UUID != guest.UUID {
			t.Errorf("%v is withheld, too", w)
		}
		addrs = append(addrs, w.Addrs...)
	}
	for _, addr := range guest.Addrs() {
		if !slices.Contains(addrs, addr) {
			t.Errorf("%s is not withheld: %v", addr, all)
		}
	}
	if !slices.ContainsFunc(all, func(w storage.Withheld) bool { return w.Hostname == guest.Hostname }) {
		t.Errorf("its host name is not withheld: %v", all)
	}
}

// TestWithheldContradictory: of two guests that claim one address, both are
// withheld.
func TestWithheldContradictory(t *testing.T) {
	path, web, db := storeWith(t)
	store := open(t, path)
	if err := store.SetAside(t.Context(), []instance.Instance{web, db}, []error{ErrDamaged, ErrDamaged}); err != nil {
		t.Fatal(err)
	}
	closeStore(t, store)
	all, err := Withheld(path)
	if err != nil || len(all) != 2 || all[0].ID != "i-1" || len(all[0].Addrs) != 3 || all[1].Name != "db" {
		t.Errorf("%v, %v; want both guests", all, err)
	}
}

// An unreadable file beside others is told of, and the others count.
func TestWithheldUnreadable(t *testing.T) {
	path, web, _ := storeWith(t)
	store := open(t, path)
	must(t, store.SetAside(t.Context(), []instance.Instance{web}, []error{ErrDamaged}))
	closeStore(t, store)
	for _, other := range []string{".damaged-0.json", ".damaged-9.json"} { // before and after it
		must(t, os.WriteFile(path+other, []byte("junk"), 0o600))
		all, err := Withheld(path)
		if err == nil || !strings.Contains(err.Error(), path+other) || len(all) != 1 || all[0].UUID != web.UUID {
			t.Errorf("%s: %v, %v", other, all, err)
		}
		if err := CompleteAsides(path, "snapshot", []instance.Instance{web}, nil); err == nil || !strings.Contains(err.Error(), path+other) {
			t.Errorf("%s: completed: %v", other, err)
		}
		must(t, os.Remove(path+other))
	}
}
