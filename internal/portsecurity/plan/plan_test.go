package plan

import (
	"flag"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mdserver/internal/instance"
	"mdserver/internal/portsecurity/porttest"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares a text with that of a file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got), -update writes it:\n%s", path, diff)
	}
}

func change(guest *instance.Instance, how func(*instance.Instance)) *instance.Instance {
	how(guest)
	return guest
}

// host has these links, and the bridge's addresses.
func hostOf(links ...Link) Host {
	return Host{Links: links, Addrs: map[string][]netip.Addr{"br-mds": {netip.MustParseAddr("10.122.0.1"), netip.MustParseAddr("fe80::1%br-mds")}}}
}

func portLink(index uint32, name, bridge string, mac instance.MAC, tap bool) Link {
	return Link{Name: name, Index: index, Bridge: bridge, MAC: mac, Tap: tap}
}

func TestPlan(t *testing.T) {
	guests := []*instance.Instance{
		porttest.Guest(1, "vnet1", "allowed_addresses", "10.122.0.200, 172.17.0.0/16, 02:42:ac:11:00:02, 52:54:00:00:00:02"),
		porttest.Guest(2, "vnet2", "port_security", "off"),
		porttest.Guest(3, ""),      // does not run
		porttest.Guest(4, "vnet9"), // a record from before its stop: a newer guest has the port
		porttest.Guest(5, "vnet9"),
		porttest.Guest(6, ""), // its tap is there before libvirt tells of it
		change(porttest.Guest(7, "vnet7"), func(g *instance.Instance) { g.Presence.State = instance.Away }),
		change(porttest.Guest(8, "vnet8"), func(g *instance.Instance) { g.Interfaces[0].Network = "other" }),
		change(porttest.Guest(9, "vnet10"), func(g *instance.Instance) { // a further interface, without an address
			g.Interfaces = append(g.Interfaces, instance.Interface{MAC: instance.MAC{2, 9}, Network: "mds", Target: "vnet11"})
		}),
	}
	host := hostOf(
		portLink(3, "br-mds", "", instance.MAC{2}, false),
		portLink(4, "vnet1", "br-mds", instance.MAC{0xfe, 1}, true),
		portLink(5, "vnet2", "br-mds", instance.MAC{0xfe, 2}, true),
		portLink(6, "vnet6", "br-mds", tapMAC(porttest.MAC(6)), true),
		portLink(7, "vnet7", "br-mds", instance.MAC{0xfe, 7}, true),
		portLink(8, "vnet9", "br-mds", instance.MAC{0xfe, 0x99}, true),
		portLink(9, "vnet11", "br-else", instance.MAC{0xfe, 9}, true), // on another bridge
		portLink(10, "eth0", "br-mds", instance.MAC{2, 2}, false),
		portLink(11, "tap0", "br-mds", instance.MAC{2, 3}, true),
	)
	lan := instance.Network{Name: "lan", Bridge: "br-lan"} // without port security
	golden(t, "plan.txt", Make([]instance.Network{porttest.Network, lan}, guests, host).String())
}

// Of several hosts, each knows all guests and has ports of its own guests alone.
func TestPlanOfSeveralHosts(t *testing.T) {
	host := hostOf(
		portLink(4, "vnet1", "br-mds", instance.MAC{0xfe, 1}, true),
		portLink(5, "vnet2", "br-mds", instance.MAC{0xfe, 2}, true),
		portLink(6, "eth0", "br-mds", instance.MAC{2, 2}, false),
	)
	host.ID = "a"
	at := func(n int, target string, home instance.Home) *instance.Instance {
		return change(porttest.Guest(n, target), func(g *instance.Instance) { g.Home = home })
	}
	guests := []*instance.Instance{
		at(1, "vnet1", instance.Home{HostID: "a"}),
		at(2, "vnet2", instance.Home{HostID: "b"}),
		at(3, "vnet3", instance.Home{HostID: "b"}),
	}
	plan := Make([]instance.Network{porttest.Network}, guests, host)
	got := map[string]Role{}
	for _, port := range plan.Ports {
		got[port.Name] = port.Role
	}
	if want := (map[string]Role{"vnet1": Guest, "vnet2": Stranger, "eth0": Uplink}); !maps.Equal(got, want) {
		t.Errorf("ports %v, want %v", got, want)
	}
	if !slices.Contains(plan.Reserved, guests[1].IPv4) {
		t.Error("the address of another host's guest is free to take")
	}
}

