package ec2

import (
	"net/netip"

	"mdserver/internal/metadata"
)

// metaData is the table of /{version}/meta-data/, in the order in which it is
// listed. Names and meanings: "Instance metadata categories", Amazon EC2 User
// Guide. What a plain libvirt host has no notion of (iam, spot, kernel-id,
// public addresses) is not found.
var metaData = []entry{
	{name: "ami-id", value: func(s *subject) string { return s.ImageID() }},
	{name: "ami-launch-index", value: constant("0")},
	{name: "ami-manifest-path", value: constant("(unknown)")},
	{name: "block-device-mapping", each: blockDevices},
	{name: "events", entries: []entry{{name: "maintenance", entries: []entry{
		// JSON lists. This host plans nothing for its guests.
		{name: "history", value: constant("[]")},
		{name: "scheduled", value: constant("[]")},
	}}}},
	{name: "hostname", value: hostname},
	{name: "instance-action", value: constant("none")},
	{name: "instance-id", value: func(s *subject) string { return s.InstanceID }},
	{name: "instance-life-cycle", value: constant("on-demand")},
	{name: "instance-type", value: func(s *subject) string { return s.InstanceType() }},
	{name: "ipv6", value: func(s *subject) string { return address(s.LocalIPv6) }},
	{name: "local-hostname", value: hostname},
	{name: "local-ipv4", value: func(s *subject) string { return address(s.LocalIPv4) }},
	{name: "mac", value: primaryMAC},
	{name: "network", entries: []entry{
		{name: "interfaces", entries: []entry{{name: "macs", each: interfaces}}},
	}},
	{name: "placement", entries: []entry{
		{name: "availability-zone", value: func(s *subject) string { return s.AvailabilityZone }},
		{name: "availability-zone-id", value: func(s *subject) string { return s.AvailabilityZone }},
		{name: "host-id", value: hostID},
		{name: "region", value: func(s *subject) string { return s.Region }},
	}},
	{name: "profile", value: constant("default-hvm")},
	{name: "public-keys", each: publicKeys},
	{name: "reservation-id", value: func(s *subject) string { return metadata.ResourceID("r", s.InstanceID) }},
	{name: "security-groups", value: constant("default")},
	{name: "services", entries: []entry{
		{name: "domain", value: servicesDomain},
		{name: "partition", value: constant(partition)},
	}},
	{name: "system", value: constant(hypervisor)},
	{name: "tags", entries: []entry{{name: "instance", each: tags}}},
}

// partition stands where AWS has "aws": no client may take our resources for
// those of AWS.
const partition = "mdserver"

// hypervisor stands where AWS has "nitro" or "xen".
const hypervisor = "kvm"

func constant(text string) func(*subject) string { return func(*subject) string { return text } }

func hostname(s *subject) string { return s.Hostname }

func address(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func primaryMAC(s *subject) string {
	if s.MAC.IsZero() {
		return ""
	}
	return s.MAC.String()
}

func hostID(s *subject) string {
	if s.Host == "" {
		return ""
	}
	return metadata.ResourceID("h", s.Host)
}

// servicesDomain is where the site's services are. The reserved name keeps
// clients from asking those of AWS (RFC 6761, 6.4).
func servicesDomain(s *subject) string {
	if s.Domain == "" {
		return "mdserver.invalid"
	}
	return s.Domain
}
