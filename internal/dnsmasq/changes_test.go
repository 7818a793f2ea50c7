package dnsmasq

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"mdserver/internal/dnsmasq/content"
	"mdserver/internal/dnsmasq/probe"
	"mdserver/internal/instance"
)

// with returns a guest with a change.
func with(guest instance.Instance, change func(*instance.Instance)) instance.Instance {
	change(&guest)
	return guest
}

// exchange replaces a directory with an empty one.
func exchange(t *testing.T, dir string) {
	t.Helper()
	must(t, os.Rename(dir, dir+".old"))
	must(t, os.Mkdir(dir, 0o755))
}

// TestHowChangesReachDnsmasq checks which signals a change needs: dnsmasq notices a small
// file by itself, reads all files at SIGHUP, and forgets all leases at a restart.
func TestHowChangesReachDnsmasq(t *testing.T) {
	one, two, three := newGuest(1, "one"), newGuest(2, "two"), newGuest(3, "three")
	moved := with(one, func(g *instance.Instance) { g.IPv4 = netip.MustParseAddr("10.122.1.99") })
	renamed := with(one, func(g *instance.Instance) { g.Hostname = "renamed" })
	small := func(guest instance.Instance, mtu int) instance.Instance {
		return with(guest, func(g *instance.Instance) {
			g.Interfaces = []instance.Interface{{MAC: g.MAC, Network: "mds", MTU: mtu}}
		})
	}
	six := func(guest instance.Instance) instance.Instance {
		return with(guest, func(g *instance.Instance) { g.IPv6 = netip.MustParseAddr("fd00:122::7") })
	}
	child := func(*content.Settings) {}
	ipv6 := func(s *content.Settings) { s.Network6 = netip.MustParsePrefix("fd00:122::/64") }
	nothing := func(*testing.T, *Service, *memory) {}
	appears := func(_ *testing.T, _ *Service, m *memory) { m.appears() }
	python := func(_ *testing.T, _ *Service, m *memory) { m.old = true; m.appears() }
	exchanged := func(t *testing.T, s *Service, _ *memory) { exchange(t, s.settings.DNSDir()) }
	type step struct {
		before func(*testing.T, *Service, *memory)
		events []instance.Event
		told   string
	}
	for _, tt := range []struct {
		name   string
		change func(*content.Settings)
		steps  []step
		serves []instance.Instance
	}{
		{"a new guest", child, []step{{nothing, added(two), ""}}, []instance.Instance{one, two}},
		{"several one by one", child, []step{{nothing, added(two), ""}, {nothing, added(three), ""}}, []instance.Instance{one, two, three}},
		{"a guest that is gone", child, []step{{nothing, removed(one), "hangup, release 10.122.1.1"}}, nil},
		{"a new guest that is gone", child, []step{
			{nothing, added(two), ""}, {nothing, removed(two), "hangup, release 10.122.1.2"}, {nothing, added(three), ""}}, []instance.Instance{one, three}},
		{"two that are gone one by one", child, []step{
			{nothing, added(two), ""}, {nothing, removed(two), "hangup, release 10.122.1.2"}, {nothing, removed(one), "hangup, release 10.122.1.1"}}, nil},
		{"another address", child, []step{{nothing, changed(one, moved), "hangup, release 10.122.1.1"}}, []instance.Instance{moved}},
		{"another name", child, []step{{nothing, changed(one, renamed), "hangup"}}, []instance.Instance{renamed}},
		{"no change", child, []step{{nothing, changed(one, one), ""}, {nothing, nil, ""}}, []instance.Instance{one}},
		{"an MTU that is new", child, []step{
			{nothing, added(small(two, 1400)), "hangup"}, {nothing, added(small(three, 1400)), ""}}, []instance.Instance{one, two, three}},
		{"an IPv6 address that is free", ipv6, []step{{nothing, added(six(two)), ""}}, []instance.Instance{one, two}},
		{"an IPv6 address of one that is gone", ipv6, []step{
			{nothing, added(six(two)), ""}, {nothing, removed(six(two)), "hangup, release 10.122.1.2"},
			{nothing, added(six(three)), "restart by terminated"}}, []instance.Instance{one, three}},
		{"an IPv6 address that passes to another guest", ipv6, []step{
			{nothing, added(six(two)), ""}, {nothing, append(removed(six(two)), added(six(three))...), "restart by terminated"}}, []instance.Instance{one, three}},
		{"external", external, []step{{appears, added(two), ""}, {nothing, added(three), ""}}, []instance.Instance{one, two, three}},
		{"external with the configuration of the Python mdserver", external, []step{
			{python, added(two), "hangup"}, {nothing, added(three), "hangup"}}, []instance.Instance{one, two, three}},
		{"external while another program exchanges directories", external, []step{
			{appears, added(two), ""}, {exchanged, added(three), "hangup"}, {nothing, added(newGuest(4, "four")), "hangup"}}, []instance.Instance{one, two, three}},
		{"another program exchanges directories", child, []step{
			{exchanged, added(two), "restart by terminated"}, {nothing, added(three), ""}}, []instance.Instance{one, two, three}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, m := startMemory(t, []instance.Instance{one}, tt.change)
			for i, step := range tt.steps {
				step.before(t, s, m)
				if err := s.Apply(t.Context(), step.events); err != nil {
					t.Errorf("step %d: %v", i+1, err)
				}
				if told := m.told(); told != step.told {
					t.Errorf("step %d: dnsmasq was told %q, want %q", i+1, told, step.told)
				}
			}
			if !m.serves(tt.serves...) {
				t.Errorf("it serves %v and\n%s", m.names, m.dhcp)
			}
			if st := s.Status(); !st.Live || st.LastError != "" || st.Guests != len(s.guests) || st.Revision != s.newestMarker().Revision() {
				t.Errorf("status %+v", st)
			}
		})
	}
}

