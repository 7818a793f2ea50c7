package addressing_test

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/denied"
)

// fill registers guests until none gets an address, and returns how many did.
func fill(l *lab, from int) int {
	l.T.Helper()
	for n := from; ; n++ {
		r := l.MustRegister(dom(n, fmt.Sprint("g", n)))
		if r.AddressProblem == nil {
			continue
		}
		if !errors.Is(r.AddressProblem, denied.ErrNetworkFull) || r.Instance.IPv4.IsValid() {
			l.T.Fatalf("full: %+v", r)
		}
		return n - from
	}
}

func TestFillSmallNetwork(t *testing.T) {
	l := newLab(t)
	if got := fill(l, 0); got != 10 { // 16 - network, broadcast, gateway, 3 reserved
		t.Errorf("%d guests got an address, want 10", got)
	}
	seen := map[netip.Addr]bool{}
	for guest := range l.Snapshot().All() {
		if !guest.IPv4.IsValid() {
			continue
		}
		last := guest.IPv4.As4()[3]
		if seen[guest.IPv4] || last <= 1 || last == 15 || last >= 5 && last <= 7 {
			t.Errorf("%v was given to %s", guest.IPv4, guest.Name)
		}
		seen[guest.IPv4] = true
	}
	got := l.MustRelease("g3")
	if r := l.MustRegister(dom(10, "g10")); r.AddressProblem != nil || r.Instance.IPv4 != got.IPv4 {
		t.Errorf("the one without an address got %v, %v; want the released %v", r.Instance.IPv4, r.AddressProblem, got.IPv4)
	}
}

// TestSearchWrapsAround fills the network with guests whose search begins at
// its end sooner or later.
func TestSearchWrapsAround(t *testing.T) {
	for from := 0; from < 2000; from += 100 {
		if got := fill(newLab(t), from); got != 10 {
			t.Errorf("guests from %d: %d got an address, want 10", from, got)
		}
	}
}

func TestLongestRestingGoesFirst(t *testing.T) {
	l := newLab(t)
	fill(l, 0)
	l.MustRelease("g10") // has none
	oldest := l.MustRelease("g4").IPv4
	l.Clock.Advance(time.Minute)
	younger := l.MustRelease("g2").IPv4
	if got := l.MustRegister(dom(50, "a")).Instance.IPv4; got != oldest {
		t.Errorf("first %v, want %v", got, oldest)
	}
	if got := l.MustRegister(dom(51, "b")).Instance.IPv4; got != younger {
		t.Errorf("then %v, want %v", got, younger)
	}
	if len(l.RestingIDs()) != 0 {
		t.Errorf("still resting: %v", l.RestingIDs())
	}
}

func TestRestingIsNotGivenWhileOthersAreFree(t *testing.T) {
	l := newLab(t)
	released := l.MustRegister(dom(0, "g0")).Instance.IPv4
	l.MustRelease("g0")
	for n := 1; n <= 9; n++ {
		if got := l.MustRegister(dom(n, fmt.Sprint("g", n))).Instance.IPv4; got == released {
			t.Fatalf("guest %d got the resting %v", n, got)
		}
	}
}

func TestNoQuarantine(t *testing.T) {
	l := newLab(t, func(o *inventory.Options) { o.Quarantine = 0 })
	first := l.MustRegister(dom(0, "g0")).Instance
	l.MustRelease("g0")
	if len(l.RestingIDs()) != 0 {
		t.Error("an address rests without a quarantine")
	}
	if got := l.MustRegister(dom(0, "g0")).Instance; got.IPv4 != first.IPv4 {
		t.Errorf("the same UUID begins at %v, then at %v", first.IPv4, got.IPv4)
	}
}

