package hostsfile

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"mdserver/internal/fdtest"
)

func TestParse(t *testing.T) {
	text := "# a comment\n127.0.0.1\tlocalhost\n::1 localhost ip6-localhost # another\n\n" +
		"10.0.0.1 NAS.example.net. nas\r\nfe80::1%eth0 printer\n0.0.0.0 ads.example\n300.0.0.1 wrong\n10.0.0.2\n10.0.0.1 nas nas\n10.0.0.4 tv#old\n"
	addr := netip.MustParseAddr
	want := map[string][]netip.Addr{
		"localhost": {addr("127.0.0.1"), addr("::1")}, "ip6-localhost": {addr("::1")},
		"nas.example.net": {addr("10.0.0.1")}, "nas": {addr("10.0.0.1")}, "printer": {addr("fe80::1")}, "tv": {addr("10.0.0.4")},
	}
	if diff := cmp.Diff(want, Parse([]byte(text)), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

func TestFileFollowsChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hosts")
	var log strings.Builder
	f := New(path, slog.New(slog.NewTextHandler(&log, nil)))
	expect := func(name, want string) {
		t.Helper()
		if got := fmt.Sprint(f.Lookup(name)); got != want {
			t.Errorf("%s has %s, want %s", name, got, want)
		}
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	expect("nas", "[]")
	write("10.0.0.1 nas\n")
	expect("nas", "[10.0.0.1]")
	write("10.0.0.22 nas\n")
	expect("nas", "[10.0.0.22]")
	if log.Len() > 0 {
		t.Errorf("logged: %s", &log)
	}
	write("10.0.0.1 nas\n" + strings.Repeat("# \n", maxSize/3) + "10.0.0.1 late\n")
	expect("nas", "[10.0.0.1]")
	expect("late", "[]")
	if !strings.Contains(log.String(), "too large") {
		t.Errorf("logged: %s", &log)
	}
}

// What is logged is logged once for each state of the file, and a file of the same size
// is read again if it is newer.
func TestFileThatIsReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hosts")
	var log strings.Builder
	f := New(path, slog.New(slog.NewTextHandler(&log, nil)))
	now := time.Now()
	for _, state := range []struct {
		text string
		age  time.Duration
	}{{"10.0.0.1 nas\n", 3}, {"10.0.0.2 nas\n", 2}, {"10.0.0.33 nas\n", 2}, {"", 0}, {"10.0.0.3 nas\n", 1}} {
		text := state.text
		err := os.Remove(path)
		if text != "" {
			err = os.WriteFile(path, []byte(text), 0o644)
			_ = os.Chtimes(path, now, now.Add(-state.age*time.Second))
		}
		if err != nil {
			t.Fatal(err)
		}
		want, _, _ := strings.Cut(text, " ")
		if got := fmt.Sprint(f.Lookup("nas")); got != "["+want+"]" {
			t.Errorf("nas has %s, want %s", got, want)
		}
	}
	if log.Len() > 0 {
		t.Errorf("logged: %s", &log)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if got := f.Lookup("nas"); got != nil {
			t.Errorf("a directory has %v", got)
		}
	}
	if n := strings.Count(log.String(), "cannot be read"); n != 1 || !strings.Contains(log.String(), path) {
		t.Errorf("logged %d times: %s", n, &log)
	}
}

// That a file cannot be looked at is logged, too.
func TestFileThatCannotBeLookedAt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	f := New(filepath.Join(path, "hosts"), slog.New(slog.NewTextHandler(&log, nil)))
	for range 3 {
		if got := f.Lookup("nas"); got != nil {
			t.Errorf("nas has %v", got)
		}
	}
	if n := strings.Count(log.String(), "cannot be read"); n != 1 {
		t.Errorf("logged %d times: %s", n, &log)
	}
}

// TestLargestFile checks that a file of the largest size is read whole, and that it is
// closed after each reading.
func TestLargestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hosts")
	const end = "\n10.0.0.1 last\n"
	if err := os.WriteFile(path, []byte(strings.Repeat("#", maxSize-len(end))+end), 0o644); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	f := New(path, slog.New(slog.NewTextHandler(&log, nil)))
	if got := fmt.Sprint(f.Lookup("last")); got != "[10.0.0.1]" || log.Len() > 0 {
		t.Errorf("the last name has %s, logged: %s", got, &log)
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	fdtest.NoneLeft(t, func() { New(path, slog.New(slog.DiscardHandler)).Lookup("last") })
}

// A line may be as long as the file.
func TestLongLine(t *testing.T) {
	names := Parse([]byte("10.0.0.1 " + strings.Repeat("x.example ", 1<<16) + "last.\n10.0.0.2 after\n::ffff:10.0.0.3 mapped\n:: unspecified\n"))
	for name, want := range map[string]string{"last": "[10.0.0.1]", "x.example": "[10.0.0.1]", "after": "[10.0.0.2]", "mapped": "[10.0.0.3]", "unspecified": "[]"} {
		if got := fmt.Sprint(names[name]); got != want {
			t.Errorf("%s has %s, want %s", name, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("10.0.0.1 nas # x\n::1 localhost"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for name, addrs := range Parse(data) {
			if name == "" && len(addrs) > 0 && !strings.Contains(string(data), ".") {
				t.Errorf("%q has %v", name, addrs)
			}
		}
	})
}
