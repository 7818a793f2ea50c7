package backup

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.etcd.io/bbolt"

	"mdserver/internal/identity"
	"mdserver/internal/instance"
	"mdserver/internal/inventory/boltstore"
	"mdserver/internal/inventory/storage"
	"mdserver/internal/inventory/storetest"
	"mdserver/internal/roottest"
)

var quiet = slog.New(slog.DiscardHandler)

func guest(n int) instance.Instance {
	return instance.Instance{
		UUID: uuid.NewSHA1(uuid.NameSpaceOID, fmt.Append(nil, n)), ID: fmt.Sprintf("i-%017x", n),
		Name: fmt.Sprintf("web%d", n), Hostname: fmt.Sprintf("web%d", n), Network: "mds",
		MAC: instance.MAC{0x52, 0x54, 0, 9, 0, byte(n)}, IPv4: netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}),
		Password: "secret <&> \u2028", FirstSeen: time.Date(2026, 1, n, 1, 2, 3, 4, time.UTC),
	}
}

// beside are the files of a configuration that only says where the database is.
func beside(database string) Files {
	return Files{Database: database, Identity: filepath.Join(filepath.Dir(database), "identity.pem")}
}

func sample() *Backup {
	table := instance.Table{
		Instances: []instance.Instance{guest(1), guest(2)},
		Resting:   []instance.Resting{{Addr: netip.MustParseAddr("10.0.0.9"), UUID: guest(9).UUID, InstanceID: "i-9", Since: guest(9).FirstSeen}},
	}
	return New("host1", "1.0", table, map[string]string{"imds_key": "k", "legacy_import": `{"file":"x"}`}, "PEM\n")
}

func text(t testing.TB, b *Backup) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := Write(&out, b); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func expectSame(t *testing.T, want, got *Backup) {
	t.Helper()
	if diff := storetest.Diff(want.Table, got.Table); diff != "" {
		t.Error(diff)
	}
	if !maps.Equal(want.Notes, got.Notes) || want.Identity != got.Identity {
		t.Errorf("got notes %v and identity %q, want %v and %q", got.Notes, got.Identity, want.Notes, want.Identity)
	}
}

func TestReadGivesWhatWasWritten(t *testing.T) {
	for _, want := range []*Backup{sample(), New("h", "1", instance.Table{}, map[string]string{}, "")} {
		got, err := Read(bytes.NewReader(text(t, want)))
		if err != nil {
			t.Fatal(err)
		}
		expectSame(t, want, got)
		if got.Header != want.Header {
			t.Errorf("got header %+v, want %+v", got.Header, want.Header)
		}
	}
}

// Every altered bit and every shorter file is noticed.
func TestReadNoticesDamage(t *testing.T) {
	sound := text(t, sample())
	for i := range sound {
		if _, err := Read(bytes.NewReader(sound[:i])); err == nil {
			t.Errorf("the first %d bytes of %d were read", i, len(sound))
		}
		for bit := range 8 {
			altered := bytes.Clone(sound)
			altered[i] ^= 1 << bit
			if got, err := Read(bytes.NewReader(altered)); err == nil && !bytes.Equal(text(t, got), sound) {
				t.Errorf("bit %d of byte %d was altered without notice", bit, i)
			}
		}
	}
}

func TestReadRefuses(t *testing.T) {
	sound := string(text(t, sample()))
	first, rest, _ := strings.Cut(sound, "\n")
	twice := sample()
	twice.Table.Instances[1] = twice.Table.Instances[0]
	nobody := sample()
	nobody.Table.Instances[1].UUID = uuid.Nil
	fewer := sample()
	fewer.Header.Guests = 3
	for _, tt := range []struct {
		name, text string
		want       error
		says       string
	}{
		{"nothing", "", ErrForeign, "not a backup"},
		{"another file", "<domain/>\n", ErrForeign, "not a backup"},
		{"other JSON", "{}\n", ErrForeign, "not a backup"},
		{"a newer format", strings.Replace(sound, `"version":1`, `"version":2`, 1), ErrNewer, "its format is 2"},
		{"version 0", strings.Replace(sound, `"version":1`, `"version":0`, 1), ErrDamaged, "line 1"},
		{"the header alone", first + "\n", ErrDamaged, "line 2: it ends before its checksum"},
		{"an unknown line", first + "\n{\"x\":1}\n" + rest, ErrDamaged, "line 2"},
		{"an empty line", first + "\n{}\n" + rest, ErrDamaged, "line 2: it is empty"},
		{"more after the end", sound + "x", ErrDamaged, "it continues after"},
		{"a guest twice", string(text(t, twice)), ErrDamaged, "duplicate"},
		{"a guest without UUID", string(text(t, nobody)), ErrDamaged, "no UUID"},
		{"a guest too few", string(text(t, fewer)), ErrDamaged, "2 guests"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Read(strings.NewReader(tt.text))
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want %v with %q", err, tt.want, tt.says)
			}
		})
	}
}