// The port's own address tells whose it is, where two records name it.
func TestPlanBelievesThePort(t *testing.T) {
	host := hostOf(portLink(4, "vnet1", "br-mds", tapMAC(porttest.MAC(1)), true))
	plan := Make([]instance.Network{porttest.Network}, []*instance.Instance{porttest.Guest(1, "vnet1"), porttest.Guest(2, "vnet1")}, host)
	if len(plan.Ports) != 1 || plan.Ports[0].Guest != "web1" {
		t.Errorf("the port is not that of web1:\n%s", plan)
	}
}

// While a guest starts anew, the port of its former run may still be there. Neither port
// is a stranger's.
func TestPlanOfAPortThatLingers(t *testing.T) {
	host := hostOf(portLink(4, "vnet1", "br-mds", tapMAC(porttest.MAC(1)), true), portLink(5, "vnet2", "br-mds", tapMAC(porttest.MAC(1)), true))
	plan := Make([]instance.Network{porttest.Network}, []*instance.Instance{porttest.Guest(1, "vnet2")}, host)
	if len(plan.Ports) != 2 || plan.Ports[0].Guest != "web1" || plan.Ports[1].Guest != "web1" {
		t.Errorf("not all ports are those of web1:\n%s", plan)
	}
}

func TestLinkLocal(t *testing.T) {
	if got := LinkLocal(instance.MAC{0x52, 0x54, 0, 0x12, 0x34, 0x56}).String(); got != "fe80::5054:ff:fe12:3456" {
		t.Error(got)
	}
}

func TestTapMAC(t *testing.T) {
	for guest, want := range map[instance.MAC]instance.MAC{{0x52, 1}: {0xfe, 1}, {0xfe, 1}: {0xfa, 1}} {
		if got := tapMAC(guest); got != want {
			t.Errorf("of %s it is %s, want %s", guest, got, want)
		}
	}
}

// A network whose bridge is not known has no ports: an interface of the host that is on
// no bridge is none of them.
func TestPlanWithoutABridge(t *testing.T) {
	unknown := instance.Network{Name: "mds", PortSecurity: true}
	host := hostOf(portLink(2, "eth0", "", instance.MAC{2, 2}, false), portLink(3, "tap0", "", instance.MAC{2, 3}, true))
	if plan := Make([]instance.Network{unknown}, []*instance.Instance{porttest.Guest(1, "vnet1")}, host); len(plan.Ports) > 0 {
		t.Errorf("there are ports:\n%s", plan)
	}
}

// TestPlanWithoutPortSecurity checks that a network without port security has no ports.
func TestPlanWithoutPortSecurity(t *testing.T) {
	lan := instance.Network{Name: "lan", Bridge: "br-lan"}
	host := hostOf(portLink(2, "tap0", "br-lan", instance.MAC{2, 2}, true), portLink(3, "tap1", "br-mds", instance.MAC{2, 3}, true))
	if plan := Make([]instance.Network{lan, porttest.Network}, nil, host); len(plan.Ports) != 1 || plan.Ports[0].Name != "tap1" {
		t.Errorf("the ports are:\n%s", plan)
	}
}

// Each network reserves the addresses of its own guests.
func TestPlanReservesOneNetwork(t *testing.T) {
	elsewhere := change(porttest.Guest(2, "vnet2"), func(g *instance.Instance) { g.Network, g.Interfaces[0].Network = "lan", "lan" })
	plan := Make([]instance.Network{porttest.Network}, []*instance.Instance{porttest.Guest(1, "vnet1"), elsewhere}, hostOf())
	if slices.Contains(plan.Reserved, elsewhere.IPv4) || slices.Contains(plan.Reserved, LinkLocal(elsewhere.MAC)) {
		t.Errorf("a network without port security reserves addresses:\n%s", plan)
	}
}

