package transfer

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/config"
	"mdserver/internal/daemon/upkeep"
	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/inventory/legacy"
	"mdserver/internal/networks"
)

// upgraded is a host that goes from the original to this server and back.
type upgraded struct {
	t   *testing.T
	dir string
	cfg *config.Config
}

func newUpgraded(t *testing.T) *upgraded {
	t.Helper()
	u := &upgraded{t: t, dir: t.TempDir()}
	file := filepath.Join(u.dir, "mdserver.conf")
	text := fmt.Sprintf("[mdserver]\ndb_file = %[1]s/db_file.json\nuserdata_dir = %[1]s\n[dnsmasq]\nrun = off\n", u.dir)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	u.cfg = cfg
	return u
}

// original is what the original does while it runs: it writes its database.
func (u *upgraded) original(format string, entries ...string) {
	u.t.Helper()
	if err := os.WriteFile(u.cfg.Server.DBFile, fmt.Appendf(nil, format, strings.Join(entries, ",")), 0o600); err != nil {
		u.t.Fatal(err)
	}
}

// open takes over what the original has, as a start of this server does, with its log,
// until end is called.
func (u *upgraded) open(logged io.Writer) (tr Transfer, end func()) {
	u.t.Helper()
	tr, end = u.prepare(logged)
	if err := tr.TakeOver(u.t.Context()); err != nil {
		u.t.Fatal(err)
	}
	return tr, end
}

// prepare does what open does, except that nothing is taken over yet.
func (u *upgraded) prepare(logged io.Writer) (tr Transfer, end func()) {
	u.t.Helper()
	log := slog.New(slog.NewTextHandler(logged, nil))
	database, err := boltstore.Open(u.cfg.Server.Database, log)
	if err != nil {
		u.t.Fatal(err)
	}
	inv, err := inventory.Open(u.t.Context(), database, inventory.Options{
		MaxGuests: u.cfg.Server.MaxGuests, Networks: networks.Configured(u.cfg), FallbackHostname: u.cfg.Server.HostnamePrefix, Quarantine: u.cfg.Dnsmasq.Quarantine, Log: log,
	})
	if err != nil {
		u.t.Fatal(err)
	}
	present := func() *config.Config { return u.cfg }
	tr = Transfer{Inventory: inv, Database: database, Upkeep: upkeep.New(inv, database, present, log), Config: present, Started: time.Now(), Log: log}
	return tr, func() {
		if err := inv.Close(); err != nil {
			u.t.Error(err)
		}
	}
}

// ours starts this server once, with domains to register, and returns the names
// and addresses of its guests, what it exports as format, and its log.
func (u *upgraded) ours(format string, domains ...instance.Domain) (guests, exported, log string) {
	u.t.Helper()
	var logged bytes.Buffer
	tr, end := u.open(&logged)
	for _, domain := range domains {
		if _, err := tr.Inventory.Register(u.t.Context(), domain); err != nil {
			u.t.Error(err)
		}
	}
	var text bytes.Buffer
	if err := tr.Export(u.t.Context(), &text, format); err != nil {
		u.t.Error(err)
	}
	var list []string
	for guest := range tr.Inventory.Snapshot().All() {
		list = append(list, guest.Name+"="+guest.IPv4.String())
	}
	end()
	return strings.Join(list, " "), text.String(), logged.String()
}

const (
	listOf   = "[%s]"
	objectOf = `{"metadata": {"initialised": null, "updated": null, "locations": {}}, "entries": [%s]}`
)

// legacyEntry is an entry of the original's, updated at a time in seconds since
// 1970; 4e9 is later than any import.
func legacyEntry(n int, name string, updated float64) string {
	return fmt.Sprintf(`{"domain_name": %q, "domain_uuid": "7e5a544d-d555-4133-a443-82294150000%d", "domain_metadata": {},
		"mds_mac": "52:54:00:00:00:0%d", "mds_ipv4": "10.122.0.%d", "mds_ipv6": null, "location": null, "first_seen": %f, "last_update": %f}`,
		name, n, n, n+1, updated, updated)
}

// The export is in the form that was imported, unless another one is named.
func TestExportForm(t *testing.T) {
	for _, tt := range []struct {
		imported, format string
		want             legacy.Form
	}{
		{"", "legacy", legacy.List}, {listOf, "legacy", legacy.List}, {objectOf, "legacy", legacy.Object},
		{objectOf, "legacy-list", legacy.List}, {listOf, "legacy-object", legacy.Object},
	} {
		u := newUpgraded(t)
		if tt.imported != "" {
			u.original(tt.imported, legacyEntry(1, "web", 1))
		}
		_, exported, _ := u.ours(tt.format)
		if got := legacy.FormOf([]byte(exported)); got != tt.want {
			t.Errorf("%s after the import of %q is %s, want %s", tt.format, tt.imported, got, tt.want)
		}
		if guests, _, err := legacy.Parse([]byte(exported)); err != nil || (len(guests) == 1) != (tt.imported != "") {
			t.Errorf("%s after the import of %q has %v (%v)", tt.format, tt.imported, guests, err)
		}
	}
}

