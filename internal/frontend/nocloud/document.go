package nocloud

import (
	"fmt"
	"net/netip"

	"mdserver/internal/metadata"
)

// metaData is meta-data. The name is there twice: cloud-init reads
// local-hostname, Alpine's tiny-cloud and Talos read hostname.
type metaData struct {
	InstanceID       string            `yaml:"instance-id"`
	LocalHostname    string            `yaml:"local-hostname"`
	Hostname         string            `yaml:"hostname"`
	AvailabilityZone string            `yaml:"availability-zone,omitempty"`
	PublicKeys       []string          `yaml:"public-keys,omitempty"`
	Tags             map[string]string `yaml:"tags,omitempty"`
}

func describe(doc *metadata.Document) metaData {
	m := metaData{
		InstanceID: doc.InstanceID, LocalHostname: doc.Hostname, Hostname: doc.Hostname,
		AvailabilityZone: doc.Location, Tags: doc.Tags,
	}
	for _, key := range doc.PublicKeys {
		m.PublicKeys = append(m.PublicKeys, key.Key)
	}
	return m
}

// networkConfig is network-config, version 2. It has the interfaces on served
// networks; nothing else is known about the others, and trying DHCP on them could
// delay the boot. The addresses are static: a guest keeps them for life, and
// starts without DHCP. An interface without an address uses DHCP.
type networkConfig struct {
	Version   int                 `yaml:"version"`
	Ethernets map[string]ethernet `yaml:"ethernets,omitempty"`
}

type ethernet struct {
	Match struct {
		MAC string `yaml:"macaddress"`
	} `yaml:"match"`
	MTU         int          `yaml:"mtu,omitempty"`
	DHCP4       bool         `yaml:"dhcp4"`
	DHCP6       bool         `yaml:"dhcp6"`
	AcceptRA    *bool        `yaml:"accept-ra,omitempty"`
	Addresses   []string     `yaml:"addresses,omitempty"`
	Routes      []route      `yaml:"routes,omitempty"`
	Nameservers *nameservers `yaml:"nameservers,omitempty"`
}

type route struct {
	To  string `yaml:"to"`
	Via string `yaml:"via"`
}

type nameservers struct {
	Addresses []string `yaml:"addresses"`
	Search    []string `yaml:"search,omitempty"`
}

// describeNetwork names no interface: cloud-init from 24.3 on, which is the first
// to read this over HTTP, has them up by then and cannot rename them, and it finds
// their names by their MACs (network_state.py, handle_ethernets).
func describeNetwork(doc *metadata.Document) networkConfig {
	config := networkConfig{Version: 2, Ethernets: map[string]ethernet{}}
	for i, nic := range doc.Interfaces {
		if !nic.Primary && !nic.IPv4.IsValid() && !nic.IPv6.IsValid() {
			continue
		}
		config.Ethernets[fmt.Sprintf("eth%d", i)] = describeInterface(nic, doc.MetadataAddress)
	}
	return config
}

func describeInterface(nic metadata.Interface, server netip.Addr) ethernet {
	e := ethernet{MTU: nic.MTU, Nameservers: dns(nic)}
	e.Match.MAC = nic.MAC.String()
	if nic.IPv4.IsValid() {
		e.Addresses = append(e.Addresses, nic.IPv4.String())
		e.Routes = append(e.Routes, routes4(nic, server)...)
	}
	if nic.IPv6.IsValid() {
		// Router advertisements stay on where the default route is: some of
		// cloud-init's renderers make ::/64 of the route to ::/0 (22.4.2,
		// _normalize_net_keys). Elsewhere they would bring a second one.
		if nic.NoRoute6 {
			e.AcceptRA = new(bool)
		}
		e.Addresses = append(e.Addresses, nic.IPv6.String())
		if nic.Gateway6.IsValid() {
			e.Routes = append(e.Routes, route{"::/0", nic.Gateway6.String()})
		}
	}
	e.DHCP4 = len(e.Addresses) == 0
	return e
}

// routes4 lead everywhere through the gateway, and to this server, too: its
// link-local address is beyond the gateway, as the DHCP options say.
func routes4(nic metadata.Interface, server netip.Addr) []route {
	if !nic.Gateway4.IsValid() {
		return nil
	}
	list := []route{{"0.0.0.0/0", nic.Gateway4.String()}}
	if server.Is4() && !server.IsUnspecified() && !nic.IPv4.Masked().Contains(server) {
		list = append(list, route{server.String() + "/32", nic.Gateway4.String()})
	}
	return list
}

// dns are the servers that the interface can reach.
func dns(nic metadata.Interface) *nameservers {
	n := &nameservers{}
	for _, addr := range nic.DNS {
		if addr.Is4() && nic.IPv4.IsValid() || addr.Is6() && nic.IPv6.IsValid() {
			n.Addresses = append(n.Addresses, addr.String())
		}
	}
	if len(n.Addresses) == 0 {
		return nil
	}
	n.Search = nic.Search
	return n
}
