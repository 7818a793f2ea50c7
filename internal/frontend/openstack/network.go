package openstack

import (
	"fmt"
	"net"
	"net/netip"

	"mdserver/internal/metadata"
)

// networkData is network_data.json. A link that the guest does not have would
// keep cloud-init from configuring any, and one without a network stays
// without configuration, so it has the interfaces whose addresses are ours to
// give and no others.
type networkData struct {
	Links    []link    `json:"links"`
	Networks []network `json:"networks"`
	Services []service `json:"services"`
}

type link struct {
	ID    string `json:"id"`
	VIFID string `json:"vif_id"`
	Type  string `json:"type"`
	MAC   string `json:"ethernet_mac_address"`
	MTU   int    `json:"mtu,omitempty"`
}

type network struct {
	ID        string    `json:"id"`
	Type      string    `json:"type"` // ipv4 or ipv6: static addresses
	Link      string    `json:"link"`
	Address   string    `json:"ip_address"`
	Netmask   string    `json:"netmask"`
	NetworkID string    `json:"network_id"`
	Routes    []route   `json:"routes"`
	Services  []service `json:"services,omitempty"`

	// Additions of cloud-init. With dns_search alone, cloud-init 22.4 writes no
	// DNS server for netplan.
	DNSSearch  []string `json:"dns_search,omitempty"`
	DNSServers []string `json:"dns_nameservers,omitempty"`
}

type route struct {
	Network string `json:"network"`
	Netmask string `json:"netmask"`
	Gateway string `json:"gateway"`
}

type service struct {
	Type    string `json:"type"`
	Address string `json:"address"`
}

func (f *Frontend) serveNetworkData(q request) {
	doc := metadata.New(q.guest, f.site)
	serveJSON(q.w, describeNetwork(&doc))
}

func describeNetwork(doc *metadata.Document) networkData {
	data := networkData{Links: []link{}, Networks: []network{}, Services: []service{}}
	for i, nic := range doc.Interfaces {
		if !nic.IPv4.IsValid() && !nic.IPv6.IsValid() {
			continue
		}
		data.addInterface(fmt.Sprintf("nic%d", i), nic, doc.MetadataAddress)
	}
	return data
}

func (d *networkData) addInterface(id string, nic metadata.Interface, server netip.Addr) {
	d.Links = append(d.Links, link{
		ID: id, VIFID: metadata.ResourceID("vif", nic.MAC.String()), Type: "phy", MAC: nic.MAC.String(), MTU: nic.MTU,
	})
	if nic.IPv4.IsValid() {
		d.addNetwork("ipv4", id, nic, nic.IPv4, routes(nic.IPv4, nic.Gateway4, server))
	}
	if nic.IPv6.IsValid() {
		d.addNetwork("ipv6", id, nic, nic.IPv6, routes(nic.IPv6, nic.Gateway6, server))
	}
}

func (d *networkData) addNetwork(kind, link string, nic metadata.Interface, addr netip.Prefix, routes []route) {
	n := network{
		ID: fmt.Sprintf("network%d", len(d.Networks)), Type: kind, Link: link,
		Address: addr.Addr().String(), Netmask: netmask(addr), Routes: routes,
		NetworkID: metadata.ResourceID("net", nic.Network),
	}
	for _, dns := range nic.DNS {
		if dns.Is4() == addr.Addr().Is4() {
			n.Services = append(n.Services, service{"dns", dns.String()})
		}
	}
	if n.DNSSearch = nic.Search; len(n.DNSSearch) > 0 {
		for _, dns := range n.Services {
			n.DNSServers = append(n.DNSServers, dns.Address)
		}
	}
	d.Networks = append(d.Networks, n)
	d.Services = append(d.Services, n.Services...)
}

// routes lead everywhere through the gateway, and to this server, too: its
// link-local address is beyond the gateway, as the DHCP options say.
func routes(addr netip.Prefix, gateway, server netip.Addr) []route {
	if !gateway.IsValid() {
		return []route{}
	}
	everywhere := netip.PrefixFrom(addr.Addr(), 0).Masked()
	list := []route{{everywhere.Addr().String(), netmask(everywhere), gateway.String()}}
	if server.Is4() && addr.Addr().Is4() && !server.IsUnspecified() && !addr.Masked().Contains(server) {
		list = append(list, route{server.String(), netmask(netip.PrefixFrom(server, 32)), gateway.String()})
	}
	return list
}

func netmask(p netip.Prefix) string {
	return net.IP(net.CIDRMask(p.Bits(), p.Addr().BitLen())).String()
}
