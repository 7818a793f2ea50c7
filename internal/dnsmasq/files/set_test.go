package files

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"mdserver/internal/dnsmasq/content"
)

// newFiles makes a set with one file, and one in a watched directory.
func newFiles(t *testing.T) (files *Set, file, watched string) {
	t.Helper()
	dir := t.TempDir()
	files = New(Place{Settings: content.Settings{BaseDir: filepath.Join(dir, "dnsmasq"), RunDir: filepath.Join(dir, "run"), NetName: "mds"}})
	must(t, files.MakeDirs())
	file, watched = files.place.DHCPFile(), filepath.Join(files.place.DNSDir(), "00000001")
	for _, path := range []string{file, watched} {
		if written, err := files.Put(path, "wanted\n", true); err != nil || !written {
			t.Fatalf("written: %v, %v", written, err)
		}
	}
	return files, file, watched
}

func TestChangedFiles(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, file, watched string){
		"removed":                    func(t *testing.T, file, _ string) { must(t, os.Remove(file)) },
		"emptied":                    func(t *testing.T, file, _ string) { must(t, os.Truncate(file, 0)) },
		"altered":                    func(t *testing.T, file, _ string) { must(t, os.WriteFile(file, []byte("altered"), 0o644)) },
		"mode":                       func(t *testing.T, file, _ string) { must(t, os.Chmod(file, 0)) },
		"writable by others":         func(t *testing.T, file, _ string) { must(t, os.Chmod(file, 0o666)) },
		"link":                       linked,
		"small file removed":         func(t *testing.T, _, watched string) { must(t, os.Remove(watched)) },
		"stranger":                   func(t *testing.T, _, watched string) { must(t, os.WriteFile(watched+"x", nil, 0o644)) },
		"directory as stranger":      func(t *testing.T, _, watched string) { must(t, os.MkdirAll(watched+".d/full", 0o755)) },
		"directory removed":          func(t *testing.T, file, _ string) { must(t, os.RemoveAll(filepath.Dir(file))) },
		"all removed":                func(t *testing.T, _, watched string) { must(t, os.RemoveAll(filepath.Dir(filepath.Dir(watched)))) },
		"rights of a directory":      func(t *testing.T, file, _ string) { must(t, os.Chmod(filepath.Dir(file), 0)) },
		"altered with the old times": backdated,
		"altered and altered back": func(t *testing.T, file, _ string) {
			backdated(t, file, "")
			must(t, os.WriteFile(file, []byte("wanted\n"), 0o644))
		},
		"watched directory exchanged": exchanged,
	} {
		t.Run(name, func(t *testing.T) {
			files, file, watched := newFiles(t)
			if changed := files.Changed(); len(changed) > 0 {
				t.Fatalf("changed before anything happened: %v", changed)
			}
			damage(t, file, watched)
			if len(files.Changed()) == 0 {
				t.Error("the change goes unnoticed")
			}
			_, err := files.Restore()
			must(t, err)
			for _, path := range []string{file, watched} {
				if !holds(path, "wanted\n") {
					t.Errorf("%s is not restored", path)
				}
			}
			if changed := files.Changed(); len(changed) > 0 {
				t.Errorf("still changed: %v", changed)
			}
			if left, err := files.place.WatchedFiles(); err != nil || !slices.Equal(left, []string{watched}) {
				t.Errorf("watched files %v, %v", left, err)
			}
		})
	}
}

func linked(t *testing.T, file, _ string) {
	must(t, os.Rename(file, file+".elsewhere"))
	must(t, os.Symlink(file+".elsewhere", file))
}

// backdated changes a file so that its size and time are as before.
func backdated(t *testing.T, file, _ string) {
	info, err := os.Stat(file)
	must(t, err)
	must(t, os.WriteFile(file, []byte("wanteD\n"), 0o644))
	must(t, os.Chtimes(file, info.ModTime(), info.ModTime()))
}

// exchanged puts a copy in a directory's place, as a restored backup is.
func exchanged(t *testing.T, _, watched string) {
	dir := filepath.Dir(watched)
	must(t, os.Rename(dir, dir+".old"))
	must(t, os.CopyFS(dir, os.DirFS(dir+".old")))
}

