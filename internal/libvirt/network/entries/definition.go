// Package entries has the guests' entries in libvirt's definition of a network: it
// reads the definition, and plans the updates that make it hold the entries. It asks
// libvirt nothing.
package entries

import (
	"encoding/binary"
	"encoding/xml"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"mdserver/internal/instance"
)

// Definition is what mdserver reads of libvirt's definition of a network
// (https://libvirt.org/formatnetwork.html).
type Definition struct {
	Bridge   string
	Domain   string
	IPv4     netip.Prefix // the one on which DHCP is served
	Gateway  netip.Addr   // the host's address there
	ServeDNS bool
	MTU      int // of the bridge and the guests' interfaces; 0: not set
	Leases   int // how many addresses DHCP hands out at a time; 0 for no limit of libvirt's
	Hosts    []DHCPHost
	Names    []DNSHost
}

// DHCPHost is one <host> of <dhcp>: an address for a MAC.
type DHCPHost struct {
	MAC  instance.MAC
	IP   netip.Addr
	Name string
}

// DNSHost is one <host> of <dns>: names of an address.
type DNSHost struct {
	IP    netip.Addr
	Names []string
}

// Equal reports whether both entries have the same address and names.
func (h DNSHost) Equal(o DNSHost) bool { return h.IP == o.IP && slices.Equal(h.Names, o.Names) }

type networkXML struct {
	XMLName xml.Name `xml:"network"`
	Bridge  struct {
		Name string `xml:"name,attr"`
	} `xml:"bridge"`
	Domain struct {
		Name string `xml:"name,attr"`
	} `xml:"domain"`
	MTU struct {
		Size string `xml:"size,attr"`
	} `xml:"mtu"`
	DNS struct {
		Enable string       `xml:"enable,attr"`
		Hosts  []dnsHostXML `xml:"host"`
	} `xml:"dns"`
	IPs []ipXML `xml:"ip"`
}

type ipXML struct {
	Family  string   `xml:"family,attr"`
	Address string   `xml:"address,attr"`
	Netmask string   `xml:"netmask,attr"`
	Prefix  string   `xml:"prefix,attr"`
	DHCP    *dhcpXML `xml:"dhcp"`
}

type dhcpXML struct {
	Ranges []struct {
		Start string `xml:"start,attr"`
		End   string `xml:"end,attr"`
	} `xml:"range"`
	Hosts []dhcpHostXML `xml:"host"`
}

type dhcpHostXML struct {
	XMLName xml.Name `xml:"host"`
	MAC     string   `xml:"mac,attr,omitempty"`
	Name    string   `xml:"name,attr,omitempty"`
	IP      string   `xml:"ip,attr,omitempty"`
}

type dnsHostXML struct {
	XMLName xml.Name `xml:"host"`
	IP      string   `xml:"ip,attr"`
	Names   []string `xml:"hostname"`
}

// Parse reads what `virsh net-dumpxml` prints. It ignores entries that mdserver
// could not have made, such as those for DHCPv6.
func Parse(text string) (Definition, error) {
	var doc networkXML
	if err := xml.Unmarshal([]byte(text), &doc); err != nil {
		return Definition{}, fmt.Errorf("the network's definition: %w", err)
	}
	d := Definition{Bridge: doc.Bridge.Name, Domain: doc.Domain.Name, ServeDNS: doc.DNS.Enable != "no"}
	if mtu, err := strconv.ParseUint(doc.MTU.Size, 10, 16); err == nil {
		d.MTU = int(mtu)
	}
	ip, ok := doc.dhcp4()
	if !ok {
		return d, nil
	}
	var err error
	if d.IPv4, d.Gateway, err = ip.prefix(); err != nil {
		return d, err
	}
	if ip.DHCP != nil {
		d.Leases = ip.DHCP.leases()
		for _, host := range ip.DHCP.Hosts {
			d.Hosts = append(d.Hosts, host.entry())
		}
	}
	for _, host := range doc.DNS.Hosts {
		d.Names = append(d.Names, host.entry())
	}
	return d, nil
}

