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
		doc: "Version 2 of the Instance Metadata Service, in which a guest reads the EC2 tree with\n" +
			"a token. optional: with or without one. required: without one it is refused, which\n" +
			"keeps a proxy in the guest from giving away its metadata. off: no tokens are issued,\n" +
			"and clients fall back to version 1. The key `imds` of a domain's metadata says so for\n" +
			"one guest.",
		binding: bind(choice("optional", "required", "off"), func(c *Config) *string { return &c.Server.IMDS }),
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
		section: "mdserver", name: "verify_mac", def: "no",
		doc: "Compare the sender's MAC, as the kernel's neighbour table has it, with that of the\n" +
			"guest whose address a request bears, and refuse with 403 what differs. It keeps guests\n" +
			"from reading each other's metadata by taking each other's addresses. It does not work\n" +
			"for guests behind a router.",
		binding: bind(boolean, func(c *Config) *bool { return &c.Server.VerifyMAC }),
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
