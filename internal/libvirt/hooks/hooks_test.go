package hooks

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"
	"time"
)

func TestOldest(t *testing.T) {
	at := func(day int) time.Time { return time.Date(2026, 11, day, 10, 0, 0, 0, time.UTC) }
	hook := func(day int) *fstest.MapFile { return &fstest.MapFile{Mode: 0o755, ModTime: at(day)} }
	for _, test := range []struct {
		name  string
		files fstest.MapFS
		want  time.Time
		all   []string
	}{
		{"no hook", fstest.MapFS{"etc/libvirt/qemu.conf": hook(1)}, time.Time{}, nil},
		{"the file", fstest.MapFS{File: hook(2)}, at(2), []string{File}},
		{"the directory", fstest.MapFS{Dir + "/mdserver": hook(3)}, at(3), []string{Dir + "/mdserver"}},
		{"several", fstest.MapFS{File: hook(4), Dir + "/a": hook(3), Dir + "/b": hook(2)}, at(2), []string{Dir + "/a", Dir + "/b", File}},
		{"an older one that cannot be executed", fstest.MapFS{File: {Mode: 0o644, ModTime: at(1)}, Dir + "/a": hook(3)}, at(3), []string{Dir + "/a", File}},
		{"an older one that only its group can execute", fstest.MapFS{File: {Mode: 0o610, ModTime: at(1)}, Dir + "/a": hook(3)}, at(1), []string{Dir + "/a", File}},
		{"no regular file", fstest.MapFS{Dir + "/dir/file": hook(1)}, time.Time{}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Oldest(test.files); !got.Equal(test.want) {
				t.Errorf("the oldest is of %s, want %s", got, test.want)
			}
			if got := List(test.files); !slices.Equal(got, test.all) {
				t.Errorf("the hooks are %q, want %q", got, test.all)
			}
		})
	}
}

// A copy that kept its time of modification is as old as it is in its place.
func TestOldestOfACopy(t *testing.T) {
	root := t.TempDir()
	path := filepath.Join(root, File)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	began := time.Now().Add(-time.Minute)
	if err := os.WriteFile(path, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	long := time.Now().AddDate(-1, 0, 0)
	if err := os.Chtimes(path, long, long); err != nil {
		t.Fatal(err)
	}
	if got := Oldest(os.DirFS(root)); got.Before(began) {
		t.Errorf("the copy is of %s", got)
	}
}

func TestChanged(t *testing.T) {
	at, ok := Changed("Tue 2026-11-24 10:00:00 UTC")
	if want := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC); !ok || !at.Equal(want) {
		t.Errorf("%s, %v, want %s", at, ok, want)
	}
	for _, never := range []string{"", "n/a", "0", "Tue 2026-11-24"} {
		if at, ok := Changed(never); ok {
			t.Errorf("%q is read as %s", never, at)
		}
	}
}
