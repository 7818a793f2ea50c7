package backup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mdserver/internal/identity"
	"mdserver/internal/inventory/boltstore"
)

// TestReadRefusesRecords checks that Read refuses duplicate or invalid records and wrong counts.
func TestReadRefusesRecords(t *testing.T) {
	lines := strings.SplitAfter(string(text(t, sample())), "\n")
	header := func(field string) func(*Backup) {
		return func(b *Backup) {
			switch field {
			case "guests":
				b.Header.Guests--
			case "resting":
				b.Header.Resting++
			case "notes":
				b.Header.Notes++
			}
		}
	}
	for name, tt := range map[string]struct {
		change func(*Backup)
		insert string // after the header
		says   string
	}{
		"an address twice":            {func(b *Backup) { b.Table.Resting = append(b.Table.Resting, b.Table.Resting...) }, "", "the address in quarantine \"10.0.0.9\" is invalid or a duplicate"},
		"an empty address":            {nil, `{"resting":{}}`, "line 2: the address in quarantine"},
		"a note twice":                {nil, lines[4], `line 6: the note "imds_key" is a duplicate`},
		"a note without a key":        {nil, `{"note":{"value":"x"}}`, `line 2: the note "" is a duplicate or has no key`},
		"an identity that is no text": {nil, `{"identity":7}`, "line 2: identity: "},
		"an unknown field":            {nil, `{"guest":{"colour":"red"}}`, `line 2: json: unknown field "colour"`},
		"a guest too many":            {header("guests"), "", "it has 2 guests, 1 address in quarantine and 2 notes; its first line announces 1, 1 and 2"},
		"an address missing":          {header("resting"), "", "announces 2, 2 and 2"},
		"a note missing":              {header("notes"), "", "announces 2, 1 and 3"},
	} {
		b := sample()
		if tt.change != nil {
			tt.change(b)
		}
		whole := string(text(t, b))
		if tt.insert != "" {
			whole = lines[0] + strings.TrimSuffix(tt.insert, "\n") + "\n" + strings.Join(lines[1:], "")
		}
		got, err := Read(strings.NewReader(whole))
		if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, %+v, want %s", name, err, got, tt.says)
		}
	}
}

// broken fails after some bytes, as a full or damaged disk does.
type broken struct {
	left int
	text []byte
}

func (b *broken) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, syscall.ENOSPC
	}
	return len(p), nil
}

func (b *broken) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, syscall.EIO
	}
	n := copy(p[:min(len(p), b.left)], b.text)
	b.text, b.left = b.text[n:], b.left-n
	return n, nil
}

