package upkeep

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mdserver/internal/build"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/backup"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/inventory/inventorytest"
)

// keepSnapshots runs KeepSnapshots for a time.
func (h *host) keepSnapshots(d time.Duration) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), d)
	defer cancel()
	h.KeepSnapshots(ctx)
}

// snapshots returns how long after since each snapshot was made, the oldest first.
func (h *host) snapshots(since time.Time) (after []time.Duration) {
	h.t.Helper()
	all, err := backup.Snapshots(h.path)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, s := range slices.Backward(all) {
		after = append(after, s.Created.Sub(since))
	}
	return after
}

// TestKeepSnapshots checks that a snapshot is made at once and then daily, if there are guests
// and the configuration asks for it.
func TestKeepSnapshots(t *testing.T) {
	const day = 24 * time.Hour
	for _, tt := range []struct {
		name         string
		guests, keep int
		before       []time.Duration // when earlier ones were made, as time after the start
		want         []time.Duration // the snapshots after two and a half days
	}{
		{"none yet", 1, 9, nil, []time.Duration{0, day, 2 * day}},
		{"one of today", 1, 9, []time.Duration{-time.Hour}, []time.Duration{-time.Hour, 23 * time.Hour, 47 * time.Hour}},
		{"one of yesterday", 1, 9, []time.Duration{-25 * time.Hour}, []time.Duration{-25 * time.Hour, 0, day, 2 * day}},
		{"one from before the clock was set back", 1, 9, []time.Duration{100 * day}, []time.Duration{0, day, 2 * day, 100 * day}},
		{"a recent one besides one of the future", 1, 9, []time.Duration{-time.Hour, 100 * day}, []time.Duration{-time.Hour, 23 * time.Hour, 47 * time.Hour, 100 * day}},
		{"more than are kept", 1, 2, nil, []time.Duration{day, 2 * day}},
		{"no guests", 0, 9, nil, nil},
		{"none wanted", 1, 0, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHost(t, nil)
				h.cfg.Server.Snapshots = tt.keep
				for n := range tt.guests {
					h.inventory.MustRegister(inventorytest.Domain(n+1, "web"))
				}
				began := time.Now()
				for _, at := range tt.before {
					b := backup.New("kvm1", "1.0", instance.Table{}, nil, "")
					b.Header.Created = began.Add(at)
					if err := backup.Save(h.path, b, 9); err != nil {
						t.Fatal(err)
					}
				}
				h.keepSnapshots(60*time.Hour + time.Minute)
				if got := h.snapshots(began); !slices.Equal(got, tt.want) {
					t.Errorf("snapshots at %v, want %v", got, tt.want)
				}
				h.mustTell()
			})
		})
	}
}

// TestSnapshotFails checks that a snapshot that fails is reported and tried again.
func TestSnapshotFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, nil)
		h.inventory.MustRegister(inventorytest.Domain(1, "web"))
		dir := backup.SnapshotDir(h.path)
		if err := os.WriteFile(dir, []byte("in the way"), 0o600); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		h.keepSnapshots(21 * time.Minute)
		h.mustTell("the snapshot of the database failed: ")
		if trouble := h.Trouble()[0]; trouble.Part != "snapshots" || !slices.Equal(trouble.Look, []string{"ls -ld '" + dir + "'"}) || trouble.Since.Sub(began) != 20*time.Minute {
			t.Errorf("trouble %+v", trouble)
		}
		if tries := strings.Count(h.log.String(), "level=ERROR msg=\"the snapshot of the database failed\""); tries != 3 {
			t.Errorf("tried %d times in 21 minutes: %s", tries, &h.log)
		}
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
		h.keepSnapshots(time.Minute)
		h.mustTell()
		if got := h.snapshots(began); len(got) != 1 || !strings.Contains(h.log.String(), "made a snapshot of the database\" directory=\""+dir+"\" guests=1") {
			t.Errorf("snapshots at %v: %s", got, &h.log)
		}
		if all, err := backup.Snapshots(h.path); err != nil || all[0].Reason != backup.Daily {
			t.Errorf("snapshots %+v (%v)", all, err)
		}
	})
}

