package rootfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mdserver/internal/roottest"
)

// On the running system, links in the directories of a path are followed, as far as they
// exist. Below another root os.Root sees to them.
func TestPathsInTheTree(t *testing.T) {
	base := t.TempDir()
	base, err := filepath.EvalSymlinks(base)
	if err != nil {
		t.Fatal(err)
	}
	real, link := filepath.Join(base, "real"), filepath.Join(base, "link")
	if err := errors.Join(os.Mkdir(real, 0o700), os.Symlink(real, link), os.Symlink("target", filepath.Join(real, "last"))); err != nil {
		t.Fatal(err)
	}
	running, err := Open("", false)
	if err != nil {
		t.Fatal(err)
	}
	defer running.Close()
	for name, want := range map[string]string{
		"/": ".", "": ".", "/../..": ".", link + "/file": real + "/file", link + "/last": real + "/last",
		link + "/new/dir/file": real + "/new/dir/file", link + "/../file": base + "/file", link: link,
	} {
		if got := running.rel(name); got != strings.TrimPrefix(want, "/") {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
	below, err := Open(base, false)
	if err != nil {
		t.Fatal(err)
	}
	defer below.Close()
	if got := below.rel("/link/file"); got != "link/file" || running.base != "/" {
		t.Errorf("below another root it is %q; the usual root is %q", got, running.base)
	}
	if info, err := running.Stat(link); err != nil || !info.IsDir() {
		t.Errorf("%v, %v", info, err)
	}
	if dir, err := running.OpenDir(link); err != nil {
		t.Error(err)
	} else {
		_ = dir.Close()
	}
	if _, err := Open(filepath.Join(base, "none"), false); err == nil || !strings.HasPrefix(err.Error(), "root directory: ") {
		t.Errorf("%v", err)
	}
}

// An error names the file below the root that was given, and its cause once.
func TestErrorsNameFiles(t *testing.T) {
	roottest.ObeyModes(t)
	base := t.TempDir()
	if err := errors.Join(
		os.MkdirAll(base+"/locked/dir", 0o755),
		os.WriteFile(base+"/locked/dir/file", nil, 0o600), os.WriteFile(base+"/locked/file", nil, 0), os.WriteFile(base+"/none", nil, 0o600),
		os.Chmod(base+"/locked/dir", 0o555), os.Chmod(base+"/locked", 0o555),
	); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(os.Chmod(base+"/locked", 0o755), os.Chmod(base+"/locked/dir", 0o755)) })
	tr, err := Open(base, false)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	for want, do := range map[string]func() error{
		"lstat ROOT/none/x: not a directory":                       func() error { _, err := tr.Lstat("/none/x"); return err },
		"stat ROOT/none/y: not a directory":                        func() error { _, err := tr.Stat("/none/y"); return err },
		"read ROOT/locked/file: permission denied":                 func() error { _, err := tr.Read("/locked/file"); return err },
		"open ROOT/none/z: not a directory":                        func() error { _, err := tr.OpenDir("/none/z"); return err },
		"write ROOT/locked/x: permission denied":                   func() error { return tr.Write("/locked/x", nil, 0o600, NoOwner, NoOwner) },
		"write ROOT/none/x: not a directory":                       func() error { return tr.Write("/none/x", nil, 0o600, NoOwner, NoOwner) },
		"write ROOT/locked: file exists":                           func() error { return tr.Write("/locked", nil, 0o600, NoOwner, NoOwner) },
		"mkdir ROOT/locked/x: permission denied":                   func() error { _, err := tr.Mkdir("/locked/x/y", 0o700, NoOwner, NoOwner); return err },
		"rename ROOT/locked/file ROOT/locked/x: permission denied": func() error { return tr.Rename("/locked/file", "/locked/x") },
		"chmod ROOT/locked/x: no such file or directory":           func() error { return tr.Chmod("/locked/x", 0o600) },
		"remove ROOT/locked/file: permission denied":               func() error { return tr.RemoveIfThere("/locked/file") },
		"remove ROOT/locked/dir: permission denied":                func() error { return tr.RemoveAll("/locked/dir") },
	} {
		if err := do(); err == nil || strings.ReplaceAll(err.Error(), base, "ROOT") != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// A dry run says what it would make, and makes nothing.
func TestDryRun(t *testing.T) {
	base := t.TempDir()
	if err := os.WriteFile(base+"/file", []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	tr, err := Open(base, true)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	made, err := tr.Mkdir("/a/b", 0o755, NoOwner, NoOwner)
	if err != nil || !slices.Equal(made, []string{"/a", "/a/b"}) {
		t.Errorf("would make %q, %v", made, err)
	}
	if err := errors.Join(tr.Write("/file", []byte("new"), 0o644, NoOwner, NoOwner), tr.Rename("/file", "/other"), tr.Chmod("/file", 0o644),
		tr.Remove("/file"), tr.RemoveAll("/file"), tr.RemoveIfThere("/file")); err != nil {
		t.Error(err)
	}
	entries, err := os.ReadDir(base)
	content, readErr := tr.Read("/file")
	info, statErr := tr.Lstat("/file")
	if err := errors.Join(err, readErr, statErr); err != nil || len(entries) != 1 || string(content) != "old" || RightsOf(info).Mode != 0o600 {
		t.Errorf("changed: %v, %q, %v, %v", entries, content, info, err)
	}
}

// What is made has the mode that was asked for, whatever the umask; parents that are
// missing are made as well.
func TestFiles(t *testing.T) {
	base := t.TempDir()
	tr, err := Open(base, false)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if tr.Base() != base {
		t.Errorf("the root directory is %q", tr.Base())
	}
	made, err := tr.Mkdir("/a/b", fs.ModeSetgid|0o777, NoOwner, os.Getgid())
	if err != nil || !slices.Equal(made, []string{"/a", "/a/b"}) {
		t.Errorf("made %q, %v", made, err)
	}
	if made, err := tr.Mkdir("/a/b", 0o700, NoOwner, NoOwner); err != nil || len(made) > 0 {
		t.Errorf("made %q again, %v", made, err)
	}
	if err := errors.Join(tr.Write("/a/b/file", []byte("old"), 0o600, NoOwner, NoOwner), tr.Write("/a/b/file", []byte("new"), 0o666, NoOwner, NoOwner)); err != nil {
		t.Error(err)
	}
	for name, mode := range map[string]fs.FileMode{"/a": fs.ModeDir | 0o755, "/a/b": fs.ModeDir | fs.ModeSetgid | 0o777, "/a/b/file": 0o666} {
		info, err := tr.Lstat(name)
		if err != nil || info == nil {
			t.Fatalf("%s: %v, %v", name, info, err)
		}
		if got := RightsOf(info); got.Mode != mode || got.UID != os.Geteuid() || !info.IsDir() && HardLinked(info) {
			t.Errorf("%s: %+v, want %v", name, got, mode)
		}
	}
	if content, err := tr.Read("/a/b/file"); err != nil || string(content) != "new" {
		t.Errorf("%q, %v", content, err)
	}
	if entries, err := os.ReadDir(base + "/a/b"); err != nil || len(entries) != 1 {
		t.Errorf("beside the file: %v, %v", entries, err)
	}
	if err := errors.Join(os.Link(base+"/a/b/file", base+"/a/other"), tr.Rename("/a/b/file", "/a/file"), tr.Chmod("/a/file", 0o640)); err != nil {
		t.Error(err)
	}
	if info, err := tr.Lstat("/a/file"); err != nil || info == nil || !HardLinked(info) || RightsOf(info).Mode != 0o640 {
		t.Errorf("renamed: %v, %v", info, err)
	}
	if err := tr.Remove("/a"); err == nil {
		t.Error("a directory with files in it was removed")
	}
	if err := errors.Join(tr.Remove("/a/b"), tr.RemoveIfThere("/a/b"), tr.RemoveAll("/a")); err != nil {
		t.Error(err)
	}
	if info, err := tr.Lstat("/a"); info != nil || err != nil {
		t.Errorf("removed: %v, %v", info, err)
	}
	if info, err := tr.Stat("/a/b"); info != nil || err != nil {
		t.Errorf("removed: %v, %v", info, err)
	}
}

// TestSpecialBits checks that changing the owner clears no bit of the mode.
func TestSpecialBits(t *testing.T) {
	tr, err := Open(t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	const mode = fs.ModeSetuid | fs.ModeSetgid | 0o755
	if err := tr.Write("/file", nil, mode, os.Geteuid(), os.Getegid()); err != nil {
		t.Fatal(err)
	}
	if info, err := tr.Lstat("/file"); err != nil || info.Mode() != mode {
		t.Errorf("%v, %v; want %v", info.Mode(), err, mode)
	}
}

// TestOwners checks that only the named file gets the owner, and no directory above it, whose
// owner could replace everything below.
func TestOwners(t *testing.T) {
	roottest.Need(t, "gives files away")
	tr, err := Open(t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if _, err := tr.Mkdir("/a/b/c", 0o750, 1234, 1235); err != nil {
		t.Fatal(err)
	}
	if err := tr.Write("/a/b/file", nil, 0o640, NoOwner, 1235); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][2]int{"/a": {0, 0}, "/a/b": {0, 0}, "/a/b/c": {1234, 1235}, "/a/b/file": {0, 1235}} {
		info, err := tr.Lstat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := RightsOf(info); got.UID != want[0] || got.GID != want[1] {
			t.Errorf("%s belongs to %d:%d, want %v", name, got.UID, got.GID, want)
		}
	}
}
