package config

import "mdserver/internal/config/kind"

var localNameKeys = []key{
	{
		section: "dnsmasq", name: "serve_hosts", def: false,
		doc: "Serve the names in this host's `/etc/hosts` to guests. They often have addresses that\n" +
			"are valid on this host only, such as 127.0.1.1.",
		binding: bind(kind.Boolean, func(c *Config) *bool { return &c.Dnsmasq.ServeHosts }),
	},
	{
		section: "dnsmasq", name: "domain_needed", def: true,
		doc: "Answer for names without a dot from dnsmasq's own data only, and do not ask other DNS\n" +
			"servers. Set no if another DNS server knows such names.",
		binding: bind(kind.Boolean, func(c *Config) *bool { return &c.Dnsmasq.DomainNeeded }),
	},
}