func blockScratch(s *Service, _ *memory) {
	_ = os.RemoveAll(s.settings.Scratch())
	_ = os.WriteFile(s.settings.Scratch(), nil, 0o644)
}

func unblockScratch(s *Service, _ *memory) { _ = os.Remove(s.settings.Scratch()) }

// TestChangesThatFail checks that a change that dnsmasq does not apply is an error, and
// that the next change tries it again, with the leases to release.
func TestChangesThatFail(t *testing.T) {
	one, two := newGuest(1, "one"), newGuest(2, "two")
	for _, tt := range []struct {
		name          string
		events        []instance.Event
		breaks, mends func(*Service, *memory)
		want          string
		told, again   string
	}{
		{"small files that are not noticed", added(two),
			func(_ *Service, m *memory) { m.blind = true }, func(_ *Service, m *memory) { m.blind = false },
			"has not applied the change", "", "hangup"},
		{"files that are not read", removed(one),
			func(_ *Service, m *memory) { m.blind = true }, func(_ *Service, m *memory) { m.blind = false },
			"has not applied the change", "hangup", "hangup, release 10.122.1.1"},
		{"a guest that dnsmasq does not accept", added(two),
			func(_ *Service, m *memory) { m.lost = "two" }, func(_ *Service, m *memory) { m.lost = "" },
			"dnsmasq did not accept two", "", "hangup"},
		{"no answer", removed(one),
			func(_ *Service, m *memory) { m.err = syscall.ECONNREFUSED }, func(_ *Service, m *memory) { m.err = nil },
			"has not applied the change", "hangup", "hangup, release 10.122.1.1"},
		{"a dnsmasq that has never answered", removed(one),
			func(_ *Service, m *memory) { m.begin(); m.err = syscall.ECONNREFUSED }, func(_ *Service, m *memory) { m.err = nil },
			"has not applied the change", "", "hangup, release 10.122.1.1"},
		{"small files that cannot be written", added(two), blockScratch, unblockScratch, "writing ", "", "hangup"},
		{"files that cannot be written", removed(one), blockScratch, unblockScratch, "creating ", "", "hangup, release 10.122.1.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, m := startMemory(t, []instance.Instance{one})
			m.set(func() { tt.breaks(s, m) })
			err := s.Apply(t.Context(), tt.events)
			if st := s.Status(); err == nil || !strings.Contains(err.Error(), tt.want) || st.LastError != err.Error() || st.Live {
				t.Errorf("error %v, status %+v", err, st)
			}
			if told := m.told(); told != tt.told {
				t.Errorf("dnsmasq was told %q, want %q", told, tt.told)
			}
			m.set(func() { tt.mends(s, m) })
			must(t, s.Apply(t.Context(), nil))
			if told := m.told(); told != tt.again {
				t.Errorf("then it was told %q, want %q", told, tt.again)
			}
			must(t, s.Apply(t.Context(), nil))
			if told := m.told(); told != "" || !s.Status().Live {
				t.Errorf("in the end it was told %q, status %+v", told, s.Status())
			}
		})
	}
}

