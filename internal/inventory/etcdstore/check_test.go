package etcdstore

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"mdserver/internal/instance"
)

// TestCheck damages keys one by one. What can be repaired is sound after that.
func TestCheck(t *testing.T) {
	h := hosts(t, 1, options("10.0.0.0/24"))[0]
	client := h.store.client
	for n, name := range []string{"web", "db", "old"} {
		if _, err := h.Register(t.Context(), dom(n, name)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.Release(t.Context(), "old"); err != nil {
		t.Fatal(err)
	}
	check := func() *Checked {
		c, err := Check(t.Context(), client, prefix)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if c := check(); len(c.Problems) > 0 || len(c.Table.Instances) != 2 || len(c.Table.Resting) != 2 || c.Inventory == "" || c.Newest == 0 {
		t.Fatalf("sound: %+v", c)
	}
	web, _ := h.Snapshot().ByName("web")
	db, _ := h.Snapshot().ByName("db")
	put := func(key, value string) clientv3.Op { return clientv3.OpPut(prefix+key, value) }
	remove := func(key string) clientv3.Op { return clientv3.OpDelete(prefix + key) }
	twin := *web
	twin.UUID, twin.ID, twin.Name, twin.Hostname, twin.MAC, twin.Interfaces = uid(9), "i-9", "twin", "twin", dom(9, "").Interfaces[0].MAC, nil
	record, err := encode(twin, guestShape, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	rest := func(addr netip.Addr) string {
		text, err := encode(instance.Resting{Addr: addr}, restingShape, nil, "")
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for name, test := range map[string]struct {
		damage   clientv3.Op
		want     []ProblemKind // without repetitions
		repaired int
	}{
		"a claim is missing":        {remove("claims/name/web"), []ProblemKind{MissingClaim}, 1},
		"a claim of another guest":  {put("claims/name/web", db.UUID.String()), []ProblemKind{WrongClaim}, 1},
		"a claim of no guest":       {put("claims/name/nobody", uid(77).String()), []ProblemKind{WrongClaim}, 1},
		"a claim of a guest too":    {put("claims/name/nobody", web.UUID.String()), []ProblemKind{WrongClaim}, 1},
		"a spare address of no one": {put("claims/address/10.0.0.99", "spare/x"), []ProblemKind{WrongClaim}, 1},
		"a record is gone":          {remove(guestKey(db.UUID)), []ProblemKind{WrongClaim}, len(claims(db))},
		"a record is damaged":       {put(guestKey(db.UUID), "junk"), []ProblemKind{Unreadable}, 0},
		"a record of another":       {put(guestKey(db.UUID), record), []ProblemKind{Unreadable}, 0},
		"a quarantined one has it":  {put(restKey(web.IPv4), rest(web.IPv4)), []ProblemKind{Contradiction}, 0},
		"a claim of a damaged one": {clientv3.OpTxn(nil, []clientv3.Op{put(guestKey(db.UUID), "junk"), put("claims/name/web", db.UUID.String()), put("claims/name/other", db.UUID.String())}, nil),
			[]ProblemKind{Unreadable, WrongClaim}, 0},
		"two have an address": {put(guestKey(twin.UUID), record), []ProblemKind{Contradiction, MissingClaim}, 4},
		"a key of others":     {put("other/key", "x"), []ProblemKind{Unknown}, 0},
		"a record set aside":  {put(asideKey+uid(5).String(), "{}"), []ProblemKind{Aside}, 0},
		"no schema":           {remove(schemaKey), []ProblemKind{NoSchema}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			before, err := client.Get(t.Context(), prefix, clientv3.WithPrefix())
			if err != nil {
				t.Fatal(err)
			}
			defer restore(t, client, before)
			if _, err := client.Do(t.Context(), test.damage); err != nil {
				t.Fatal(err)
			}
			c := check()
			var kinds []ProblemKind
			for _, p := range c.Problems {
				kinds = append(kinds, p.Kind)
			}
			slices.Sort(kinds)
			if kinds = slices.Compact(kinds); !slices.Equal(kinds, test.want) {
				t.Errorf("%+v, want %v", c.Problems, test.want)
			}
			repaired, err := c.Repair(t.Context(), client, prefix)
			if err != nil || repaired != test.repaired {
				t.Errorf("repaired %d, %v; want %d", repaired, err, test.repaired)
			}
			if left := check(); len(left.Problems) != len(c.Problems)-test.repaired {
				t.Errorf("after the repair: %+v", left.Problems)
			}
		})
	}
}

// restore brings the keys below the prefix back.
func restore(t *testing.T, client *clientv3.Client, before *clientv3.GetResponse) {
	t.Helper()
	if _, err := client.Delete(t.Context(), prefix, clientv3.WithPrefix()); err != nil {
		t.Fatal(err)
	}
	for _, kv := range before.Kvs {
		if _, err := client.Put(t.Context(), string(kv.Key), string(kv.Value)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRepairLate: what has changed since the check is not repaired.
func TestRepairLate(t *testing.T) {
	h := hosts(t, 1, options("10.0.0.0/24"))[0]
	if _, err := h.Register(t.Context(), dom(1, "web")); err != nil {
		t.Fatal(err)
	}
	key, client := prefix+"claims/name/late", h.store.client
	if _, err := client.Put(t.Context(), key, uid(2).String()); err != nil {
		t.Fatal(err)
	}
	c, err := Check(t.Context(), client, prefix)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Delete(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Register(t.Context(), dom(2, "late")); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Repair(t.Context(), client, prefix); n != 0 || err != nil {
		t.Errorf("repaired %d, %v", n, err)
	}
	agree(t, []*host{h})

	if _, err := client.Delete(t.Context(), prefix+"claims/name/late"); err != nil {
		t.Fatal(err)
	}
	if c, err = Check(t.Context(), client, prefix); err != nil || len(c.Problems) != 1 {
		t.Fatalf("%+v, %v", c, err)
	}
	if _, err := h.Register(t.Context(), dom(2, "renamed")); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Repair(t.Context(), client, prefix); n != 0 || err != nil {
		t.Errorf("repaired %d, %v", n, err)
	}
	if resp, err := client.Get(t.Context(), prefix, clientv3.WithPrefix(), clientv3.WithKeysOnly(), clientv3.WithSort(clientv3.SortByModRevision, clientv3.SortDescend)); err != nil {
		t.Error(err)
	} else if c, err := Check(t.Context(), client, prefix); err != nil || c.Newest != resp.Kvs[0].ModRevision || c.Revision < c.Newest {
		t.Errorf("the newest key is of revision %d, want %d; %d, %v", c.Newest, resp.Kvs[0].ModRevision, c.Revision, err)
	}
	agree(t, []*host{h})
	if c, err := Check(t.Context(), client, prefix); err != nil || len(c.Problems) > 0 {
		t.Error(fmt.Sprint(c.Problems), err)
	}
}
