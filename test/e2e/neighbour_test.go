//go:build e2e

package e2e

import (
	"strings"
	"testing"

	"mdserver/test/lab"
)

const (
	libvirtBridge = "virbr0"
	libvirtMAC    = "52:54:00:22:22:22"
)

// libvirtDnsmasq is the configuration with which libvirt runs dnsmasq for its
// network "default".
const libvirtDnsmasq = `strict-order
no-daemon
pid-file=
user=root
except-interface=lo
bind-dynamic
interface=virbr0
dhcp-range=192.168.122.2,192.168.122.254,255.255.255.0
dhcp-no-override
dhcp-authoritative
dhcp-lease-max=253
leasefile-ro
`

// libvirt's own DHCP network lives on the same host, whichever of the two
// starts first, and each serves its own guests.
func TestBesideLibvirtsDnsmasq(t *testing.T) {
	t.Parallel()
	for _, order := range []string{"libvirt first", "mdserver first"} {
		t.Run(order, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			if err := l.AddBridge(suite.ctx, libvirtBridge, "192.168.122.1/24"); err != nil {
				t.Fatal(err)
			}
			var s *lab.Server
			if order == "libvirt first" {
				startLibvirtDnsmasq(t, l)
				s = startServer(t, l, l.Config())
			} else {
				s = startServer(t, l, l.Config())
				if _, err := s.DnsmasqChild(suite.ctx); err != nil {
					t.Fatal(err)
				}
				startLibvirtDnsmasq(t, l)
			}
			web1 := register(t, s, "web1")
			_, ours := boot(t, l, web1)
			equal(t, "our guest's address", ours.IP.String(), web1.IPv4.String())
			equal(t, "our guest's router", ours.Router, lab.Gateway)

			other, err := l.AddGuestOn(suite.ctx, libvirtBridge, "other", libvirtMAC)
			if err != nil {
				t.Fatal(err)
			}
			theirs := dhcp(t, other)
			if !strings.HasPrefix(theirs.IP.String(), "192.168.122.") || theirs.Router != "192.168.122.1" {
				t.Errorf("libvirt's guest has %s by %s, want 192.168.122.* by 192.168.122.1", theirs.IP, theirs.Router)
			}
			if child, err := s.DnsmasqChild(suite.ctx); err != nil {
				t.Errorf("mdserver's dnsmasq: %v (%d)", err, child)
			}
		})
	}
}

func startLibvirtDnsmasq(t *testing.T, l *lab.Lab) {
	t.Helper()
	conf, err := l.WriteFile("libvirt-dnsmasq.conf", libvirtDnsmasq)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Host.Start("libvirt-dnsmasq", nil, "dnsmasq", "--conf-file="+conf); err != nil {
		t.Fatal(err)
	}
}
