package backup_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/backup"
)

func snapshotAt(created time.Time) *backup.Backup {
	b := backup.New("host1", "1.0", instance.Table{}, map[string]string{"k": "v"}, "")
	b.Header.Created = created
	return b
}

// The newest snapshots are kept, and foreign files are left alone.
func TestSnapshotsAreBounded(t *testing.T) {
	database := filepath.Join(t.TempDir(), "mdserver.db")
	if all, err := backup.Snapshots(database); err != nil || len(all) != 0 {
		t.Fatal(all, err)
	}
	noon := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	for n := range 5 {
		if err := backup.Save(database, snapshotAt(noon.AddDate(0, 0, n)), 3); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(backup.SnapshotDir(database), "notes.txt"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	all, err := backup.Snapshots(database)
	if err != nil || len(all) != 3 || !all[0].Created.Equal(noon.AddDate(0, 0, 4)) || !all[2].Created.Equal(noon.AddDate(0, 0, 2)) {
		t.Fatalf("%v, %v", all, err)
	}
	if info, err := os.Stat(all[0].Path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if _, err := os.Stat(filepath.Join(backup.SnapshotDir(database), "notes.txt")); err != nil {
		t.Error(err)
	}
}

// A snapshot that was damaged is no help; an older one is.
func TestNewestSoundSnapshot(t *testing.T) {
	database := filepath.Join(t.TempDir(), "mdserver.db")
	if got := backup.NewestSound(database); got != "" {
		t.Errorf("%q", got)
	}
	noon := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	for n := range 2 {
		if err := backup.Save(database, snapshotAt(noon.AddDate(0, 0, n)), 7); err != nil {
			t.Fatal(err)
		}
	}
	all, err := backup.Snapshots(database)
	if err != nil {
		t.Fatal(err)
	}
	if got := backup.NewestSound(database); got != all[0].Path {
		t.Errorf("%q, want %q", got, all[0].Path)
	}
	if err := os.Truncate(all[0].Path, 40); err != nil {
		t.Fatal(err)
	}
	if got := backup.NewestSound(database); got != all[1].Path {
		t.Errorf("%q, want %q", got, all[1].Path)
	}
}

// A clock that was set back makes the newest snapshot look like the oldest one.
func TestNewSnapshotStaysWhenTheClockWasSetBack(t *testing.T) {
	database := filepath.Join(t.TempDir(), "mdserver.db")
	noon := time.Date(2026, 11, 10, 12, 0, 0, 0, time.UTC)
	for _, days := range []int{0, 1, -5} {
		if err := backup.Save(database, snapshotAt(noon.AddDate(0, 0, days)), 2); err != nil {
			t.Fatal(err)
		}
	}
	all, err := backup.Snapshots(database)
	if err != nil || len(all) != 2 || !all[0].Created.Equal(noon.AddDate(0, 0, 1)) || !all[1].Created.Equal(noon.AddDate(0, 0, -5)) {
		t.Fatalf("%v, %v", all, err)
	}
}

// After a restore the newest snapshot is of what was restored, whatever the clock
// says, and no snapshot takes the place of another.
func TestRestoredIsNewest(t *testing.T) {
	noon := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	tests := map[string]time.Time{
		"in the same second":        noon,
		"later":                     noon.Add(time.Hour),
		"after the clock went back": noon.AddDate(-1, 0, 0),
	}
	for name, at := range tests {
		t.Run(name, func(t *testing.T) {
			database := filepath.Join(t.TempDir(), "mdserver.db")
			for _, s := range []struct {
				reason backup.Reason
				at     time.Time
			}{{backup.Daily, noon}, {backup.BeforeRestore, noon}, {backup.Restored, at}} {
				b := snapshotAt(s.at)
				b.Header.Reason = s.reason
				if err := backup.Save(database, b, 7); err != nil {
					t.Fatal(err)
				}
			}
			all, err := backup.Snapshots(database)
			if err != nil || len(all) != 3 || all[0].Reason != backup.Restored || all[1].Reason != backup.BeforeRestore || all[2].Reason != backup.Daily {
				t.Errorf("%v, %v; want restored, before a restore, daily", all, err)
			}
			if newest := backup.NewestSound(database); newest != all[0].Path {
				t.Errorf("the newest is %s", newest)
			}
		})
	}
}
