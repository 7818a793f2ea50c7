package pool

import (
	"fmt"
	"net/netip"
	"slices"
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
		"up to its own":      {small().SizeUpTo(9), 9},
		"up to one less":     {small().SizeUpTo(8), 8},
		"of IPv6":            {v6.SizeUpTo(1000), 1000},
	} {
		if test.got != test.want {
			t.Errorf("%s: %d, want %d", name, test.got, test.want)
		}
	}
}

// The order and form of reserved ranges do not matter: Size, Gives, Refusal, Ranges and the
// search agree.
func TestReservedRanges(t *testing.T) {
	between := func(first, last string) instance.AddrRange {
		return instance.AddrRange{First: addr(first), Last: addr(last)}
	}
	for name, test := range map[string]struct {
		reserved []instance.AddrRange
		want     string // the last bytes of the addresses that are left
	}{
		"none":               {nil, "[1 2 3 4 5 6 7 8 9 10 11 12 13 14]"},
		"at the begin":       {[]instance.AddrRange{between("10.0.0.1", "10.0.0.4")}, "[5 6 7 8 9 10 11 12 13 14]"},
		"at the end":         {[]instance.AddrRange{between("10.0.0.12", "10.0.0.14")}, "[1 2 3 4 5 6 7 8 9 10 11]"},
		"not in order":       {[]instance.AddrRange{between("10.0.0.9", "10.0.0.10"), between("10.0.0.2", "10.0.0.3")}, "[1 4 5 6 7 8 11 12 13 14]"},
		"overlapping":        {[]instance.AddrRange{between("10.0.0.2", "10.0.0.6"), between("10.0.0.4", "10.0.0.9")}, "[1 10 11 12 13 14]"},
		"one in another":     {[]instance.AddrRange{between("10.0.0.2", "10.0.0.9"), between("10.0.0.4", "10.0.0.5")}, "[1 10 11 12 13 14]"},
		"side by side":       {[]instance.AddrRange{between("10.0.0.2", "10.0.0.3"), between("10.0.0.4", "10.0.0.5")}, "[1 6 7 8 9 10 11 12 13 14]"},
		"sharing an end":     {[]instance.AddrRange{between("10.0.0.2", "10.0.0.4"), between("10.0.0.4", "10.0.0.5")}, "[1 6 7 8 9 10 11 12 13 14]"},
		"from before":        {[]instance.AddrRange{between("9.0.0.0", "10.0.0.3")}, "[4 5 6 7 8 9 10 11 12 13 14]"},
		"to behind":          {[]instance.AddrRange{between("10.0.0.12", "11.0.0.0")}, "[1 2 3 4 5 6 7 8 9 10 11]"},
		"all":                {[]instance.AddrRange{between("10.0.0.0", "10.0.0.15")}, "[]"},
		"of other networks":  {[]instance.AddrRange{between("9.0.0.0", "9.0.0.255"), between("10.0.0.16", "10.0.0.31"), between("fd00::1", "fd00::f")}, "[1 2 3 4 5 6 7 8 9 10 11 12 13 14]"},
		"up to the network":  {[]instance.AddrRange{between("9.0.0.0", "10.0.0.0")}, "[1 2 3 4 5 6 7 8 9 10 11 12 13 14]"},
		"the first and last": {[]instance.AddrRange{between("10.0.0.14", "10.0.0.14"), between("10.0.0.1", "10.0.0.1")}, "[2 3 4 5 6 7 8 9 10 11 12 13]"},
	} {
		p := New(netip.MustParsePrefix("10.0.0.0/28"), instance.Network{Excluded: test.reserved})
		var given, accepted, listed, found []byte
		taken := map[netip.Addr]bool{}
		for a := p.Prefix.Addr(); p.Prefix.Contains(a); a = a.Next() {
			if p.Gives(a) {
				given = append(given, a.As4()[3])
			}
			if p.Refusal(a, other) == "" {
				accepted = append(accepted, a.As4()[3])
			}
			for _, r := range p.Ranges() {
				if r.Contains(a) {
					listed = append(listed, a.As4()[3])
				}
			}
		}
		for {
			a, ok := p.Free(uuid.Nil, func(a netip.Addr) (netip.Addr, bool) { return a, taken[a] })
			if !ok {
				break
			}
			taken[a] = true
			found = append(found, a.As4()[3])
		}
		slices.Sort(found)
		for what, got := range map[string][]byte{"given": given, "accepted": accepted, "listed": listed, "found": found} {
			if fmt.Sprint(got) != test.want {
				t.Errorf("%s: %s are %v, want %s", name, what, got, test.want)
			}
		}
		if p.Size() != len(given) {
			t.Errorf("%s: the size is %d, want %d", name, p.Size(), len(given))
		}
	}
	if ranges := (Pool{}).Ranges(); ranges != nil {
		t.Errorf("a pool that is not configured has %v", ranges)
	}
}

// A guest with several leases has the lowest address of the pool's family.
func TestOwnOfSeveral(t *testing.T) {
	n := instance.Network{Leased: map[netip.Addr]instance.MAC{}}
	for _, a := range []string{"10.0.0.12", "10.0.0.9", "10.0.0.11", "fd00::2", "fd00::3"} {
		n.Leased[addr(a)] = holder
	}
	n.Leased[addr("10.0.0.2")] = other
	for prefix, want := range map[string]string{"10.0.0.0/28": "10.0.0.9", "fd00::/64": "fd00::2"} {
		if own := New(netip.MustParsePrefix(prefix), n).Own(holder); own != addr(want) {
			t.Errorf("of %s it is %s, want %s", prefix, own, want)
		}
	}
}

// A pool has the purpose of its network, even while its prefix is not known.
func TestNew(t *testing.T) {
	n := instance.Network{Name: "mds", Pending: true, PerHost: true}
	if p := New(netip.Prefix{}, n); p.Configured() || !p.Pending || p.Network != "mds" || !p.perHost || p.LeavesOut(addr("10.0.0.1"), other) {
		t.Errorf("without a prefix it is %+v", p)
	}
	if p := New(netip.MustParsePrefix("10.0.0.9/28"), n); !p.Configured() || p.Network != "mds" || p.Prefix.String() != "10.0.0.0/28" {
		t.Errorf("with a prefix it is %+v", p)
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
	// Another version of mdserver gives a guest that lost its record the same address.
	for prefix, want := range map[string]string{"10.1.0.0/16": "10.1.149.97", "fd00::/64": "fd00::a98e:dd70:d3:d179", "10.1.0.4/32": "10.1.0.4"} {
		if first := FirstCandidate(netip.MustParsePrefix(prefix), id); first != addr(want) {
			t.Errorf("the first candidate of %s is %s, want %s", prefix, first, want)
		}
	}
}
