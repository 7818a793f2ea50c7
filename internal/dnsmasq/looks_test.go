package dnsmasq

import (
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"mdserver/internal/dnsmasq/content"
	"mdserver/internal/dnsmasq/probe"
	"mdserver/internal/instance"
)

// TestLooksAtDnsmasq checks what each of several looks does to dnsmasq, and which problem
// the status then shows.
func TestLooksAtDnsmasq(t *testing.T) {
	one := newGuest(1, "one")
	silent := func(_ *Service, m *memory) { m.err = os.ErrDeadlineExceeded }
	refused := func(_ *Service, m *memory) { m.err = syscall.ECONNREFUSED }
	lose := func(name string) func(*Service, *memory) {
		return func(_ *Service, m *memory) { delete(m.names, name) }
	}
	loseForGood := func(_ *Service, m *memory) { m.lost = "one"; delete(m.names, "one") }
	other := func(_ *Service, m *memory) { m.texts = []string{"other"} }
	type look struct{ told, problem string }
	for _, tt := range []struct {
		name   string
		mode   content.Mode
		events []instance.Event
		breaks func(*Service, *memory)
		looks  []look
	}{
		{"healthy", content.Child, nil, func(*Service, *memory) {}, []look{{"", ""}, {"", ""}}},
		{"external and healthy", content.External, nil, func(*Service, *memory) {}, []look{{"", ""}, {"", ""}}},
		{"a guest is lost", content.Child, nil, lose("one"), []look{{"hangup", ""}, {"", ""}}},
		{"a guest is lost for good", content.Child, nil, loseForGood, []look{
			{"hangup", ""}, {"restart by terminated", ""}, {"", "differ from its files: one"}, {"", "differ from its files: one"}}},
		{"external and a guest is lost for good", content.External, nil, loseForGood, []look{
			{"hangup", ""}, {"hangup", ""}, {"", "differ from its files: one"}}},
		{"the compact files are lost", content.Child, nil, lose(content.LiveName), []look{{"hangup", ""}, {"", ""}}},
		{"a small file is lost", content.Child, added(newGuest(2, "two")), lose("n00000001." + content.LiveName), []look{{"hangup", ""}, {"", ""}}},
		{"another configuration", content.Child, nil, other, []look{{"restart by terminated", ""}, {"", ""}}},
		{"external and another configuration", content.External, nil, other, []look{{"", ""}}},
		{"hung", content.Child, nil, silent, []look{
			{"", ""}, {"", "dnsmasq does not answer"}, {"restart by killed", "has not applied the change"}, {"", "has not applied the change"}}},
		{"hung until it is replaced", content.Child, nil, func(s *Service, m *memory) { silent(s, m); m.heals = true }, []look{
			{"", ""}, {"", "dnsmasq does not answer"}, {"restart by killed", ""}, {"", ""}}},
		{"external and hung", content.External, nil, silent, []look{
			{"", ""}, {"", "systemctl restart mdserver-dnsmasq"}, {"", "systemctl restart mdserver-dnsmasq"}}},
		{"it refuses after it has answered", content.Child, nil, refused, []look{
			{"", ""}, {"", "dnsmasq does not answer"}, {"restart by killed", "has not applied the change"}}},
		{"it refuses from its start on", content.Child, nil, func(s *Service, m *memory) { m.begin(); refused(s, m) }, []look{
			{"", "refused"}, {"", "refused"}, {"", "refused"}, {"", "refused"}}},
		{"no address", content.Child, nil, func(_ *Service, m *memory) { m.err = probe.ErrNoAddress }, []look{
			{"", "no address yet"}, {"", "no address yet"}, {"", "no address yet"}, {"", "no address yet"}}},
		{"it does not run", content.Child, nil, func(_ *Service, m *memory) { m.now = nil }, []look{{"", ""}, {"", ""}, {"", ""}, {"", ""}}},
		{"a file is removed", content.Child, nil, func(s *Service, _ *memory) { _ = os.Remove(s.settings.DNSFile()) }, []look{{"hangup", ""}, {"", ""}}},
		{"the configuration is altered", content.Child, nil, func(s *Service, _ *memory) { _ = os.WriteFile(s.settings.ConfigFile(), nil, 0o644) },
			[]look{{"hangup", ""}, {"", ""}}},
		{"a file cannot be written", content.Child, nil, func(s *Service, _ *memory) {
			_ = os.Remove(s.settings.DNSFile())
			_ = os.MkdirAll(s.settings.DNSFile()+"/full", 0o755)
		}, []look{{"", "writing "}, {"", "writing "}}},
		{"an address is disabled", content.Child, nil, func(s *Service, _ *memory) { s.declines.note("disabling DHCP static address fd00:122::1 for 10m") },
			[]look{{"hangup", ""}, {"", ""}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, m := newMemory(t, func(s *content.Settings) { s.Mode = tt.mode })
			if tt.mode == content.External {
				m.appears()
			}
			must(t, s.Start(t.Context(), []instance.Instance{one}))
			must(t, s.Apply(t.Context(), tt.events))
			m.told()
			m.set(func() { tt.breaks(s, m) })
			for i, look := range tt.looks {
				s.CatchUp(t.Context())
				if told := m.told(); told != look.told {
					t.Errorf("look %d: dnsmasq was told %q, want %q", i+1, told, look.told)
				}
				if st := s.Status(); (st.LastError == "") != (look.problem == "") || !strings.Contains(st.LastError, look.problem) {
					t.Errorf("look %d: the problem is %q, want %q", i+1, st.LastError, look.problem)
				}
			}
		})
	}
}

