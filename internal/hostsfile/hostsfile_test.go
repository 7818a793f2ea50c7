package hostsfile

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	text := "# a comment\n127.0.0.1\tlocalhost\n::1 localhost ip6-localhost # another\n\n" +
		"10.0.0.1 NAS.example.net. nas\r\nfe80::1%eth0 printer\n0.0.0.0 ads.example\n300.0.0.1 wrong\n10.0.0.2\n10.0.0.1 nas nas\n"
	addr := netip.MustParseAddr
	want := map[string][]netip.Addr{
		"localhost": {addr("127.0.0.1"), addr("::1")}, "ip6-localhost": {addr("::1")},
		"nas.example.net": {addr("10.0.0.1")}, "nas": {addr("10.0.0.1")}, "printer": {addr("fe80::1")},
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
