package config

import (
	"slices"

	"mdserver/internal/config/kind"
	"mdserver/internal/config/names"
)

// anyInterface stands for all of them.
const anyInterface = "any"

// GuestInterfaces are the interfaces on which guests' requests are accepted; nil
// means any.
func (c *Config) GuestInterfaces() []string {
	switch list := c.Server.AcceptInterfaces; {
	case len(list) == 0:
		return c.bridges()
	case slices.Contains(list, anyInterface):
		return nil
	default:
		return list
	}
}

// accessKeys say who may ask what, and how much of it.
var accessKeys = []key{
	{
		section: "mdserver", name: "imds", def: "optional",
		doc: "Tokens of the Instance Metadata Service version 2. optional: guests may use tokens.\n" +
			"required: requests without a token are rejected, on all paths, so that a proxy in the\n" +
			"guest cannot give away its metadata; see `imds_exempt` for exceptions. off: no tokens\n" +
			"are issued, and clients fall back to version 1. The metadata key `imds` overrides it for\n" +
			"one guest.",
		binding: bind(kind.Choice("optional", "required", "off"), func(c *Config) *string { return &c.Server.IMDS }),
	},
	{
		section: "mdserver", name: "imds_exempt", def: "",
		doc: "Paths served without a token even if `imds` requires one: openstack, nocloud, or both,\n" +
			"separated by commas. cloud-init's datasources of these names send no tokens. The\n" +
			"metadata key `imds_exempt` overrides it for one guest.",
		example: "openstack, nocloud",
		binding: bind(kind.IMDSFrontends, func(c *Config) *[]string { return &c.Server.IMDSExempt }),
	},
	{
		section: "mdserver", name: "imds_hop_limit", def: 1,
		doc: "Number of network hops that a token may travel. 1: to the guest itself. 2: also to a\n" +
			"container with its own network in the guest.",
		binding: bind(kind.Whole(1, 64), func(c *Config) *int { return &c.Server.IMDSHopLimit }),
	},
	{
		section: "mdserver", name: "accept_interfaces", def: "",
		doc: "Interfaces on which guest requests are accepted, separated by commas, or any. Other\n" +
			"requests are rejected with 403. If it is not set, these are the bridges of the guests'\n" +
			"networks, and each guest is accepted only on the bridge of its address. Requests of this\n" +
			"host are always accepted.",
		example: "br-mds, br-test",
		binding: bind(names.Interfaces, func(c *Config) *[]string { return &c.Server.AcceptInterfaces }),
	},
	{
		section: "mdserver", name: "verify_mac", def: "bridge",
		doc: "Reject requests whose MAC or bridge port does not match the guest's, with 403. Otherwise\n" +
			"a guest could read another's metadata by using its address. bridge: verify requests on\n" +
			"bridges of the guests' networks. Guests behind a router, which need `accept_interfaces`,\n" +
			"are then identified by address alone. yes: verify all requests, which excludes guests\n" +
			"behind a router. no: do not verify.",
		binding: bind(kind.VerifyMAC, func(c *Config) *string { return &c.Server.VerifyMAC }),
	},
	{
		section: "mdserver", name: "accept_hosts", def: "",
		doc: "Further host names of this server, separated by commas. Requests with another `Host` are\n" +
			"rejected with 421, so that web pages cannot use a browser to read metadata. Always\n" +
			"accepted: the server's addresses, `service.hostname` with and without its domain,\n" +
			"instance-data, instance-data.ec2.internal and, from this host, localhost.",
		example: "metadata.example.net",
		binding: bind(names.HostNames, func(c *Config) *[]string { return &c.Server.AcceptHosts }),
	},
	{
		section: "mdserver", name: "max_connections", def: 4096,
		doc:     "Maximum number of open connections of all guests together.",
		binding: bind(kind.Whole(1, 1000000), func(c *Config) *int { return &c.Server.MaxConnections }),
	},
	{
		section: "mdserver", name: "guest_connections", def: 100,
		doc:     "Maximum number of open connections of one guest. Further connections are closed.",
		binding: bind(kind.Whole(1, 1000000), func(c *Config) *int { return &c.Server.GuestConnections }),
	},
	{
		section: "mdserver", name: "request_rate", def: 200,
		doc: "Maximum number of requests per second of one guest. A guest can save up ten seconds'\n" +
			"worth for its boot. Further requests are answered with 503 and Retry-After. 0: no limit.",
		binding: bind(kind.Whole(0, 1000000), func(c *Config) *int { return &c.Server.RequestRate }),
	},
}
