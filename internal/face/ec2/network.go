package ec2

import "mdserver/internal/metadata"

// network is network/interfaces/macs/{mac}/ for the interface on the metadata
// network. cloud-init takes it whole or not at all (22.4.2,
// DataSourceEc2.convert_ec2_metadata_network_config): without it there is a
// warning and DHCP on whichever interface comes first, so it is there for
// every guest that has an IPv4 address.
func network(d *metadata.Document) []entry {
	if !d.LocalIPv4.IsValid() || !d.Network.IPv4.IsValid() {
		return nil
	}
	return []entry{directory("interfaces/", directory("macs/", directory(d.MAC.String()+"/", interfaceLeaves...)))}
}

var interfaceLeaves = []entry{
	{name: "device-number", value: func(*metadata.Document) string { return "0" }},
	{name: "interface-id", value: func(d *metadata.Document) string { return metadata.ResourceID("eni", d.MAC.String()) }},
	{name: "local-hostname", value: func(d *metadata.Document) string { return d.Hostname }},
	{name: "local-ipv4s", value: localIPv4},
	{name: "mac", value: func(d *metadata.Document) string { return d.MAC.String() }},
	{name: "network-card-index", value: func(*metadata.Document) string { return "0" }},
	{name: "subnet-id", value: func(d *metadata.Document) string { return metadata.ResourceID("subnet", d.Network.Name) }},
	{name: "subnet-ipv4-cidr-block", value: cidrBlock},
	{name: "vpc-id", value: func(d *metadata.Document) string { return metadata.ResourceID("vpc", d.Network.Name) }},
	{name: "vpc-ipv4-cidr-block", value: cidrBlock},
	{name: "vpc-ipv4-cidr-blocks", value: cidrBlock},
}

func cidrBlock(d *metadata.Document) string { return d.Network.IPv4.String() }

// directory is a directory whose entries do not depend on the guest.
func directory(name string, entries ...entry) entry {
	return entry{name: name, dir: func(*metadata.Document) []entry { return entries }}
}