// dhcp4 finds the IPv4 network with DHCP, else the first one, as libvirt does
// with an entry that names none.
func (doc networkXML) dhcp4() (ipXML, bool) {
	ipv4 := slices.DeleteFunc(slices.Clone(doc.IPs), func(ip ipXML) bool { return ip.Family == "ipv6" })
	for _, ip := range ipv4 {
		if ip.DHCP != nil {
			return ip, true
		}
	}
	if len(ipv4) == 0 {
		return ipXML{}, false
	}
	return ipv4[0], true
}

func (ip ipXML) prefix() (netip.Prefix, netip.Addr, error) {
	addr, _ := netip.ParseAddr(ip.Address)
	if !addr.Is4() {
		return netip.Prefix{}, netip.Addr{}, fmt.Errorf("the network's address %q is not an IPv4 address", ip.Address)
	}
	bits, err := ip.bits(addr)
	if err != nil {
		return netip.Prefix{}, netip.Addr{}, err
	}
	prefix, err := addr.Prefix(bits)
	return prefix, addr, err
}

// bits is the length of the prefix. Without netmask and prefix it follows from
// the address's class, as libvirt has it.
// Source: virSocketAddrGetIPPrefix in libvirt's src/util/virsocketaddr.c.
func (ip ipXML) bits(addr netip.Addr) (int, error) {
	switch {
	case ip.Prefix != "":
		bits, err := strconv.ParseUint(ip.Prefix, 10, 8)
		if err != nil {
			return 0, fmt.Errorf("the prefix %q of the network %s is not a whole number", ip.Prefix, addr)
		}
		return int(bits), nil
	case ip.Netmask != "":
		mask := net.IPMask(net.ParseIP(ip.Netmask).To4())
		bits, length := mask.Size()
		if length == 0 {
			return 0, fmt.Errorf("%q is not a netmask, in the network %s", ip.Netmask, addr)
		}
		return bits, nil
	}
	switch first := addr.As4()[0]; {
	case first < 128:
		return 8, nil
	case first < 192:
		return 16, nil
	case first < 224:
		return 24, nil
	}
	return 0, fmt.Errorf("the network of %s has neither netmask nor prefix", addr)
}

// leases is how many leases libvirt's dnsmasq grants at a time: as many as the
// ranges have addresses, entries for hosts outside of them included.
// Source: virNetworkDnsmasqConfContents, which writes dhcp-lease-max, in
// libvirt's src/network/bridge_driver.c.
func (d *dhcpXML) leases() int {
	total := 0
	for _, r := range d.Ranges {
		first, _ := netip.ParseAddr(r.Start)
		last, _ := netip.ParseAddr(r.End)
		if !first.Is4() || !last.Is4() || last.Less(first) {
			continue
		}
		from, to := first.As4(), last.As4()
		total += int(binary.BigEndian.Uint32(to[:])) - int(binary.BigEndian.Uint32(from[:])) + 1
	}
	return total
}

func (h dhcpHostXML) entry() DHCPHost {
	mac, _ := instance.ParseMAC(h.MAC)
	ip, _ := netip.ParseAddr(h.IP)
	return DHCPHost{MAC: mac, IP: ip, Name: h.Name}
}

func (h dnsHostXML) entry() DNSHost {
	ip, _ := netip.ParseAddr(h.IP)
	names := make([]string, 0, len(h.Names))
	for _, name := range h.Names {
		names = append(names, strings.TrimSpace(name))
	}
	return DNSHost{IP: ip, Names: names}
}

// xml writes the entry as an update of the network takes it.
func (h DHCPHost) xml() string {
	return marshal(dhcpHostXML{MAC: h.MAC.String(), Name: h.Name, IP: h.IP.String()})
}

func (h DNSHost) xml() string { return marshal(dnsHostXML{IP: h.IP.String(), Names: h.Names}) }

func marshal(v any) string {
	text, err := xml.Marshal(v)
	if err != nil { // these types cannot fail
		return ""
	}
	return string(text)
}
