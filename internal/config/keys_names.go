package config

var localNameKeys = []key{
	{
		section: "dnsmasq", name: "serve_hosts", def: false,
		doc: "Serve the names in `/etc/hosts` of this host to guests, as the original did. They often\n" +
			"have addresses that only this host can use, such as 127.0.1.1.",
		binding: bind(boolean, func(c *Config) *bool { return &c.Dnsmasq.ServeHosts }),
	},
	{
		section: "dnsmasq", name: "domain_needed", def: true,
		doc: "Answer for names without a dot from what dnsmasq knows, and do not ask other DNS servers\n" +
			"for their addresses. Guests need not wait for a server that is slow or gone. Say no if a\n" +
			"DNS server outside knows such names.",
		binding: bind(boolean, func(c *Config) *bool { return &c.Dnsmasq.DomainNeeded }),
	},
}
