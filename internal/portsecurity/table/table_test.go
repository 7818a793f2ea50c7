package table

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"strings"
	"testing"

	"mdserver/internal/instance"
	"mdserver/internal/portsecurity/plan"
	"mdserver/internal/portsecurity/porttest"
	"mdserver/internal/roottest"
)

func TestMain(m *testing.M) { os.Exit(roottest.InNamespace(m)) }

func newTestTable(t testing.TB) *Table {
	t.Helper()
	roottest.Need(t, "makes nftables tables")
	made, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = Remove() })
	return made
}

func planOf(guests ...*instance.Instance) plan.Plan {
	return plan.Make([]instance.Network{porttest.Network}, guests, plan.Host{})
}

func apply(t testing.TB, table *Table, guests ...*instance.Instance) {
	t.Helper()
	if err := table.Apply(planOf(guests...)); err != nil {
		t.Fatal(err)
	}
}

// The kernel takes all of it, and nft shows what was meant.
func TestTable(t *testing.T) {
	table := newTestTable(t)
	apply(t, table, porttest.Guest(1, "vnet1", "allowed_addresses", "10.122.0.200, 172.17.0.0/16, 2001:db8::/64"), porttest.Guest(2, "vnet2", "port_security", "off"))
	shown := porttest.NFT(t, "list", "table", "bridge", Name)
	for _, want := range []string{
		"iifname vmap @ports", `"vnet1" : goto guest`, `"vnet2" : goto other`,
		`"vnet1" . 52:54:00:00:00:01 . 10.122.1.1`, `"vnet1" . 172.17.0.0/16`, `"vnet1" . 2001:db8::/64`,
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("nft does not show %s:\n%s", want, shown)
		}
	}
}

// An update changes what differs, and leaves the counters of others as they are.
func TestUpdate(t *testing.T) {
	table := newTestTable(t)
	apply(t, table, porttest.Guest(1, "vnet1"), porttest.Guest(2, "vnet2"))
	before := table.handles
	apply(t, table, porttest.Guest(1, "vnet1"), porttest.Guest(3, "vnet3"), porttest.Guest(2, "vnet2", "port_security", "off"))
	if table.handles != before {
		t.Error("the rules were made again")
	}
	list := porttest.NFT(t, "list", "map", "bridge", Name, setPorts)
	for _, want := range []string{`"vnet1" : goto guest`, `"vnet2" : goto other`, `"vnet3" : goto guest`} {
		if !strings.Contains(list, want) {
			t.Errorf("%s is missing in %s", want, list)
		}
	}
	apply(t, table, porttest.Guest(3, "vnet3"))
	if list := porttest.NFT(t, "list", "table", "bridge", Name); strings.Contains(list, "vnet1") {
		t.Errorf("vnet1 is still there:\n%s", list)
	}
}

func TestIntact(t *testing.T) {
	table := newTestTable(t)
	for _, how := range []string{
		"", "delete table bridge mdserver", "flush chain bridge mdserver guest_arp", "flush set bridge mdserver macs",
		"add element bridge mdserver allowed4 { \"vnet1\" . 10.0.0.0/8 }", "add rule bridge mdserver prerouting accept",
		"delete element bridge mdserver ports { \"vnet1\" }; add element bridge mdserver ports { \"vnet1\" : goto other }",
		"add element bridge mdserver syns { \"lo\" }", // as the kernel does for each port that opens connections
	} {
		apply(t, table, porttest.Guest(1, "vnet1"))
		if how != "" {
			porttest.NFT(t, how)
		}
		if intact := table.Intact(); intact != (how == "" || strings.Contains(how, setSYNs)) {
			t.Errorf("after %q it is intact: %v", how, intact)
		}
		table.Forget()
	}
}

