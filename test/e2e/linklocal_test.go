//go:build e2e

package e2e

import (
	"testing"

	"mdserver/test/lab"
)

// A guest that has given itself an address of 169.254.0.0/16, as some do before
// or without DHCP, is known by its MAC, once this host has a route back to it:
// the network's sample has /32 and says that /16 makes one.
func TestGuestWithLinkLocalIPv4(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config())
	web1, web2 := register(t, s, "web1"), register(t, s, "web2")
	guest, err := l.AddGuest(suite.ctx, web1.Name, web1.MAC)
	if err != nil {
		t.Fatal(err)
	}
	if err := guest.IP(suite.ctx, "address", "add", "169.254.7.7/16", "dev", "eth0"); err != nil {
		t.Fatal(err)
	}
	const path = "/latest/meta-data/instance-id"
	if out, err := guest.Output(suite.ctx, "curl", "--silent", "--max-time", "2", "http://"+lab.MetadataAddr+path); err == nil {
		t.Errorf("without a route back it gets %q: say so no more", out)
	}
	for _, args := range [][]string{
		{"address", "delete", lab.MetadataAddr + "/32", "dev", lab.Bridge},
		{"address", "add", lab.MetadataAddr + "/16", "dev", lab.Bridge},
	} {
		if err := l.Host.IP(suite.ctx, args...); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "the instance-id by a link-local address", get(t, guest, path), web1.InstanceID)
	// Another guest by its MAC is another one, and by its DHCP address as before.
	other, _ := boot(t, l, web2)
	equal(t, "the other guest's instance-id", get(t, other, path), web2.InstanceID)
	if err := other.IP(suite.ctx, "address", "flush", "dev", "eth0"); err != nil {
		t.Fatal(err)
	}
	if err := other.IP(suite.ctx, "address", "add", "169.254.7.8/16", "dev", "eth0"); err != nil {
		t.Fatal(err)
	}
	equal(t, "the other guest's instance-id by a link-local address", get(t, other, path), web2.InstanceID)
}
