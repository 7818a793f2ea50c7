package config

import (
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"mdserver/internal/build"
)

var compare = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmpopts.EquateEmpty(),
	cmpopts.IgnoreUnexported(Dnsmasq{}, Files{}),
}

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

// loadParity loads the original's test configuration in a directory.
func loadParity(t *testing.T, dir string) (*Config, []Warning) {
	t.Helper()
	for _, name := range []string{"mdserver.conf.in", "mdserver.conf.d/50-site.conf"} {
		raw, err := os.ReadFile(filepath.Join("testdata/parity", name))
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(raw), "@DIR@", dir)
		put(t, filepath.Join(dir, strings.TrimSuffix(name, ".in")), text)
	}
	c, warnings, err := Load(filepath.Join(dir, "mdserver.conf"))
	if err != nil {
		t.Fatal(err)
	}
	return c, warnings
}

// TestParityDump compares with what the original answered at
// /service/configuration for the same files.
func TestParityDump(t *testing.T) {
	dir := t.TempDir()
	c, warnings := loadParity(t, dir)
	if len(warnings) > 0 {
		t.Errorf("warnings: %v", warnings)
	}
	raw, err := os.ReadFile("testdata/parity/service-configuration.txt")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(strings.ReplaceAll(string(raw), "@DIR@", dir)) {
		line = strings.TrimSuffix(line, "\n")
		key, _, _ := strings.Cut(line, "=")
		switch key {
		case "catchall", "autojson": // settings of the original's web framework
			continue
		case "service.release_date":
			line = key + "=" + build.Date
		case "service.hostname": // of the machine it ran on
			line = key + "=" + c.Service.Hostname
		}
		want = append(want, line)
	}
	if diff := cmp.Diff(want, c.Dump()); diff != "" {
		t.Errorf("-original +ours\n%s", diff)
	}
}

