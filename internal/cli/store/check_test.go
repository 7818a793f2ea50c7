package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mdserver/internal/cli/exit"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/backup"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/inventory/etcdstore"
	"mdserver/internal/sealed"
)

// TestCacheOf checks that cacheOf compares a host with etcd only if both have the same inventory.
func TestCacheOf(t *testing.T) {
	checked := &etcdstore.Checked{Inventory: "one", Table: instance.Table{Instances: []instance.Instance{guest(1), guest(2)}}}
	here := func(inventory string, guests ...instance.Instance) *backup.Backup {
		return &backup.Backup{Table: instance.Table{Instances: guests}, Notes: map[string]string{"etcd/inventory": inventory}}
	}
	renamed := guest(2, func(g *instance.Instance) { g.Hostname = "other" })
	for name, tt := range map[string]struct {
		here *backup.Backup
		err  error
		want cache
	}{
		"the same":                {here("one", guest(1), guest(2)), nil, cache{Known: "KNOWN"}},
		"a guest is missing here": {here("one", guest(1)), nil, cache{Known: "KNOWN", Different: []string{"web2"}}},
		"a guest differs":         {here("one", guest(1), renamed), nil, cache{Known: "KNOWN", Different: []string{"web2"}}},
		"another inventory":       {here("two", guest(1), guest(2)), nil, cache{Known: "KNOWN", Trouble: "this host knows another inventory, two"}},
		"never in etcd": {here("", guest(1), guest(2)), nil,
			cache{Known: "KNOWN", Trouble: "2 guests of this host were never in etcd; `mdserver store migrate --to etcd` brings them there"}},
		"no guests yet":           {here(""), nil, cache{Known: "nothing yet"}},
		"no database":             {nil, fmt.Errorf("open: %w", fs.ErrNotExist), cache{Known: "nothing yet"}},
		"a database that is lost": {nil, boltstore.ErrMissing, cache{Known: "nothing yet"}},
		"no rights":               {nil, os.ErrPermission, cache{Known: "KNOWN", Trouble: "permission denied"}},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.want.Different == nil {
				tt.want.Different = []string{}
			}
			if diff := cmp.Diff(tt.want, cacheOf("KNOWN", tt.here, tt.err, checked)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// sound returns the report of an inventory without problems, and applies the changes to it.
func sound(changes ...func(*report)) report {
	r := report{Prefix: "/mdserver/", Inventory: "one", Revision: 7, Guests: 3, Resting: 2, Cache: cache{Known: "by the server"}, Members: []member{
		{Endpoint: "http://etcd1:2379", Usable: true, Version: "3.5.16", Latency: 1234567, Size: 20 << 10},
		{Endpoint: "http://etcd2:2379", Usable: true, Version: "3.5.17", Latency: 2 * time.Millisecond, Size: 21 << 10},
	}}
	for _, change := range changes {
		change(&r)
	}
	return r
}

// TestReport checks the text of a report, and whether the command fails, for one problem at a time.
func TestReport(t *testing.T) {
	const (
		first  = "member http://etcd1:2379: etcd 3.5.16, answers in 1.2ms, 20 KiB\n"
		second = "member http://etcd2:2379: etcd 3.5.17, answers in 2ms, 21 KiB\n"
	)
	problem := etcdstore.Problem{Kind: etcdstore.MissingClaim, Key: "claims/name/web1", Text: "nobody claims this"}
	ends := func(problems int) string {
		if problems == 1 {
			return "/mdserver/: 3 guests and 2 addresses in quarantine at revision 7, 1 problem\n"
		}
		return fmt.Sprintf("/mdserver/: 3 guests and 2 addresses in quarantine at revision 7, %d problems\n", problems)
	}
	for name, tt := range map[string]struct {
		change func(*report)
		wrong  bool
		want   string
	}{
		"no problem": {func(*report) {}, false, first + second + ends(0)},
		"a member does not answer": {func(r *report) { r.Members[1].Usable, r.Members[1].Error = false, "refused" }, true,
			first + "member http://etcd2:2379: does not answer: refused\n" + ends(0)},
		"a member without a leader": {func(r *report) { r.Members[0].Usable = false }, true, "member http://etcd1:2379: cannot take changes\n" + second + ends(0)},
		"an alarm": {func(r *report) { r.Members[0].Usable, r.Members[0].Alarms = false, []string{"NOSPACE"} }, true,
			"member http://etcd1:2379: cannot take changes\nalarm: NOSPACE\n" + second + ends(0)},
		"no inventory": {func(r *report) { r.Inventory = "" }, true, first + second + "there is no inventory below /mdserver/\n" + ends(0)},
		"a problem": {func(r *report) { r.Problems = []etcdstore.Problem{problem} }, true,
			first + second + "missing_claim: claims/name/web1: nobody claims this\n" + ends(1)},
		"a problem that was repaired": {func(r *report) { r.Problems, r.Repaired = []etcdstore.Problem{problem}, 1 }, false,
			first + second + "missing_claim: claims/name/web1: nobody claims this\n1 claim was corrected\n" + ends(1)},
		"one of two was repaired": {func(r *report) { r.Problems, r.Repaired = []etcdstore.Problem{problem, problem}, 1 }, true,
			first + second + strings.Repeat("missing_claim: claims/name/web1: nobody claims this\n", 2) + "1 claim was corrected\n" + ends(2)},
		"this host knows other records": {func(r *report) { r.Cache.Different = []string{"web1", "web2"} }, true,
			first + second + "known differently by the server: web1, web2\n" + ends(0)},
		"this host cannot be read": {func(r *report) { r.Cache.Trouble = "permission denied" }, true, first + second + "this host: permission denied\n" + ends(0)},
	} {
		t.Run(name, func(t *testing.T) {
			r := sound(tt.change)
			var out strings.Builder
			if err := printStore(&out, r); err != nil || out.String() != tt.want {
				t.Errorf("%v\n%swant\n%s", err, &out, tt.want)
			}
			if r.wrong() != tt.wrong {
				t.Errorf("wrong is %v", r.wrong())
			}
		})
	}
}

// TestKey checks that a key file is private and valid, and that it does not replace another one.
func TestKey(t *testing.T) {
	h := newHost(t, nowhere)
	path := h.dir + "/store.key"
	if out, err := h.run("key " + path); err != nil || out != "made DIR/store.key; copy it to all hosts, and set store.key there\n" {
		t.Errorf("%v, printed %q", err, out)
	}
	made, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sealed.ReadFile(path); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if out, err := h.run("key " + path); err == nil || !strings.HasSuffix(err.Error(), "/store.key exists; a key is not replaced, because what was sealed with it would be lost") || out != "" {
		t.Errorf("a second time: %v, printed %q", err, out)
	}
	if now, err := os.ReadFile(path); err != nil || string(now) != string(made) {
		t.Errorf("the key has changed: %v", err)
	}
	if _, err := h.run("key " + h.dir + "/none/store.key"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a directory: %v", err)
	}
}

// TestNoEndpoints checks that check and migrate need a cluster in the configuration.
func TestNoEndpoints(t *testing.T) {
	h := newHost(t, "", guest(1))
	for _, args := range []string{"check", "migrate --to etcd"} {
		_, err := h.run(args)
		if exit.Code(err) != exit.Unreadable || h.short(err.Error()) != "DIR/mdserver.conf: store.endpoints is not set, accepted: the members of an etcd cluster" {
			t.Errorf("%s: %v", args, err)
		}
	}
}
