package files

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A text that could not be written is not forgotten: the file counts as changed until it
// has it.
func TestTextThatCannotBeWritten(t *testing.T) {
	files, file, _ := newFiles(t)
	scratch := files.place.Scratch()
	must(t, os.Remove(scratch))
	for _, path := range []string{file, files.place.DNSFile()} { // one of them is new
		_, err := files.Put(path, "another\n", false)
		if err == nil || !strings.HasPrefix(err.Error(), "writing "+path+": ") {
			t.Errorf("the error is %v", err)
		}
		if changed := files.Changed(); !slices.Contains(changed, path) {
			t.Errorf("%s is not among the changed ones, %q", path, changed)
		}
	}
	must(t, os.Mkdir(scratch, 0o755))
	written, err := files.Restore()
	if want := []string{file, files.place.DNSFile()}; err != nil || !slices.Equal(written, want) {
		t.Errorf("written are %q, %v, want %q", written, err, want)
	}
	for _, path := range written {
		if !holds(path, "another\n") {
			t.Errorf("%s does not hold it", path)
		}
	}
}

// A file that cannot be put in its place leaves nothing behind.
func TestNothingIsLeftOfAFailedWrite(t *testing.T) {
	files, file, _ := newFiles(t)
	must(t, os.Remove(file))
	must(t, os.MkdirAll(filepath.Join(file, "full"), 0o755))
	if _, err := files.Put(file, "another\n", true); err == nil || !strings.HasPrefix(err.Error(), "writing "+file+": ") {
		t.Errorf("the error is %v", err)
	}
	if left, err := os.ReadDir(files.place.Scratch()); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

// What a server that was killed has left is removed, and files of one name in two
// directories do not get into each other's way.
func TestScratchIsEmptied(t *testing.T) {
	files, _, watched := newFiles(t)
	must(t, os.WriteFile(filepath.Join(files.place.Scratch(), "123"), nil, 0o600))
	must(t, os.Mkdir(filepath.Join(files.place.Scratch(), "dir"), 0o755))
	twin := filepath.Join(files.place.DHCPDir(), filepath.Base(watched))
	must(t, os.MkdirAll(filepath.Join(twin, "full"), 0o755))
	must(t, files.EmptyWatched())
	for _, dir := range append(files.place.watchedDirs(), files.place.Scratch()) {
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s has %v, %v", dir, left, err)
		}
	}
}

// Removing a file that is already gone succeeds. One that cannot be removed is an error.
func TestTakeAway(t *testing.T) {
	files, _, watched := newFiles(t)
	must(t, files.place.takeAway([]string{watched, watched}))

	dir := filepath.Join(files.place.Scratch(), "dir")
	must(t, os.MkdirAll(filepath.Join(dir, "full"), 0o755))
	must(t, os.Chmod(dir, 0o500))
	err := files.place.takeAway(nil)
	if os.Geteuid() == 0 {
		must(t, err) // who may remove all
	} else if must(t, os.Chmod(dir, 0o700)); err == nil || !strings.HasPrefix(err.Error(), "emptying the scratch directory: ") {
		t.Errorf("the error is %v", err)
	}

	must(t, os.RemoveAll(files.place.Scratch()))
	if err := files.place.takeAway(nil); !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), "emptying the scratch directory: ") {
		t.Errorf("the error without a directory is %v", err)
	}
}

// Changed names what is to be repaired, and nothing else.
func TestChangedAreNamed(t *testing.T) {
	for name, tt := range map[string]struct {
		damage func(dir, file string) error
		want   func(dir, file string) []string
	}{
		"mode of a directory": {func(dir, _ string) error { return os.Chmod(dir, 0o750) }, func(dir, _ string) []string { return []string{dir} }},
		"file":                {func(_, file string) error { return os.Remove(file) }, func(_, file string) []string { return []string{file} }},
		"both":                {func(dir, _ string) error { return os.RemoveAll(dir) }, func(dir, file string) []string { return []string{dir, file} }},
	} {
		t.Run(name, func(t *testing.T) {
			files, file, _ := newFiles(t)
			dir := filepath.Dir(file)
			must(t, tt.damage(dir, file))
			if got, want := files.Changed(), tt.want(dir, file); !slices.Equal(got, want) {
				t.Errorf("changed are %q, want %q", got, want)
			}
		})
	}
}

// A file in the place of a directory is an error, whatever is asked for.
func TestDirectoryThatIsAFile(t *testing.T) {
	for name, tt := range map[string]struct {
		path func(Place) string
		work func(*Set) error
		want string
	}{
		"made":              {func(p Place) string { return p.BaseDir }, (*Set).MakeDirs, "creating dnsmasq's directory: "},
		"restored":          {func(p Place) string { return p.RunDir }, restore, "creating dnsmasq's directory: "},
		"watched, emptied":  {func(p Place) string { return p.DHCPDir() }, (*Set).EmptyWatched, "reading dnsmasq's directory: "},
		"scratch, emptied":  {func(p Place) string { return p.Scratch() }, (*Set).EmptyWatched, "emptying "},
		"scratch, restored": {func(p Place) string { return p.Scratch() }, restore, "creating dnsmasq's directory: "},
	} {
		t.Run(name, func(t *testing.T) {
			files, _, _ := newFiles(t)
			path := tt.path(files.place)
			must(t, os.RemoveAll(path))
			must(t, os.WriteFile(path, nil, 0o644))
			if err := tt.work(files); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("the error is %v, want %s…", err, tt.want)
			}
		})
	}
}

func restore(f *Set) error {
	_, err := f.Restore()
	return err
}

// An account gets a directory for its pid-file, and enters those of its files.
func TestDirectoriesOfAnAccount(t *testing.T) {
	files, _, _ := newFiles(t)
	files.place.Account = stranger
	must(t, os.Chmod(files.place.DHCPDir(), 0o700))
	must(t, files.MakeDirs())
	want := fs.ModeDir | 0o705
	if os.Geteuid() == 0 {
		want = fs.ModeDir | fs.ModeSetgid | 0o750
	}
	if got := mode(t, files.place.DHCPDir()); got != want {
		t.Errorf("the account's directory has the mode %v, want %v", got, want)
	}
	info, err := os.Stat(files.place.PIDDir())
	must(t, err)
	owner := uint32(os.Geteuid())
	if owner == 0 {
		owner = stranger.UID
	}
	if !info.IsDir() || ownerOf(info) != owner {
		t.Errorf("the pid-file's directory is of %d, want %d", ownerOf(info), owner)
	}

	must(t, os.Remove(files.place.PIDDir()))
	must(t, os.WriteFile(files.place.PIDDir(), nil, 0o644))
	if err := files.MakeDirs(); err == nil || !strings.HasPrefix(err.Error(), "making the directory of dnsmasq's pid-file: ") {
		t.Errorf("the error is %v", err)
	}
}

func TestLogOfChanges(t *testing.T) {
	for want, changed := range map[string][]string{
		"": nil, "files=a number=1": {"a"}, `files="a b c d e" number=5`: {"a", "b", "c", "d", "e"},
		`files="a b c d e" number=7`: {"a", "b", "c", "d", "e", "f", "g"},
	} {
		var log strings.Builder
		LogChanged(slog.New(slog.NewTextHandler(&log, nil)), changed)
		_, got, _ := strings.Cut(strings.TrimSpace(log.String()), "writes them again\" ")
		if got != want || (log.Len() > 0) != (len(changed) > 0) {
			t.Errorf("%q: logged %q, want %q", changed, log.String(), want)
		}
	}
}