func TestParityFields(t *testing.T) {
	dir := t.TempDir()
	c, _ := loadParity(t, dir)
	d := Default()
	want := Config{
		Server:    d.Server,
		LogLevels: LogLevels{Base: slog.LevelDebug, Stream: slog.LevelInfo, File: slog.LevelDebug, LogFormat: "text"},
		PublicKeys: []PublicKey{
			{"default", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleKeyOne alice@laptop"},
			{"ops", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleKeyTwo bob@desk"},
		},
		Dnsmasq:      d.Dnsmasq,
		TemplateData: []KeyValue{{"foo", "bar"}, {"motd", "from the include"}},
		ConfigItems:  []string{"dnsmasq.prefix", "dnsmasq.domain"},
		Service:      d.Service,
		Libvirt:      d.Libvirt,
		Store:        d.Store,
		SSH:          d.SSH,
		Files: Files{Main: dir + "/mdserver.conf",
			Directories: []Directory{{Path: dir + "/mdserver.conf.d", Names: []string{"50-site.conf"}}}},
	}
	s := &want.Server
	s.ListenAddress, s.Port = ip("127.9.0.1"), 8090
	s.UserdataDir, s.DefaultTemplate = dir+"/userdata", dir+"/userdata/base.yaml"
	s.DBFile, s.Database, s.Identity = dir+"/db_file.json", dir+"/mdserver.db", dir+"/identity.pem"
	s.LogFile = dir + "/mdserver.log"
	s.Password, s.PasswordSet = "$6$rounds=4096$saltsalt$abcDEF./0123", true
	n := &want.Dnsmasq
	n.User, n.BaseDir, n.RunDir, n.Interface = "root", dir+"/dnsmasq", dir+"/run", "lo"
	n.Network, n.Gateway, n.ListenAddress = netip.MustParsePrefix("127.9.0.0/16"), ip("127.9.0.1"), ip("127.9.0.1")
	n.Prefix, n.Domain, n.UseDNS = "lab-", "example.net", true
	n.EntryOrder = []string{"prefix", "domain", "base"}
	want.Networks = []Network{n.short()}
	want.Service.Name, want.Service.Location, want.Service.Version = "rack4", "rack4-host1", "0.1.2-test"
	want.Service.Region, want.Service.AvailabilityZone = "rack4-host1", "rack4-host1a"
	want.Service.EC2Versions = []string{"2009-04-04", "latest"}
	if diff := cmp.Diff(want, *c, compare, cmpopts.IgnoreUnexported(Config{}, Network{})); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// TestDefaultValues: without a file, templates see what the original's saw.
func TestDefaultValues(t *testing.T) {
	c := Default()
	want := []Value{
		{"service.name", "mdserver", false},
		{"service.type", "mdserver", false},
		{"service.version", build.Version, false},
		{"service.release_date", build.Date, false},
		{"service.hostname", c.Service.Hostname, false},
		{"service.location", c.Service.Location, false},
		{"service.ec2_versions", knownVersions, false},
		{"mdserver.password", nil, true},
		{"mdserver.hostname_prefix", "vm", false},
		{"public-keys.default", "__NOT_CONFIGURED__", true},
		{"mdserver.port", 80, false},
		{"mdserver.userdata_dir", "/etc/mdserver/userdata", false},
		{"mdserver.userdata_suffixes", ":.yaml", false},
		{"mdserver.logfile", "/var/log/mdserver.log", false},
		{"mdserver.debug", "no", false},
		{"mdserver.debug_userdata", "no", false},
		{"mdserver.listen_address", "169.254.169.254", false},
		{"mdserver.default_template", nil, false},
		{"mdserver.db_file", "/var/lib/mdserver/db_file.json", false},
		{"loglevels.base", "info", false},
		{"loglevels.stream", "info", false},
		{"loglevels.file", "debug", false},
		{"dnsmasq.user", "mdserver", false},
		{"dnsmasq.base_dir", "/var/lib/mdserver/dnsmasq", false},
		{"dnsmasq.run_dir", "/var/run/mdserver", false},
		{"dnsmasq.net_name", "mds", false},
		{"dnsmasq.net_address", "10.122.0.0", false},
		{"dnsmasq.net_prefix", "16", false},
		{"dnsmasq.gateway", "10.122.0.1", false},
		{"dnsmasq.use_dns", false, false},
		{"dnsmasq.interface", "br-mds", false},
		{"dnsmasq.listen_address", nil, false},
		{"dnsmasq.lease_len", 86400, false},
		{"dnsmasq.prefix", false, false},
		{"dnsmasq.domain", false, false},
		{"dnsmasq.entry_order", "base", false},
	}
	if diff := cmp.Diff(want, c.Values()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if !slices.Contains(c.Dump(), "dnsmasq.prefix=False") || !slices.Contains(c.Dump(), "mdserver.default_template=None") {
		t.Errorf("the dump is not in Python's spelling: %q", c.Dump())
	}
	label, _, _ := strings.Cut(c.Service.Hostname, ".")
	if c.Service.Location != label || label == "" {
		t.Errorf("location %q of host %q", c.Service.Location, c.Service.Hostname)
	}
}

func TestDefaultFields(t *testing.T) {
	c := Default()
	s, d := c.Server, c.Dnsmasq
	if s.Port != 80 || s.ListenAddress != ip("169.254.169.254") || s.Database != "/var/lib/mdserver/mdserver.db" ||
		s.Socket != "/run/mdserver/mdserver.sock" || s.PasswordSet || s.DefaultTemplate != "" || s.TemplateEscape != "html" ||
		s.TemplateTime != time.Second || !slices.Equal(s.UserdataSuffixes, []string{"", ".yaml"}) {
		t.Errorf("%+v", s)
	}
	if d.Network != netip.MustParsePrefix("10.122.0.0/16") || d.Gateway != ip("10.122.0.1") || d.Network6.IsValid() ||
		d.Gateway6.IsValid() || d.ListenAddress.IsValid() || d.LeaseLen != 24*time.Hour || d.Quarantine != time.Hour ||
		d.Run != "child" || d.Prefix != "" || d.Domain != "" || !slices.Equal(d.EntryOrder, []string{"base"}) ||
		!strings.HasSuffix(d.Binary, "dnsmasq") {
		t.Errorf("%+v", d)
	}
	if len(c.PublicKeys) != 0 || len(c.Service.EC2Versions) != 30 {
		t.Errorf("%d keys, %d versions", len(c.PublicKeys), len(c.Service.EC2Versions))
	}
}

// TestPythonTypes: what a file sets is text to a template, but for what the
// original converted.
func TestPythonTypes(t *testing.T) {
	c, _ := mustLoad(t, `[mdserver]
port = 8080
default_template = None
[dnsmasq]
prefix = off
domain = lab.example
lease_len = 3600
use_dns = no
[template-data]
Foo = 1
`)
	want := map[string]any{
		"mdserver.port": "8080", "mdserver.default_template": nil, "dnsmasq.prefix": 0, "dnsmasq.domain": "lab.example",
		"dnsmasq.lease_len": "3600", "dnsmasq.use_dns": "no", "template-data.foo": "1",
	}
	for _, v := range c.Values() {
		if w, ok := want[v.Key]; ok && v.Value != w {
			t.Errorf("%s is %#v, want %#v", v.Key, v.Value, w)
		}
		delete(want, v.Key)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}

func TestIncludes(t *testing.T) {
	dir := t.TempDir()
	put(t, dir+"/mdserver.conf", `[service]
name = main
type = main
location = main
[public-keys]
zoe = ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleKeyOne z
[_include_]
directories = `+dir+`/two::`+dir+`/one:`+dir+`/missing
files = `+dir+`/last.txt:`+dir+`/none.txt:`+dir+`/first.txt
`)
	put(t, dir+"/two/10.conf", "[service]\nname = two/10\ntype = two/10\n")
	put(t, dir+"/one/20.conf", "[service]\ntype = one/20\n[public-keys]\nadam = ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleKeyTwo a\n")
	put(t, dir+"/one/03.conf", "[service]\ntype = one/03\n[_include_]\nfiles = "+dir+"/one/.hidden.conf\n")
	put(t, dir+"/one/.hidden.conf", "[service]\nname = hidden\n")
	put(t, dir+"/one/readme.txt", "not a configuration")
	put(t, dir+"/one/dir.conf/x", "a directory")
	put(t, dir+"/last.txt", "[service]\nlocation = last\n[public-keys]\ndefault = ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleKeyOne d\n")
	put(t, dir+"/first.txt", "[service]\nlocation = first\n")

	c, warnings, err := Load(dir + "/mdserver.conf")
	if err != nil {
		t.Fatal(err)
	}
	if s := c.Service; s.Name != "two/10" || s.Type != "one/20" || s.Location != "first" {
		t.Errorf("name %q, type %q, location %q", s.Name, s.Type, s.Location)
	}
	var names []string
	for _, k := range c.PublicKeys {
		names = append(names, k.Name)
	}
	if got := strings.Join(names, " "); got != "default zoe adam" {
		t.Errorf("keys in the order %s", got)
	}
	want := Files{
		Main: dir + "/mdserver.conf",
		Directories: []Directory{
			{Path: dir + "/two", Names: []string{"10.conf"}},
			{Path: dir + "/one", Names: []string{"03.conf", "20.conf"}},
		},
		Included: []string{dir + "/last.txt", dir + "/first.txt"},
	}
	if diff := cmp.Diff(want, c.Files, compare); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	var said []string
	for _, w := range warnings {
		said = append(said, w.Level.String()+" "+strings.ReplaceAll(w.String(), dir, ""))
	}
	wantSaid := []string{
		"WARN /one/03.conf:3: [_include_]: is read in the main file only, and ignored here",
		"DEBUG /mdserver.conf: _include_: /missing does not exist and is ignored",
		"DEBUG /mdserver.conf: _include_: /none.txt does not exist and is ignored",
	}
	slices.Sort(said)
	slices.Sort(wantSaid)
	if diff := cmp.Diff(wantSaid, said); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	for _, line := range []string{"_files_." + dir + "/one=03.conf,20.conf", "_files_.files=" + dir + "/last.txt," + dir + "/first.txt"} {
		if !slices.Contains(c.Dump(), line) {
			t.Errorf("the dump lacks %s", line)
		}
	}
}

func TestUnreadableFiles(t *testing.T) {
	dir := t.TempDir()
	_, _, err := Load(dir + "/none.conf")
	if !errors.Is(err, os.ErrNotExist) || !IsUnreadable(err) || !strings.HasPrefix(err.Error(), dir+"/none.conf: ") {
		t.Errorf("a missing main file gives %v", err)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("a missing main file gives more than one problem: %v", err)
	}
	if _, _, err := Load(write(t, "[mdserver]\nport = x\n")); err == nil || IsUnreadable(err) {
		t.Errorf("a wrong value counts as unreadable: %v", err)
	}
}

func TestRelativePathsStay(t *testing.T) {
	c, _ := mustLoad(t, "[mdserver]\nuserdata_dir = userdata\ndb_file = db.json\n")
	if c.Server.UserdataDir != "userdata" || c.Server.Database != "mdserver.db" {
		t.Errorf("%+v", c.Server)
	}
}

// A file of another kind is one problem, or a few, and not one a line.
func TestLoadOfAnotherKindOfFile(t *testing.T) {
	for _, tt := range []struct{ content, want string }{
		{"SQLite format 3\x00\x10", "not a text file"},
		{strings.Repeat("{\"domain_name\"}\n", 1000), "and 975 more problems"},
	} {
		path := filepath.Join(t.TempDir(), "mdserver.conf")
		if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := Load(path)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Count(err.Error(), "\n") > 25 {
			t.Errorf("%.20q: %v, want few lines, with %q", tt.content, err, tt.want)
		}
	}
}