func TestRestoreGivesTheSameDatabase(t *testing.T) {
	dir := t.TempDir()
	database := filepath.Join(dir, "mdserver.db")
	if _, _, err := identity.Open(beside(database).Identity, "host1"); err != nil {
		t.Fatal(err)
	}
	want := sample()
	var err error
	if want.Identity, err = ReadIdentity(beside(database).Identity); err != nil {
		t.Fatal(err)
	}
	other := Files{Database: filepath.Join(t.TempDir(), "mdserver.db"), Identity: filepath.Join(t.TempDir(), "elsewhere.pem")}
	former, err := Restore(other, want)
	if err != nil || len(former) != 0 {
		t.Fatal(former, err)
	}
	got, err := FromFiles(t.Context(), other, "host2", "1.0")
	if err != nil {
		t.Fatal(err)
	}
	expectSame(t, want, got)
}

// A backup of a stopped server has the spare addresses of its host. Other guests may have
// them when it is restored.
func TestRestoreForgetsSpareAddresses(t *testing.T) {
	files := beside(filepath.Join(t.TempDir(), "mdserver.db"))
	b := sample()
	b.Identity = ""
	unshared := storage.UnsharedNote + "x"
	b.Notes = map[string]string{storage.SparesNote: "[]", unshared: "{}", "key": "k"}
	if _, err := Restore(files, b); err != nil {
		t.Fatal(err)
	}
	got, err := FromFiles(t.Context(), files, "h", "1")
	if want := map[string]string{unshared: "{}", "key": "k"}; err != nil || !maps.Equal(got.Notes, want) {
		t.Errorf("notes %v, %v; want %v", got.Notes, err, want)
	}
	if len(b.Notes) != 3 {
		t.Errorf("the backup has the notes %v after that", b.Notes)
	}
}

