package instance

import "net/netip"

// The addresses where guests look for the metadata server: AWS's, and the link-local
// one of IPv6 that cloud-init and Ignition know. They belong to no network, and are the
// same on each.
var (
	Metadata4         = netip.MustParseAddr("169.254.169.254")
	Metadata6         = netip.MustParseAddr("fd00:ec2::254")
	MetadataLinkLocal = netip.MustParseAddr("fe80::a9fe:a9fe")
)
