//go:build e2e

package e2e

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"mdserver/test/lab"
)

// A guest that has IPv6 alone gets its address by DHCPv6 and its route by a
// router advertisement, finds its metadata at both addresses, and has a name.
func TestGuestWithIPv6Alone(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	if err := l.AddIPv6(suite.ctx); err != nil {
		t.Fatal(err)
	}
	s := startServer(t, l, l.Config().Set("dnsmasq", "net_address6", lab.Network6))
	web1, web2 := register(t, s, "web1"), register(t, s, "web2")
	guest, addr := bootIPv6(t, l, web1)
	equal(t, "the address", addr.String(), web1.IPv6.String())

	for _, server := range []string{lab.MetadataAddr6, lab.MetadataLinkLocal} {
		for path, want := range map[string]string{
			"/latest/meta-data/instance-id":    web1.InstanceID,
			"/latest/meta-data/local-hostname": "web1",
			"/openstack/latest/meta_data.json": `"uuid":"` + web1.UUID + `"`,
			"/nocloud/meta-data":               "instance-id: " + web1.InstanceID + "\n",
			"/latest/user-data":                "#cloud-config\n",
		} {
			body, err := guest.GetFrom(suite.ctx, server, path)
			if err != nil {
				t.Errorf("%s from %s: %v", path, server, err)
				continue
			}
			contains(t, path+" from "+server, body, want)
		}
	}
	checkNames6(t, guest, web2)
	if log := l.Logs(); strings.Contains(log, "duplicate IP address") {
		t.Error("dnsmasq finds an address twice in its files")
	}
}

func bootIPv6(t *testing.T, l *lab.Lab, guest shown) (*lab.Guest, netip.Addr) {
	t.Helper()
	g, err := l.AddGuest(suite.ctx, guest.Name, guest.MAC)
	if err != nil {
		t.Fatal(err)
	}
	addr, err := g.StartDHCPv6(suite.ctx)
	if err != nil {
		t.Fatal(err)
	}
	return g, addr
}

// checkNames6 resolves the other guest's name to its IPv6 address, and back.
func checkNames6(t *testing.T, from *lab.Guest, other shown) {
	t.Helper()
	found, err := from.Output(suite.ctx, "getent", "ahostsv6", other.Hostname)
	if err != nil {
		t.Errorf("resolving %s: %v", other.Hostname, err)
	}
	contains(t, other.Hostname, found, other.IPv6.String())
	names, err := from.Reverse(suite.ctx, other.IPv6.String())
	if err != nil {
		t.Errorf("resolving %s: %v", other.IPv6, err)
		return
	}
	equal(t, "the name of "+other.IPv6.String(), names[0], other.Hostname+".example.net")
}

// libvirt makes the bridge anew whenever its network is started: the server
// finds it again, the link-local address too.
func TestBridgeMadeAnew(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := startServer(t, l, l.Config().Set("dnsmasq", "net_address6", lab.Network6).Set("mdserver", "listen_address", "127.0.0.1"))
	web1 := register(t, s, "web1")
	if err := l.Host.IP(suite.ctx, "link", "del", lab.Bridge); err != nil {
		t.Fatal(err)
	}
	if err := l.AddBridge(suite.ctx, lab.Bridge, lab.Gateway+"/"+lab.Prefix); err != nil {
		t.Fatal(err)
	}
	if err := l.AddIPv6(suite.ctx); err != nil {
		t.Fatal(err)
	}
	guest, _ := bootIPv6(t, l, web1)
	for _, server := range []string{lab.MetadataAddr6, lab.MetadataLinkLocal} {
		eventually(t, "an answer from "+server, func(ctx context.Context) error {
			_, err := guest.GetFrom(ctx, server, "/latest/meta-data/instance-id")
			return err
		})
	}
}