// An interface whose MAC address is not known yet has no port: it could send nothing.
func TestPlanWithoutAMAC(t *testing.T) {
	guest := change(porttest.Guest(1, "vnet1"), func(g *instance.Instance) { g.Interfaces[0].MAC = instance.MAC{} })
	plan := Make([]instance.Network{porttest.Network}, []*instance.Instance{guest}, hostOf(portLink(4, "vnet1", "br-mds", instance.MAC{0xfe, 1}, true)))
	if len(plan.Ports) != 1 || plan.Ports[0].Role != Stranger {
		t.Errorf("its port is not that of a stranger:\n%s", plan)
	}
}

// A record that was true once gives nobody a port: not that of a guest which is gone or
// away, nor one on a bridge of another network. Of two records that are true now, the
// newer one counts, and of two that are equally new always the same.
func TestPlanOfOldRecords(t *testing.T) {
	gone := func(state instance.PresenceState) func(*instance.Instance) {
		return func(g *instance.Instance) { g.Presence.State = state }
	}
	at := func(g *instance.Instance) { g.LastUpdate = porttest.Guest(1, "").LastUpdate }
	for name, tt := range map[string]struct {
		guests []*instance.Instance
		want   string
	}{
		"present":         {[]*instance.Instance{change(porttest.Guest(1, "vnet1"), gone(instance.Present))}, "web1"},
		"gone":            {[]*instance.Instance{change(porttest.Guest(1, "vnet1"), gone(instance.Gone))}, ""},
		"away":            {[]*instance.Instance{change(porttest.Guest(1, "vnet1"), gone(instance.Away))}, ""},
		"the newer first": {[]*instance.Instance{porttest.Guest(2, "vnet1"), porttest.Guest(1, "vnet1")}, "web2"},
		"the newer last":  {[]*instance.Instance{porttest.Guest(1, "vnet1"), porttest.Guest(2, "vnet1")}, "web2"},
		"equal":           {[]*instance.Instance{porttest.Guest(1, "vnet1"), change(porttest.Guest(2, "vnet1"), at)}, "web2"},
		"equal, reversed": {[]*instance.Instance{change(porttest.Guest(2, "vnet1"), at), porttest.Guest(1, "vnet1")}, "web2"},
	} {
		host := hostOf(portLink(4, "vnet1", "br-mds", instance.MAC{0xfe, 0x99}, true))
		plan := Make([]instance.Network{porttest.Network}, tt.guests, host)
		if len(plan.Ports) != 1 || plan.Ports[0].Guest != tt.want || (plan.Ports[0].Role == Guest) != (tt.want != "") {
			t.Errorf("%s: the port is not that of %q:\n%s", name, tt.want, plan)
		}
	}
}

