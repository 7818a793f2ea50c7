package etcdstore

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"mdserver/internal/etcd/etcdfake"
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

// keysOf are the keys of an inventory with these guests, without the prefix.
func keysOf(t *testing.T, guests ...instance.Instance) map[string]string {
	t.Helper()
	keys := map[string]string{schemaKey: `{"v":1,"schema":1,"inventory":"ours"}`}
	for _, guest := range guests {
		keys[guestKey(guest.UUID)] = encoded(t, guest, guestShape)
		for _, key := range claims(&guest) {
			keys[key] = guest.UUID.String()
		}
	}
	return keys
}

func encoded(t *testing.T, record any, shape *shape) string {
	t.Helper()
	text, err := encode(record, shape, nil, "b")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// put writes keys below the prefix in their order, and returns the revision of the last one.
func put(t *testing.T, client *clientv3.Client, keys map[string]string) (revision int64) {
	t.Helper()
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		resp, err := client.Put(t.Context(), prefix+key, keys[key])
		if err != nil {
			t.Fatal(err)
		}
		revision = resp.Header.Revision
	}
	return revision
}

// TestCheckKeys checks keys that no mdserver would write.
func TestCheckKeys(t *testing.T) {
	web := planned(1, "web")
	spare := func(claim, value string) map[string]string {
		keys := keysOf(t, web)
		keys[spareKey(addr(9))] = encoded(t, instance.Spare{Addr: addr(9), Owner: "a"}, spareShape)
		keys[claim] = value
		return keys
	}
	twice := planned(1, "web", func(g *instance.Instance) {
		g.Further = []instance.Attachment{{Network: "lan", MAC: g.MAC, IPv4: g.IPv4}}
	})
	for name, tt := range map[string]struct {
		keys map[string]string
		want []Problem
	}{
		"none":                              {},
		"a guest":                           {keys: keysOf(t, web)},
		"a guest that has an address twice": {keys: keysOf(t, twice)},
		"a spare address":                   {keys: spare(addressClaim(addr(9)), "spare/a")},
		"a spare address that a guest claims": {spare(addressClaim(addr(9)), web.UUID.String()),
			[]Problem{{WrongClaim, addressClaim(addr(9)), web.UUID.String() + " claims this, and does not have it"}}},
		"a name that is spare": {spare("claims/name/10.0.0.9", "spare/a"),
			[]Problem{{WrongClaim, "claims/name/10.0.0.9", "spare/a claims this, and does not have it"}}},
		"a spare address that is none": {map[string]string{schemaKey: keysOf(t)[schemaKey], "spares/x": "{}", "claims/address/x": "spare/a"},
			[]Problem{{WrongClaim, "claims/address/x", "spare/a claims this, and does not have it"},
				{Unreadable, "spares/x", `the key "spares/x" is not an address's: ParseAddr("x"): unable to parse IP`}}},
	} {
		client := etcdfake.New().Client(t.Context())
		put(t, client, tt.keys)
		newest := put(t, client, tt.keys) // each key was written before
		if _, err := client.Put(t.Context(), "/other", "x"); err != nil {
			t.Fatal(err)
		}
		c, err := Check(t.Context(), client, prefix)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(c.Problems, tt.want) {
			t.Errorf("%s: %+v, want %+v", name, c.Problems, tt.want)
		}
		if c.Newest != newest || c.Inventory != "ours" && tt.keys != nil {
			t.Errorf("%s: the inventory %q, the newest revision is %d, want %d", name, c.Inventory, c.Newest, newest)
		}
	}
}

// meanwhileKV has something done before the second read.
type meanwhileKV struct {
	clientv3.KV
	reads int
	do    func()
}

func (m *meanwhileKV) Get(ctx context.Context, key string, opts ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	if m.reads++; m.reads == 2 {
		m.do()
	}
	return m.KV.Get(ctx, key, opts...)
}

// A check is of one revision, whatever is written while it goes on.
func TestCheckAtOneRevision(t *testing.T) {
	client := etcdfake.New().Client(t.Context())
	put(t, client, keysOf(t, planned(1, "web")))
	through := clientv3.NewCtxClient(t.Context())
	through.KV = &meanwhileKV{KV: client.KV, do: func() { put(t, client, map[string]string{"claims/name/new": uid(2).String()}) }}
	c, err := Check(t.Context(), through, prefix)
	if err != nil || len(c.Problems) > 0 || c.Newest > c.Revision {
		t.Errorf("%+v of revision %d, the newest is of %d: %v", c.Problems, c.Revision, c.Newest, err)
	}
}

// TestRepairMeanwhile checks that a claim stays as it is if it, or the record of its guest, was
// written after the check.
func TestRepairMeanwhile(t *testing.T) {
	web, db := planned(1, "web"), planned(2, "db")
	with := func(key, value string) map[string]string {
		keys := keysOf(t, web)
		if keys[key] = value; value == "" {
			delete(keys, key)
		}
		return keys
	}
	const key = "claims/name/web"
	for name, tt := range map[string]struct {
		keys, meanwhile map[string]string
		claim           string // that is wrong or missing
		repaired        int
	}{
		"a missing claim":                   {keys: with(key, ""), claim: key, repaired: 1},
		"a missing claim that is made":      {keys: with(key, ""), meanwhile: map[string]string{key: db.UUID.String()}, claim: key},
		"the guest that lacks it changes":   {keys: with(key, ""), meanwhile: map[string]string{guestKey(web.UUID): encoded(t, planned(1, "www"), guestShape)}, claim: key},
		"a claim of another":                {keys: with(key, db.UUID.String()), claim: key, repaired: 1},
		"a claim of another that changes":   {keys: with(key, db.UUID.String()), meanwhile: map[string]string{key: uid(3).String()}, claim: key},
		"a claim of none":                   {keys: with("claims/name/db", db.UUID.String()), claim: "claims/name/db", repaired: 1},
		"a claim of none that is made anew": {keys: with("claims/name/db", uid(3).String()), meanwhile: map[string]string{"claims/name/db": db.UUID.String()}, claim: "claims/name/db"},
		"the guest of the claim comes":      {keys: with("claims/name/db", db.UUID.String()), meanwhile: map[string]string{guestKey(db.UUID): encoded(t, db, guestShape)}, claim: "claims/name/db"},
	} {
		client := etcdfake.New().Client(t.Context())
		put(t, client, tt.keys)
		c, err := Check(t.Context(), client, prefix)
		if err != nil || len(c.Problems) != 1 || c.Problems[0].Key != tt.claim {
			t.Errorf("%s: %+v, %v", name, c.Problems, err)
			continue
		}
		put(t, client, tt.meanwhile)
		revision := func() int64 {
			resp, err := client.Get(t.Context(), prefix+tt.claim)
			if err != nil || len(resp.Kvs) == 0 {
				return 0
			}
			return resp.Kvs[0].ModRevision
		}
		before := revision()
		if n, err := c.Repair(t.Context(), client, prefix); n != tt.repaired || err != nil {
			t.Errorf("%s: repaired %d, %v; want %d", name, n, err, tt.repaired)
		}
		if changed := revision() != before; changed != (tt.repaired > 0) {
			t.Errorf("%s: the claim was written: %v", name, changed)
		}
	}
}
