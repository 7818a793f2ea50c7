package content

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
)

var update = flag.Bool("update", false, "write the golden files")

// TestGolden compares the text of every file with testdata.
func TestGolden(t *testing.T) {
	tests := map[string]func(*Settings){
		"least": func(*Settings) {},
		"most": func(s *Settings) {
			s.MetadataAddress = netip.MustParseAddr("10.122.0.3")
			s.ListenAddress = netip.MustParseAddr("10.122.0.2")
			s.UseDNS, s.ServeHosts = true, true
			s.LeaseTime = time.Hour
			s.Prefix, s.Domain, s.EntryOrder = "lab-", "example.net", []string{"prefix", "domain", "base"}
			s.Network6, s.Gateway6 = netip.MustParsePrefix("fd00:122::/64"), netip.MustParseAddr("fd00:122::1")
			s.NTPServers = []netip.Addr{netip.MustParseAddr("10.122.0.1"), netip.MustParseAddr("fd00:122::1")}
			s.DomainSearch = []string{"example.net", "corp.example"}
			s.MTU, s.Boot = 1450, "ipxe.efi,tftp,10.122.0.7"
			s.Rebind, s.OwnPrefixes = RebindOwn, []netip.Prefix{netip.MustParsePrefix("10.122.0.0/16"), netip.MustParsePrefix("8.8.8.0/24")}
			s.RunsAs, s.RunsAsGroup, s.Lines = "mdserver-dnsmasq", "mdserver", "# of the administrator\nlog-queries\n"
		},
		"further-network": func(s *Settings) {
			s.Further, s.ForwardPlain = true, true
			s.Network6 = netip.MustParsePrefix("fd00:122::/64")
			s.Rebind, s.RebindDomains = RebindPrivate, []string{"corp.example"}
		},
		"loopback": func(s *Settings) { s.Interface, s.Rebind = "lo", RebindNo },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			s := valid()
			change(&s)
			s = s.Complete()
			if err := s.Check(); err != nil {
				t.Fatal(err)
			}
			compare(t, filepath.Join("testdata", name+".golden"), filesOf(s))
		})
	}
}

func valid() Settings {
	return Settings{
		Mode: Child, User: "mdserver-dnsmasq", NetName: "mds", Interface: "br-mds", BaseDir: "/base", RunDir: "/run",
		Network: netip.MustParsePrefix("10.122.0.9/16"), Gateway: netip.MustParseAddr("10.122.0.1"),
	}
}

// filesOf is the text of all files for some guests, and the problems of each.
func filesOf(s Settings) string {
	var b strings.Builder
	file := func(path, text string) { fmt.Fprintf(&b, "-- %s --\n%s", path, text) }
	configuration, digest := s.Configuration()
	file(s.ConfigFile(), configuration)
	file(s.OptionsFile(), s.Options())
	var entries []Entry
	var problems []string
	for i, guest := range guests() {
		for n, place := range guest.AllOn(s.NetName) {
			e, wrong := s.EntryOf(guest, place, n == 0)
			entries = append(entries, e)
			for _, problem := range wrong {
				problems = append(problems, fmt.Sprintf("guest %d: %s\n", i+1, problem))
			}
		}
	}
	files := Compact(entries, LiveName, digest)
	file(s.DHCPFile(), files.DHCP)
	file(s.DNSFile(), files.DNS)
	file("problems", strings.Join(problems, ""))
	return b.String()
}

// guests are one of each kind that makes a difference.
func guests() []instance.Instance {
	guest := func(n byte, hostname string) instance.Instance {
		return instance.Instance{
			UUID: uuid.UUID{15: n}, Name: hostname, Hostname: hostname, Network: "mds",
			MAC: instance.MAC{0x52, 0x54, 0, 0, 0, n}, IPv4: netip.AddrFrom4([4]byte{10, 122, 1, n}),
		}
	}
	six := guest(3, "web3.example.net")
	six.IPv6 = netip.MustParseAddr("fd00:122::77")
	only6 := six
	only6.UUID, only6.MAC, only6.Hostname = uuid.UUID{15: 5}, instance.MAC{0x52, 0x54, 0, 0, 0, 5}, "web5"
	only6.IPv4, only6.IPv6 = netip.Addr{}, netip.MustParseAddr("fd00:122::78")
	twice := guest(8, "web8")
	twice.Attach([]instance.Attachment{
		{Network: "other", MAC: twice.MAC, IPv4: netip.MustParseAddr("10.5.0.8")},
		twice.Primary(),
		{Network: "mds", MAC: instance.MAC{0x52, 0x54, 0, 0, 1, 8}, IPv4: netip.MustParseAddr("10.122.2.8")},
	})
	return []instance.Instance{six, guest(1, "web1"), guest(2, "ignore"), guest(4, "12h"), only6, guest(6, "a b"), guest(7, strings.Repeat("x", 63)), twice}
}

