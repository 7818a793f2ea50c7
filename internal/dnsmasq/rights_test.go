package dnsmasq

import (
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
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
	root, dnsmasq := &account{}, &account{uid: 100, gid: 200}
	for _, tt := range []struct {
		name        string
		who         *account
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
			read, enter, both := tt.who.may(tt.file, mayRead), tt.who.may(tt.file, mayEnter), tt.who.may(tt.file, mayRead|mayEnter)
			if read != tt.read || enter != tt.enter || both != (tt.read && tt.enter) {
				t.Errorf("may read %v, enter %v, both %v; want %v, %v", read, enter, both, tt.read, tt.enter)
			}
		})
	}
}

// stranger is an account that owns nothing here.
var stranger = &account{name: "stranger", uid: 4242, gid: 4242}

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	must(t, err)
	return info.Mode()
}

func TestReaches(t *testing.T) {
	t.Chdir(t.TempDir()) // relative paths end here, whoever may enter what is above
	must(t, os.Chmod(".", 0o755))
	closed, below := "closed", filepath.Join("closed", "below")
	must(t, os.MkdirAll(below, 0o755))
	if err := stranger.reaches(below); err != nil {
		t.Errorf("error %v where all may enter", err)
	}
	if err := stranger.reaches(filepath.Join(below, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v of a directory that is not there", err)
	}
	for _, dir := range []string{closed, "."} {
		must(t, os.Chmod(dir, 0o766))
		if os.Geteuid() != 0 {
			must(t, os.Chmod(dir, 0o700))
		}
		if err, want := stranger.reaches(below), "the user stranger cannot enter "+dir; err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
		must(t, os.Chmod(dir, 0o755))
	}
}

// root gives a directory that dnsmasq cannot read to its group. Who may not do so
// opens it to all.
func TestShare(t *testing.T) {
	for _, tt := range []struct{ before, byRoot, byOthers fs.FileMode }{
		{0o700, fs.ModeSetgid | 0o750, 0o705},
		{0o750, fs.ModeSetgid | 0o750, 0o755},
		{0o704, fs.ModeSetgid | 0o750, 0o705},
		{0o701, fs.ModeSetgid | 0o750, 0o705},
		{0o755, 0o755, 0o755},
		{0o705, 0o705, 0o705},
	} {
		dir := filepath.Join(t.TempDir(), "dir")
		must(t, os.Mkdir(dir, 0o700))
		must(t, os.Chmod(dir, tt.before))
		want := tt.byOthers
		if os.Geteuid() == 0 {
			want = tt.byRoot
		}
		for range 2 { // the second time changes nothing
			must(t, stranger.share(dir))
			must(t, stranger.disown(dir))
			if got := mode(t, dir); got != fs.ModeDir|want {
				t.Errorf("mode %v of a directory that was %v, want %v", got, tt.before, want)
			}
		}
	}
}

func TestSharingWhatIsNotThere(t *testing.T) {
	absent := filepath.Join(t.TempDir(), "absent")
	for text, err := range map[string]error{
		"sharing dnsmasq's directory: ":     stranger.share(absent),
		"taking dnsmasq's directory back: ": stranger.disown(absent),
		"looking at dnsmasq's directory: ":  keepOpen(absent),
	} {
		if !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), text) {
			t.Errorf("error %v, want %s…", err, text)
		}
	}
}

func TestKeepOpen(t *testing.T) {
	for before, after := range map[fs.FileMode]fs.FileMode{0: 0o700, 0o500: 0o700, 0o055: 0o755, 0o700: 0o700, 0o755: 0o755} {
		dir := filepath.Join(t.TempDir(), "dir")
		must(t, os.Mkdir(dir, 0o700))
		must(t, os.Chmod(dir, before))
		must(t, keepOpen(dir))
		if got := mode(t, dir); got != fs.ModeDir|after {
			t.Errorf("mode %v of a directory that was %v, want %v", got, before, after)
		}
	}
}

func TestLookup(t *testing.T) {
	me, err := user.Current()
	must(t, err)
	byName, byID := lookup(me.Username), lookupID(os.Getuid())
	if byName == nil || byID == nil || *byName != *byID {
		t.Fatalf("found %+v and %+v", byName, byID)
	}
	if byName.name != me.Username || strconv.Itoa(int(byName.uid)) != me.Uid || strconv.Itoa(int(byName.gid)) != me.Gid || byName.group == "" {
		t.Errorf("found %+v, want %+v", byName, me)
	}
	for name, found := range map[string]*account{
		"an unknown name":     lookup("no such user"),
		"an unknown id":       lookupID(1<<31 - 3),
		"an id that is none":  accountOf(&user.User{Uid: "S-1-5", Gid: me.Gid}, nil),
		"an id too large":     accountOf(&user.User{Uid: "4294967296", Gid: me.Gid}, nil),
		"a group that is not": accountOf(&user.User{Uid: me.Uid, Gid: "4242424"}, nil),
	} {
		if found != nil {
			t.Errorf("%s: found %+v", name, found)
		}
	}
}

func TestCapabilities(t *testing.T) {
	status := []byte("Name:\tmdserver\nCapInh:\t0000000000000001\nCapPrm:\t0000000000003400\nCapEff:\tno number\nCapAmb:\t00000000000000ff\n")
	for set, want := range map[string]uint64{"CapPrm:": 0x3400, "CapAmb:": 0xff, "CapInh:": 1, "CapEff:": 0, "CapBnd:": 0} {
		if got := capabilities(status, set); got != want {
			t.Errorf("%s %x, want %x", set, got, want)
		}
	}
}