func TestOn(t *testing.T) {
	lan := instance.Network{Name: "lan"}
	for name, tt := range map[string]struct {
		networks []instance.Network
		want     bool
	}{
		"no network":  {nil, false},
		"one without": {[]instance.Network{lan}, false},
		"one of two":  {[]instance.Network{lan, porttest.Network}, true},
	} {
		if got := On(tt.networks); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

// Addresses are listed once, in order, in the form that a frame has them.
func TestAddrSet(t *testing.T) {
	addr := netip.MustParseAddr
	got := addrSet([]netip.Addr{addr("fe80::1%br-mds"), {}, addr("10.0.0.2"), addr("::ffff:10.0.0.1"), addr("10.0.0.2"), addr("fe80::1")})
	if want := []netip.Addr{addr("10.0.0.1"), addr("10.0.0.2"), addr("fe80::1")}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// A guest keeps its own MAC address if a guest on another network has it, too.
// What it is allowed beside that must be no other guest's on any network.
func TestPlanOneMACOnTwoNetworks(t *testing.T) {
	lan := instance.Network{Name: "lan", Bridge: "br-lan", PortSecurity: true}
	on := func(network string) func(*instance.Instance) {
		return func(g *instance.Instance) {
			g.Network, g.MAC = network, porttest.MAC(1)
			g.Interfaces[0].Network, g.Interfaces[0].MAC = network, porttest.MAC(1)
		}
	}
	guests := []*instance.Instance{
		change(porttest.Guest(1, "vnet1", "allowed_addresses", "02:00:00:00:00:01"), on("mds")),
		change(porttest.Guest(2, "vnet2", "allowed_addresses", "02:00:00:00:00:02"), on("lan")),
		porttest.Guest(3, "vnet3", "allowed_addresses", porttest.MAC(1).String()),
	}
	host := hostOf(
		portLink(4, "vnet1", "br-mds", instance.MAC{0xfe, 1}, true),
		portLink(5, "vnet2", "br-lan", instance.MAC{0xfe, 2}, true),
		portLink(6, "vnet3", "br-mds", instance.MAC{0xfe, 3}, true),
	)
	want := map[string][]instance.MAC{
		"vnet1": {porttest.MAC(1), {2, 5: 1}}, "vnet2": {porttest.MAC(1), {2, 5: 2}}, "vnet3": {porttest.MAC(3)},
	}
	for _, port := range Make([]instance.Network{porttest.Network, lan}, guests, host).Ports {
		if !slices.Equal(port.MACs, want[port.Name]) {
			t.Errorf("%s may send from %v, want %v", port.Name, port.MACs, want[port.Name])
		}
		delete(want, port.Name)
	}
	if len(want) > 0 {
		t.Errorf("no ports for %v", want)
	}
}

// A guest may be allowed to send by one of its interfaces as by the other.
func TestPlanAllowsTheGuestsOwnMACs(t *testing.T) {
	guest := porttest.Guest(1, "vnet1", "allowed_addresses", porttest.MAC(2).String())
	guest.Interfaces = append(guest.Interfaces, instance.Interface{MAC: porttest.MAC(2), Network: "mds", Target: "vnet2"})
	host := hostOf(portLink(4, "vnet1", "br-mds", tapMAC(guest.MAC), true), portLink(5, "vnet2", "br-mds", tapMAC(porttest.MAC(2)), true))
	plan := Make([]instance.Network{porttest.Network}, []*instance.Instance{guest}, host)
	if len(plan.Ports) != 2 || !slices.Equal(plan.Ports[0].MACs, []instance.MAC{porttest.MAC(1), porttest.MAC(2)}) {
		t.Errorf("it may not:\n%s", plan)
	}
}

// Each of a guest's interfaces on a network sends from its own address alone.
func TestPlanTwoInterfacesOnOneNetwork(t *testing.T) {
	guest := porttest.Guest(1, "vnet1")
	second := instance.Attachment{Network: "mds", MAC: porttest.MAC(2), IPv4: netip.MustParseAddr("10.122.1.2")}
	guest.Further = []instance.Attachment{second}
	guest.Interfaces = append(guest.Interfaces, instance.Interface{MAC: second.MAC, Network: "mds", Target: "vnet2"})
	host := hostOf(
		portLink(4, "vnet1", "br-mds", tapMAC(guest.MAC), true),
		portLink(5, "vnet2", "br-mds", tapMAC(second.MAC), true),
	)
	plan := Make([]instance.Network{porttest.Network}, []*instance.Instance{guest}, host)
	want := map[string][]netip.Addr{
		"vnet1": {guest.IPv4, guest.IPv6, LinkLocal(guest.MAC)}, "vnet2": {second.IPv4, LinkLocal(second.MAC)},
	}
	for _, port := range plan.Ports {
		if !slices.Equal(port.Addrs, want[port.Name]) {
			t.Errorf("%s may send from %v, want %v", port.Name, port.Addrs, want[port.Name])
		}
		delete(want, port.Name)
	}
	if len(want) > 0 || !slices.Contains(plan.Reserved, second.IPv4) {
		t.Errorf("no ports for %v, reserved %v", want, plan.Reserved)
	}
}
