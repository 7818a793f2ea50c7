package transfer

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/api"
	"mdserver/internal/build"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/backup"
	"mdserver/internal/inventory/document"
	"mdserver/internal/inventory/legacy"
)

// mustLog checks that the log has each line once.
func mustLog(t *testing.T, log string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if strings.Count(log, line) != 1 {
			t.Errorf("the log has %q %d times: %s", line, strings.Count(log, line), log)
		}
	}
}

// snapshots returns the reasons of the host's snapshots.
func (u *upgraded) snapshots() (reasons []backup.Reason) {
	u.t.Helper()
	all, err := backup.Snapshots(u.cfg.Server.Database)
	if err != nil {
		u.t.Fatal(err)
	}
	for _, s := range all {
		reasons = append(reasons, s.Reason)
	}
	return reasons
}

// TestFirstImportTells checks that the first import logs what it leaves out, and makes no
// snapshot.
func TestFirstImportTells(t *testing.T) {
	u := newUpgraded(t)
	u.original(listOf, legacyEntry(1, "web", 1), `{"domain_name": "odd", "domain_uuid": "none"}`)
	guests, _, log := u.ours("legacy")
	if guests != "web=10.122.0.2" {
		t.Errorf("guests are %s", guests)
	}
	mustLog(t, log, `level=WARN msg="entry of the Python mdserver's database not imported" file=`+u.cfg.Server.DBFile+" reason=",
		`level=INFO msg="imported the Python mdserver's database, which is not changed" file=`+u.cfg.Server.DBFile+" guests=1")
	if u.snapshots() != nil {
		t.Errorf("snapshots %v", u.snapshots())
	}

	var logged bytes.Buffer
	tr, end := u.prepare(&logged)
	defer end()
	second := instance.Instance{ID: "i-2", Name: "db", UUID: uuid.UUID{15: 2}, IPv4: netip.MustParseAddr("10.122.0.2")} // the address of web
	if err := tr.importFirst(t.Context(), "db_file.json", []instance.Instance{second}); err != nil {
		t.Error(err)
	}
	mustLog(t, logged.String(), `level=WARN msg="guest of the Python mdserver's database not imported" file=db_file.json guest=db reason=`, "file=db_file.json guests=0")
}

// TestLaterImportTells checks that a later import logs what it did with each guest.
func TestLaterImportTells(t *testing.T) {
	u := newUpgraded(t)
	u.original(listOf, legacyEntry(1, "web", 1), legacyEntry(2, "db", 1), legacyEntry(3, "old", 1), legacyEntry(4, "mail", 1))
	tr, end := u.open(io.Discard)
	if _, err := tr.Inventory.Release(t.Context(), "old"); err != nil {
		t.Fatal(err)
	}
	end()
	moved := strings.Replace(legacyEntry(1, "web", 4e9), "10.122.0.2", "10.122.0.20", 1)
	tagged := strings.Replace(legacyEntry(2, "db", 4e9), `"domain_metadata": {}`, `"domain_metadata": {"rack": "4"}`, 1)
	differing := strings.Replace(legacyEntry(4, "mail", 0.5), "10.122.0.5", "10.122.0.50", 1)
	u.original(listOf, moved, tagged, legacyEntry(3, "old", 1), differing, legacyEntry(5, "new", 4e9))
	guests, _, log := u.ours("legacy")
	if guests != "db=10.122.0.3 mail=10.122.0.5 new=10.122.0.6 web=10.122.0.20" {
		t.Errorf("guests are %s", guests)
	}
	file := " file=" + u.cfg.Server.DBFile
	mustLog(t, log, `level=INFO msg="guest added from the Python mdserver's database"`+file+" guest=new address=10.122.0.6",
		`level=INFO msg="guest replaced by a newer record of the Python mdserver's database"`+file+" guest=web address=10.122.0.20",
		`level=INFO msg="guest's metadata updated from the Python mdserver's database"`+file+" guest=db address=10.122.0.3",
		"level=INFO msg=\"guest of the Python mdserver's database not imported: it was removed here; `mdserver instance add` registers it\""+file+" guest=old",
		"register the other with `virsh dumpxml NAME | mdserver instance add -`\""+file+" guest=mail address=10.122.0.50 reason=",
		"merged\""+file+" added=1 replaced=1 updated=1 kept=1 removed_before=1")
	if got := u.snapshots(); len(got) != 1 || got[0] != backup.BeforeImport {
		t.Errorf("snapshots %v", got)
	}
}