// TestGuestOfASmallFileIsGone checks that Apply notices that dnsmasq has not read its
// files, even if the compact files name the same guests as before.
func TestGuestOfASmallFileIsGone(t *testing.T) {
	two := newGuest(2, "two")
	s, m := startMemory(t, []instance.Instance{newGuest(1, "one")})
	must(t, s.Apply(t.Context(), added(two)))
	m.set(func() { m.blind = true })
	if err := s.Apply(t.Context(), removed(two)); err == nil {
		t.Error("Apply succeeds while dnsmasq still knows the guest")
	}
}

// TestDHCPComesFirst checks that the DHCP file comes before the DNS file. dnsmasq takes
// file events in order, so DHCP then knows each guest that DNS knows.
func TestDHCPComesFirst(t *testing.T) {
	s, _ := startMemory(t, nil)
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK)
	must(t, err)
	defer unix.Close(fd)
	want := ""
	for _, dir := range []string{s.settings.DHCPDir(), s.settings.DNSDir()} {
		watch, err := unix.InotifyAddWatch(fd, dir, unix.IN_MOVED_TO)
		must(t, err)
		want += fmt.Sprint(watch, " ")
	}
	must(t, s.Apply(t.Context(), added(newGuest(1, "one"))))
	events := make([]byte, 4096)
	n, err := unix.Read(fd, events)
	must(t, err)
	got := ""
	for rest := events[:n]; len(rest) > 0; { // watch, mask, cookie, length of the name, name
		got += fmt.Sprint(rest[0], " ")
		rest = rest[unix.SizeofInotifyEvent+int(rest[12]):]
	}
	if got != want {
		t.Errorf("files came into the directories %s, want %s", got, want)
	}
}

// TestPatienceWithTheDeaf checks that a change does not wait long for a dnsmasq that did
// not answer, and waits as long as usual once it answers.
func TestPatienceWithTheDeaf(t *testing.T) {
	s, m := startMemory(t, []instance.Instance{newGuest(1, "one")})
	for n, step := range []struct {
		name string
		err  error
		deaf bool
	}{
		{"it has answered", syscall.ECONNREFUSED, false}, {"it was refused", nil, true},
		{"it has answered again", probe.ErrNoAddress, false}, {"there was no address", os.ErrDeadlineExceeded, true}, {"it was silent", nil, false},
	} {
		m.set(func() { m.err = step.err })
		before := time.Now()
		_ = s.Apply(t.Context(), added(newGuest(10+n, fmt.Sprint("g", n))))
		least, most := time.Until(m.deadline), m.deadline.Sub(before)
		if step.deaf && least > deafPatience || !step.deaf && most < patience {
			t.Errorf("%s: the change waits between %v and %v", step.name, least, most)
		}
	}
}

// TestRestartIsDueOnce checks that a restart for another reason also counts as the one
// that was due.
func TestRestartIsDueOnce(t *testing.T) {
	one, two := newGuest(1, "one"), newGuest(2, "two")
	s, m := startMemory(t, []instance.Instance{one, two})
	s.pub.outlived = true
	m.set(func() { m.err, m.heals = os.ErrDeadlineExceeded, true })
	for range muteLooks {
		s.CatchUp(t.Context())
	}
	if told := m.told(); told != "restart by killed" {
		t.Errorf("dnsmasq was told %q", told)
	}
	must(t, s.Apply(t.Context(), removed(one)))
	if told := m.told(); told != "hangup, release 10.122.1.1" || !m.serves(two) {
		t.Errorf("then it was told %q", told)
	}
}

// TestPatienceAtTheStart checks that the start waits longer for dnsmasq if the network
// has an address.
func TestPatienceAtTheStart(t *testing.T) {
	s, m := newMemory(t)
	for range 2000 {
		s.guests[uuid.New()] = nil
	}
	if got := s.startPatience(); got != startPatience+32*time.Millisecond {
		t.Errorf("it waits %v", got)
	}
	m.err = probe.ErrNoAddress
	if got := s.startPatience(); got != deafPatience {
		t.Errorf("without an address, it waits %v", got)
	}
}