// Upgrade, way back, registered there, upgraded again: nothing is lost.
func TestUpgradeAgain(t *testing.T) {
	for _, form := range []string{listOf, objectOf} {
		u := newUpgraded(t)
		u.original(form, legacyEntry(1, "web", 1), legacyEntry(2, "db", 1))
		if guests, _, _ := u.ours("legacy"); guests != "db=10.122.0.3 web=10.122.0.2" {
			t.Fatalf("the first import gives %s", guests)
		}
		u.original(form, legacyEntry(1, "web", 1), legacyEntry(2, "db", 1), legacyEntry(3, "new", 4e9))
		guests, exported, log := u.ours("legacy")
		if guests != "db=10.122.0.3 new=10.122.0.4 web=10.122.0.2" {
			t.Errorf("the second import gives %s", guests)
		}
		if !strings.Contains(log, "guest=new") || !strings.Contains(log, "added=1") {
			t.Errorf("the log lacks the merge: %s", log)
		}
		u.original("%s", exported)
		guests, _, log = u.ours("legacy")
		if guests != "db=10.122.0.3 new=10.122.0.4 web=10.122.0.2" || !strings.Contains(log, "added=0 replaced=0 updated=0 kept=0") {
			t.Errorf("the import of our own export gives %s: %s", guests, log)
		}
		if _, _, log = u.ours("legacy"); strings.Contains(log, "merged") {
			t.Errorf("a file that did not change is merged again: %s", log)
		}
	}
}

// A host that never had the original can go to it, and come back.
func TestImportAfterExport(t *testing.T) {
	u := newUpgraded(t)
	if guests, _, _ := u.ours("legacy", instance.Domain{Name: "web", UUID: uuid.NewSHA1(uuid.NameSpaceOID, []byte("web")),
		Interfaces: []instance.Interface{{MAC: instance.MAC{0x52, 0x54, 0, 0, 0, 9}, Network: "mds"}}}); !strings.HasPrefix(guests, "web=") {
		t.Fatalf("guests are %s", guests)
	}
	before, exported, _ := u.ours("legacy-list")
	u.original("%s", strings.TrimSuffix(strings.TrimSpace(exported), "]")+","+legacyEntry(2, "db", 4e9)+"]")
	guests, _, log := u.ours("legacy")
	if guests != "db=10.122.0.3 "+before || strings.Contains(log, "level=WARN msg=\"guest of") {
		t.Errorf("guests are %s: %s", guests, log)
	}
}

// The server starts with what it knows when the file can no longer be used, or
// when it is not known what was imported.
func TestLaterStartsDoNotDependOnTheFile(t *testing.T) {
	u := newUpgraded(t)
	u.original(listOf, legacyEntry(1, "web", 1))
	u.ours("legacy")
	u.original("{broken%s")
	if guests, _, log := u.ours("legacy"); guests != "web=10.122.0.2" || !strings.Contains(log, "cannot be read") {
		t.Errorf("with a broken file: %s, %s", guests, log)
	}
	if err := os.Remove(u.cfg.Server.DBFile); err != nil {
		t.Fatal(err)
	}
	if guests, _, _ := u.ours("legacy"); guests != "web=10.122.0.2" {
		t.Errorf("without the file: %s", guests)
	}
}

// An older version noted the path alone. Its guests that were removed since do
// not come back.
func TestNoteOfAnOlderVersion(t *testing.T) {
	u := newUpgraded(t)
	tr, end := u.open(io.Discard)
	if err := tr.Database.SetNote(t.Context(), importedKey, u.cfg.Server.DBFile); err != nil {
		t.Error(err)
	}
	end()
	u.original(listOf, legacyEntry(1, "web", 1))
	if guests, _, _ := u.ours("legacy"); guests != "" {
		t.Errorf("guests are %s, want none", guests)
	}
	u.original(listOf, legacyEntry(1, "web", 1), legacyEntry(2, "db", 4e9))
	if guests, _, _ := u.ours("legacy"); guests != "db=10.122.0.3" {
		t.Errorf("guests are %s, want the new one", guests)
	}
}
