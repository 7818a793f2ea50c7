package account

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// fileOf is the stat of a file that does not exist.
type fileOf struct {
	fs.FileInfo
	mode     fs.FileMode
	uid, gid uint32
}

func (f fileOf) Mode() fs.FileMode { return f.mode }
func (f fileOf) Sys() any          { return &syscall.Stat_t{Uid: f.uid, Gid: f.gid} }

// A user has the rights of the first class that fits, and no others: those of an
// owner are not the group's, even where the group has more (chmod(1), credentials(7)).
func TestRightsOfAnAccount(t *testing.T) {
	root, dnsmasq := Account{}, Account{UID: 100, GID: 200}
	for _, tt := range []struct {
		name        string
		who         Account
		file        fileOf
		read, enter bool
	}{
		{"root", root, fileOf{uid: 1, gid: 1}, true, true},
		{"the owner", dnsmasq, fileOf{mode: 0o500, uid: 100, gid: 1}, true, true},
		{"the owner without rights, the group with them", dnsmasq, fileOf{mode: 0o055, uid: 100, gid: 200}, false, false},
		{"the owner reads only", dnsmasq, fileOf{mode: 0o400, uid: 100, gid: 200}, true, false},
		{"the owner enters only", dnsmasq, fileOf{mode: 0o100, uid: 100, gid: 200}, false, true},
		{"the group", dnsmasq, fileOf{mode: 0o050, uid: 1, gid: 200}, true, true},
		{"the group without rights, all others with them", dnsmasq, fileOf{mode: 0o705, uid: 1, gid: 200}, false, false},
		{"the group without rights, only all others with them", dnsmasq, fileOf{mode: 0o005, uid: 1, gid: 200}, false, false},
		{"the group, only the owner with rights", dnsmasq, fileOf{mode: 0o700, uid: 1, gid: 200}, false, false},
		{"the group reads only", dnsmasq, fileOf{mode: 0o040, uid: 1, gid: 200}, true, false},
		{"the group enters only", dnsmasq, fileOf{mode: 0o010, uid: 1, gid: 200}, false, true},
		{"another", dnsmasq, fileOf{mode: 0o005, uid: 1, gid: 1}, true, true},
		{"another without rights", dnsmasq, fileOf{mode: 0o770, uid: 1, gid: 1}, false, false},
		{"another reads only", dnsmasq, fileOf{mode: 0o004, uid: 1, gid: 1}, true, false},
		{"another enters only", dnsmasq, fileOf{mode: 0o001, uid: 1, gid: 1}, false, true},
		{"writing is no reading", dnsmasq, fileOf{mode: 0o222, uid: 1, gid: 1}, false, false},
		{"special bits are no rights", dnsmasq, fileOf{mode: fs.ModeDir | fs.ModeSetgid | fs.ModeSticky, uid: 1, gid: 200}, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			read, enter, both := tt.who.May(tt.file, Read), tt.who.May(tt.file, Enter), tt.who.May(tt.file, Read|Enter)
			if read != tt.read || enter != tt.enter || both != (tt.read && tt.enter) {
				t.Errorf("may read %v, enter %v, both %v; want %v, %v", read, enter, both, tt.read, tt.enter)
			}
		})
	}
}

// TestUnreadable checks that files and directories count by their own rights, and links
// by those of their targets, and that the names that are left out do not count.
func TestUnreadable(t *testing.T) {
	const read, browse = fs.FileMode(Read), fs.FileMode(Read | Enter)
	dir := t.TempDir()
	secret := filepath.Join(t.TempDir(), "secret")
	files := []struct {
		name string
		mode fs.FileMode
		need fs.FileMode // the right that is missing, or 0
	}{
		{"all", 0o644, 0},
		{"dir", 0o755, 0},
		{"dir/nested", 0o640, read},
		{"enters", 0o711, browse},
		{"lists", 0o744, browse},
		{"own", 0o600, read},
		{"own-dir", 0o700, browse},
		{".hidden", 0o600, 0},
		{".hidden-dir", 0o700, 0},
		{".hidden-dir/file", 0o600, 0},
	}
	want := map[string]fs.FileMode{dir: browse, filepath.Join(dir, "link"): read}
	for _, f := range files {
		path := filepath.Join(dir, f.name)
		var err error
		if f.mode&0o100 != 0 {
			err = os.Mkdir(path, 0o700)
		} else {
			err = os.WriteFile(path, nil, 0o600)
		}
		if err := errors.Join(err, os.Chmod(path, f.mode)); err != nil {
			t.Fatal(err)
		}
		if f.need != 0 {
			want[path] = f.need
		}
	}
	if err := errors.Join(os.WriteFile(secret, nil, 0o600), os.Symlink(secret, filepath.Join(dir, "link")),
		os.Symlink(secret+".absent", filepath.Join(dir, "broken")), os.Chmod(dir, 0o700)); err != nil {
		t.Fatal(err)
	}
	hidden := func(name string) bool { return strings.HasPrefix(name, ".") || name == filepath.Base(dir) }
	stranger := Account{UID: 4_000_000_000, GID: 4_000_000_000}
	got := map[string]fs.FileMode{}
	for _, f := range stranger.Unreadable(dir, hidden) {
		got[f.Path] = f.Need
	}
	if !maps.Equal(got, want) {
		t.Errorf("cannot read %v, want %v", got, want)
	}
	if root := (Account{}).Unreadable(dir, hidden); len(root) > 0 {
		t.Errorf("root cannot read %v", root)
	}
}
