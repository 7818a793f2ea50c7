package content

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// Names under which dnsmasq tells what it has read. The top-level domain
// invalid is reserved (RFC 6761, 6.4): no name of the world can be hidden.
const (
	markerZone = "mdserver.invalid"
	// ConfigName is a TXT record in the configuration: its digest. It tells
	// a dnsmasq that runs with the present configuration from one that was
	// started with another, such as the Python mdserver's.
	ConfigName = "config." + markerZone
	// LiveName is an AAAA record in the compact hosts file: the digest of all
	// that dnsmasq reads at SIGHUP.
	LiveName = "live." + markerZone
	// ChildRecord is on the command line of a dnsmasq that mdserver started,
	// and of no other.
	ChildRecord = "--txt-record=child." + markerZone + ",mdserver"
)

const fileHeader = "# Written by mdserver, which will overwrite it. Change mdserver's configuration\n# in /etc/mdserver instead.\n"

// leastLeases is dnsmasq's own default of dhcp-lease-max.
const leastLeases = 1000

// Configuration is the text of mds.conf, and the digest it answers with.
func (s Settings) Configuration() (text, digest string) {
	c := &directives{}
	c.identity(s)
	c.listening(s)
	c.dns(s)
	c.local(s)
	c.rebind(s)
	c.dhcp(s)
	c.WriteString(s.Lines)
	digest = digestOf(c.String())
	c.add("txt-record", ConfigName+","+digest)
	return fileHeader + c.String(), digest
}

func digestOf(parts ...string) string {
	sum := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(sum, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// directives collects lines of dnsmasq's configuration.
type directives struct{ strings.Builder }

func (c *directives) add(name string, value ...string) {
	c.WriteString(name)
	if len(value) > 0 {
		c.WriteByte('=')
		c.WriteString(strings.Join(value, ","))
	}
	c.WriteByte('\n')
}

func (c *directives) identity(s Settings) {
	if s.RunsAs != "" {
		c.add("user", s.RunsAs)
	}
	if s.RunsAsGroup != "" {
		c.add("group", s.RunsAsGroup)
	}
	c.add("pid-file", s.ExternalPIDFile())
}

// listening binds to single addresses, as they come and go, so that libvirt's
// own dnsmasq can live beside ours, and the network may come up after us.
func (c *directives) listening(s Settings) {
	c.add("bind-dynamic")
	c.add("interface", s.Interface)
	if s.Interface != "lo" {
		c.add("except-interface", "lo")
	}
	if s.ListenAddress.IsValid() {
		c.add("listen-address", s.ListenAddress.String())
	}
}

// dns serves the guests' names, and those of this host's /etc/hosts if that is
// asked for: a host's own name often has an address there that is of no use to
// others, such as 127.0.1.1. The domain is bound to the guests' networks, so
// that expand-hosts leaves the names of /etc/hosts alone, and what is not known
// of it goes to no other server.
func (c *directives) dns(s Settings) {
	c.add("strict-order")
	c.add("expand-hosts")
	if !s.ServeHosts {
		c.add("no-hosts")
	}
	if s.Domain != "" {
		c.add("domain", s.Domain, s.Network.String(), "local")
		if s.Network6.IsValid() {
			c.add("domain", s.Domain, s.Network6.String(), "local")
		}
	}
	c.add("addn-hosts", s.DNSFile())
	c.add("hostsdir", s.DNSDir())
}

// dhcp serves known guests only, and is authoritative: a guest that renews a
// lease which dnsmasq no longer remembers is answered. Leases are therefore
// kept in memory only (leasefile-ro): a restart forgets the stale ones.
func (c *directives) dhcp(s Settings) {
	c.add("leasefile-ro")
	c.add("dhcp-authoritative")
	c.add("dhcp-no-override")
	c.add("dhcp-ignore-names")
	c.add("dhcp-match", "set:"+declineTag, fmt.Sprintf("%d,%db", dhcpMessageType, dhcpDecline))
	c.add("dhcp-lease-max", fmt.Sprint(s.mostLeases()))
	c.add("dhcp-range", s.Network.Addr().String(), "static", netmask(s.Network), s.leaseSeconds())
	if s.Network6.IsValid() {
		c.add("enable-ra")
		c.advertisements(s)
		c.add("dhcp-range", s.Network6.Addr().String(), "static", fmt.Sprint(s.Network6.Bits()), s.leaseSeconds())
	}
	if s.Boot != "" {
		c.add("dhcp-boot", s.Boot)
	}
	c.add("dhcp-hostsfile", s.DHCPFile())
	c.add("dhcp-hostsdir", s.DHCPDir())
	c.add("dhcp-optsfile", s.OptionsFile())
}

// A client that finds its address in use by another machine says so by DHCPDECLINE
// (RFC 2131, 3.1.5). dnsmasq then disables a static address for ten minutes, and
// believes any neighbour that says it in a guest's name. A guest has no other
// address, so disabling it does not help.
//
// For DHCPv4 the message is matched by its type (option 53) and gets a tag;
// the lines of the guests count only for messages without that tag, so that
// dnsmasq finds no static address to disable. DHCPv6 has the type outside of
// its options.
const (
	declineTag      = "declined"
	dhcpMessageType = 53
	dhcpDecline     = 4
)

func (s Settings) leaseSeconds() string { return fmt.Sprintf("%d", int64(s.lease().Seconds())) }

// mostLeases lets every address of the network be leased, IPv6 too.
func (s Settings) mostLeases() int {
	leases := 1 << (32 - s.Network.Bits())
	if s.Network6.IsValid() {
		leases *= 2
	}
	return max(leases, leastLeases)
}

func netmask(p netip.Prefix) string {
	return net.IP(net.CIDRMask(p.Bits(), p.Addr().BitLen())).String()
}

// raInterval is dnsmasq's own default of the seconds between router
// advertisements.
const raInterval = 600

// advertisements make this host a router of low preference (RFC 4191) on all
// networks but the first. Router advertisements are for all guests of a network
// alike, so they cannot say that a guest has its default route elsewhere.
func (c *directives) advertisements(s Settings) {
	var params []string
	if s.MTU >= leastMTU6 {
		params = append(params, fmt.Sprintf("mtu:%d", s.MTU))
	}
	if s.Further {
		params = append(params, "low")
	}
	if len(params) > 0 {
		c.add("ra-param", append(append([]string{s.Interface}, params...), fmt.Sprint(raInterval))...)
	}
}

// leastMTU6 is the smallest MTU of IPv6 (RFC 8200, 5).
const leastMTU6 = 1280
