package dnsmasq

import (
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"mdserver/internal/dnsmasq/content"
	"mdserver/internal/instance"
)

var update = flag.Bool("update", false, "write the golden files")

// settingsFor makes settings whose files need neither root nor a dnsmasq: they are for a
// dnsmasq of another service, which does not run.
func settingsFor(t *testing.T) content.Settings {
	dir := t.TempDir()
	return content.Settings{
		Mode: content.External, Binary: "/nonexistent", User: "mdserver-does-not-exist", NetName: "mds", Interface: "br-mds",
		BaseDir: filepath.Join(dir, "dnsmasq"), RunDir: filepath.Join(dir, "run"),
		Network: netip.MustParsePrefix("10.122.0.0/16"), Gateway: netip.MustParseAddr("10.122.0.1"),
	}
}

func startWithout(t *testing.T, settings content.Settings, guests ...instance.Instance) *Service {
	s := New(settings, slog.New(slog.DiscardHandler))
	must(t, s.Start(t.Context(), guests))
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

// The files below base_dir after a start and two changes: their names and modes,
// and the lines of guests. Package content tests what the configuration says.
func TestGoldenFiles(t *testing.T) {
	settings := settingsFor(t)
	settings.Prefix, settings.Domain, settings.EntryOrder = "lab-", "example.net", []string{"prefix", "domain", "base"}
	settings.Network6, settings.Gateway6 = netip.MustParsePrefix("fd00:122::/64"), netip.MustParseAddr("fd00:122::1")
	plain, keyword, six := newGuest(1, "web1"), newGuest(2, "ignore"), newGuest(3, "web3.example.net")
	six.IPv6 = netip.MustParseAddr("fd00:122::77")
	s := startWithout(t, settings, six, plain, keyword)
	must(t, s.Apply(t.Context(), added(newGuest(4, "web4"), newGuest(5, "web5"))))
	must(t, s.Apply(t.Context(), added(newGuest(6, "web6"))))
	compareGolden(t, filepath.Join("testdata", "files.golden"), filesBelow(t, s.settings))

	configuration, _ := s.settings.Configuration()
	for path, want := range map[string]string{s.settings.ConfigFile(): configuration, s.settings.OptionsFile(): s.options()} {
		if text, err := os.ReadFile(path); err != nil || string(text) != want {
			t.Errorf("%s does not hold what package content says", path)
		}
	}
}

// filesBelow lists the files below base_dir, with the mode of each and the text
// of those that name guests.
func filesBelow(t *testing.T, s host) string {
	t.Helper()
	var b strings.Builder
	must(t, filepath.WalkDir(s.BaseDir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		must(t, err)
		place, err := filepath.Rel(s.BaseDir, path)
		must(t, err)
		fmt.Fprintf(&b, "-- %s %v --\n", place, info.Mode())
		if path == s.ConfigFile() || path == s.OptionsFile() {
			return nil
		}
		text, err := os.ReadFile(path)
		must(t, err)
		b.Write(text)
		return nil
	}))
	return b.String()
}

// digests are the markers' addresses.
var digests = regexp.MustCompile(`100::[0-9a-f:]*[0-9a-f]`)

// compareGolden compares a text with a file but for digests, which depend on the
// test's directory.
func compareGolden(t *testing.T, file, got string) {
	t.Helper()
	got = digests.ReplaceAllString(got, "DIGEST")
	if *update {
		must(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	must(t, err)
	if got != string(want) {
		t.Errorf("not as %s has it (-update writes it):\n%s", file, got)
	}
}

// dnsmasq remembers the names of the small files that it has read. A file that
// comes after the others were moved into the compact ones must not have the name
// of one of these: dnsmasq would take the old file's guests out of DNS.
func TestSmallFilesNeverShareAName(t *testing.T) {
	s := startWithout(t, settingsFor(t))
	var last string
	for n := 1; n <= mostSmall+2; n++ {
		must(t, s.Apply(t.Context(), added(newGuest(n, fmt.Sprint("g", n)))))
		if n%100 > 2 && n < mostSmall-2 {
			continue // reading two large directories after each guest takes long
		}
		paths, err := s.settings.WatchedFiles()
		must(t, err)
		want := 2 * (n % mostSmall) // one for DHCP and one for DNS
		if len(paths) != want {
			t.Fatalf("after guest %d there are %d small files, want %d", n, len(paths), want)
		}
		if len(paths) > 0 {
			if newest := filepath.Base(paths[len(paths)-1]); newest <= last {
				t.Fatalf("guest %d is in the file %s, one before was in %s", n, newest, last)
			} else {
				last = newest
			}
		}
	}
	for _, file := range []string{s.settings.DHCPFile(), s.settings.DNSFile()} {
		text, err := os.ReadFile(file)
		must(t, err)
		if lines := strings.Count(string(text), "10.122."); lines != mostSmall {
			t.Errorf("%s has %d guests, want %d", file, lines, mostSmall)
		}
	}
}

// After a change that dnsmasq reads at SIGHUP, the small files are gone.
func TestChangeEmptiesTheWatchedDirectories(t *testing.T) {
	s := startWithout(t, settingsFor(t), newGuest(1, "web1"))
	must(t, s.Apply(t.Context(), added(newGuest(2, "web2"), newGuest(3, "web3"))))
	must(t, s.Apply(t.Context(), removed(newGuest(2, "web2"))))
	if paths, err := s.settings.WatchedFiles(); err != nil || len(paths) > 0 {
		t.Errorf("left: %v, %v", paths, err)
	}
	text, err := os.ReadFile(s.settings.DNSFile())
	must(t, err)
	if got := strings.Join(strings.Fields(digests.ReplaceAllString(string(text), "DIGEST")), " "); got != "10.122.1.1 web1 10.122.1.3 web3 DIGEST live.mdserver.invalid" {
		t.Errorf("the hosts file is %q", got)
	}
}