// TestFirstFileOfAHostWithGuests checks that a host with guests of its own keeps them at its
// first import.
func TestFirstFileOfAHostWithGuests(t *testing.T) {
	u := newUpgraded(t)
	tr, end := u.open(io.Discard)
	if _, err := tr.Inventory.Register(t.Context(), instance.Domain{Name: "own", UUID: [16]byte{15: 9}, Interfaces: []instance.Interface{{MAC: instance.MAC{2, 5: 9}, Network: "mds"}}}); err != nil {
		t.Fatal(err)
	}
	end()
	u.original(listOf, legacyEntry(7, "web", 1))
	if guests, _, log := u.ours("legacy"); !strings.Contains(guests, "own=") || !strings.Contains(guests, "web=10.122.0.8") || !strings.Contains(log, "merged") {
		t.Errorf("guests are %s: %s", guests, log)
	}
}

// TestAnotherFile checks that another file is imported as a whole, even with old guests, and
// that the same file in another place is noted.
func TestAnotherFile(t *testing.T) {
	u := newUpgraded(t)
	u.original(listOf, legacyEntry(1, "web", 1))
	u.ours("legacy")
	u.cfg.Server.DBFile += ".other"
	u.original(listOf, legacyEntry(1, "web", 1), legacyEntry(2, "db", 1))
	if guests, _, log := u.ours("legacy"); guests != "db=10.122.0.3 web=10.122.0.2" || !strings.Contains(log, "merged") {
		t.Errorf("guests are %s: %s", guests, log)
	}
	former := u.cfg.Server.DBFile
	u.cfg.Server.DBFile += ".moved"
	if err := os.Rename(former, u.cfg.Server.DBFile); err != nil {
		t.Fatal(err)
	}
	for _, merged := range []bool{true, false} {
		if _, _, log := u.ours("legacy"); strings.Contains(log, "merged") != merged {
			t.Errorf("a file that was moved, merged %v: %s", !merged, log)
		}
	}
}

// TestFirstImportRefuses checks that a first start does not go on without guests if their file
// cannot be read.
func TestFirstImportRefuses(t *testing.T) {
	for name, harm := range map[string]func(path string) error{
		"no database": func(path string) error { return os.WriteFile(path, []byte("{broken"), 0o600) },
		"a directory": func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			u := newUpgraded(t)
			if err := harm(u.cfg.Server.DBFile); err != nil {
				t.Fatal(err)
			}
			tr, end := u.prepare(io.Discard)
			defer end()
			if err := tr.TakeOver(t.Context()); err == nil || !strings.Contains(err.Error(), u.cfg.Server.DBFile+" cannot be imported; repair it, move it away or set db_file: ") {
				t.Errorf("error %v", err)
			}
			if note, err := tr.readImportNote(t.Context()); note.File != "" || err != nil {
				t.Errorf("the note is %+v (%v)", note, err)
			}
		})
	}
}

