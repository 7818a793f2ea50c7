package dnsmasq

import (
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"mdserver/internal/dnsmasq/content"
	"mdserver/internal/dnsmasq/process"
	"mdserver/internal/instance"
)

func lease(n int) content.Binding {
	return content.Binding{MAC: newGuest(n, "").MAC, Addr: newGuest(n, "").IPv4}
}

// The guests of other networks are not counted.
func TestGuestsOfOtherNetworks(t *testing.T) {
	here, elsewhere := newGuest(1, "here"), newGuest(2, "elsewhere")
	elsewhere.Network = "other"
	s := New(settingsFor(t), slog.New(slog.DiscardHandler))
	s.setTable([]instance.Instance{here, elsewhere})
	if s.report(nil); s.Status().Guests != 1 {
		t.Errorf("%d guests", s.Status().Guests)
	}
	s.take(changed(here, elsewhere))
	if s.report(nil); s.Status().Guests != 0 {
		t.Errorf("%d guests are left", s.Status().Guests)
	}
}

// What a batch of events comes to, as dnsmasq can tell.
func TestTake(t *testing.T) {
	one, two, moved, renamed, bare := newGuest(1, "one"), newGuest(2, "two"), newGuest(1, "one"), newGuest(1, "other"), newGuest(1, "one")
	moved.IPv4 = netip.MustParseAddr("10.122.1.99")
	bare.IPv4, bare.MAC = netip.Addr{}, instance.MAC{}
	same := one
	same.Location = "elsewhere" // of which dnsmasq is told nothing
	away := one
	away.HostID = "another host"
	for _, tt := range []struct {
		name              string
		before            []instance.Instance
		events            []instance.Event
		fresh, past, next int
		released          []content.Binding
	}{
		{"nothing", []instance.Instance{one}, nil, 0, 0, 0, nil},
		{"a new guest", nil, added(one), 1, 0, 0, nil},
		{"a guest is released", []instance.Instance{one}, removed(one), 0, 1, 0, []content.Binding{lease(1)}},
		{"another address", []instance.Instance{one}, changed(one, moved), 0, 1, 1, []content.Binding{lease(1)}},
		{"another name", []instance.Instance{one}, changed(one, renamed), 0, 1, 1, nil},
		{"what dnsmasq is not told", []instance.Instance{one}, changed(one, same), 0, 0, 0, nil},
		{"a guest that loses its address", []instance.Instance{one}, changed(one, bare), 0, 1, 0, []content.Binding{lease(1)}},
		{"a guest that gets its address", []instance.Instance{bare}, changed(bare, one), 1, 0, 0, nil},
		{"a guest that moves to another host", []instance.Instance{one}, changed(one, away), 0, 1, 1, []content.Binding{lease(1)}},
		{"a guest that comes from another host", []instance.Instance{away}, changed(away, one), 0, 1, 1, nil},
		{"come and gone", nil, append(added(one), removed(one)...), 0, 0, 0, nil},
		{"gone and back", []instance.Instance{one}, append(removed(one), added(one)...), 0, 0, 0, nil},
		{"there and back", []instance.Instance{one}, append(changed(one, moved), changed(moved, one)...), 0, 0, 0, nil},
		{"several", []instance.Instance{one}, append(removed(one), added(two)...), 1, 1, 0, []content.Binding{lease(1)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			settings := settingsFor(t)
			settings.HostID = "this host"
			s := New(settings, slog.New(slog.DiscardHandler))
			s.setTable(tt.before)
			c := s.take(tt.events)
			if len(c.fresh) != tt.fresh || len(c.past) != tt.past || len(c.next) != tt.next {
				t.Errorf("fresh %d, past %d, next %d; want %d, %d, %d", len(c.fresh), len(c.past), len(c.next), tt.fresh, tt.past, tt.next)
			}
			if none := tt.fresh+tt.past == 0; c.none() != none || len(c.added()) != tt.fresh+tt.next {
				t.Errorf("none %v, added %d", c.none(), len(c.added()))
			}
			if got := s.released(c); !slices.Equal(got, tt.released) {
				t.Errorf("released %v, want %v", got, tt.released)
			}
		})
	}
}

