package tree

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"mdserver/internal/fdtest"
)

func all(uint32) bool { return true }

func none(uint32) bool { return false }

func TestOpen(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "dir")
	for name, text := range map[string]string{"dir/plain": "plain", "dir/folder/web": "web", "outside": "outside", "far/web": "far"} {
		path := filepath.Join(base, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{
		"inside": "folder/web", "up": "folder/../plain", "folder2": "folder", "chain": "inside", "odd": ".//folder///web",
		"out": "../outside", "absolute": filepath.Join(base, "outside"), "back": filepath.Join(dir, "plain"),
		"farfolder": "../far", "via": "farfolder/web", "dangling": "nothere", "danglingout": "../nothere/web",
		"loop": "loop", "loop1": "loop2", "loop2": "loop1", "under": "plain/x", "null": "/dev/null",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	const absent = "absent"
	const refused = "is not followed out of the directory"
	for _, tt := range []struct{ name, ours, others string }{ // what is read, or a part of the error
		{"plain", "plain", "plain"},
		{"folder/web", "web", "web"},
		{"inside", "web", "web"},
		{"chain", "web", "web"},
		{"odd", "web", "web"},
		{"up", "plain", "plain"},
		{"folder2/web", "web", "web"},
		{"out", "outside", refused},
		{"absolute", "outside", refused},
		{"back", "plain", refused},
		{"farfolder/web", "far", refused},
		{"via", "far", refused},
		{"null", "is not a regular file", refused},
		{"fifo", "is not a regular file", "is not a regular file"},
		{"dangling", "broken symbolic link", "broken symbolic link"},
		{"danglingout", "broken symbolic link", refused},
		{"under", "broken symbolic link", "broken symbolic link"},
		{"loop", "too many levels", "too many levels"},
		{"loop1", "too many levels", "too many levels"},
		{"nothere", absent, absent},
		{"nothere/web", absent, absent},
		{"plain/web", absent, absent},
		{"", absent, absent},
		{"..", absent, absent},
		{"../outside", absent, absent},
		{"folder/../../outside", absent, absent},
		{"folder/../plain", "plain", "plain"},
		{"nothere/../plain", "plain", "plain"},
		{"absolute/../plain", "plain", "plain"}, // not what is beside the link's target
		{"./folder//web/", "web", "web"},
		{filepath.Join(base, "outside"), absent, absent},
		{"a\x00b", absent, absent},
		{strings.Repeat("x", 256), absent, absent},
	} {
		for trusted, want := range map[bool]string{true: tt.ours, false: tt.others} {
			who := none
			if trusted {
				who = all
			}
			if got := read(open(dir, tt.name, who)); !strings.Contains(got, want) {
				t.Errorf("%.80q, links trusted: %v: %s, want %s", tt.name, trusted, got, want)
			}
			fdtest.NoneLeft(t, func() { read(open(dir, tt.name, who)) })
		}
	}
}

// read is the text of a file, "absent", or the error.
func read(f *os.File, err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "absent"
	case err != nil:
		return err.Error()
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

func TestTheDirectoryMayBeALink(t *testing.T) {
	base := t.TempDir()
	if err := os.WriteFile(filepath.Join(base, "web"), []byte("web"), 0o600); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"dir": base, "dangling": "nothere"} {
		if err := os.Symlink(target, filepath.Join(base, link)); err != nil {
			t.Fatal(err)
		}
	}
	for dir, want := range map[string]string{"dir": "web", "dangling": "broken symbolic link", "nothere": "absent", "web": "not a directory"} {
		if got := read(open(filepath.Join(base, dir), "web", none)); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", dir, got, want)
		}
	}
	if got := read(OpenPath(filepath.Join(base, "dir", "web"))); got != "web" {
		t.Errorf("by its path: %s", got)
	}
}

func TestTrustedBy(t *testing.T) {
	for _, tt := range []struct {
		user, owner uint32
		want        bool
	}{{0, 0, true}, {0, 1000, false}, {1000, 0, true}, {1000, 1000, true}, {1000, 1001, false}} {
		if got := trustedBy(tt.user)(tt.owner); got != tt.want {
			t.Errorf("user %d trusts the links of user %d: %v", tt.user, tt.owner, got)
		}
	}
}

func TestOpenFollowsFortyLinks(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "0"), []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 41; n++ {
		if err := os.Symlink(strconv.Itoa(n-1), filepath.Join(dir, strconv.Itoa(n))); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{"40": "text", "41": "too many levels of symbolic links"} {
		if got := read(Open(dir, name)); !strings.Contains(got, want) {
			t.Errorf("through %s links: %s, want %s", name, got, want)
		}
	}
}

// A link of root's or of this process's user is followed; one of another user
// only where it stays within the directory.
func TestWhoseLinksAreFollowed(t *testing.T) {
	base := t.TempDir()
	link := filepath.Join(base, "dir", "link")
	if err := errors.Join(os.Mkdir(filepath.Dir(link), 0o755), os.WriteFile(filepath.Join(base, "web"), []byte("web"), 0o600), os.Symlink("../web", link)); err != nil {
		t.Fatal(err)
	}
	if got := read(Open(filepath.Dir(link), "link")); got != "web" {
		t.Errorf("a link of our own: %s", got)
	}
	if err := os.Lchown(link, 4242, -1); err != nil {
		t.Skip("only root can give a link to another user")
	}
	if got := read(Open(filepath.Dir(link), "link")); !strings.Contains(got, `"link" of user 4242`) {
		t.Errorf("a link of another user: %s", got)
	}
}
