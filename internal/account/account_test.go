package account

import (
	"io/fs"
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
