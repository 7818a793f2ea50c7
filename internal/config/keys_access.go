package config

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
}
