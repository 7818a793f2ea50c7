//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"mdserver/test/lab"
)

// smallNetwork has no DNS, no netmask, and a range of two addresses.
const smallNetwork = `<network>
  <name>default</name>
  <forward mode='nat'/>
  <bridge name='virbr0' stp='off' delay='0'/>
  <dns enable='no'/>
  <ip address='192.168.122.1'>
    <dhcp><range start='192.168.122.100' end='192.168.122.101'/></dhcp>
  </ip>
</network>`

// TestNetworkOfLibvirtWithoutDNS: guests get the addresses that mdserver says,
// though libvirt takes no names for them, and what libvirt's DHCP cannot do is
// reported.
func TestNetworkOfLibvirtWithoutDNS(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	v, err := l.StartLibvirt(suite.ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = v.Virsh(context.Background(), "net-destroy", "default") })
	if err := v.StartNetwork(suite.ctx, "default", smallNetwork); err != nil {
		t.Fatal(err)
	}
	if err := l.Host.IP(suite.ctx, "link", "delete", lab.Bridge); err != nil {
		t.Fatal(err)
	}
	c := l.Config().Set("network default", "backend", "libvirt").Set("libvirt", "uri", v.URI)
	for _, key := range []string{"net_name", "net_address", "net_prefix", "gateway", "interface"} {
		delete(c["dnsmasq"], key)
	}
	s := startServer(t, l, c)

	for _, number := range []string{"1", "2"} {
		name, mac := "small"+number, "52:54:00:51:00:0"+number
		uploadXML(t, s, domainOnDefault(name, number, mac, ""))
		guest := show(t, s, name)
		g, err := l.AddGuestOn(suite.ctx, "virbr0", name, mac)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "the DHCP address of "+name, dhcp(t, g).IP.String(), guest.IPv4.String())
		equal(t, "the metadata of "+name, get(t, g, "/latest/meta-data/local-hostname"), name)
	}
	contains(t, "the reason of an address", explained(t, s, "small1").Addresses[0].Why, "hash of the UUID")
	if status := command(t, s, "status"); strings.Contains(status, "leases") {
		t.Errorf("there is a lease for each guest, but the status is\n%s", status)
	}

	uploadXML(t, s, domainOnDefault("small3", "3", "52:54:00:51:00:03", ""))
	eventually(t, "the status says that the range is too small", func(ctx context.Context) error {
		out, err := s.Run(ctx, nil, "network", "ls", "--json")
		if err == nil && !strings.Contains(out, "3 interfaces of guests are on the network, but its DHCP range limits libvirt to 2 leases") {
			err = fmt.Errorf("network ls: %s", out)
		}
		return err
	})
	report, _ := s.Run(suite.ctx, nil, "doctor") // other things may be wrong in a lab
	contains(t, "doctor", report, "2 leases of libvirt's DHCP range", "virsh net-edit default")
}
