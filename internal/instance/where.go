package instance

import "net/netip"

// Guests look for the metadata server at these addresses: those of AWS, and the IPv6
// link-local one that cloud-init and Ignition know. They belong to no network, and are the
// same on each.
var (
	Metadata4         = netip.MustParseAddr("169.254.169.254")
	Metadata6         = netip.MustParseAddr("fd00:ec2::254")
	MetadataLinkLocal = netip.MustParseAddr("fe80::a9fe:a9fe")
)