func TestRequestedAddress(t *testing.T) {
	l := newLab(t, withIPv6)
	l.MustRegister(dom(1, "one", "ipv4", "10.0.0.9", "ipv6", "fd00::9"))
	tests := []struct {
		addr string
		kind error
		text string
	}{
		{"10.0.0.9", denied.ErrAddressTaken, `"one"`},
		{"10.0.0.0", denied.ErrAddressOutside, "network 10.0.0.0/28 itself"},
		{"10.0.0.15", denied.ErrAddressOutside, "broadcast address"},
		{"10.0.0.16", denied.ErrAddressOutside, "not in 10.0.0.0/28"},
		{"10.0.0.1", denied.ErrAddressOutside, "reserved"},
		{"10.0.0.6", denied.ErrAddressOutside, "reserved"},
		{"fd00::9", denied.ErrAddressTaken, `"one"`},
		{"fd00::", denied.ErrAddressOutside, "itself"},
		{"fd01::1", denied.ErrAddressOutside, "not in fd00::/64"},
	}
	for _, tt := range tests {
		key := "ipv4"
		if netip.MustParseAddr(tt.addr).Is6() {
			key = "ipv6"
		}
		l.Refused(dom(2, "two", key, tt.addr), tt.kind, `"two"`, tt.text)
	}
	l.MustRelease("one")
	got := l.MustRegister(dom(2, "two", "ipv4", "10.0.0.9")).Instance
	if got.IPv4.String() != "10.0.0.9" {
		t.Errorf("a resting address asked for: got %v", got.IPv4)
	}
	moved := l.MustRegister(dom(2, "two", "ipv4", "10.0.0.10")).Instance
	if kept := l.MustRegister(dom(2, "two")).Instance; kept.IPv4 != moved.IPv4 || kept.ID != got.ID {
		t.Errorf("no longer asked for, %v became %v", moved.IPv4, kept.IPv4)
	}
	if l.RestingIDs()["10.0.0.9"] != got.ID {
		t.Errorf("the address it left does not rest: %v", l.RestingIDs())
	}
}

func TestAddressesAfterReconfiguration(t *testing.T) {
	l := newLab(t, withIPv6)
	one := l.MustRegister(dom(1, "one")).Instance
	two := l.MustRegister(dom(2, "two", "ipv6", "fd00::2")).Instance
	opts := l.Opts
	opts.Networks[0].Excluded = append(opts.Networks[0].Excluded, instance.AddrRange{First: one.IPv4, Last: one.IPv4})
	opts.Networks[0].IPv6, opts.Location = netip.Prefix{}, "there"
	l.Reconfigure(opts)
	if guest, _ := l.Snapshot().ByUUID(uid(1)); guest.IPv4 != one.IPv4 || guest.Location != "here" {
		t.Error("the guest changed before it was registered again")
	}
	if got := l.MustRegister(dom(1, "one")).Instance; got.IPv4 == one.IPv4 || got.IPv6.IsValid() || got.ID != one.ID || got.Location != "there" {
		t.Errorf("excluded address kept, or IPv6 of the pool: %+v", got)
	}
	if got := l.MustRegister(dom(2, "two", "ipv6", "fd00::2")).Instance; got.IPv4 != two.IPv4 || got.IPv6 != two.IPv6 {
		t.Errorf("what was asked for is gone: %+v", got)
	}
	if got := l.MustRegister(dom(2, "two")).Instance; got.IPv6.IsValid() {
		t.Errorf("IPv6 is not asked for any more, and kept: %v", got.IPv6)
	}
}

func TestImportedAddressOutside(t *testing.T) {
	l := newLab(t)
	old := instance.Instance{ID: "i-192.0.2.7", Name: "old", UUID: uid(1), MAC: mac(1),
		IPv4: netip.MustParseAddr("192.0.2.7"), IPv6: netip.MustParseAddr("2001:db8::7")}
	if _, err := l.Import(t.Context(), []instance.Instance{old}); err != nil {
		t.Fatal(err)
	}
	if guest, ok := l.Snapshot().ByAddr(old.IPv4); !ok || guest.UUID != uid(1) {
		t.Error("the imported record is not served")
	}
	got := l.MustRegister(dom(1, "old")).Instance
	if !l.Opts.Networks[0].IPv4.Contains(got.IPv4) || got.ID != old.ID || got.IPv6 != old.IPv6 {
		t.Errorf("registered again: %+v", got)
	}
}