// A lease that passes from one guest's entry to another's is not released.
func TestReleasedIsNotKept(t *testing.T) {
	s := New(settingsFor(t), slog.New(slog.DiscardHandler))
	e1, e2 := content.Entry{Lease: lease(1), DHCP: "a"}, content.Entry{Lease: lease(2), DHCP: "b"}
	for name, tt := range map[string]struct {
		c    change
		want int
	}{
		"gone":              {change{past: []content.Entry{e1, e2}}, 2},
		"one told again":    {change{past: []content.Entry{e1, e2}, next: []content.Entry{e2}}, 1},
		"one is new":        {change{past: []content.Entry{e1, e2}, fresh: []content.Entry{e1}}, 1},
		"gone twice":        {change{past: []content.Entry{e1, e1}}, 1},
		"without a lease":   {change{past: []content.Entry{{DNS: "x"}}}, 0},
		"only new":          {change{fresh: []content.Entry{e1}}, 0},
		"without an IPv4":   {change{past: []content.Entry{{Lease: content.Binding{MAC: e1.Lease.MAC}, DNS: "x"}}}, 0},
		"new and told only": {change{fresh: []content.Entry{e1}, next: []content.Entry{e2}}, 0},
	} {
		if got := s.released(tt.c); len(got) != tt.want {
			t.Errorf("%s: %v, want %d", name, got, tt.want)
		}
	}
}

// dnsmasq keeps IPv6 leases of guests that are gone. Another guest can have such
// an address only after a restart, the same one at once.
func TestConflict6(t *testing.T) {
	settings := settingsFor(t)
	settings.Network6 = netip.MustParsePrefix("fd00:122::/64")
	s := New(settings, slog.New(slog.DiscardHandler))
	six := func(mac byte, addr string) content.Entry {
		return content.Entry{Lease6: content.Binding{MAC: instance.MAC{2, mac}, Addr: netip.MustParseAddr(addr)}}
	}
	if s.conflict6([]content.Entry{six(1, "fd00:122::1")}) {
		t.Error("a conflict before there was any guest")
	}
	s.remember6([]content.Entry{six(1, "fd00:122::1"), {}, six(2, "fd00:122::2")})
	for _, tt := range []struct {
		added []content.Entry
		want  bool
	}{
		{nil, false},
		{[]content.Entry{{}}, false},
		{[]content.Entry{six(1, "fd00:122::1")}, false},
		{[]content.Entry{six(3, "fd00:122::3")}, false},
		{[]content.Entry{six(3, "fd00:122::1")}, true},
		{[]content.Entry{six(2, "fd00:122::1")}, true},
		{[]content.Entry{six(4, "fd00:122::4"), six(1, "fd00:122::2")}, true},
	} {
		if got := s.conflict6(tt.added); got != tt.want {
			t.Errorf("conflict %v of %v, want %v", got, tt.added, tt.want)
		}
	}
	s.settings.Network6 = netip.Prefix{}
	if s.conflict6([]content.Entry{six(3, "fd00:122::1")}) {
		t.Error("a conflict on a network without IPv6")
	}
}

// What is remembered of guests that are gone is bounded: beyond that, dnsmasq is
// to be restarted.
func TestDepartedAreBounded(t *testing.T) {
	addr4, addr6 := netip.MustParseAddr("10.122.0.0"), netip.MustParseAddr("fd00:122::")
	for name, remember := range map[string]func(*Service){
		"IPv4": func(s *Service) {
			addr4 = addr4.Next()
			s.depart([]content.Binding{{MAC: instance.MAC{2, 1}, Addr: addr4}})
		},
		"IPv6": func(s *Service) {
			addr6 = addr6.Next()
			s.remember6([]content.Entry{{Lease6: content.Binding{MAC: instance.MAC{2, 1}, Addr: addr6}}})
		},
	} {
		s := New(settingsFor(t), slog.New(slog.DiscardHandler))
		for n := range mostDeparted {
			if remember(s); s.pub.outlived {
				t.Fatalf("%s: a restart after %d guests", name, n)
			}
		}
		remember(s)
		if left := len(s.pub.departed) + len(s.pub.leased6); !s.pub.outlived || left != 0 {
			t.Errorf("%s: %d leases are remembered, restart %v; want none and a restart", name, left, s.pub.outlived)
		}
	}
}

