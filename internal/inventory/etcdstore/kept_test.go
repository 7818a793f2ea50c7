package etcdstore

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"mdserver/internal/etcd/etcdfake"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/storage"
	"mdserver/internal/inventory/storetest"
)

// TestReturnSpares checks that the disk drops a returned address before etcd gets it.
func TestReturnSpares(t *testing.T) {
	hold := func(store *Store, numbers ...int) instance.Change {
		var c instance.Change
		for _, n := range numbers {
			c.Hold = append(c.Hold, instance.Spare{Addr: addr(n), Owner: store.ID(), Host: "kvm1"})
		}
		return c
	}
	onDisk := func(t *testing.T, s *site, store *Store, want string) {
		t.Helper()
		synctest.Wait()
		table, err := store.Load(t.Context())
		var list []string
		for _, spare := range table.Spares {
			list = append(list, spare.Addr.String())
		}
		if got := strings.Join(list, " "); got != want || err != nil {
			t.Errorf("usable: %s, want %s, %v", got, want, err)
		}
		note, _ := s.cache.Note(t.Context(), storage.SparesNote)
		for n := range 10 {
			if strings.Contains(note, `"`+addr(n).String()+`"`) != strings.Contains(want, addr(n).String()) {
				t.Errorf("the disk has %s, want %s", note, want)
			}
		}
	}
	for name, tt := range map[string]struct {
		full   bool
		refuse etcdfake.Fault
		keep   bool   // an unshared record has the address
		disk   string // afterwards
		etcd   bool   // the address is still spare there
	}{
		"returned":                  {disk: "10.0.0.2"},
		"the disk is full":          {full: true, disk: "10.0.0.1 10.0.0.2", etcd: true},
		"etcd is lost":              {refuse: each(on("txn", errAway), on("put", errAway)), disk: "10.0.0.2", etcd: true},
		"an unshared record has it": {keep: true, refuse: each(on("txn", errAway), on("put", errAway)), disk: "10.0.0.1 10.0.0.2", etcd: true},
	} {
		t.Run(name, func(t *testing.T) {
			onSite(t, func(t *testing.T, s *site) {
				store := s.open()
				if err := store.Apply(t.Context(), []instance.Change{hold(store, 1, 2)}); err != nil {
					t.Fatal(err)
				}
				onDisk(t, s, store, "10.0.0.1 10.0.0.2")
				if tt.full {
					s.cache.fill(storage.SparesNote)
				}
				if tt.keep {
					if err := store.Keep(t.Context(), storage.Unshared{Record: planned(1, "web")}); err != nil {
						t.Fatal(err)
					}
				}
				s.Refuse(tt.refuse)
				_, err := store.Commit(t.Context(), []instance.Change{{Drop: []netip.Addr{addr(1)}}})
				s.Refuse(nil)
				if tt.full != errors.Is(err, errDisk) || (err == nil) != (!tt.full && tt.refuse == nil) {
					t.Error(err)
				}
				if !tt.full {
					onDisk(t, s, store, tt.disk)
				}
				if there := s.get(spareKey(addr(1))) != ""; there != tt.etcd {
					t.Errorf("the address is still spare in etcd: %v", there)
				}
				again, err := Open(t.Context(), Options{Client: s.Client(t.Context()), Prefix: "/elsewhere/", Cache: s.cache.Memory, Log: quiet})
				if err != nil {
					t.Fatal(err)
				}
				if got := len(again.spares.usable()); got != strings.Count(tt.disk, ".1")+strings.Count(tt.disk, ".2") {
					t.Errorf("after a restart %d are usable, want %s", got, tt.disk)
				}
				if err := again.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestKept checks that unshared records stay on the disk until they are forgotten, and that
// Detach adds them to the cache when it becomes a database of its own.
func TestKept(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		store := s.open()
		base := planned(2, "base")
		for _, u := range []storage.Unshared{{Record: planned(1, "web")}, {Record: planned(2, "db"), Base: &base}, {Record: planned(3, "gone")}} {
			u.Record.Unshared = true
			if err := store.Keep(t.Context(), u); err != nil {
				t.Fatal(err)
			}
		}
		if err := store.Forget(t.Context(), uid(3)); err != nil {
			t.Fatal(err)
		}
		list, err := store.Unshared(t.Context())
		if err != nil || len(list) != 2 {
			t.Fatalf("%+v, %v", list, err)
		}
		for _, u := range list {
			if (u.Base != nil) != (u.Record.Name == "db") || u.Base != nil && u.Base.Name != "base" {
				t.Errorf("%+v", u)
			}
		}
		if err := s.cache.SetNote(t.Context(), storage.SparesNote, "[]"); err != nil {
			t.Fatal(err)
		}
		if err := Detach(t.Context(), s.cache); err != nil {
			t.Fatal(err)
		}
		table, err := s.cache.Load(t.Context())
		if err != nil || len(table.Instances) != 2 || table.Instances[0].Unshared || table.Instances[1].Unshared {
			t.Errorf("%+v, %v", table, err)
		}
		notes, err := s.cache.Notes(t.Context())
		if err != nil || len(notes) != 1 || HostIDOf(notes) != store.ID() {
			t.Errorf("notes: %v, %v", notes, err)
		}
		if err := s.cache.SetNote(t.Context(), storage.UnsharedNote+"x", "junk"); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Unshared(t.Context()); err == nil || !strings.Contains(err.Error(), storage.UnsharedNote+"x") {
			t.Errorf("a note that cannot be read: %v", err)
		}
		if _, err := store.Commit(t.Context(), putting(planned(7, "x"))); err == nil || s.get(guestKey(uid(7))) != "" {
			t.Errorf("a change while the note cannot be read: %v", err)
		}
		own := storetest.NewMemory()
		if err := own.SetNote(t.Context(), storage.UnsharedNote+"x", "junk"); err != nil {
			t.Fatal(err)
		}
		if err := Detach(t.Context(), own); err != nil {
			t.Errorf("detach a database that was no cache: %v", err)
		}
	})
}

// TestSetAsideFails checks that a record stays in place if it cannot be set aside.
func TestSetAsideFails(t *testing.T) {
	onSite(t, func(t *testing.T, s *site) {
		store := s.open()
		web := planned(1, "web")
		if err := store.Apply(t.Context(), putting(web)); err != nil {
			t.Fatal(err)
		}
		aside := func() error {
			return store.SetAside(t.Context(), []instance.Instance{web}, []error{errors.New("two have one name")})
		}
		s.Refuse(on("put", errAway))
		if err := aside(); !errors.Is(err, errAway) || s.get(guestKey(uid(1))) == "" {
			t.Errorf("%v, and the record is %q", err, s.get(guestKey(uid(1))))
		}
		s.Refuse(nil)
		record := strings.Replace(s.get(guestKey(uid(1))), "{", `{"future":1,`, 1)
		s.put(guestKey(uid(1)), record)
		synctest.Wait()
		store.Take()
		if err := aside(); err != nil || s.get(guestKey(uid(1))) != "" || len(s.get(asideKey+uid(1).String())) != len(record) || !strings.Contains(s.get(asideKey+uid(1).String()), `"future":1`) {
			t.Errorf("%v: aside is %q, want %q", err, s.get(asideKey+uid(1).String()), record)
		}
		if lines := s.lines.String(); strings.Count(lines, "set aside") != 1 || !strings.Contains(lines, "two have one name") {
			t.Errorf("the log:\n%s", lines)
		}
	})
}