func TestLargeNetworks(t *testing.T) {
	tests := []struct{ name, prefix string }{
		{"a /8", "10.0.0.0/8"}, {"a /0", "0.0.0.0/0"}, {"a pair", "10.0.0.0/31"}, {"one address", "10.0.0.1/32"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			prefix := netip.MustParsePrefix(tt.prefix)
			l := newLab(t, func(o *inventory.Options) { o.Networks[0].IPv4, o.Networks[0].Excluded = prefix, nil })
			for n := range 2000 {
				r := l.MustRegister(dom(n, fmt.Sprint("g", n)))
				if r.AddressProblem == nil && !prefix.Contains(r.Instance.IPv4) {
					t.Fatalf("guest %d got %v", n, r.Instance.IPv4)
				}
				if full := prefix.Bits() > 30 && n >= 1<<(32-prefix.Bits()); full != (r.AddressProblem != nil) {
					t.Fatalf("guest %d: %v", n, r.AddressProblem)
				}
			}
		})
	}
}

func TestIPv6Pools(t *testing.T) {
	tests := []struct {
		prefix string
		guests int // that get an address, of 20
	}{
		{"fd00::/64", 20}, {"fd00::/48", 20}, {"fd00::/124", 15}, {"fd00::/127", 2}, {"fd00::/128", 1},
	}
	for _, tt := range tests {
		t.Run(tt.prefix, func(t *testing.T) {
			prefix := netip.MustParsePrefix(tt.prefix)
			l := newLab(t, func(o *inventory.Options) { o.Networks[0].IPv4, o.Networks[0].IPv6 = netip.Prefix{}, prefix })
			given := 0
			for n := range 20 {
				r := l.MustRegister(dom(n, fmt.Sprint("g", n)))
				if r.Instance.IPv6.IsValid() {
					given++
				}
				if r.Instance.IPv4.IsValid() || r.Instance.IPv6.IsValid() && !prefix.Contains(r.Instance.IPv6) {
					t.Errorf("%v %v", r.Instance.IPv4, r.Instance.IPv6)
				}
			}
			if given != tt.guests {
				t.Errorf("%d got an address, want %d", given, tt.guests)
			}
		})
	}
}

// An address that a guest requests is one that its network can give, too: of a large IPv6
// network, one of the first /64.
func TestRequestInALargeNetwork(t *testing.T) {
	l := newLab(t, func(o *inventory.Options) { o.Networks[0].IPv6 = netip.MustParsePrefix("fd00::/56") })
	l.MustRegister(dom(1, "one", "ipv6", "fd00::ffff:0:0:9"))
	l.Refused(dom(2, "two", "ipv6", "fd00:0:0:1::9"), denied.ErrAddressOutside, `"two"`, "not in the first /64 of fd00::/56")
}

// Quarantine ends when its time is over, and not before. Addresses rest in the order of
// their times, whatever year it is.
func TestQuarantineInTime(t *testing.T) {
	l := newLab(t)
	l.Clock.Advance(time.Date(1969, 12, 31, 23, 0, 0, 0, time.UTC).Sub(l.Clock.Now()))
	var order []netip.Addr
	for n := range 3 {
		l.MustRegister(dom(n, fmt.Sprint("web", n)))
	}
	for n := range 3 {
		order = append(order, l.MustRelease(fmt.Sprint("web", n)).IPv4)
		l.Clock.Advance(time.Hour)
	}
	for i, r := range l.Snapshot().Resting() {
		if r.Addr != order[i] {
			t.Errorf("the address %d that rests is %v, want %v", i+1, r.Addr, order[i])
		}
	}
	l.Clock.Advance(day - 3*time.Hour - time.Microsecond)
	l.MustRegister(dom(8, "early"))
	if n := len(l.RestingIDs()); n != 3 {
		t.Errorf("%d addresses rest until the end of their quarantine, want 3", n)
	}
	l.Clock.Advance(time.Microsecond)
	l.MustRegister(dom(9, "late"))
	if _, rests := l.RestingIDs()[order[0].String()]; rests || len(l.RestingIDs()) != 2 {
		t.Errorf("%v rest", l.RestingIDs())
	}
}
