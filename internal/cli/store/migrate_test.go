package store

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	clientv3 "go.etcd.io/etcd/client/v3"

	"mdserver/internal/cli/command"
	"mdserver/internal/cli/exit"
	"mdserver/internal/config"
	"mdserver/internal/etcd/etcdtest"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/etcdstore"
	"mdserver/internal/inventory/migrate"
)

// order summarizes what the server will do at its next start.
func (h *host) order() string {
	h.t.Helper()
	o, err := migrate.ReadOrder(h.database)
	switch {
	case err != nil:
		h.t.Fatal(err)
	case o.To == "":
		return "nothing"
	case o.To == config.BackendBolt:
		return fmt.Sprintf("to bolt, all guests %v", o.All)
	}
	return fmt.Sprintf("to etcd below %s, %d guests were added, complete %v", o.Prefix, len(o.Copied), o.Complete)
}

// TestMigrateWithoutEtcd checks what migrate prepares, and what it refuses, without asking etcd.
func TestMigrateWithoutEtcd(t *testing.T) {
	toBolt := migrate.Order{To: config.BackendBolt, All: true}
	toEtcd := migrate.Order{To: config.BackendEtcd, Prefix: "/mdserver/", Inventory: "one", Complete: true}
	shared := map[string]string{"etcd/inventory": "one", "etcd/writer": "id-1"}
	for name, tt := range map[string]struct {
		notes map[string]string
		order *migrate.Order
		args  string
		want  string // what is printed, or the error
		code  int
		then  string // the order
	}{
		"no direction":   {nil, nil, "", "say where to: --to etcd or --to bolt", exit.Usage, "nothing"},
		"two directions": {shared, &toBolt, "--undo --to bolt", "--undo and --to exclude each other", exit.Usage, "to bolt, all guests true"},
		"no such store": {nil, nil, "--to redis", `invalid argument "redis" for "--to" flag: accepted: etcd, bolt`,
			exit.Failure, "nothing"},
		"nothing to undo":       {nil, nil, "--undo", "there is nothing to undo: no migration is prepared", exit.Failure, "nothing"},
		"undo what is prepared": {shared, &toBolt, "--undo", "the database of this host is as it was, with 2 guests\n", 0, "nothing"},
		"a dry run of undoing": {shared, &toBolt, "--undo --dry-run", "the database of this host is as it was, with 2 guests\n", 0,
			"to bolt, all guests true"},
		"undo what is done": {shared, &toEtcd, "--undo", "the server has changed over to etcd already; `mdserver store migrate --to bolt` leads back", exit.Failure,
			"to etcd below /mdserver/, 0 guests were added, complete true"},
		"to bolt, where they are": {nil, nil, "--to bolt", "the guests of this host are in its database already", exit.Failure, "nothing"},
		"to etcd, where they are": {shared, nil, "--to etcd", "the guests of this host are in etcd already; see `mdserver store check`", exit.Failure,
			"nothing"},
		"etcd is lost": {shared, nil, "--to bolt --force",
			"removed from the database of this host: web2\nthe database will have 1 guest; what is in etcd below /mdserver/ stays\n" +
				"the server will keep a backup of its state before: DIR/mdserver.db.before-bolt\nnext: systemctl restart mdserver\n", 0, "to bolt, all guests false"},
		"etcd is lost, and all are kept": {shared, nil, "--to bolt --force --all",
			"the database will have 2 guests; what is in etcd below /mdserver/ stays\n" +
				"the server will keep a backup of its state before: DIR/mdserver.db.before-bolt\nnext: systemctl restart mdserver\n", 0, "to bolt, all guests true"},
		"etcd is lost, a dry run": {shared, nil, "--to bolt --force --dry-run",
			"would be removed from the database of this host: web2\nthe database will have 1 guest; what is in etcd below /mdserver/ stays\n", 0, "nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, nowhere)
			h.write(tt.notes, guest(1), guest(2, func(g *instance.Instance) { g.Home = instance.Home{Host: "kvm2", HostID: "id-2", Epoch: 1} }))
			if tt.order != nil {
				if err := tt.order.Write(h.database); err != nil {
					t.Fatal(err)
				}
			}
			got, err := h.run("migrate " + tt.args)
			if err != nil {
				got += err.Error()
			}
			if got != tt.want || exit.Code(err) != tt.code {
				t.Errorf("exit code %d\n%s\nwant %d\n%s", exit.Code(err), got, tt.code, tt.want)
			}
			if order := h.order(); order != tt.then {
				t.Errorf("the order is %q, want %q", order, tt.then)
			}
		})
	}
	t.Run("an order that cannot be read", func(t *testing.T) {
		h := newHost(t, nowhere, guest(1))
		if err := os.WriteFile(migrate.OrderFile(h.database), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := h.run("migrate --undo"); err == nil || !strings.HasPrefix(h.short(err.Error()), "the order to migrate, DIR/mdserver.db.migrate: ") {
			t.Error(err)
		}
	})
}