func TestRestoreKeepsTheFormerFiles(t *testing.T) {
	database := filepath.Join(t.TempDir(), "mdserver.db")
	store, err := boltstore.Open(database, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Apply(t.Context(), []instance.Change{{Put: []instance.Instance{guest(7)}}}); err != nil {
		t.Fatal(err)
	}
	b := sample()
	b.Identity = ""
	if _, err := Restore(beside(database), b); !errors.Is(err, boltstore.ErrInUse) {
		t.Fatalf("got %v while the database is open", err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	former, err := Restore(beside(database), b)
	if err != nil || len(former) != 1 {
		t.Fatal(former, err)
	}
	old, err := FromFiles(t.Context(), beside(former[0]), "h", "1")
	if err != nil || len(old.Table.Instances) != 1 || old.Table.Instances[0].Name != "web7" {
		t.Errorf("the former database has %+v, %v", old, err)
	}
	// The mark counted more changes than the backup has; none is missed.
	if store, err = boltstore.Open(database, quiet); err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if asides := boltstore.Asides(database); len(asides) > 0 {
		t.Errorf("the restored database was taken for a damaged one: %v", asides)
	}
}

func TestRestoreReplacesWhatIsDamaged(t *testing.T) {
	b := sample()
	b.Identity = ""
	for name, content := range map[string]string{"empty": "", "foreign": strings.Repeat("<domain/>", 9000)} {
		t.Run(name, func(t *testing.T) {
			database := filepath.Join(t.TempDir(), "mdserver.db")
			if err := os.WriteFile(database, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			former, err := Restore(beside(database), b)
			if err != nil || len(former) != 1 {
				t.Fatal(former, err)
			}
			if kept, err := os.ReadFile(former[0]); err != nil || string(kept) != content {
				t.Errorf("the former file was not kept: %v", err)
			}
			got, err := FromFiles(t.Context(), beside(database), "h", "1")
			if err != nil {
				t.Fatal(err)
			}
			expectSame(t, b, got)
		})
	}
}

func TestRestoreReplacesANewerDatabase(t *testing.T) {
	database := filepath.Join(t.TempDir(), "mdserver.db")
	db, err := bbolt.Open(database, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		meta, err := tx.CreateBucket([]byte("meta"))
		return errors.Join(err, meta.Put([]byte("schema"), []byte("1000")))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := boltstore.Open(database, quiet); !errors.Is(err, boltstore.ErrNewer) {
		t.Fatalf("the database is not newer: %v", err)
	}
	b := sample()
	b.Identity = ""
	if _, err := Restore(beside(database), b); err != nil {
		t.Fatal(err)
	}
	got, err := FromFiles(t.Context(), beside(database), "h", "1")
	if err != nil {
		t.Fatal(err)
	}
	expectSame(t, b, got)
}

// smallDisk gives a directory with room for size bytes, which this test alone
// sees: it ends with the test's thread.
func smallDisk(t *testing.T, size int) string {
	roottest.Need(t, "mounts a file system")
	dir := t.TempDir()
	runtime.LockOSThread()
	err := syscall.Unshare(syscall.CLONE_NEWNS | syscall.CLONE_FS)
	if err == nil {
		err = syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
	}
	if err == nil {
		err = syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, 0) }) // so that the directory can be removed
	return dir
}

// Root restores; the server must be able to open what was restored.
func TestRestoreGivesTheFilesToTheService(t *testing.T) {
	roottest.Need(t, "changes the owner of files")
	const service = 54321
	for name, owned := range map[string]func(database string) string{
		"like the database":       func(database string) string { return database },
		"or else its directory's": filepath.Dir,
	} {
		t.Run(name, func(t *testing.T) {
			database := filepath.Join(t.TempDir(), "mdserver.db")
			b := sample()
			b.Identity = ""
			if owned(database) == database {
				if err := os.WriteFile(database, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Chown(owned(database), service, service); err != nil {
				t.Fatal(err)
			}
			former, err := Restore(beside(database), b)
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range append(former, database) {
				info, err := os.Stat(path)
				if err != nil {
					t.Fatal(err)
				}
				if owner := info.Sys().(*syscall.Stat_t).Uid; owner != service || info.Mode().Perm() != 0o600 {
					t.Errorf("%s belongs to %d with the mode %o", path, owner, info.Mode().Perm())
				}
			}
		})
	}
}

func TestRestoreOnAFullDiskChangesNothing(t *testing.T) {
	dir := smallDisk(t, 256<<10)
	database := filepath.Join(dir, "mdserver.db")
	small := sample()
	small.Identity = ""
	if _, err := Restore(beside(database), small); err != nil {
		t.Fatal(err)
	}
	before, err := filepath.Glob(dir + "/*")
	if err != nil {
		t.Fatal(err)
	}
	large := New("h", "1", instance.Table{}, map[string]string{"large": strings.Repeat("x", 1<<20)}, "")
	if _, err := Restore(beside(database), large); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("got %v on a full disk", err)
	}
	got, err := FromFiles(t.Context(), beside(database), "h", "1")
	if err != nil {
		t.Fatal(err)
	}
	expectSame(t, small, got)
	if after, _ := filepath.Glob(dir + "/*"); !slices.Equal(after, before) {
		t.Errorf("the directory has %v, and had %v", after, before)
	}
}

func TestRestoreRefusesBeforeItChanges(t *testing.T) {
	for name, change := range map[string]func(*Backup){
		"broken identity":        func(b *Backup) { b.Identity = "PEM" },
		"reserved for the store": func(b *Backup) { b.Identity = ""; b.Notes = map[string]string{"schema": "9"} },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			b := sample()
			change(b)
			if _, err := Restore(beside(filepath.Join(dir, "mdserver.db")), b); err == nil {
				t.Error("it was restored")
			}
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("it left %v", left)
			}
		})
	}
}

func TestCompare(t *testing.T) {
	altered := guest(2)
	altered.IPv4 = guest(5).IPv4
	got := Compare([]instance.Instance{guest(1), guest(2), guest(3)}, []instance.Instance{guest(1), altered, guest(4)})
	if fmt.Sprint(got) != "{[web4] [web3] [web2]}" {
		t.Errorf("got %v", got)
	}
}

// What is read can be written and read again, and nothing ends the program.
func FuzzBackup(f *testing.F) {
	f.Add(text(f, sample()))
	f.Add([]byte(`{"format":"mdserver-backup","version":1}` + "\n{\"sha256\":\"\"}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		again, err := Read(bytes.NewReader(text(t, b)))
		if err != nil {
			t.Fatal(err)
		}
		expectSame(t, b, again)
	})
}
