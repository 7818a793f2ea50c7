package plan

import (
	"flag"
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

// The port's own address tells whose it is, where two records name it.
func TestPlanBelievesThePort(t *testing.T) {
	host := hostOf(portLink(4, "vnet1", "br-mds", tapMAC(porttest.MAC(1)), true))
	plan := Make([]instance.Network{porttest.Network}, []*instance.Instance{porttest.Guest(1, "vnet1"), porttest.Guest(2, "vnet1")}, host)
	if len(plan.Ports) != 1 || plan.Ports[0].Guest != "web1" {
		t.Errorf("the port is not that of web1:\n%s", plan)
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
