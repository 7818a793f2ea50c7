package pool

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/uuid"

	"mdserver/internal/instance"
)

var (
	addr   = netip.MustParseAddr
	holder = instance.MAC{0x52, 0x54, 0, 0, 0, 1}
	other  = instance.MAC{0x52, 0x54, 0, 0, 0, 2}
)

// small is a pool with 10.0.0.2 to 4 and 10.0.0.8 to 14; 10.0.0.9 is leased.
func small() Pool {
	return New(netip.MustParsePrefix("10.0.0.0/28"), instance.Network{
		Name: "mds", PerHost: true,
		Excluded: []instance.AddrRange{{First: addr("10.0.0.1"), Last: addr("10.0.0.1")}, {First: addr("10.0.0.5"), Last: addr("10.0.0.7")}},
		Leased:   map[netip.Addr]instance.MAC{addr("10.0.0.9"): holder},
	})
}

func TestRefusal(t *testing.T) {
	p := small()
	wide := New(netip.MustParsePrefix("fd00::/48"), instance.Network{Name: "mds"})
	for _, test := range []struct {
		p    Pool
		addr string
		mac  instance.MAC
		want string // empty: the guest may have it
	}{
		{p, "10.0.0.2", other, ""},
		{p, "10.0.0.9", holder, ""},
		{p, "10.0.0.9", other, "leased by libvirt to 52:54:00:00:00:01"},
		{p, "10.0.0.6", other, "is reserved on 10.0.0.0/28"},
		{p, "10.0.0.0", other, "the address of the network 10.0.0.0/28 itself"},
		{p, "10.0.0.15", other, "the broadcast address"},
		{p, "10.0.1.2", other, "is not in 10.0.0.0/28"},
		{wide, "fd00:0:0:1::2", other, "not in the first /64"},
		{wide, "fd00::2", other, ""},
		{Pool{}, "192.0.2.1", other, ""},
		{Pool{}, "224.0.0.1", other, "is not a unicast address"},
	} {
		got := test.p.Refusal(addr(test.addr), test.mac)
		if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s for %s: %q, want %q", test.addr, test.mac, got, test.want)
		}
		if leaves := test.p.LeavesOut(addr(test.addr), test.mac); leaves != (test.p.perHost && got != "") {
			t.Errorf("%s for %s: LeavesOut is %v", test.addr, test.mac, leaves)
		}
	}
	if p.LeavesOut(netip.Addr{}, other) {
		t.Error("LeavesOut holds for no address")
	}
}

// However the search starts, it finds each address of the pool once, in order and
// around, and none that is reserved or leased.
func TestFree(t *testing.T) {
	p := small()
	ring := []string{"10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.8", "10.0.0.10", "10.0.0.11", "10.0.0.12", "10.0.0.13", "10.0.0.14"}
	starts := map[string]bool{}
	for n := range 64 {
		id := uuid.NewSHA1(uuid.Nil, []byte{byte(n)})
		taken := map[netip.Addr]bool{}
		busy := func(a netip.Addr) (netip.Addr, bool) { return a, taken[a] }
		var found []string
		for a, ok := p.Free(id, busy); ok; a, ok = p.Free(id, busy) {
			taken[a] = true
			found = append(found, a.String())
		}
		starts[found[0]] = true
		if twice := strings.Join(append(ring, ring...), " "); len(found) != len(ring) || !strings.Contains(twice, strings.Join(found, " ")) {
			t.Fatalf("found %v", found)
		}
	}
	if len(starts) != len(ring) {
		t.Errorf("searches start at %v", starts)
	}
	if a, ok := (Pool{}).Free(uuid.Nil, nil); ok {
		t.Errorf("a pool that is not configured gives %s", a)
	}
}

// The search asks once for a whole run of occupied addresses.
func TestFreeSkipsRuns(t *testing.T) {
	p := New(netip.MustParsePrefix("fd00::/64"), instance.Network{})
	asked := 0
	if a, ok := p.Free(uuid.Nil, func(netip.Addr) (netip.Addr, bool) {
		asked++
		return addr("fd00::ffff:ffff:ffff:ffff"), true
	}); ok || asked != 2 {
		t.Errorf("%s, asked %d times", a, asked)
	}
}

func TestSize(t *testing.T) {
	v6 := New(netip.MustParsePrefix("fd00::/64"), instance.Network{})
	gives := 0
	for a := addr("10.0.0.0"); a.Less(addr("10.0.0.20")); a = a.Next() {
		if small().Gives(a) {
			gives++
		}
	}
	for name, test := range map[string]struct{ got, want int }{
		"of a small network": {small().Size(), 9},
		"counted":            {gives, 9},
		"up to less":         {small().SizeUpTo(5), 5},
		"up to more":         {small().SizeUpTo(100), 9},
		"of IPv6":            {v6.SizeUpTo(1000), 1000},
	} {
		if test.got != test.want {
			t.Errorf("%s: %d, want %d", name, test.got, test.want)
		}
	}
}

func TestOwn(t *testing.T) {
	if own := small().Own(holder); own != addr("10.0.0.9") {
		t.Errorf("the lease is %s", own)
	}
	if own := small().Own(other); own.IsValid() {
		t.Errorf("without a lease: %s", own)
	}
}

func TestFirstCandidate(t *testing.T) {
	prefix := netip.MustParsePrefix("10.1.0.0/16")
	id := uuid.MustParse("7e5a544d-d555-4133-a443-8229415be701")
	free, ok := New(prefix, instance.Network{}).Free(id, func(a netip.Addr) (netip.Addr, bool) { return a, false })
	if first := FirstCandidate(prefix, id); !ok || first != free {
		t.Errorf("the first candidate is %s, the search gives %s", first, free)
	}
}