// TestCloseEndsAWait checks that Close ends a wait, and that nothing starts after it.
func TestCloseEndsAWait(t *testing.T) {
	s, m := startMemory(t, []instance.Instance{newGuest(1, "one")})
	m.set(func() { m.waits = true })
	done := make(chan error, 1)
	go func() { done <- s.Apply(t.Context(), added(newGuest(2, "two"))) }()
	<-m.waiting
	must(t, s.Close())
	if err := <-done; err == nil || strings.Contains(err.Error(), "gave up after") {
		t.Errorf("the change ends with %v", err)
	}
	m.told()
	if err := s.Start(t.Context(), nil); err == nil || m.told() != "" {
		t.Errorf("a closed service is started again: %v", err)
	}
	ctx, cancel := s.bound(t.Context(), time.Hour)
	defer cancel()
	if ctx.Err() == nil {
		t.Error("a wait begins after Close")
	}
}

// TestLeasesOfABreak checks that a start releases the leases of guests that went while no
// server ran, if dnsmasq ran on.
func TestLeasesOfABreak(t *testing.T) {
	one, two := newGuest(1, "one"), newGuest(2, "two")
	s, m := startMemory(t, []instance.Instance{one, two}, external)
	must(t, s.Close())
	m.appears()
	again := New(s.settings.Settings, s.log)
	again.reach = s.reach
	m.told()
	must(t, again.Start(t.Context(), []instance.Instance{two}))
	defer again.Close()
	if told := m.told(); told != "hangup, release 10.122.1.1" || !m.serves(two) || !again.Status().Live {
		t.Errorf("dnsmasq was told %q, status %+v", told, again.Status())
	}
}

// TestReconfigureByWhatChanged checks that Reconfigure restarts dnsmasq only for settings
// that it reads at its start, else sends SIGHUP. Refused settings change nothing.
func TestReconfigureByWhatChanged(t *testing.T) {
	one, two, three := newGuest(1, "one"), newGuest(2, "two"), newGuest(3, "three")
	both := []instance.Instance{one, two}
	for _, tt := range []struct {
		name   string
		before []instance.Event
		change func(*content.Settings)
		guests []instance.Instance
		told   string
		fails  string
	}{
		{"nothing", nil, func(*content.Settings) {}, both, "", ""},
		{"the configuration", nil, func(s *content.Settings) { s.Boot = "ipxe.efi" }, both, "restart by terminated", ""},
		{"an option", nil, func(s *content.Settings) { s.MTU = 1450 }, both, "hangup", ""},
		{"the guests", nil, func(*content.Settings) {}, both[1:], "hangup, release 10.122.1.1", ""},
		{"the guests' prefix", nil, func(s *content.Settings) { s.Prefix, s.EntryOrder = "vm-", []string{"base", "prefix"} }, both, "hangup", ""},
		{"a guest that came since", added(three), func(*content.Settings) {}, []instance.Instance{one, two, three}, "hangup", ""},
		{"a guest that came and went", added(three), func(*content.Settings) {}, both, "hangup, release 10.122.1.3", ""},
		{"another directory", nil, func(s *content.Settings) { s.BaseDir += "2" }, both, "close, start", ""},
		{"no dnsmasq", nil, func(s *content.Settings) { s.Mode = content.Off }, both, "close", ""},
		{"settings that are refused", nil, func(s *content.Settings) { s.Domain = "a..b" }, both, "", "not a domain name"},
		{"a file that is not there", nil, func(s *content.Settings) { s.ConfFile = "/nonexistent" }, both, "", "conf_file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, m := startMemory(t, both)
			must(t, s.Apply(t.Context(), tt.before))
			next := s.settings.Settings
			tt.change(&next)
			err := s.Reconfigure(t.Context(), next, tt.guests)
			if (err == nil) != (tt.fails == "") || err != nil && !strings.Contains(err.Error(), tt.fails) {
				t.Errorf("error %v", err)
			}
			if told := m.told(); told != tt.told {
				t.Errorf("dnsmasq was told %q, want %q", told, tt.told)
			}
			if st := s.Status(); next.Mode != content.Off && (!m.serves(tt.guests...) || st.Guests != len(tt.guests) || !st.Live) {
				t.Errorf("it serves %v, status %+v", m.names, st)
			}
		})
	}
}

