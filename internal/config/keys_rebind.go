package config

import (
	"errors"
	"strings"
)

var rebindKeys = []key{
	{
		section: "dnsmasq", name: "stop_rebind", def: "own",
		doc: "Which answers of other DNS servers guests are not given, so that no outside name leads\n" +
			"to an address that only this host may name (DNS rebinding). own: answers that name a\n" +
			"metadata address or a private address of a network of ours; guests are told that there\n" +
			"is no such name. private: answers that name any private address, but for the names below\n" +
			"`domain` and `rebind_domains`. no: none. Choose private where no DNS server outside\n" +
			"serves private addresses, as those of many companies do. Names that dnsmasq knows itself\n" +
			"are not affected, nor are networks that libvirt runs.",
		binding: bind(choice("own", "private", "no"), func(c *Config) *string { return &c.Dnsmasq.StopRebind }),
	},
	{
		section: "dnsmasq", name: "rebind_domains", def: "",
		doc: "Domains, separated by commas, whose names may have private addresses where\n" +
			"`stop_rebind` is private.",
		example: "corp.example.com, lan",
		binding: bind(dnsDomains, func(c *Config) *[]string { return &c.Dnsmasq.RebindDomains }),
	},
}

var dnsDomains = kind[[]string]{
	accepts: "DNS names, separated by commas, or nothing",
	quotes:  true,
	parse: func(text string) ([]string, error) {
		if isNone(text) {
			return nil, nil
		}
		var list []string
		for _, word := range commaList(text) {
			domain := strings.Trim(word, ".")
			if checkDNS(domain) != nil {
				return nil, errors.New("has an element that is no DNS name")
			}
			list = append(list, domain)
		}
		return list, nil
	},
}