// What is there already is replaced, whatever it is; others' tables stay.
func TestReplaceAndRemove(t *testing.T) {
	table := newTestTable(t)
	porttest.NFT(t, "add table bridge others { set s { type ifname; }; }; add table bridge mdserver { set macs { type ifname; }; chain old { drop; }; }")
	apply(t, table, porttest.Guest(1, "vnet1"))
	if list := porttest.NFT(t, "list", "table", "bridge", Name); strings.Contains(list, "chain old") {
		t.Error("the table has what it had before")
	}
	for _, want := range []bool{true, false} {
		if removed, err := Remove(); err != nil || removed != want {
			t.Errorf("removed: %v, %v", removed, err)
		}
	}
	if list := porttest.NFT(t, "list", "tables"); strings.TrimSpace(list) != "table bridge others" {
		t.Errorf("tables are\n%s", list)
	}
	porttest.NFT(t, "delete table bridge others")
}

// doctor reads the roles of ports from the kernel, as one of the roles or, without a table,
// of none.
func TestRoles(t *testing.T) {
	table := newTestTable(t)
	if roles, err := Roles(); err != nil || len(roles) > 0 {
		t.Errorf("without a table: %v, %v", roles, err)
	}
	want := map[string]plan.Role{"vnet1": plan.Guest, "tap0": plan.Stranger, "fifteen-letters": plan.Other, "eth0": plan.Uplink}
	var p plan.Plan
	for name, role := range want {
		p.Ports = append(p.Ports, plan.Port{Name: name, Role: role})
	}
	if err := table.Apply(p); err != nil {
		t.Fatal(err)
	}
	if roles, err := Roles(); err != nil || !maps.Equal(roles, want) {
		t.Errorf("%v, %v, want %v", roles, err, want)
	}
}

// The kernel's counters are those of the ports that have dropped something.
func TestDropped(t *testing.T) {
	table := newTestTable(t)
	apply(t, table, porttest.Guest(1, "vnet1"), porttest.Guest(2, "vnet2"))
	for set, packets := range map[string]int{KindARP.set(): 3, KindMAC.set(): 4} {
		porttest.NFT(t, fmt.Sprintf("delete element bridge mdserver %s { \"vnet2\" }; add element bridge mdserver %s { \"vnet2\" counter packets %d bytes 60 }", set, set, packets))
	}
	if all, err := table.Dropped(); err != nil || fmt.Sprint(all) != "map[vnet2:map[arp:3 mac:4]]" {
		t.Errorf("%v, %v", all, err)
	}
}

// The generation tells whether any table was changed.
func TestGeneration(t *testing.T) {
	roottest.Need(t, "makes nftables tables")
	generation := func() uint32 {
		n, err := Generation()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := generation()
	if now := generation(); now != before {
		t.Errorf("without a change it went from %d to %d", before, now)
	}
	porttest.NFT(t, "add table ip others")
	defer porttest.NFT(t, "delete table ip others")
	if now := generation(); now == before {
		t.Errorf("after a change it is %d still", now)
	}
}

func TestLastOf(t *testing.T) {
	for prefix, want := range map[string]string{"10.0.0.0/8": "10.255.255.255", "192.0.2.1/32": "192.0.2.1", "2001:db8::/64": "2001:db8::ffff:ffff:ffff:ffff", "10.1.2.0/23": "10.1.3.255"} {
		if got := lastOf(netip.MustParsePrefix(prefix)).String(); got != want {
			t.Errorf("the last of %s is %s, want %s", prefix, got, want)
		}
	}
}

// The time of a whole table, and of one guest more, with 1,000 guests.
func BenchmarkTable(b *testing.B) {
	table := newTestTable(b)
	guests := porttest.Guests(1000)
	b.Run("whole", func(b *testing.B) {
		for b.Loop() {
			if err := table.replace(contentsOf(planOf(guests...))); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("one guest", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if err := table.Apply(planOf(guests[i%2:]...)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("check", func(b *testing.B) {
		for b.Loop() {
			if !table.Intact() {
				b.Fatal("it is not intact")
			}
		}
	})
}
