package draft

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/storage"
)

// onNetwork is hostA on a network of a given size.
func onNetwork(prefix string, guests ...instance.Instance) scene {
	s := hostA(guests...)
	s.Networks = []instance.Network{{Name: "mds", IPv4: netip.MustParsePrefix(prefix)}}
	return s
}

// several are n guests, the first at 10.0.0.2 or at 10.0.1.0.
func several(n int, changes ...change) (guests []instance.Instance) {
	for i := range n {
		guests = append(guests, record(100+i, fmt.Sprint("g", i), fmt.Sprintf("10.0.%d.%d", (i+2)/256, (i+2)%256), changes...))
	}
	return guests
}

func firstSeen(ago time.Duration) change {
	return func(g *instance.Instance) { g.FirstSeen = noon.Add(-ago) }
}

// A host claims as many spare addresses as it had new guests within a day, within limits.
func TestWantedSpares(t *testing.T) {
	for name, test := range map[string]struct {
		scene scene
		want  int
	}{
		"no guests":                            {onNetwork("10.0.0.0/16"), 4},
		"few new guests":                       {onNetwork("10.0.0.0/16", several(3)...), 4},
		"some new guests":                      {onNetwork("10.0.0.0/16", several(9)...), 9},
		"many new guests":                      {onNetwork("10.0.0.0/16", several(80)...), 64},
		"guests of just less than a day":       {onNetwork("10.0.0.0/16", several(9, firstSeen(24*time.Hour-1))...), 9},
		"guests of a day":                      {onNetwork("10.0.0.0/16", several(9, firstSeen(24*time.Hour))...), 4},
		"guests of another host":               {onNetwork("10.0.0.0/16", several(9, on("b", 1))...), 4},
		"guests elsewhere":                     {onNetwork("10.1.0.0/16", several(9)...), 4},
		"a small network":                      {onNetwork("10.0.0.0/28"), 1},                                                            // 14 / 8
		"a tiny network":                       {onNetwork("10.0.0.0/29"), 0},                                                            // 6 / 8
		"a network with guests":                {onNetwork("10.0.0.0/27", several(6)...), 3},                                             // (30-6) / 8
		"a network with one guest more":        {onNetwork("10.0.0.0/27", several(7)...), 2},                                             // (30-7) / 8
		"a network with others' spare ones":    {onNetwork("10.0.0.0/27", several(6)...).spares("store-b", "10.0.0.20"), 2},              // (30-7) / 8
		"a network with its own spare ones":    {onNetwork("10.0.0.0/27", several(6)...).spares("store-a", "10.0.0.20", "10.0.0.21"), 3}, // they are free to it
		"a network with others' elsewhere":     {onNetwork("10.0.0.0/27", several(6)...).spares("store-b", "10.0.1.20"), 3},
		"a full network":                       {onNetwork("10.0.0.0/29", several(5)...), 0},
		"a network with one that rests":        {resting(onNetwork("10.0.0.0/27", several(6)...), "10.0.0.25"), 2},
		"a network with one that rests beside": {resting(onNetwork("10.0.0.0/27", several(6)...), "10.0.1.25"), 3},
		"drained":                              {drained(onNetwork("10.0.0.0/16"), true), 0},
		"not drained":                          {drained(onNetwork("10.0.0.0/16"), false), 4},
	} {
		d := test.scene.draft(t)
		if got := d.wantedSpares(d.rules.Pools[0].Pool4); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}

func resting(s scene, addr string) scene {
	s.Table.Resting = append(s.Table.Resting, instance.Resting{Addr: parse(addr), UUID: numbered(9), Since: noon})
	return s
}

func drained(s scene, is bool) scene {
	s.Drained = func() bool { return is }
	return s
}

// replenished are the spare addresses of the host a after Replenish, and how many were
// claimed and given back.
func replenished(d *Draft) (own []string, claimed, dropped int) {
	d.Replenish()
	for spare := range d.Spares() {
		if spare.Owner == "store-a" {
			own = append(own, spare.Addr.String())
		}
	}
	return own, len(d.Change.Hold), len(d.Change.Drop)
}

func TestReplenish(t *testing.T) {
	all := func(n int) (addrs []string) {
		for i := range n {
			addrs = append(addrs, fmt.Sprint("10.0.0.", 100+i))
		}
		return addrs
	}
	lost := onNetwork("10.0.0.0/16").spares("store-a", all(4)...)
	lost.Withheld = []storage.Withheld{{UUID: numbered(9), Addrs: []netip.Addr{parse("10.0.0.102")}}}
	reserved := onNetwork("10.0.0.0/16").spares("store-a", all(4)...)
	reserved.Networks[0].Excluded = []instance.AddrRange{{First: parse("10.0.0.100"), Last: parse("10.0.0.101")}}
	elsewhere := onNetwork("10.0.0.0/16").spares("store-a", all(4)...)
	elsewhere.Networks[0].Name = "other"
	gone := onNetwork("10.0.0.0/16").spares("store-a", all(4)...)
	gone.Networks = nil
	foreign := onNetwork("10.0.0.0/16").spares("store-b", all(4)...)
	foreign.Networks = nil
	for name, test := range map[string]struct {
		scene                 scene
		cutOff                bool
		own, claimed, dropped int
	}{
		"none yet":                       {scene: onNetwork("10.0.0.0/16"), own: 4, claimed: 4},
		"too few":                        {scene: onNetwork("10.0.0.0/16").spares("store-a", all(3)...), own: 4, claimed: 1},
		"enough":                         {scene: onNetwork("10.0.0.0/16").spares("store-a", all(4)...), own: 4},
		"a few more":                     {scene: onNetwork("10.0.0.0/16").spares("store-a", all(5)...), own: 5},
		"too many":                       {scene: onNetwork("10.0.0.0/16").spares("store-a", all(6)...), own: 4, dropped: 2},
		"those of another host":          {scene: onNetwork("10.0.0.0/16").spares("store-b", all(20)...), own: 4, claimed: 4},
		"while etcd does not answer":     {scene: onNetwork("10.0.0.0/16").spares("store-a", all(9)...), cutOff: true, own: 9},
		"drained":                        {scene: drained(onNetwork("10.0.0.0/16").spares("store-a", all(4)...), true), dropped: 4},
		"one is withheld for a guest":    {scene: lost, own: 4, claimed: 1, dropped: 1},
		"two are reserved":               {scene: reserved, own: 4, claimed: 2, dropped: 2},
		"the network has another name":   {scene: elsewhere, own: 4, claimed: 4, dropped: 4},
		"the network is not served":      {scene: gone, dropped: 4},
		"another host's are, elsewhere":  {scene: foreign},
		"no address is left":             {scene: onNetwork("10.0.0.0/29", several(5)...)},
		"a network without IPv4 or IPv6": {scene: onNetwork("10.0.0.0/32")},
	} {
		d := test.scene.draft(t)
		d.cutOff = test.cutOff
		own, claimed, dropped := replenished(d)
		if len(own) != test.own || claimed != test.claimed || dropped != test.dropped {
			t.Errorf("%s: %d spare ones, %d claimed, %d given back; want %d, %d, %d", name, len(own), claimed, dropped, test.own, test.claimed, test.dropped)
		}
		for _, spare := range d.Change.Hold {
			if want := (instance.Spare{Addr: spare.Addr, Network: d.rules.Pools[0].Name, Host: "a.example", Owner: "store-a"}); spare != want {
				t.Errorf("%s: claimed %+v, want %+v", name, spare, want)
			}
			if slices.Contains(all(20), spare.Addr.String()) {
				t.Errorf("%s: claimed %s, which is not free", name, spare.Addr)
			}
		}
	}
}

// A host that has too many gives back the last ones, and both families count apart.
func TestReplenishBothFamilies(t *testing.T) {
	s := onNetwork("10.0.0.0/24").spares("store-a", "10.0.0.10", "10.0.0.11", "10.0.0.12", "10.0.0.13", "10.0.0.14", "10.0.0.15")
	s.Networks[0].IPv6 = netip.MustParsePrefix("fd00::/64")
	d := s.draft(t)
	own, claimed, dropped := replenished(d)
	if len(own) != 8 || claimed != 4 || dropped != 2 || !slices.Equal(own[:4], []string{"10.0.0.10", "10.0.0.11", "10.0.0.12", "10.0.0.13"}) {
		t.Errorf("%v, %d claimed, %d given back", own, claimed, dropped)
	}
}

// A spare address that a guest gets is no longer spare.
func TestSpend(t *testing.T) {
	d := hostA().spares("store-a", "10.0.0.2", "10.0.0.3").draft(t)
	guest := record(1, "web", "10.0.0.2")
	d.put(nil, &guest)
	if want := []netip.Addr{guest.IPv4}; !slices.Equal(d.Change.Drop, want) {
		t.Errorf("given back are %v, want %v", d.Change.Drop, want)
	}
	if _, spare := d.SpareAt(guest.IPv4); spare {
		t.Error("it is still spare")
	}
}