// TestNext checks that nothing is left to do if the running server already uses the backend.
func TestNext(t *testing.T) {
	t.Setenv(command.EnvConfig, "/etc/a.conf")
	set := func(backend string) []string {
		return []string{"set store.backend = " + backend + " in /etc/a.conf", "systemctl restart mdserver"}
	}
	restart := []string{"systemctl restart mdserver"}
	for _, tt := range []struct {
		name            string
		running, shared bool
		configured, to  string
		want            []string
	}{
		{"no server, and bolt is configured", false, false, config.BackendBolt, config.BackendEtcd, set("etcd")},
		{"no server, and etcd is configured", false, false, config.BackendEtcd, config.BackendEtcd, restart},
		{"a server with the database", true, false, config.BackendBolt, config.BackendEtcd, set("etcd")},
		{"a server with the database, and etcd is configured", true, false, config.BackendEtcd, config.BackendEtcd, restart},
		{"a server with etcd waits for the guests", true, true, config.BackendEtcd, config.BackendEtcd, []string{}},
		{"back, without a server", false, false, config.BackendEtcd, config.BackendBolt, set("bolt")},
		{"back, and bolt is configured", false, false, config.BackendBolt, config.BackendBolt, restart},
		{"back from a server with etcd", true, true, config.BackendEtcd, config.BackendBolt, set("bolt")},
		{"back from a server with etcd, and bolt is configured", true, true, config.BackendBolt, config.BackendBolt, restart},
		{"back, a server with the database waits for the order", true, false, config.BackendBolt, config.BackendBolt, []string{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := mover{cmd: &cobra.Command{}, cfg: &config.Config{Store: config.Store{Backend: tt.configured}}, running: tt.running, shared: tt.shared}
			if got := m.next(tt.to); !slices.Equal(got, tt.want) || got == nil {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestPrintMigration(t *testing.T) {
	many := make([]string, 22)
	for i := range many {
		many[i] = fmt.Sprint("web", i)
	}
	conflict := migrate.Conflict{Guest: "web1", What: "address", Value: "10.0.0.1", Holder: "db1", Host: "kvm2"}
	toEtcd := func(c migrate.Comparison) migration {
		return migration{To: config.BackendEtcd, Prefix: "/a/", Guests: 5, Comparison: &c}
	}
	dry := func(m migration) migration { m.DryRun = true; return m }
	moves := migrate.Comparison{New: []string{"a"}, Changed: []string{"b"}, Same: 1, Gone: []string{"c"}, Elsewhere: []string{"d"}, Resting: 3}
	for name, tt := range map[string]struct {
		m    migration
		want string
	}{
		"to etcd": {toEtcd(moves), "added: a\nchanged: b\nremoved, because they were released here: c\nmoved to another host, whose records stay: d\n" +
			"4 guests are in etcd below /a/, and were compared with those of this host\n"},
		"a dry run": {dry(toEtcd(moves)), "would be added: a\nwould be changed: b\nwould be removed, because they were released here: c\nmoved to another host, whose records stay: d\n" +
			"4 guests and 3 more addresses in quarantine would be in etcd below /a/\n"},
		"conflicts": {toEtcd(migrate.Comparison{Conflicts: []migrate.Conflict{conflict, conflict}}),
			"conflict: " + conflict.String() + "\nconflict: " + conflict.String() + "\n2 conflicts: nothing is written; rename or remove one guest of each\n"},
		"conflicts of a dry run": {dry(toEtcd(migrate.Comparison{Conflicts: []migrate.Conflict{conflict}})),
			"conflict: " + conflict.String() + "\n1 conflict: nothing is written; rename or remove one guest of each\n"},
		"more guests than a line names": {migration{To: config.BackendBolt, Prefix: "/a/", Removed: many}, "removed from the database of this host: " +
			strings.Join(many[:20], ", ") + ", and 2 more\nthe database will have 0 guests; what is in etcd below /a/ stays\n"},
		"as many as a line names": {migration{Removed: many[:20]}, "removed from etcd: " + strings.Join(many[:20], ", ") + "\nthe database of this host is as it was, with 0 guests\n"},
		"what is left to do": {migration{To: config.BackendBolt, Prefix: "/a/", Guests: 1, Former: "/former", Next: []string{"this", "that"}},
			"the database will have 1 guest; what is in etcd below /a/ stays\nthe server will keep a backup of its state before: /former\nnext: this\nnext: that\n"},
		"a name that looks like two": {migration{Removed: []string{"a, b\n"}}, "removed from etcd: \"a, b\\n\"\nthe database of this host is as it was, with 0 guests\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			if err := printMigration(&out, tt.m); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, out.String()); diff != "" {
				t.Error(diff)
			}
			if wrong := migrationView.Wrong(tt.m); wrong != strings.HasPrefix(name, "conflicts") {
				t.Errorf("wrong is %v", wrong)
			}
		})
	}
}

// shared is an etcd cluster with prefixes.
type shared struct {
	t    *testing.T
	root *clientv3.Client
}

// guests returns the names of the guests below a prefix.
func (s shared) guests(prefix string) string {
	s.t.Helper()
	table, err := etcdstore.NewReader(s.root, prefix).Load(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	var names []string
	for _, g := range table.Instances {
		names = append(names, g.Name)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// keys counts the keys below a prefix.
func (s shared) keys(prefix string) int64 {
	s.t.Helper()
	resp, err := s.root.Get(s.t.Context(), prefix, clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.Count
}

// inventory returns the ID of the inventory below a prefix.
func (s shared) inventory(prefix string) string {
	s.t.Helper()
	checked, err := etcdstore.Check(s.t.Context(), s.root, prefix)
	if err != nil {
		s.t.Fatal(err)
	}
	return checked.Inventory
}

// change changes the guests below a prefix, as another host does.
func (s shared) change(prefix string, change instance.Change) {
	s.t.Helper()
	done := false
	decide := func(id string, _ instance.Table) (instance.Change, error) {
		if done {
			return instance.Change{}, nil
		}
		done = id != ""
		return change, nil
	}
	if _, err := etcdstore.Merge(s.t.Context(), s.root, prefix, decide, nil); err != nil {
		s.t.Fatal(err)
	}
}

// expect runs a command and compares what it prints, or its error.
func (h *host) expect(args, want string) {
	h.t.Helper()
	got, err := h.run(args)
	if err != nil && err.Error() != "" {
		got += "error: " + h.short(err.Error())
	}
	if got != want {
		h.t.Errorf("%s\n%s\nwant\n%s", args, got, want)
	}
}

// TestMigrate checks that migrate moves the guests of this host into etcd and back, and no others.
func TestMigrate(t *testing.T) {
	cluster := etcdtest.Start(t, etcdtest.Options{})
	root := cluster.Root()
	const (
		next  = "the server will keep a backup of its state before: DIR/mdserver.db.before-etcd\nnext: set store.backend = etcd in DIR/mdserver.conf\nnext: systemctl restart mdserver\n"
		isIn  = "2 guests are in etcd below %[1]s, and were compared with those of this host\n" + next
		asWas = "the database of this host is as it was, with 2 guests\n"
		ready = "to etcd below %s, 2 guests were added, complete true"
	)
	foreign := guest(3, func(g *instance.Instance) { g.Home = instance.Home{Host: "kvm9", HostID: "id-9", Epoch: 1} })
	below := func(prefix string) string { return endpoints(cluster.Endpoints(), prefix) }
	is := func(t *testing.T, what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}

	t.Run("to etcd, and undone", func(t *testing.T) {
		const prefix = "/there/"
		s, h := shared{t, root}, newHost(t, below(prefix), guest(1), guest(2))
		h.expect("migrate --to etcd --dry-run", "would be added: web1, web2\n2 guests and 0 more addresses in quarantine would be in etcd below /there/\n")
		if n := s.keys(prefix); n != 0 {
			t.Errorf("a dry run has written %d keys", n)
		}
		is(t, "the order", h.order(), "nothing")
		h.expect("migrate --to etcd", "added: web1, web2\n"+fmt.Sprintf(isIn, prefix))
		is(t, "in etcd", s.guests(prefix), "web1 web2")
		is(t, "the order", h.order(), fmt.Sprintf(ready, prefix))
		h.expect("migrate --to etcd", fmt.Sprintf(isIn, prefix))
		is(t, "the order after a second time", h.order(), fmt.Sprintf(ready, prefix))

		s.change(prefix, instance.Change{Put: []instance.Instance{foreign}})
		h.expect("migrate --undo --dry-run", "would be removed from etcd: web1, web2\n"+asWas)
		is(t, "in etcd after a dry run", s.guests(prefix), "web1 web2 web3")
		is(t, "the order after a dry run", h.order(), fmt.Sprintf(ready, prefix))
		h.configure(below("/elsewhere/")) // undo must use the prefix of the order
		out, err := h.run("migrate --undo --json")
		if err != nil || !strings.Contains(out, `"inventory": "`+s.inventory(prefix)+`"`) || !strings.Contains(out, "\"removed\": [\n    \"web1\",\n    \"web2\"\n  ]") {
			t.Errorf("%v, %s", err, out)
		}
		is(t, "in etcd", s.guests(prefix), "web3")
		is(t, "the order", h.order(), "nothing")
	})
	t.Run("a guest of another host has the same name", func(t *testing.T) {
		const prefix = "/conflict/"
		s, h := shared{t, root}, newHost(t, below(prefix), guest(1), guest(2))
		s.change(prefix, instance.Change{Put: []instance.Instance{guest(3, func(g *instance.Instance) { g.Name, g.Home = "web2", foreign.Home })}})
		for _, args := range []string{"migrate --to etcd --dry-run --json", "migrate --to etcd --json"} {
			out, err := h.run(args)
			if exit.Code(err) != exit.Failure || err.Error() != "" || !strings.Contains(out, `"what": "name"`) || !strings.Contains(out, `"next": []`) {
				t.Errorf("%s: %v\n%s", args, err, out)
			}
		}
		is(t, "in etcd", s.guests(prefix), "web2")
		is(t, "the order", h.order(), "nothing")
	})
	t.Run("undone in another inventory", func(t *testing.T) {
		const prefix = "/another/"
		s, h := shared{t, root}, newHost(t, below(prefix), guest(1), guest(2))
		h.expect("migrate --to etcd", "added: web1, web2\n"+fmt.Sprintf(isIn, prefix))
		first := s.inventory(prefix)
		refused := "error: the guests were copied into the inventory %q, and this one is %q; remove DIR/mdserver.db.migrate to forget that"
		if _, err := root.Delete(t.Context(), prefix, clientv3.WithPrefix()); err != nil {
			t.Fatal(err)
		}
		h.expect("migrate --undo", fmt.Sprintf(refused, first, ""))
		s.change(prefix, instance.Change{Put: []instance.Instance{guest(1, func(g *instance.Instance) { g.Home = foreign.Home })}})
		h.expect("migrate --undo", fmt.Sprintf(refused, first, s.inventory(prefix)))
		is(t, "in etcd", s.guests(prefix), "web1")
		is(t, "the order", h.order(), fmt.Sprintf(ready, prefix))
	})
	t.Run("an order for another prefix", func(t *testing.T) {
		const prefix = "/second/"
		h := newHost(t, below("/first/"), guest(1), guest(2))
		h.expect("migrate --to etcd", "added: web1, web2\n"+fmt.Sprintf(isIn, "/first/"))
		h.configure(below(prefix))
		h.expect("migrate --to etcd", "added: web1, web2\n"+fmt.Sprintf(isIn, prefix))
		is(t, "the order", h.order(), fmt.Sprintf(ready, prefix))
	})
	t.Run("back, if this host knows all records", func(t *testing.T) {
		const prefix = "/back/"
		s, h := shared{t, root}, newHost(t, backendOf(config.BackendEtcd, below(prefix)))
		s.change(prefix, instance.Change{Put: []instance.Instance{guest(1), foreign}})
		h.write(map[string]string{"etcd/inventory": s.inventory(prefix), "etcd/writer": "id-1"}, guest(1), foreign)
		const next = "the server will keep a backup of its state before: DIR/mdserver.db.before-bolt\nnext: set store.backend = bolt in DIR/mdserver.conf\nnext: systemctl restart mdserver\n"
		const removed = "removed from the database of this host: web3\nthe database will have 1 guest; what is in etcd below /back/ stays\n"
		h.expect("migrate --to bolt --dry-run", "would be "+removed)
		is(t, "the order after a dry run", h.order(), "nothing")
		h.expect("migrate --to bolt", removed+next)
		is(t, "the order", h.order(), "to bolt, all guests false")
		h.expect("migrate --undo", asWas)
		is(t, "the order", h.order(), "nothing")

		s.change(prefix, instance.Change{Put: []instance.Instance{guest(2)}})
		for _, args := range []string{"migrate --to bolt --dry-run", "migrate --to bolt --all"} {
			h.expect(args, `error: this host does not know what is in etcd: the records of 1 guest differ, such as "web2"; --force moves what this host knows`)
		}
		is(t, "the order", h.order(), "nothing")
		h.expect("migrate --to bolt --force", removed+next)
		is(t, "the order", h.order(), "to bolt, all guests false")
		is(t, "in etcd", s.guests(prefix), "web1 web2 web3")
	})
	t.Run("check compares and repairs", func(t *testing.T) {
		const prefix = "/checked/"
		s, h := shared{t, root}, newHost(t, below(prefix), guest(1))
		s.change(prefix, instance.Change{Put: []instance.Instance{guest(1), foreign}, Rest: []instance.Resting{resting(4)}})
		ends := func(text string) {
			t.Helper()
			out, err := h.run("check")
			if _, rest, _ := strings.Cut(out, "KiB\n"); exit.Code(err) != exit.Failure || !strings.HasPrefix(rest, text) {
				t.Errorf("exit code %d\n%s\nwant\n%s", exit.Code(err), out, text)
			}
		}
		ends("this host: 1 guest of this host was never in etcd; `mdserver store migrate --to etcd` brings it there\n/checked/: 2 guests and 1 address in quarantine at revision")
		h.write(map[string]string{"etcd/inventory": "another"})
		ends("this host: this host knows another inventory, another\n")
		h.write(map[string]string{"etcd/inventory": s.inventory(prefix)})
		ends("known differently by the database DIR/mdserver.db: web3\n")

		// Only --repair corrects claims.
		h.write(nil, foreign)
		if _, err := root.Delete(context.Background(), prefix+"claims/address/10.122.0.1"); err != nil {
			t.Fatal(err)
		}
		ends("missing_claim: claims/address/10.122.0.1: ")
		ends("missing_claim: claims/address/10.122.0.1: ")
		if out, err := h.run("check --repair"); err != nil || !strings.Contains(out, "\n1 claim was corrected\n") {
			t.Errorf("%v\n%s", err, out)
		}
		if out, err := h.run("check --json"); err != nil || !strings.Contains(out, `"problems": []`) || !strings.Contains(out, `"usable": true`) {
			t.Errorf("%v\n%s", err, out)
		}
	})
}
