package config

import (
	"net/netip"
	"os/exec"
	"os/user"
	"time"

	"mdserver/internal/config/kind"
	"mdserver/internal/config/names"
	"mdserver/internal/instance"
)

// dnsmasqUser is the user that `mdserver install` makes for dnsmasq.
const dnsmasqUser = "mdserver-dnsmasq"

var dnsmasqKeys = []key{
	{
		section: "dnsmasq", name: "run", def: "child", restart: true,
		doc: "How dnsmasq runs. child: mdserver starts and supervises it. external: another unit runs\n" +
			"it, and mdserver writes its files and signals it. off: it does not run.",
		binding: bind(kind.Choice("child", "external", "off"), func(c *Config) *string { return &c.Dnsmasq.Run }),
	},
	{
		section: "dnsmasq", name: "binary", restart: true,
		doc: "Path of the dnsmasq program.",
		derive: func(*defaults) any {
			if found, err := exec.LookPath("dnsmasq"); err == nil {
				return found
			}
			return "/usr/sbin/dnsmasq"
		},
		derived: "`dnsmasq` in the search path, else `/usr/sbin/dnsmasq`",
		example: "/usr/sbin/dnsmasq",
		binding: bind(kind.Path, func(c *Config) *string { return &c.Dnsmasq.Binary }),
	},
	{
		section: "dnsmasq", name: "user", rank: 23,
		doc: "User that dnsmasq runs as. Use one that runs nothing else and has no further groups,\n" +
			"such as mdserver-dnsmasq, which `mdserver install` creates. As mdserver's own user,\n" +
			"dnsmasq could read the guests' secrets.",
		derive: func(*defaults) any {
			if _, err := user.Lookup(dnsmasqUser); err == nil {
				return dnsmasqUser
			}
			return "mdserver"
		},
		derived: "`mdserver-dnsmasq`, or `mdserver` if there is no such user",
		example: dnsmasqUser,
		binding: bind(names.Token(32), func(c *Config) *string { return &c.Dnsmasq.User }),
	},
	{
		section: "dnsmasq", name: "base_dir", rank: 24, def: "/var/lib/mdserver/dnsmasq", restart: true,
		doc:     "Directory of dnsmasq's configuration and host files.",
		binding: bind(kind.DnsmasqPath, func(c *Config) *string { return &c.Dnsmasq.BaseDir }),
	},
	{
		section: "dnsmasq", name: "run_dir", rank: 25, def: "/var/run/mdserver", restart: true,
		doc:     "Directory of dnsmasq's pid-file.",
		binding: bind(kind.DnsmasqPath, func(c *Config) *string { return &c.Dnsmasq.RunDir }),
	},
	{
		section: "dnsmasq", name: "net_name", rank: 26, def: "mds", restart: true,
		doc:     "Name of the libvirt network. It is also the name of dnsmasq's files.",
		binding: bind(names.Token(64), func(c *Config) *string { return &c.Dnsmasq.NetName }),
	},
	{
		section: "dnsmasq", name: "net_address", rank: 27, def: "10.122.0.0", restart: true,
		doc:     "Address of the IPv4 network.",
		binding: bind(kind.Address4, func(c *Config) *addr { return &c.Dnsmasq.netAddress }),
	},
	{
		section: "dnsmasq", name: "net_prefix", rank: 28, def: "16", restart: true,
		doc:     "Prefix length of the IPv4 network: 24 is a network of 254 addresses.",
		binding: bind(kind.Whole(1, 30), func(c *Config) *int { return &c.Dnsmasq.netPrefix }),
	},
	{
		section: "dnsmasq", name: "gateway", rank: 29, def: "10.122.0.1", restart: true,
		doc:     "The guests' router, an address in the network: usually that of the bridge.",
		binding: bind(kind.Address4, func(c *Config) *addr { return &c.Dnsmasq.Gateway }),
	},
	{
		section: "dnsmasq", name: "reserved", def: "",
		doc: "IPv4 addresses never assigned: addresses, first-last ranges and networks, separated by\n" +
			"commas.",
		example: "10.122.0.2-10.122.0.99, 10.122.255.0/24",
		binding: bind(kind.Ranges4, func(c *Config) *[]instance.AddrRange { return &c.Dnsmasq.Reserved }),
	},
	{
		section: "dnsmasq", name: "net_address6", def: "", restart: true,
		doc:     "Address of the IPv6 network. If it is not set, guests get no IPv6.",
		example: "fd00:122::",
		binding: bind(kind.OptionalAddress6, func(c *Config) *addr { return &c.Dnsmasq.netAddress6 }),
	},
	{
		section: "dnsmasq", name: "net_prefix6", def: 64, restart: true,
		doc:     "Prefix length of the IPv6 network, 64 or more.",
		binding: bind(kind.Whole(64, 126), func(c *Config) *int { return &c.Dnsmasq.netPrefix6 }),
	},
	{
		section: "dnsmasq", name: "gateway6", restart: true,
		doc: "This host's address in the IPv6 network. The bridge must have it, or dnsmasq does not\n" +
			"answer DHCPv6 and guests wait for their address at boot.",
		derive: func(d *defaults) any {
			if !d.config.Dnsmasq.netAddress6.IsValid() {
				return ""
			}
			return netip.PrefixFrom(d.config.Dnsmasq.netAddress6, d.config.Dnsmasq.netPrefix6).Masked().Addr().Next().String()
		},
		derived: "the network's first address, such as `fd00:122::1`",
		example: "fd00:122::1",
		binding: bind(kind.OptionalAddress6, func(c *Config) *addr { return &c.Dnsmasq.Gateway6 }),
	},
	{
		section: "dnsmasq", name: "reserved6", def: "",
		doc:     "IPv6 addresses never assigned, written as in `reserved`.",
		example: "fd00:122::2-fd00:122::ff",
		binding: bind(kind.Ranges6, func(c *Config) *[]instance.AddrRange { return &c.Dnsmasq.Reserved6 }),
	},
	{
		section: "dnsmasq", name: "scope", def: ScopeShared,
		doc: "Which hosts a network's addresses are for, if several share the inventory\n" +
			"(`store.backend`). shared: guests of all hosts get addresses of one range, and keep\n" +
			"them when they move. host: each host has a range of its own, which is the network as\n" +
			"it is configured there. A guest that moves gets an address of the other host's range.",
		binding: bind(kind.Choice(ScopeShared, ScopeHost), func(c *Config) *string { return &c.Dnsmasq.Scope }),
	},
	{
		section: "dnsmasq", name: "quarantine", def: "1h",
		doc: "How long a released address is not assigned to another guest: a duration such as 90s,\n" +
			"30m or 1h30m, or a number of seconds.",
		binding: bind(kind.Duration(8760*time.Hour), func(c *Config) *time.Duration { return &c.Dnsmasq.Quarantine }),
	},
	{
		section: "dnsmasq", name: "interface", rank: 31, def: "br-mds", restart: true,
		doc:     "Bridge of the network. It has the gateway's address and the listen address.",
		binding: bind(names.Token(15), func(c *Config) *string { return &c.Dnsmasq.Interface }),
	},
	{
		section: "dnsmasq", name: "listen_address", rank: 32, restart: true,
		doc:     "Further address that dnsmasq listens on, besides those of the bridge.",
		example: "10.122.0.1",
		seen:    noneIsNil,
		binding: bind(kind.OptionalAddress, func(c *Config) *addr { return &c.Dnsmasq.ListenAddress }),
	},
	{
		section: "dnsmasq", name: "use_dns", rank: 30, def: false, shipped: "yes",
		doc:     "Tell guests to use dnsmasq as their DNS server. no: guests get no DNS server.",
		binding: bind(kind.Boolean, func(c *Config) *bool { return &c.Dnsmasq.UseDNS }),
	},
	{
		section: "dnsmasq", name: "lease_len", rank: 33, def: 86400,
		doc: "Length of a DHCP lease in seconds. Guests renew it after half of that time. dnsmasq's\n" +
			"minimum is 120.",
		binding: bind(kind.Units(1, 4294967294, time.Second, "seconds"), func(c *Config) *time.Duration { return &c.Dnsmasq.LeaseLen }),
	},
	{
		section: "dnsmasq", name: "prefix", rank: 34, def: false, seen: boolOrText,
		doc:     "Prefix of the guests' names in DNS: with `test-`, the guest vm1 is also test-vm1.",
		binding: bind(names.DNSPrefix, func(c *Config) *string { return &c.Dnsmasq.Prefix }),
	},
	{
		section: "dnsmasq", name: "domain", rank: 35, def: false, seen: boolOrText,
		doc:     "DNS domain of the guests.",
		binding: bind(names.DNSDomain, func(c *Config) *string { return &c.Dnsmasq.Domain }),
	},
	{
		section: "dnsmasq", name: "entry_order", rank: 36, def: "base",
		doc: "DNS names of a guest. Its address resolves to the first. base is NAME, prefix is\n" +
			"PREFIXNAME, domain (or fqdn) is PREFIXNAME.DOMAIN. Forms whose prefix or domain is not\n" +
			"set are skipped. For example, `prefix,domain,base` gives a guest the names test-vm1,\n" +
			"test-vm1.example.net and vm1.",
		binding: bind(names.EntryOrder, func(c *Config) *[]string { return &c.Dnsmasq.EntryOrder }),
	},
	{
		section: "dnsmasq", name: "port_security", def: false, shipped: "yes",
		doc: "Let each guest send only as itself: from its own MAC and addresses, as a DHCP client,\n" +
			"and never as a server, a router or this host. nftables enforces it at the guest's port\n" +
			"of the bridge. The metadata keys `allowed_addresses` and `port_security` make exceptions\n" +
			"for one guest. New installations set yes; the default is for older configurations.",
		binding: bind(kind.Boolean, func(c *Config) *bool { return &c.Dnsmasq.PortSecurity }),
	},
}
