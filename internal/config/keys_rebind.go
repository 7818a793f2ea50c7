package config

import (
	"mdserver/internal/config/kind"
	"mdserver/internal/config/names"
)

var rebindKeys = []key{
	{
		section: "dnsmasq", name: "stop_rebind", def: "own",
		doc: "Answers of other DNS servers to block, so that outside names do not lead to inside\n" +
			"addresses (DNS rebinding). own: answers with a metadata address or a private address of\n" +
			"mdserver's networks. private: answers with any private address, except for names below\n" +
			"`domain` and `rebind_domains`. no: none. Choose private if no DNS server outside returns\n" +
			"private addresses on purpose. Networks that libvirt runs are not affected.",
		binding: bind(kind.Choice("own", "private", "no"), func(c *Config) *string { return &c.Dnsmasq.StopRebind }),
	},
	{
		section: "dnsmasq", name: "rebind_domains", def: "",
		doc: "Domains whose names may have private addresses if `stop_rebind` is private, separated by\n" +
			"commas.",
		example: "corp.example.com, lan",
		binding: bind(names.DNSDomains, func(c *Config) *[]string { return &c.Dnsmasq.RebindDomains }),
	},
}