// A change makes the next dnsmasq release leases, and a new process knows none.
func TestFollowAnotherDnsmasq(t *testing.T) {
	s := New(settingsFor(t), slog.New(slog.DiscardHandler))
	old := publication{epoch: 1, heard: true, modern: false, leased6: map[netip.Addr]instance.MAC{{}: {}}}
	for _, tt := range []struct {
		name                   string
		to                     *process.Running
		epoch                  int
		heard, modern, forgets bool
	}{
		{"none", nil, 1, true, false, false},
		{"the same", &process.Running{Epoch: 1, Ours: true}, 1, true, false, false},
		{"a new child", &process.Running{Epoch: 2, Ours: true}, 2, false, true, true},
		{"a new one of others", &process.Running{Epoch: 3}, 3, false, false, true},
	} {
		s.pub = old
		s.follow(tt.to)
		if s.pub.epoch != tt.epoch || s.pub.heard != tt.heard || s.pub.modern != tt.modern || (s.pub.leased6 == nil) != tt.forgets {
			t.Errorf("%s: %+v", tt.name, s.pub)
		}
	}
}

// The wait for a SIGHUP grows with the square of the guests: four times what
// dnsmasq takes.
func TestReloadPatience(t *testing.T) {
	s := New(settingsFor(t), slog.New(slog.DiscardHandler))
	for _, tt := range []struct {
		guests int
		want   time.Duration
	}{{0, 0}, {1000, 8 * time.Millisecond}, {2000, 32 * time.Millisecond}} {
		for n := len(s.guests); n < tt.guests; n++ {
			s.guests[newGuest(n, "").UUID] = nil
		}
		if got := s.reloadPatience(); len(s.guests) != tt.guests || got != tt.want {
			t.Errorf("%s for %d guests, want %s", got, len(s.guests), tt.want)
		}
	}
}

func TestReadFurther(t *testing.T) {
	path := t.TempDir() + "/further.conf"
	must(t, os.WriteFile(path, []byte("log-dhcp"), 0o600))
	for file, want := range map[string]string{"": "", path: "log-dhcp\n"} {
		if got, err := readFurther(file); err != nil || got != want {
			t.Errorf("%q: %q, %v", file, got, err)
		}
	}
	if _, err := readFurther(path + ".absent"); err == nil || !strings.HasPrefix(err.Error(), "conf_file: ") {
		t.Errorf("error %v", err)
	}
}

func TestMTUs(t *testing.T) {
	s := New(settingsFor(t), slog.New(slog.DiscardHandler))
	s.settings.MTU = 1450
	s.guests[newGuest(1, "").UUID] = []content.Entry{{MTU: 1400}, {}}
	s.guests[newGuest(2, "").UUID] = []content.Entry{{MTU: 1300}, {MTU: 1400}}
	if text := s.options(); !strings.HasSuffix(text, "\ntag:mtu1300,option:mtu,1300\ntag:mtu1400,option:mtu,1400\n") || strings.Count(text, "tag:mtu") != 2 {
		t.Errorf("options\n%s", text)
	}
	s.pub.mtus = map[int]bool{1400: true}
	for mtu, want := range map[int]bool{0: true, 1400: true, 1300: false} {
		if got := s.hasOptions([]content.Entry{{}, {MTU: mtu}}); got != want {
			t.Errorf("has the options of an MTU of %d: %v", mtu, got)
		}
	}
}