// The mode of a file is brought back, too, for who may read it whatever its mode.
func TestModeIsRestored(t *testing.T) {
	for _, mode := range []os.FileMode{0o600, 0o666, 0o755, 0o644 | os.ModeSetuid} {
		files, file, _ := newFiles(t)
		must(t, os.Chmod(file, mode))
		written, err := files.Restore()
		must(t, err)
		info, err := os.Stat(file)
		must(t, err)
		if info.Mode() != Mode || !slices.Equal(written, []string{file}) {
			t.Errorf("%v became %v, written are %q", mode, info.Mode(), written)
		}
	}
}

// What the watched directories had is neither there nor wanted once they are emptied.
func TestEmptyWatched(t *testing.T) {
	files, file, watched := newFiles(t)
	must(t, files.EmptyWatched())
	for range 2 {
		if _, err := os.Stat(watched); !os.IsNotExist(err) {
			t.Errorf("%s: %v", watched, err)
		}
		if changed := files.Changed(); len(changed) > 0 {
			t.Errorf("changed are %q", changed)
		}
		written, err := files.Restore()
		if must(t, err); len(written) > 0 {
			t.Errorf("written are %q", written)
		}
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
	if _, seen := files.seen[watched]; seen {
		t.Errorf("%s is still remembered", watched)
	}
}

// A set lists directories that do not exist yet, and makes them readable for all.
func TestNewDirectories(t *testing.T) {
	umask := syscall.Umask(0o022)
	defer syscall.Umask(umask)
	dir := t.TempDir()
	place := Place{Settings: content.Settings{BaseDir: filepath.Join(dir, "dnsmasq"), RunDir: filepath.Join(dir, "run"), NetName: "mds"}, Account: stranger}
	files := New(place)
	if changed := files.Changed(); !slices.Equal(changed, place.dirs()) {
		t.Errorf("changed are %q, want %q", changed, place.dirs())
	}
	must(t, files.MakeDirs())
	for _, dir := range append(place.dirs(), place.RunDir, place.PIDDir()) {
		if got := mode(t, dir); got != fs.ModeDir|0o755 {
			t.Errorf("%s has the mode %v", dir, got)
		}
	}
}

// A file of another user is wrong, whatever it contains.
func TestFileOfAnother(t *testing.T) {
	const file = "/etc/passwd"
	info, err := os.Stat(file)
	must(t, err)
	text, err := os.ReadFile(file)
	must(t, err)
	if info.Mode() != Mode {
		t.Skipf("%s has the mode %v", file, info.Mode())
	}
	if got, own := holds(file, string(text)), ownerOf(info) == uint32(os.Geteuid()); got != own {
		t.Errorf("it is as it should be: %v, and our own: %v", got, own)
	}
}

// dnsmasq watches the directory that it opened, not its name.
func TestMovedDirectory(t *testing.T) {
	files, _, watched := newFiles(t)
	if files.Moved() {
		t.Error("the directory of before is said to be another one")
	}
	exchanged(t, "", watched)
	if !files.Moved() {
		t.Error("another directory goes unnoticed")
	}
}

// A file is not written again if it is as it should be, so that a dnsmasq that
// watches it has nothing to read.
func TestFilesThatAreRightStay(t *testing.T) {
	files, file, _ := newFiles(t)
	before, _ := fileStamp(file)
	if written, err := files.Restore(); err != nil || len(written) > 0 {
		t.Errorf("written: %v, %v", written, err)
	}
	if after, _ := fileStamp(file); after != before {
		t.Error("the file was written again")
	}
}

// An error names the file, and what can be restored is.
func TestFileThatCannotBeRestored(t *testing.T) {
	files, file, watched := newFiles(t)
	must(t, os.Remove(file))
	must(t, os.MkdirAll(filepath.Join(file, "full"), 0o755))
	must(t, os.Remove(watched))
	written, err := files.Restore()
	if err == nil || !strings.HasPrefix(err.Error(), "writing dnsmasq's files again: writing "+file) {
		t.Errorf("the error is %v", err)
	}
	if !slices.Equal(written, []string{watched}) {
		t.Errorf("written are %q", written)
	}
	if !holds(watched, "wanted\n") {
		t.Error("the other file is not restored")
	}
	if changed := files.Changed(); !slices.Contains(changed, file) {
		t.Errorf("changed: %v", changed)
	}
}
