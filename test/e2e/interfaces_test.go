//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"

	"mdserver/test/lab"
)

const (
	twinFirst  = "52:54:00:52:00:01"
	twinSecond = "52:54:00:52:00:02"
)

// twin is a guest with these interfaces, all on the network mds.
func twin(macs ...string) string {
	var nics strings.Builder
	for _, mac := range macs {
		fmt.Fprintf(&nics, "<interface type='network'><mac address='%s'/><source network='mds'/></interface>", mac)
	}
	return `<domain type='kvm'><name>twin</name><uuid>7e5a544d-d555-4133-a443-8229415b5201</uuid><devices>` +
		nics.String() + `</devices></domain>`
}

// A guest with two interfaces on one network has an address by each, by DHCP and
// in its metadata, and keeps them when one is unplugged and plugged again.
func TestTwoInterfacesOnOneNetwork(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	if err := l.AddIPv6(suite.ctx); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, l, l.Config().Set("dnsmasq", "net_address6", lab.Network6))
	uploadXML(t, s, twin(twinFirst, twinSecond))
	first := show(t, s, "twin")
	places := further(t, s, "twin")
	if len(places) != 1 || places[0].Network != "mds" || places[0].MAC != twinSecond || places[0].IPv4 == first.IPv4 {
		t.Fatalf("the guest is also on %+v", places)
	}
	second := places[0].IPv4.String()

	eth0, err := l.AddGuest(suite.ctx, "twin", twinFirst)
	if err != nil {
		t.Fatal(err)
	}
	eth1, err := eth0.AddInterface(suite.ctx, lab.Bridge, "eth1", twinSecond)
	if err != nil {
		t.Fatal(err)
	}
	lease0, lease1 := dhcp(t, eth0), dhcp(t, eth1)
	equal(t, "the first interface's address by DHCP", lease0.IP.String(), first.IPv4.String())
	equal(t, "the second interface's address by DHCP", lease1.IP.String(), second)
	for dev, want := range map[*lab.Guest]string{eth0: first.IPv6.String(), eth1: places[0].IPv6.String()} {
		got, err := dev.StartDHCPv6(suite.ctx)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "the address of "+dev.MAC+" by DHCPv6", got.String(), want)
	}
	equal(t, "the default route by the first", lease0.Routes["0.0.0.0/0"], lab.Gateway)
	equal(t, "the default route by the second", lease1.Routes["0.0.0.0/0"], "")
	equal(t, "the name", strings.Join(lookup(t, eth0, lab.Gateway, "twin.example.net"), " "), first.IPv4.String())
	equal(t, "the metadata", get(t, eth0, "/latest/meta-data/local-ipv4"), first.IPv4.String())

	macs := "/latest/meta-data/network/interfaces/macs/"
	equal(t, "EC2's interfaces", get(t, eth0, macs), twinFirst+"/\n"+twinSecond+"/")
	equal(t, "EC2's first address", get(t, eth0, macs+twinFirst+"/local-ipv4s"), first.IPv4.String())
	equal(t, "EC2's second address", get(t, eth0, macs+twinSecond+"/local-ipv4s"), second)
	nocloud := get(t, eth0, "/nocloud/network-config")
	contains(t, "NoCloud's networks", nocloud, twinFirst, twinSecond, first.IPv4.String()+"/16", second+"/16")
	if strings.Count(nocloud, "0.0.0.0/0") != 1 {
		t.Errorf("NoCloud's networks have not one default route:\n%s", nocloud)
	}
	openstack := get(t, eth0, "/openstack/latest/network_data.json")
	contains(t, "OpenStack's networks", openstack, `"ip_address":"`+first.IPv4.String()+`"`, `"ip_address":"`+second+`"`)
	shownText := command(t, s, "instance", "show", "twin")
	contains(t, "what is shown", shownText, twinFirst+" on mds: "+first.IPv4.String(), twinSecond+" on mds: "+second)
	contains(t, "the list", command(t, s, "instance", "ls"), first.IPv4.String())
	contains(t, "what is explained", command(t, s, "explain", "twin"), first.IPv4.String(), second)

	eth1.StopDHCP()
	uploadXML(t, s, twin(twinFirst))
	if places := further(t, s, "twin"); len(places) != 0 {
		t.Errorf("without the second interface the guest is also on %+v", places)
	}
	if answered, err := eth1.TryDHCP(suite.ctx); err != nil || answered {
		t.Errorf("the interface that was unplugged gets a lease: %v, %v", answered, err)
	}
	uploadXML(t, s, twin(twinFirst, twinSecond))
	equal(t, "the second interface's address after it is plugged again", dhcp(t, eth1).IP.String(), second)

	if err := s.Stop(stopTime); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(suite.ctx); err != nil {
		t.Fatal(err)
	}
	again := further(t, s, "twin")
	if len(again) != 1 || again[0] != places[0] {
		t.Errorf("after a restart the guest is also on %+v, was on %+v", again, places)
	}
	command(t, s, "instance", "rm", "twin")
	for _, nic := range []*lab.Guest{eth0, eth1} {
		nic.StopDHCP()
		if answered, err := nic.TryDHCP(suite.ctx); err != nil || answered {
			t.Errorf("the interface %s of a guest that was removed gets a lease: %v, %v", nic.MAC, answered, err)
		}
	}
}
