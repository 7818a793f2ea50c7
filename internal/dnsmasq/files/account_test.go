package files

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

	"mdserver/internal/account"
	"mdserver/internal/roottest"
)

// stranger is an account that owns nothing here.
var stranger = &Account{Account: account.Account{Name: "stranger", UID: 4242, GID: 4242}}

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
	if err := stranger.Reaches(below); err != nil {
		t.Errorf("error %v where all may enter", err)
	}
	if err := stranger.Reaches(filepath.Join(below, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v of a directory that is not there", err)
	}
	for _, dir := range []string{closed, "."} {
		must(t, os.Chmod(dir, 0o766))
		if os.Geteuid() != 0 {
			must(t, os.Chmod(dir, 0o700))
		}
		if err, want := stranger.Reaches(below), "the user stranger cannot enter "+dir; err == nil || err.Error() != want {
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

// root takes back what the account owns. An account that is root needs no share.
func TestDirectoriesThatRootTakesBack(t *testing.T) {
	roottest.Need(t, "gives directories away")
	root := &Account{Account: account.Account{Name: "root"}}
	type state struct {
		uid, gid uint32
		mode     fs.FileMode
	}
	for _, tt := range []struct {
		name   string
		owner  int
		before fs.FileMode
		work   func(dir string) error
		want   state
	}{
		{"shared with its owner", 4242, 0o755, stranger.share, state{0, 4242, fs.ModeSetgid | 0o750}},
		{"shared with another", 4243, 0o755, stranger.share, state{4243, 0, 0o755}},
		{"closed, shared with another", 4243, 0o700, stranger.share, state{0, 4242, fs.ModeSetgid | 0o750}},
		{"shared with root", 0, 0o700, root.share, state{0, 0, 0o700}},
		{"taken back from its owner", 4242, 0o700, stranger.disown, state{0, 0, 0o700}},
		{"taken back from another", 4243, 0o700, stranger.disown, state{4243, 0, 0o700}},
	} {
		dir := filepath.Join(t.TempDir(), "dir")
		must(t, os.Mkdir(dir, 0o700))
		must(t, os.Chown(dir, tt.owner, 0))
		must(t, os.Chmod(dir, tt.before))
		must(t, tt.work(dir))
		info, err := os.Stat(dir)
		must(t, err)
		got := state{ownerOf(info), info.Sys().(*syscall.Stat_t).Gid, info.Mode() &^ fs.ModeDir}
		if got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// What the account's own group can read is not opened to all.
func TestSharedWithTheGroup(t *testing.T) {
	colleague := &Account{Account: account.Account{Name: "colleague", UID: 4242, GID: uint32(os.Getgid())}}
	dir := filepath.Join(t.TempDir(), "dir")
	must(t, os.Mkdir(dir, 0o700))
	must(t, os.Chown(dir, -1, os.Getgid()))
	must(t, os.Chmod(dir, 0o750))
	must(t, colleague.share(dir))
	if got := mode(t, dir); got != fs.ModeDir|0o750 {
		t.Errorf("its mode is %v", got)
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

// A user who may not change a directory leaves it as it is.
func TestDirectoriesOfOthers(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may change all of them")
	}
	for dir, change := range map[string]func(dir string) error{
		"/proc":      keepOpen,       // nobody can write there
		"/proc/1/fd": stranger.share, // root alone can enter it
	} {
		if info, err := os.Stat(dir); err != nil || ownerOf(info) != 0 {
			t.Logf("%s is not root's here: %v", dir, err)
		} else if err := change(dir); err != nil {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

func TestLookup(t *testing.T) {
	me, err := user.Current()
	must(t, err)
	byName, byID := Lookup(me.Username), LookupID(os.Getuid())
	if byName == nil || byID == nil || *byName != *byID {
		t.Fatalf("found %+v and %+v", byName, byID)
	}
	if byName.Name != me.Username || strconv.Itoa(int(byName.UID)) != me.Uid || strconv.Itoa(int(byName.GID)) != me.Gid || byName.Group == "" {
		t.Errorf("found %+v, want %+v", byName, me)
	}
	for name, found := range map[string]*Account{
		"an unknown name":     Lookup("no such user"),
		"an unknown id":       LookupID(1<<31 - 3),
		"an id that is none":  accountOf(&user.User{Uid: "S-1-5", Gid: me.Gid}, nil),
		"an id too large":     accountOf(&user.User{Uid: "4294967296", Gid: me.Gid}, nil),
		"a group that is not": accountOf(&user.User{Uid: me.Uid, Gid: "4242424"}, nil),
	} {
		if found != nil {
			t.Errorf("%s: found %+v", name, found)
		}
	}
}