// TestReconfigureThatCannotBeWritten checks that Reconfigure fails if files cannot be
// written. The next look that can writes them, and releases the leases of guests that went.
func TestReconfigureThatCannotBeWritten(t *testing.T) {
	one, two := newGuest(1, "one"), newGuest(2, "two")
	s, m := startMemory(t, []instance.Instance{one, two})
	blockScratch(s, m)
	next := s.settings.Settings
	next.MTU = 1450
	if err := s.Reconfigure(t.Context(), next, []instance.Instance{two}); err == nil || m.told() != "" || s.Status().LastError == "" {
		t.Errorf("error %v, status %+v", err, s.Status())
	}
	unblockScratch(s, m)
	s.CatchUp(t.Context())
	text, err := os.ReadFile(s.settings.OptionsFile())
	must(t, err)
	if told := m.told(); told != "hangup, release 10.122.1.1" || !strings.Contains(string(text), "option:mtu,1450") || !s.Status().Live {
		t.Errorf("dnsmasq was told %q, status %+v, options\n%s", told, s.Status(), text)
	}
}

// TestConfigurationThatDnsmasqRefuses checks that no refused configuration is put in place.
// For an external dnsmasq, the Service checks only the administrator's lines.
func TestConfigurationThatDnsmasqRefuses(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "dnsmasq")
	one := newGuest(1, "one")
	for _, mode := range []content.Mode{content.Child, content.External} {
		must(t, os.WriteFile(binary, []byte("#!/bin/sh\nexit 0\n"), 0o755))
		s, m := startMemory(t, []instance.Instance{one}, func(s *content.Settings) { s.Mode, s.Binary = mode, binary })
		m.appears()
		before, err := os.ReadFile(s.settings.ConfigFile())
		must(t, err)
		next := s.settings.Settings
		next.Boot = "ipxe.efi"
		must(t, os.WriteFile(binary, []byte("#!/bin/sh\nexit 1\n"), 0o755))
		err = s.Reconfigure(t.Context(), next, []instance.Instance{one})
		after, _ := os.ReadFile(s.settings.ConfigFile())
		refused := mode == content.Child
		if told := m.told(); (err != nil) != refused || (string(after) == string(before)) != refused || (told == "") != refused {
			t.Errorf("%s: error %v, dnsmasq was told %q", mode, err, told)
		}
		if left, err := os.ReadDir(s.settings.Scratch()); err != nil || len(left) > 0 {
			t.Errorf("%s: files are left: %v, %v", mode, left, err)
		}
	}
}

// TestLinesThatDnsmasqRefuses checks that the configuration leaves out the
// administrator's lines while dnsmasq refuses them, and that the status says so.
func TestLinesThatDnsmasqRefuses(t *testing.T) {
	dir := t.TempDir()
	binary, conf := filepath.Join(dir, "dnsmasq"), filepath.Join(dir, "further.conf")
	must(t, os.WriteFile(binary, []byte("#!/bin/sh\n! grep -q no-such-line \"${2#--conf-file=}\"\n"), 0o755))
	one := newGuest(1, "one")
	for lines, kept := range map[string]bool{"log-dhcp": true, "no-such-line": false} {
		must(t, os.WriteFile(conf, []byte(lines), 0o644))
		s, m := startMemory(t, []instance.Instance{one}, func(s *content.Settings) { s.Binary, s.ConfFile = binary, conf })
		text, err := os.ReadFile(s.settings.ConfigFile())
		must(t, err)
		st := s.Status()
		if strings.Contains(string(text), lines) != kept || strings.Contains(st.Warning, "without the lines of "+conf) == kept || !st.Live || !m.serves(one) {
			t.Errorf("%s: status %+v, configuration\n%s", lines, st, text)
		}
		must(t, os.WriteFile(conf, []byte("log-queries"), 0o644))
		must(t, s.Reconfigure(t.Context(), s.settings.Settings, []instance.Instance{one}))
		if st := s.Status(); st.Warning != "" || m.told() != "restart by terminated" {
			t.Errorf("%s, corrected: status %+v", lines, st)
		}
	}
}