// TestImportFails checks that an import that fails is made at the next start.
func TestImportFails(t *testing.T) {
	u := newUpgraded(t)
	for _, entries := range [][]string{{legacyEntry(1, "web", 1)}, {legacyEntry(1, "web", 1), legacyEntry(2, "db", 4e9)}} {
		u.original(listOf, entries...)
		closed, end := u.prepare(io.Discard)
		end()
		tr, end := u.prepare(io.Discard)
		before, err := tr.readImportNote(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		broken := tr
		broken.Inventory = closed.Inventory
		if err := broken.TakeOver(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "import of "+u.cfg.Server.DBFile+": ") {
			t.Errorf("error %v", err)
		}
		if note, err := tr.readImportNote(t.Context()); note != before || err != nil {
			t.Errorf("the note is %+v, and was %+v (%v)", note, before, err)
		}
		end()
		if guests, _, _ := u.ours("legacy"); strings.Count(guests, "=") != len(entries) {
			t.Errorf("guests are %s", guests)
		}
	}
}

// TestImportNote checks that the note of an import identifies the file.
func TestImportNote(t *testing.T) {
	u := newUpgraded(t)
	u.original(objectOf, legacyEntry(1, "web", 1))
	began := time.Now()
	tr, end := u.open(io.Discard)
	defer end()
	note, err := tr.readImportNote(t.Context())
	if err != nil || note.File != u.cfg.Server.DBFile || note.Form != legacy.Object || len(note.SHA256) != 64 || note.Time.Before(began.Truncate(time.Second)) || note.Time.After(time.Now()) {
		t.Errorf("the note is %+v (%v)", note, err)
	}
}

// TestExportObject checks that an export to the original names this host.
func TestExportObject(t *testing.T) {
	u := newUpgraded(t)
	u.cfg.Service.Hostname, u.cfg.Service.Version, u.cfg.Service.Location = "kvm1", "7.8", "rack 4"
	tr, end := u.open(io.Discard)
	defer end()
	tr.Started = time.Unix(1000, 0)
	var text bytes.Buffer
	if err := tr.Export(t.Context(), &text, "legacy-object"); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Metadata struct {
			Initialised, Updated float64
			Locations            map[string]struct {
				Hostname, Version string
				FirstSeen         float64 `json:"first_seen"`
				LastSeen          float64 `json:"last_seen"`
			}
		}
	}
	if err := json.Unmarshal(text.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	here, m := got.Metadata.Locations["rack 4"], got.Metadata
	if m.Initialised != 1000 || m.Updated < 2000 || here.Hostname != "kvm1" || here.Version != "7.8" || here.FirstSeen != 1000 || here.LastSeen != m.Updated {
		t.Errorf("exported %+v", got)
	}
}

// TestDocument checks that a document brings guests and addresses in quarantine to another
// host, which keeps its own unless they are to be replaced.
func TestDocument(t *testing.T) {
	from := newUpgraded(t)
	from.cfg.Service.Hostname = "kvm1"
	from.original(listOf, legacyEntry(1, "web", 1), legacyEntry(2, "db", 1))
	tr, end := from.open(io.Discard)
	defer end()
	if _, err := tr.Inventory.Release(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := tr.Export(t.Context(), &text, api.FormatJSON); err != nil {
		t.Fatal(err)
	}
	header, table, err := document.Read(text.Bytes())
	if err != nil || header.Host != "kvm1" || header.Mdserver != build.Version || len(table.Instances) != 1 || len(table.Resting) != 1 {
		t.Fatalf("the document is of %+v with %d guests and %d addresses at rest (%v)", header, len(table.Instances), len(table.Resting), err)
	}

	for _, replace := range []bool{false, true} {
		to := newUpgraded(t)
		to.original(listOf, strings.Replace(legacyEntry(1, "web", 1), "10.122.0.2", "10.122.0.20", 1))
		var logged bytes.Buffer
		here, end := to.open(&logged)
		result, err := here.Import(t.Context(), table, replace)
		if err != nil || (len(result.Replaced) == 1) != replace || (len(result.Skipped) == 1) == replace || result.Resting != 1 {
			t.Errorf("replace %v: %+v (%v)", replace, result, err)
		}
		counts := "added=0 replaced=0 unchanged=0 skipped=1 resting=1"
		if replace {
			counts = "added=0 replaced=1 unchanged=0 skipped=0 resting=1"
		}
		mustLog(t, logged.String(), `level=INFO msg="imported guests from a document" `+counts)
		snapshot, err := backup.ReadFile(backup.NewestSound(to.cfg.Server.Database))
		if err != nil || snapshot.Header.Reason != backup.BeforeImport || snapshot.Table.Instances[0].IPv4.String() != "10.122.0.20" {
			t.Errorf("replace %v: the snapshot is %+v (%v)", replace, snapshot, err)
		}
		end()
		logged.Reset()
		if _, err := here.Import(context.Background(), table, replace); err == nil || strings.Contains(logged.String(), "imported guests") {
			t.Errorf("an import after the end: %v: %s", err, &logged)
		}
	}
}