// TestFailingFiles checks that Write and Read return an error of the system wherever it occurs.
func TestFailingFiles(t *testing.T) {
	b := sample()
	b.Identity = strings.Repeat("x", 1<<13) // more than is buffered
	whole := text(t, b)
	for end := 0; end < len(whole); end += 97 {
		if err := Write(&broken{left: end}, b); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("written up to byte %d: %v", end, err)
		}
		if _, err := Read(&broken{left: end, text: whole}); !errors.Is(err, syscall.EIO) {
			t.Errorf("read up to byte %d: %v", end, err)
		}
	}
	if _, err := ReadFile(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// TestFromFilesFails checks that FromFiles makes no backup of missing or damaged files.
func TestFromFilesFails(t *testing.T) {
	for name, tt := range map[string]struct {
		harm func(t *testing.T, files Files)
		says string
	}{
		"no database": {func(t *testing.T, files Files) { remove(t, files.Database) }, "the database is missing"},
		"a damaged database": {func(t *testing.T, files Files) {
			raw, err := os.ReadFile(files.Database)
			if err != nil {
				t.Fatal(err)
			}
			at := strings.Index(string(raw), `"web1"`)
			raw[at+1] ^= 1
			writeFile(t, files.Database, raw)
		}, "is damaged ("},
		"an identity that cannot be read": {func(t *testing.T, files Files) {
			if err := os.Mkdir(files.Identity, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "is a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			files := beside(filepath.Join(t.TempDir(), "mdserver.db"))
			b := sample()
			b.Identity = ""
			if _, err := Restore(files, b); err != nil {
				t.Fatal(err)
			}
			tt.harm(t, files)
			if got, err := FromFiles(t.Context(), files, "h", "1"); err == nil || !strings.Contains(err.Error(), tt.says) || got != nil {
				t.Errorf("%v, %+v, want %s", err, got, tt.says)
			}
		})
	}
}

func writeFile(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// TestRestoreIdentity checks that Restore replaces another authority and keeps a copy of it. It
// changes nothing if the backup has the same authority or none.
func TestRestoreIdentity(t *testing.T) {
	authority := func() string {
		path := filepath.Join(t.TempDir(), "identity.pem")
		if _, _, err := identity.Open(path, "host"); err != nil {
			t.Fatal(err)
		}
		text, err := ReadIdentity(path)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	ours, others := authority(), authority()
	for name, tt := range map[string]struct {
		there, backup, want string
		former              int
	}{
		"none there":         {"", ours, ours, 0},
		"the same":           {ours, ours, ours, 0},
		"another":            {others, ours, ours, 1},
		"none in the backup": {others, "", others, 0},
	} {
		t.Run(name, func(t *testing.T) {
			files := beside(filepath.Join(t.TempDir(), "mdserver.db"))
			if tt.there != "" {
				writeFile(t, files.Identity, []byte(tt.there))
			}
			b := sample()
			b.Identity = tt.backup
			former, err := Restore(files, b)
			if err != nil || len(former) != tt.former {
				t.Fatalf("%v, %v, want %d copies", former, err, tt.former)
			}
			for _, path := range former {
				if kept, err := ReadIdentity(path); err != nil || kept != tt.there {
					t.Errorf("the copy %s differs: %v", path, err)
				}
			}
			if got, err := ReadIdentity(files.Identity); err != nil || got != tt.want {
				t.Errorf("the authority differs: %v", err)
			}
			if info, err := os.Stat(files.Identity); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%v, %v", info.Mode(), err)
			}
		})
	}
	t.Run("cannot be written", func(t *testing.T) {
		dir := t.TempDir()
		files := Files{Database: filepath.Join(dir, "mdserver.db"), Identity: filepath.Join(dir, "absent", "identity.pem")}
		b := sample()
		b.Identity = ""
		if _, err := Restore(files, b); err != nil {
			t.Fatal(err)
		}
		b.Identity = ours
		former, err := Restore(files, b)
		if err == nil || !strings.HasPrefix(err.Error(), "identity authority: ") || len(former) != 1 {
			t.Errorf("%v, %v, want the copy of the database", former, err)
		}
	})
}

// TestSaveFails checks that a snapshot that cannot be written does not remove another one.
func TestSaveFails(t *testing.T) {
	database := filepath.Join(t.TempDir(), "mdserver.db")
	at := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	snapshot := func(n int) *Backup {
		b := sample()
		b.Header.Created = at.AddDate(0, 0, n)
		return b
	}
	if err := Save(database, snapshot(0), 1); err != nil {
		t.Fatal(err)
	}
	broken := snapshot(1)
	broken.Table.Instances[0].FirstSeen = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) // JSON has no such time
	if err := Save(database, broken, 1); err == nil || !strings.Contains(err.Error(), SnapshotDir(database)) {
		t.Errorf("a snapshot that cannot be written: %v", err)
	}
	files, err := os.ReadDir(SnapshotDir(database))
	if err != nil || len(files) != 1 {
		t.Errorf("%v, %v, want only the former snapshot", files, err)
	}
	if err := Save(database, snapshot(2), 0); err != nil {
		t.Fatal(err)
	}
	if all, err := Snapshots(database); err != nil || len(all) != 1 || !all[0].Created.Equal(at.AddDate(0, 0, 2)) || all[0].Size == 0 {
		t.Errorf("%+v, %v, want only the new one", all, err)
	}

	instead := filepath.Join(t.TempDir(), "mdserver.db")
	writeFile(t, SnapshotDir(instead), nil)
	if err := Save(instead, snapshot(0), 1); err == nil {
		t.Error("a file was taken for the directory of snapshots")
	}
	if all, err := Snapshots(instead); err == nil || all != nil || NewestSound(instead) != "" {
		t.Errorf("%v, %v", all, err)
	}
}

// TestSnapshotsOfOthers checks that Snapshots ignores directories and files with other names,
// and gives no reason for a snapshot that it cannot read.
func TestSnapshotsOfOthers(t *testing.T) {
	database := filepath.Join(t.TempDir(), "mdserver.db")
	b := sample()
	b.Header.Created, b.Header.Reason = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC), Daily
	if err := Save(database, b, 9); err != nil {
		t.Fatal(err)
	}
	dir := SnapshotDir(database)
	if err := os.Mkdir(filepath.Join(dir, "mdserver-20261102T120000Z.backup"), 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "mdserver-20261103T120000Z.backup"), []byte("junk\n"))
	writeFile(t, filepath.Join(dir, "mdserver-2026.backup"), nil)
	all, err := Snapshots(database)
	if err != nil || len(all) != 2 || all[0].Reason != "" || all[0].Size != 5 || all[1].Reason != Daily {
		t.Errorf("%+v, %v", all, err)
	}
	if got := NewestSound(database); got != all[1].Path {
		t.Errorf("the newest sound one is %q", got)
	}
}

// TestRestoreIsFirst checks that Save keeps the state after a restore if there is no snapshot.
func TestRestoreIsFirst(t *testing.T) {
	database := filepath.Join(t.TempDir(), "mdserver.db")
	b := sample()
	b.Header.Reason, b.Header.Created = Restored, time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	if err := Save(database, b, 3); err != nil {
		t.Fatal(err)
	}
	if all, err := Snapshots(database); err != nil || len(all) != 1 || !all[0].Created.Equal(b.Header.Created) {
		t.Errorf("%+v, %v", all, err)
	}
	if asides := boltstore.Asides(database); len(asides) > 0 {
		t.Errorf("a snapshot is listed as a database: %v", asides)
	}
}