// TestRepairsAreCounted checks that the status counts repairs and replacements.
func TestRepairsAreCounted(t *testing.T) {
	for _, tt := range []struct {
		name              string
		breaks            func(*Service, *memory)
		looks             int
		repairs, replaced int
	}{
		{"none", func(*Service, *memory) {}, 5, 0, 0},
		{"a file", func(s *Service, _ *memory) { _ = os.Remove(s.settings.DNSFile()) }, 2, 1, 0},
		{"an answer", func(_ *Service, m *memory) { delete(m.names, "one") }, 2, 1, 0},
		{"one that hangs", func(_ *Service, m *memory) { m.err = os.ErrDeadlineExceeded }, 4, 0, 1},
	} {
		s, m := startMemory(t, []instance.Instance{newGuest(1, "one")})
		m.set(func() { tt.breaks(s, m) })
		for range tt.looks {
			s.CatchUp(t.Context())
		}
		if st := s.Status(); st.Repairs != tt.repairs || st.Replaced != tt.replaced {
			t.Errorf("%s: status %+v", tt.name, st)
		}
	}
}

// TestLookAfterAFailedChange checks that the next look repeats a change that failed and
// clears the error. It counts no repair, since no other program changed a file.
func TestLookAfterAFailedChange(t *testing.T) {
	for _, tt := range []struct {
		name          string
		breaks, mends func(*Service, *memory)
	}{
		{"not read", func(_ *Service, m *memory) { m.blind = true }, func(_ *Service, m *memory) { m.blind = false }},
		{"not written", blockScratch, unblockScratch},
	} {
		s, m := startMemory(t, []instance.Instance{newGuest(1, "one")})
		m.set(func() { tt.breaks(s, m) })
		if err := s.Apply(t.Context(), added(newGuest(2, "two"))); err == nil {
			t.Fatalf("%s: the change succeeds", tt.name)
		}
		m.set(func() { tt.mends(s, m) })
		s.CatchUp(t.Context())
		if st := s.Status(); m.told() != "hangup" || st.LastError != "" || !st.Live || st.Repairs != 0 || !m.serves(newGuest(2, "two")) {
			t.Errorf("%s: status %+v", tt.name, st)
		}
	}
}

// TestLooksThatFindNothingNew checks that further looks with the same outcome keep the
// time of the status.
func TestLooksThatFindNothingNew(t *testing.T) {
	for name, err := range map[string]error{"healthy": nil, "no address": probe.ErrNoAddress} {
		s, m := startMemory(t, []instance.Instance{newGuest(1, "one")})
		m.set(func() { m.err = err })
		s.CatchUp(t.Context())
		before := s.Status().Since
		s.CatchUp(t.Context())
		if after := s.Status().Since; !after.Equal(before) {
			t.Errorf("%s: the status is since %v, and then since %v", name, before, after)
		}
	}
}

// TestHungDnsmasqIsDeaf checks that changes do not wait for a hung dnsmasq, and do wait
// for it once it answers again.
func TestHungDnsmasqIsDeaf(t *testing.T) {
	s, m := startMemory(t, []instance.Instance{newGuest(1, "one")}, external)
	m.appears()
	m.set(func() { m.err = os.ErrDeadlineExceeded })
	for range muteLooks {
		s.CatchUp(t.Context())
	}
	if !s.pub.deaf {
		t.Error("changes wait for it")
	}
	m.set(func() { m.err = nil })
	if s.CatchUp(t.Context()); s.pub.deaf {
		t.Error("changes do not wait for one that answers")
	}
}

// TestStartIsTriedAgain checks that a change, and each look, tries a failed start again.
func TestStartIsTriedAgain(t *testing.T) {
	one, two := newGuest(1, "one"), newGuest(2, "two")
	for name, again := range map[string]func(*Service){
		"by a look":   func(s *Service) { s.CatchUp(t.Context()) },
		"by a change": func(s *Service) { must(t, s.Apply(t.Context(), added(two))) },
	} {
		t.Run(name, func(t *testing.T) {
			s, m := newMemory(t)
			must(t, os.WriteFile(s.settings.BaseDir, nil, 0o644))
			if err := s.Start(t.Context(), []instance.Instance{one}); err == nil || m.told() != "" {
				t.Fatalf("error %v", err)
			}
			s.CatchUp(t.Context())
			if err := s.Apply(t.Context(), nil); err == nil || m.told() != "" || s.Status().LastError == "" {
				t.Errorf("error %v, status %+v", err, s.Status())
			}
			must(t, os.Remove(s.settings.BaseDir))
			again(s)
			if st := s.Status(); m.told() != "start" || !m.serves(one) || !st.Live || st.LastError != "" {
				t.Errorf("status %+v", st)
			}
		})
	}
}

