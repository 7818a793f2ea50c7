package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"mdserver/internal/roottest"
)

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "db.json")
	if err := WriteFile(path, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantFile(t, path, "one", 0o600)
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(path, []byte("two"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantFile(t, path, "two", 0o640)

	link := filepath.Join(dir, "link")
	if err := os.Symlink("db.json", link); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(link, []byte("three"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantFile(t, path, "three", 0o640)
	if info, err := os.Lstat(link); err != nil || info.Mode().Type() != os.ModeSymlink {
		t.Errorf("the link is %v, %v", info, err)
	}
}

func TestWriteFileRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("nowhere", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for path, why := range map[string]string{"": "the name of the file is empty; - is standard output", dir: "it is a directory", dir + "/none/file": "", dir + "/link": "it is a symbolic link to a file that does not exist"} {
		if err := WriteFile(path, []byte("x"), 0o600); err == nil || !strings.HasPrefix(err.Error(), "write "+path+": "+why) {
			t.Errorf("%q: %v", path, err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// TestWriteFileToPipe checks that what is no regular file is written to, and stays.
func TestWriteFileToPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	pipe, err := os.OpenFile(path, os.O_RDWR, 0) // so that nobody waits for the other end
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	if err := WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode().Type() != os.ModeNamedPipe {
		t.Fatalf("the pipe is %v, %v", info, err)
	}
	got := make([]byte, 1)
	if _, err := pipe.Read(got); err != nil || string(got) != "x" {
		t.Errorf("the pipe has %q, %v", got, err)
	}
}

// TestWriteFileLeavesNothing checks that a file which cannot be written stays as it was, with
// nothing beside it.
func TestWriteFileLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "db.json")
	if err := os.WriteFile(path, []byte("one"), 0o640); err != nil {
		t.Fatal(err)
	}
	var former unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &former); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 1 << 20, Max: former.Max}); err != nil {
		t.Fatal(err)
	}
	err := WriteFile(path, make([]byte, 2<<20), 0o600)
	if restored := unix.Setrlimit(unix.RLIMIT_FSIZE, &former); restored != nil {
		t.Fatal(restored)
	}
	if err == nil || !strings.Contains(err.Error(), "file too large") {
		t.Errorf("beyond the largest size of a file: %v", err)
	}
	wantFile(t, path, "one", 0o640)
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// TestWriteFileKeepsOwner checks that a file which root replaces stays the user's.
func TestWriteFileKeepsOwner(t *testing.T) {
	roottest.Need(t, "gives files to other users")
	const nobody = 65534
	path := filepath.Join(t.TempDir(), "db.json")
	if err := os.WriteFile(path, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(path, []byte("two"), 0o644); err != nil {
		t.Fatal(err)
	}
	wantFile(t, path, "two", 0o600)
	var stat unix.Stat_t
	if err := unix.Stat(path, &stat); err != nil || stat.Uid != nobody || stat.Gid != nobody {
		t.Errorf("the owner is %d:%d, %v", stat.Uid, stat.Gid, err)
	}
}

// TestWriteOutput checks that a document goes to standard output as it is, or into a file that
// others cannot read.
func TestWriteOutput(t *testing.T) {
	cmd := &cobra.Command{}
	var out strings.Builder
	cmd.SetOut(&out)
	path := filepath.Join(t.TempDir(), "heap")
	for _, to := range []string{"-", path} {
		if err := WriteOutput(cmd, to, []byte("a\x1b\x00")); err != nil {
			t.Errorf("%s: %v", to, err)
		}
	}
	if out.String() != "a\x1b\x00" {
		t.Errorf("printed is %q", &out)
	}
	wantFile(t, path, "a\x1b\x00", 0o600)
}

func wantFile(t *testing.T, path, want string, mode os.FileMode) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil || string(data) != want {
		t.Errorf("%s holds %q, %v; want %q", path, data, err, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
		t.Errorf("%s has mode %v, %v; want %v", path, info.Mode().Perm(), err, mode)
	}
}
