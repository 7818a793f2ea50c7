package addressing

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/inventory/index"
	"mdserver/internal/inventory/pool"
	"mdserver/internal/inventory/rules"
	"mdserver/internal/inventory/storage"
)

// On a network where each host has a range, a guest gets an address of this host's range,
// even if it has or requests one of another host's.
func TestChooseInRange(t *testing.T) {
	const here, there = "10.0.0.9", "10.0.0.2"
	for name, test := range map[string]struct {
		current, wanted string
		cutOff          bool
		want            string // empty: any of this host's range
		told            bool   // that it does not have what it requests
	}{
		"has one of this host":                      {current: here, want: here},
		"has one of another host":                   {current: there},
		"requests one of this host":                 {wanted: here, want: here},
		"requests one of another host":              {wanted: there, told: true},
		"requests one of another host, has one":     {current: here, wanted: there, want: here, told: true},
		"cut off, has one of this host":             {current: here, cutOff: true, want: here},
		"cut off, has one of another host":          {current: there, cutOff: true, want: "10.0.0.12"},
		"cut off, requests one of another host":     {wanted: there, cutOff: true, want: "10.0.0.12"},
		"cut off, requests one, has another host's": {current: there, wanted: "10.0.0.12", cutOff: true, want: "10.0.0.12"},
		"cut off, requests a spare one and is kept": {current: here, wanted: "10.0.0.12", cutOff: true, want: here},
	} {
		r := rules.New(rules.Options{HostID: "a", Networks: []instance.Network{{Name: "mds", IPv4: netip.MustParsePrefix("10.0.0.0/28"), PerHost: true,
			Excluded: []instance.AddrRange{{First: parse("10.0.0.1"), Last: parse("10.0.0.7")}}}}})
		r.ID = "store-a"
		x, _ := index.Build(instance.Table{Spares: []instance.Spare{{Addr: parse("10.0.0.12"), Owner: "store-a"}}}, "mds")
		claim := claimOf()
		if test.current != "" {
			claim.Current = parse(test.current)
		}
		if test.wanted != "" {
			claim.Wanted = parse(test.wanted)
		}
		choice, err := Chooser{Table: x.Edit(), Rules: r, CutOff: test.cutOff}.Choose(r.Pools[0].Pool4, claim)
		if err != nil || choice.Addr.Less(parse("10.0.0.8")) || test.want != "" && choice.Addr != parse(test.want) {
			t.Errorf("%s: %+v, %v; want %q", name, choice, err, test.want)
		}
		if told := errors.Is(choice.Problem, denied.ErrAddressOutside); told != test.told || told && !strings.Contains(choice.Problem.Error(), "requests 10.0.0.2, which is not in the range of this host") {
			t.Errorf("%s: the problem is %v", name, choice.Problem)
		}
	}
}

// Only the guest that got an address from the network's DHCP server may have it.
func TestLease(t *testing.T) {
	n := instance.Network{Name: "mds", IPv4: netip.MustParsePrefix("10.0.0.0/28"), Leased: map[netip.Addr]instance.MAC{parse("10.0.0.5"): own}}
	r := rules.New(rules.Options{Networks: []instance.Network{n}})
	x, _ := index.Build(instance.Table{}, "mds")
	c := Chooser{Table: x.Edit(), Rules: r}
	if choice, err := c.Choose(r.Pools[0].Pool4, claimOf()); err != nil || choice.Addr != parse("10.0.0.5") {
		t.Errorf("%+v, %v", choice, err)
	}
	other := claimOf()
	other.MAC = instance.MAC{0x52, 0x54, 0, 0, 0, 1}
	if choice, err := c.Choose(r.Pools[0].Pool4, other); err != nil || choice.Addr == parse("10.0.0.5") {
		t.Errorf("of another guest: %+v, %v", choice, err)
	}
}

// Free skips addresses that the same request has given.
func TestFreeBesideGiven(t *testing.T) {
	c, p := addresses{free, free, present, free, free}.chooser(t)
	var given []netip.Addr
	for addr, ok := c.Free(p, self, self, given); ok; addr, ok = c.Free(p, self, self, given) {
		if len(given) > 4 {
			t.Fatalf("given are %v", given)
		}
		given = append(given, addr)
	}
	if len(given) != 4 {
		t.Errorf("given are %v", given)
	}
}

// Each refusal says why, in words for an administrator.
func TestReasons(t *testing.T) {
	reason := func(wanted string, unconfirmed, cutOff bool) string {
		c, p := addresses{present, resting, foreign, spare, withheld}.chooser(t)
		c.Unconfirmed, c.CutOff = unconfirmed, cutOff
		claim := claimOf()
		if wanted != "" {
			claim.Wanted = parse(wanted)
		}
		choice, err := c.Choose(p, claim)
		return errors.Join(err, choice.Problem).Error()
	}
	full, p := addresses{foreign, foreign, foreign, foreign, foreign}.chooser(t)
	full.CutOff = true
	none, _ := full.Choose(p, claimOf())
	for want, got := range map[string]string{
		"10.0.0.3 is in quarantine since its guest was removed":                           reason("10.0.0.3", true, false),
		`the metadata requests an address that the network "mds" does not have: 10.0.1.1`: reason("10.0.1.1", false, false),
		"10.0.0.6 is reserved for the guest":                                              reason("10.0.0.6", false, false),
		"request another one in the metadata":                                             reason("10.0.0.2", false, false),
		`10.0.0.4 is set aside by the host "b.example"`:                                   reason("10.0.0.4", false, false),
		"it requests 10.0.0.2, which it can only get when etcd answers":                   reason("10.0.0.2", false, true),
		"users other than root register guests without one until etcd answers":            reason("", true, true),
		"this host has no spare one in 10.0.0.0/29":                                       none.Problem.Error(),
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if !errors.Is(none.Problem, storage.ErrAway) {
		t.Errorf("%v", none.Problem)
	}
}

// A guest that requests an address of a family that the network lacks has to wait while the
// shared store is away.
func TestRequestWithoutPool(t *testing.T) {
	c, _ := addresses{}.chooser(t)
	c.CutOff = true
	claim := claimOf()
	claim.Wanted = parse("fd00::9")
	if choice, err := c.Choose(pool.Pool{}, claim); err != nil || choice.Addr.IsValid() || !errors.Is(choice.Problem, storage.ErrAway) {
		t.Errorf("%+v, %v", choice, err)
	}
}
