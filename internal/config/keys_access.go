package config

import (
	"slices"
	"strings"
)

// anyInterface stands for all of them.
const anyInterface = "any"

// interfaces is a comma separated list of network interfaces.
var interfaces = kind[[]string]{
	accepts: "names of network interfaces, separated by commas, or any, or nothing",
	quotes:  true,
	parse: func(text string) ([]string, error) {
		var list []string
		for name := range strings.SplitSeq(text, ",") {
			if name = strings.TrimSpace(name); name == "" {
				continue
			}
			if _, err := interfaceName.parse(name); err != nil {
				return nil, err
			}
			list = append(list, name)
		}
		return list, nil
	},
}

var interfaceName = token(15) // IFNAMSIZ less its final zero

// GuestInterfaces are the interfaces by which guests may ask; nil means any.
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
		doc: "Version 2 of the Instance Metadata Service, in which a guest reads its metadata with a\n" +
			"token. optional: with or without one. required: without one nothing is served, by no\n" +
			"path, which keeps a proxy in the guest from giving away its metadata; see `imds_exempt`.\n" +
			"off: no tokens are issued, and clients fall back to version 1. The key `imds` of a\n" +
			"domain's metadata says so for one guest.",
		binding: bind(choice("optional", "required", "off"), func(c *Config) *string { return &c.Server.IMDS }),
	},
	{
		section: "mdserver", name: "imds_exempt", def: "",
		doc: "What is served without a token even where `imds` requires one: openstack, nocloud, or\n" +
			"both, separated by commas. cloud-init's datasources of these names send no tokens, so\n" +
			"guests that use them get nothing otherwise. The key `imds_exempt` of a domain's metadata\n" +
			"says so for one guest.",
		example: "openstack, nocloud",
		binding: bind(imdsFaces, func(c *Config) *[]string { return &c.Server.IMDSExempt }),
	},
	{
		section: "mdserver", name: "imds_hop_limit", def: 1,
		doc: "How many hops a token may travel from this host: 1 reaches the guest itself, 2 also a\n" +
			"container with a network of its own in the guest.",
		binding: bind(whole(1, 64), func(c *Config) *int { return &c.Server.IMDSHopLimit }),
	},
	{
		section: "mdserver", name: "accept_interfaces", def: "",
		doc: "Interfaces of this host by which guests may ask, separated by commas, or any. Requests\n" +
			"that come by others are refused with 403. If it is not set, these are the bridges of the\n" +
			"guests' networks, and a guest is served by that of its address only. This host itself may\n" +
			"always ask.",
		example: "br-mds, br-test",
		binding: bind(interfaces, func(c *Config) *[]string { return &c.Server.AcceptInterfaces }),
	},
	{
		section: "mdserver", name: "verify_mac", def: "bridge",
		doc: "Verify that a connection was opened by the guest that has its source address: by the\n" +
			"Ethernet source of its first packet, and by the bridge's port, if libvirt tells the\n" +
			"guest's tap. What differs is refused with 403. It keeps guests from reading each other's\n" +
			"metadata by taking each other's addresses. bridge: verify what comes by the bridge of one\n" +
			"of the guests' networks; guests behind a router, which only `accept_interfaces` lets in,\n" +
			"are known by address alone. yes: verify all guests, which shuts out those behind a router.\n" +
			"no: verify none; any guest can then read the metadata of any other.",
		binding: bind(verifyMAC, func(c *Config) *string { return &c.Server.VerifyMAC }),
	},
	{
		section: "mdserver", name: "accept_hosts", def: "",
		doc: "Further host names, separated by commas, by which guests ask for this server. A request\n" +
			"whose Host is neither one of the server's addresses nor a name of it is refused with 421,\n" +
			"so that a web page cannot have a browser ask. Known are `service.hostname` with and\n" +
			"without its domain, instance-data, instance-data.ec2.internal and, on this host,\n" +
			"localhost.",
		example: "metadata.example.net",
		binding: bind(hostNames, func(c *Config) *[]string { return &c.Server.AcceptHosts }),
	},
	{
		section: "mdserver", name: "max_connections", def: 4096,
		doc:     "How many connections guests may have open at a time, all together.",
		binding: bind(whole(1, 1000000), func(c *Config) *int { return &c.Server.MaxConnections }),
	},
	{
		section: "mdserver", name: "guest_connections", def: 100,
		doc:     "How many connections one guest may have open at a time. Further ones are cut off.",
		binding: bind(whole(1, 1000000), func(c *Config) *int { return &c.Server.GuestConnections }),
	},
	{
		section: "mdserver", name: "request_rate", def: 200,
		doc: "How many requests a second one guest may send in the long run; it may save up ten\n" +
			"seconds' worth, for its boot. Further ones are answered with 503 and Retry-After.\n" +
			"0 allows any number.",
		binding: bind(whole(0, 1000000), func(c *Config) *int { return &c.Server.RequestRate }),
	},
}