// TestSnapshotIsGivenUp checks that nothing is wrong with the database if the one who wanted a
// snapshot has left before it, or the server stops.
func TestSnapshotIsGivenUp(t *testing.T) {
	h := newHost(t, nil)
	h.inventory.MustRegister(inventorytest.Domain(1, "web"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h.Snapshot(ctx, backup.BeforeImport)
	if got := h.snapshots(time.Now()); got != nil {
		t.Errorf("snapshots at %v", got)
	}
	h.mustTell()
	if log := h.log.String(); strings.Contains(log, "snapshot") {
		t.Errorf("the log has %s", log)
	}
}

// TestSnapshotReason checks that a snapshot says why it was made.
func TestSnapshotReason(t *testing.T) {
	h := newHost(t, nil)
	h.inventory.MustRegister(inventorytest.Domain(1, "web"))
	h.Snapshot(t.Context(), backup.BeforeImport)
	if all, err := backup.Snapshots(h.path); err != nil || len(all) != 1 || all[0].Reason != backup.BeforeImport {
		t.Errorf("snapshots %+v (%v)", all, err)
	}
}

// TestBackup checks that a backup has all that the server keeps, except what is true only at
// the moment.
func TestBackup(t *testing.T) {
	h := newHost(t, nil)
	guest := h.inventory.MustRegister(inventorytest.Domain(1, "web")).Instance
	for key, text := range map[string]string{"imds_key": "secret", "etcd/spares": "[]", "etcd/unshared/1": "{}"} {
		if err := h.database.SetNote(t.Context(), key, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(h.cfg.Server.Identity, []byte("identity"), 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := h.Backup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if b.Header.Host != "kvm1" || b.Header.Mdserver != build.Version || b.Header.Guests != 1 || len(b.Table.Instances) != 1 || b.Table.Instances[0].ID != guest.ID ||
		len(b.Notes) != 1 || b.Notes["imds_key"] != "secret" || b.Identity != "identity" {
		t.Errorf("the backup is %+v", b)
	}
	if err := errors.Join(os.Remove(h.cfg.Server.Identity), os.Mkdir(h.cfg.Server.Identity, 0o700)); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Backup(t.Context()); err == nil {
		t.Error("Backup succeeded without the identity authority")
	}
}

// setAside writes a file with two records: one of guest 2 that cannot be read, and one that is
// lost.
func (h *host) setAside() (file string) {
	h.t.Helper()
	id := inventorytest.UID(2)
	text, err := json.Marshal(boltstore.Aside{Database: h.path, Findings: []boltstore.Finding{{Bucket: "instances", Key: id[:], Value: []byte("damaged"), Reason: "it is no JSON"}, {Reason: "a page is lost"}}})
	if err != nil {
		h.t.Fatal(err)
	}
	file = h.path + ".damaged-20260101T000000.000000Z.json"
	if err := os.WriteFile(file, text, 0o600); err != nil {
		h.t.Fatal(err)
	}
	return file
}

// aside reads the file that setAside writes.
func aside(t *testing.T, file string) (a boltstore.Aside) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// TestCompleteAsides checks that records that were set aside are completed with their guests
// from the newest snapshot.
func TestCompleteAsides(t *testing.T) {
	h := newHost(t, nil)
	if err := h.CompleteAsides(); err != nil {
		t.Errorf("with nothing set aside: %v", err)
	}
	for n, name := range []string{"web", "db"} {
		h.inventory.MustRegister(inventorytest.Domain(n+1, name))
	}
	h.Snapshot(t.Context(), backup.Daily)
	h.inventory.MustRelease("db")
	file := h.setAside()
	if err := h.CompleteAsides(); err != nil {
		t.Fatal(err)
	}
	if a := aside(t, file); a.Snapshot != backup.NewestSound(h.path) || len(a.Former) != 1 || a.Former[0].Name != "db" {
		t.Errorf("set aside is %+v", a)
	}
}

// TestCompleteAsidesWithoutSnapshot checks that records that were set aside stay as they are
// without a snapshot.
func TestCompleteAsidesWithoutSnapshot(t *testing.T) {
	h := newHost(t, nil)
	file := h.setAside()
	if err := h.CompleteAsides(); err != nil {
		t.Error(err)
	}
	if a := aside(t, file); a.Snapshot != "" || a.Former != nil {
		t.Errorf("set aside is %+v", a)
	}
	h.inventory.MustRegister(inventorytest.Domain(1, "web"))
	h.Snapshot(t.Context(), backup.Daily)
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.CompleteAsides(); err == nil || !strings.Contains(err.Error(), filepath.Base(file)) {
		t.Errorf("a file that cannot be read: %v", err)
	}
}