// A guest that another host serves has names here, and gets its lease there. While it
// moves, both hosts serve it.
func TestGuestsOfOtherHosts(t *testing.T) {
	for name, tt := range map[string]struct {
		home   instance.Home
		own    string
		leases bool
	}{
		"one host only":            {instance.Home{}, "", true},
		"no host has it":           {instance.Home{}, "a", true},
		"its own host":             {instance.Home{HostID: "a"}, "a", true},
		"another host":             {instance.Home{HostID: "a"}, "b", false},
		"the host that it leaves":  {instance.Home{HostID: "a", FromID: "b"}, "b", true},
		"a host that it passed by": {instance.Home{HostID: "a", FromID: "b"}, "c", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := valid().Complete()
			s.HostID = tt.own
			guest := guests()[0]
			guest.Home = tt.home
			e, problems := s.EntryOf(guest, guest.Primary(), true)
			if e.Lease.Valid() != tt.leases || e.Lease6.Valid() != tt.leases || (e.DHCP != "") != tt.leases {
				t.Errorf("lease %v and %v, DHCP %q", e.Lease, e.Lease6, e.DHCP)
			}
			if e.DNS != "10.122.1.3 web3.example.net\nfd00:122::77 web3.example.net\n" || len(problems) > 0 {
				t.Errorf("DNS %q, problems %q", e.DNS, problems)
			}
		})
	}
}

func compare(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("not as %s has it (-update writes it):\n%s", file, got)
	}
}

func TestCheck(t *testing.T) {
	tests := map[string]struct {
		change func(*Settings)
		want   string // in the error
	}{
		"user":           {func(s *Settings) { s.User = "a,b" }, "dnsmasq.user"},
		"base_dir":       {func(s *Settings) { s.BaseDir = "/a\nb" }, "dnsmasq.base_dir"},
		"run_dir":        {func(s *Settings) { s.RunDir = `/a"b` }, "dnsmasq.run_dir"},
		"net_name":       {func(s *Settings) { s.NetName = "a#b" }, "dnsmasq.net_name"},
		"no net_name":    {func(s *Settings) { s.NetName = "" }, "file name"},
		"path":           {func(s *Settings) { s.NetName = "../mds" }, "file name"},
		"space":          {func(s *Settings) { s.NetName = "a b" }, "file name"},
		"hidden":         {func(s *Settings) { s.NetName = ".mds" }, "file name"},
		"interface":      {func(s *Settings) { s.Interface = `br\0` }, "dnsmasq.interface"},
		"no interface":   {func(s *Settings) { s.Interface = "" }, "dnsmasq.interface is empty"},
		"prefix":         {func(s *Settings) { s.Prefix = "a,b" }, "dnsmasq.prefix"},
		"domain":         {func(s *Settings) { s.Domain = "a..b" }, "not a domain name"},
		"mode":           {func(s *Settings) { s.Mode = "perhaps" }, "dnsmasq.run"},
		"domain's text":  {func(s *Settings) { s.Domain = "a,b" }, `dnsmasq.domain "a,b" cannot be written`},
		"bad prefix":     {func(s *Settings) { s.Network = netip.PrefixFrom(s.Network.Addr(), 33) }, "not an IPv4 network"},
		"rebind":         {func(s *Settings) { s.Rebind = "perhaps" }, "dnsmasq.stop_rebind"},
		"rebind domain":  {func(s *Settings) { s.RebindDomains = []string{"good.example", "-bad"} }, "dnsmasq.rebind_domains"},
		"no network":     {func(s *Settings) { s.Network = netip.Prefix{} }, "not an IPv4 network"},
		"IPv6 network":   {func(s *Settings) { s.Network = netip.MustParsePrefix("fd00::/64") }, "not an IPv4 network"},
		"no gateway":     {func(s *Settings) { s.Gateway = netip.Addr{} }, "dnsmasq.gateway"},
		"IPv6 gateway":   {func(s *Settings) { s.Gateway = netip.MustParseAddr("fd00::1") }, "dnsmasq.gateway"},
		"large network6": {func(s *Settings) { s.Network6 = netip.MustParsePrefix("fd00::/63") }, "64 bits and more"},
		"IPv4 network6":  {func(s *Settings) { s.Network6 = netip.MustParsePrefix("10.0.0.0/8") }, "64 bits and more"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := valid()
			tt.change(&s)
			if err := s.Check(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
	for _, mode := range []Mode{Child, External, Off} {
		least := valid()
		least.Mode, least.Network6 = mode, netip.MustParsePrefix("fd00::/64")
		if err := least.Check(); err != nil {
			t.Errorf("run = %s: %v", mode, err)
		}
	}
}