// TestLookWithoutDnsmasq checks that a network without dnsmasq gets no files and no
// process.
func TestLookWithoutDnsmasq(t *testing.T) {
	s, m := newMemory(t, func(s *content.Settings) { s.Mode = content.Off })
	must(t, s.Start(t.Context(), []instance.Instance{newGuest(1, "one")}))
	s.CatchUp(t.Context())
	must(t, s.Apply(t.Context(), added(newGuest(2, "two"))))
	if _, err := os.Stat(s.settings.BaseDir); err == nil || m.told() != "" {
		t.Error("there are files, or a dnsmasq")
	}
}

// TestAbsenceIsLoggedOnce checks that the log has one warning each time an external
// dnsmasq is away.
func TestAbsenceIsLoggedOnce(t *testing.T) {
	var log strings.Builder
	s, m := newMemory(t, external)
	s.log = slog.New(slog.NewTextHandler(&log, nil))
	expect := func(want int) {
		t.Helper()
		if n := strings.Count(log.String(), "dnsmasq does not run"); n != want {
			t.Errorf("%d warnings, want %d", n, want)
		}
	}
	must(t, s.Start(t.Context(), nil))
	for n := range 3 {
		must(t, s.Apply(t.Context(), added(newGuest(n+1, "web"))))
	}
	expect(1)
	m.appears()
	must(t, s.Apply(t.Context(), added(newGuest(4, "web"))))
	m.set(func() { m.now = nil })
	must(t, s.Apply(t.Context(), added(newGuest(5, "web"))))
	expect(2)
}

// TestDeclinesAreTold checks that the Service reports a declined IPv6 address with the
// MAC address of its guest, which the log of DHCPv6 does not have.
func TestDeclinesAreTold(t *testing.T) {
	one := with(newGuest(1, "one"), func(g *instance.Instance) { g.IPv6 = netip.MustParseAddr("fd00:122::77") })
	s, m := newMemory(t, func(s *content.Settings) { s.Network6 = netip.MustParsePrefix("fd00:122::/64") })
	var heard []string
	s.OnDHCP(func(mac instance.MAC, message string) { heard = append(heard, mac.String()+" "+message) }, nil)
	must(t, s.Start(t.Context(), []instance.Instance{one, newGuest(2, "two")}))
	m.told()
	s.declines.note("disabling DHCP static address fd00:122::77 for 10m")
	s.CatchUp(t.Context())
	if got := strings.Join(heard, ", "); got != one.MAC.String()+" DHCPDECLINE" || m.told() != "hangup" {
		t.Errorf("heard %q", got)
	}
	if s.declines.healed.IsZero() {
		t.Error("the next declined address is healed at once")
	}
}

// TestDeclinesAreBounded checks that the list of declined addresses is bounded. It need
// not have all, since a repair heals all at once.
func TestDeclinesAreBounded(t *testing.T) {
	var d declines
	addr := netip.MustParseAddr("fd00::")
	for range mostDeclined + 5 {
		addr = addr.Next()
		d.note("disabling DHCP static address " + addr.String() + " for 10m")
	}
	if n := len(d.take()); n != mostDeclined {
		t.Errorf("%d addresses are remembered", n)
	}
}

// TestDisabledAddressesAreHeard checks that the Service reads the disabled addresses from
// dnsmasq's log.
func TestDisabledAddressesAreHeard(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "dnsmasq")
	must(t, os.WriteFile(binary, []byte("#!/bin/sh\n[ \"$1\" = --test ] && exit\necho 'dnsmasq-dhcp: disabling DHCP static address fd00:122::77 for 10m' >&2\n"+
		"echo 'dnsmasq-dhcp: DHCPACK(br-mds) 10.122.1.1 52:54:00:00:00:01 one' >&2\nexec sleep 60\n"), 0o755))
	s, m := newMemory(t, func(s *content.Settings) { s.Binary = binary })
	s.reach.run = onHost().run
	m.set(func() { m.err = probe.ErrNoAddress }) // so nothing waits for its answers
	heard := make(chan string, 1)
	s.OnDHCP(func(mac instance.MAC, message string) { heard <- mac.String() + " " + message }, nil)
	must(t, s.Start(t.Context(), nil))
	if got := <-heard; got != "52:54:00:00:00:01 DHCPACK" {
		t.Errorf("heard %q", got)
	}
	if got := s.declines.take(); !slices.Equal(got, []netip.Addr{netip.MustParseAddr("fd00:122::77")}) {
		t.Errorf("the disabled addresses are %v", got)
	}
}
