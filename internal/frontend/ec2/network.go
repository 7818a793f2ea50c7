package ec2

import (
	"net/netip"
	"slices"
	"strconv"

	"mdserver/internal/metadata"
)

// interfaces is network/interfaces/macs/ with the guest's interfaces on served
// networks. cloud-init takes it whole or not at all (22.4.2,
// DataSourceEc2.convert_ec2_metadata_network_config): without it there is a
// warning and DHCP on whichever interface comes first, so it is there for every
// guest that has an address.
var interfaces = &each{names: macs, enter: enterInterface, entries: interfaceTable}

var interfaceTable = []entry{
	{name: "device-number", value: deviceNumber},
	{name: "interface-id", value: func(s *subject) string { return metadata.ResourceID("eni", s.nic.MAC.String()) }},
	// cloud-init turns DHCPv6 on where it sees ipv6s.
	{name: "ipv6s", value: func(s *subject) string { return address(s.nic.IPv6.Addr()) }},
	{name: "local-hostname", value: hostname},
	{name: "local-ipv4s", value: func(s *subject) string { return address(s.nic.IPv4.Addr()) }},
	{name: "mac", value: func(s *subject) string { return s.nic.MAC.String() }},
	// AWS says network-card; network-card-index is what cloud-init looked for
	// at first.
	{name: "network-card", value: constant("0")},
	{name: "network-card-index", value: constant("0")},
	{name: "owner-id", value: func(s *subject) string { return s.AccountID }},
	{name: "security-group-ids", value: func(s *subject) string { return metadata.ResourceID("sg", s.nic.Network) }},
	{name: "security-groups", value: constant("default")},
	{name: "subnet-id", value: func(s *subject) string { return metadata.ResourceID("subnet", s.nic.Network) }},
	{name: "subnet-ipv4-cidr-block", value: cidr4},
	{name: "subnet-ipv6-cidr-block", value: cidr6},
	{name: "subnet-ipv6-cidr-blocks", value: cidr6},
	{name: "vpc-id", value: func(s *subject) string { return metadata.ResourceID("vpc", s.nic.Network) }},
	{name: "vpc-ipv4-cidr-block", value: cidr4},
	{name: "vpc-ipv4-cidr-blocks", value: cidr4},
	{name: "vpc-ipv6-cidr-blocks", value: cidr6},
}

func ours(nic *metadata.Interface) bool { return nic.IPv4.IsValid() || nic.IPv6.IsValid() }

// macs are listed once each: interfaces on networks that are apart may have the
// same one, and the first counts.
func macs(s *subject) []string {
	var list []string
	for i := range s.Interfaces {
		name := s.Interfaces[i].MAC.String() + "/"
		if ours(&s.Interfaces[i]) && !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list
}

func enterInterface(s *subject, name string) bool {
	for i := range s.Interfaces {
		nic := &s.Interfaces[i]
		if ours(nic) && nic.MAC.String() == name {
			s.nic = nic
			return true
		}
	}
	return false
}

// deviceNumber counts the interfaces from the primary one, which is 0.
func deviceNumber(s *subject) string {
	if s.nic.Primary {
		return "0"
	}
	n := 1
	for i := range s.Interfaces {
		nic := &s.Interfaces[i]
		if nic == s.nic {
			break
		}
		if ours(nic) && !nic.Primary {
			n++
		}
	}
	return strconv.Itoa(n)
}

func cidr4(s *subject) string { return cidr(s.nic.IPv4) }
func cidr6(s *subject) string { return cidr(s.nic.IPv6) }

func cidr(address netip.Prefix) string {
	if !address.IsValid() {
		return ""
	}
	return address.Masked().String()
}
