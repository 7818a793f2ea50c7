package config

import (
	"net/netip"
	"os/exec"
	"os/user"
	"time"
)

// dnsmasqUser is the user that `mdserver install` makes for dnsmasq.
const dnsmasqUser = "mdserver-dnsmasq"

var dnsmasqKeys = []key{
	{
		section: "dnsmasq", name: "run", def: "child", restart: true,
		doc: "Who runs dnsmasq. child: mdserver starts it, watches it and stops it. external: a\n" +
			"unit of its own does, and mdserver writes its files and signals it. off: nobody.",
		binding: bind(choice("child", "external", "off"), func(c *Config) *string { return &c.Dnsmasq.Run }),
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
		binding: bind(path, func(c *Config) *string { return &c.Dnsmasq.Binary }),
	},
	{
		section: "dnsmasq", name: "user", rank: 23,
		doc: "User that dnsmasq runs as. It should be one that runs nothing else and is in no group\n" +
			"but its own: mdserver-dnsmasq, which `mdserver install` makes. As mdserver's own user\n" +
			"dnsmasq could read the guests' secrets; `mdserver doctor` warns of that.",
		derive: func(*defaults) any {
			if _, err := user.Lookup(dnsmasqUser); err == nil {
				return dnsmasqUser
			}
			return "mdserver"
		},
		derived: "`mdserver-dnsmasq`, or `mdserver` if there is no such user",
		example: dnsmasqUser,
		binding: bind(token(32), func(c *Config) *string { return &c.Dnsmasq.User }),
	},
	{
		section: "dnsmasq", name: "base_dir", rank: 24, def: "/var/lib/mdserver/dnsmasq", restart: true,
		doc:     "Directory of the files that are written for dnsmasq.",
		binding: bind(dnsmasqPath, func(c *Config) *string { return &c.Dnsmasq.BaseDir }),
	},
	{
		section: "dnsmasq", name: "run_dir", rank: 25, def: "/var/run/mdserver", restart: true,
		doc:     "Directory of dnsmasq's pid-file.",
		binding: bind(dnsmasqPath, func(c *Config) *string { return &c.Dnsmasq.RunDir }),
	},
	{
		section: "dnsmasq", name: "net_name", rank: 26, def: "mds", restart: true,
		doc: "Name of the guests' libvirt network: a guest's interface on it is the one that gets\n" +
			"address and metadata. It also names the files that are written for dnsmasq.",
		binding: bind(token(64), func(c *Config) *string { return &c.Dnsmasq.NetName }),
	},
	{
		section: "dnsmasq", name: "net_address", rank: 27, def: "10.122.0.0", restart: true,
		doc:     "Address of the guests' IPv4 network.",
		binding: bind(address4, func(c *Config) *addr { return &c.Dnsmasq.netAddress }),
	},
	{
		section: "dnsmasq", name: "net_prefix", rank: 28, def: "16", restart: true,
		doc:     "Prefix length of the guests' IPv4 network: 24 is a network of 254 addresses.",
		binding: bind(whole(1, 30), func(c *Config) *int { return &c.Dnsmasq.netPrefix }),
	},
	{
		section: "dnsmasq", name: "gateway", rank: 29, def: "10.122.0.1", restart: true,
		doc:     "The guests' router, an address within that network: usually that of the bridge.",
		binding: bind(address4, func(c *Config) *addr { return &c.Dnsmasq.Gateway }),
	},
	{
		section: "dnsmasq", name: "reserved", def: "",
		doc: "IPv4 addresses that no guest is given: addresses, first-last ranges and networks,\n" +
			"separated by commas.",
		example: "10.122.0.2-10.122.0.99, 10.122.255.0/24",
		binding: bind(ranges4, func(c *Config) *[]Range { return &c.Dnsmasq.Reserved }),
	},
	{
		section: "dnsmasq", name: "net_address6", def: "", restart: true,
		doc:     "Address of the guests' IPv6 network. If it is not set, guests get no IPv6.",
		example: "fd00:122::",
		binding: bind(optionalAddress6, func(c *Config) *addr { return &c.Dnsmasq.netAddress6 }),
	},
	{
		section: "dnsmasq", name: "net_prefix6", def: 64, restart: true,
		doc:     "Prefix length of the guests' IPv6 network: dnsmasq serves 64 and more.",
		binding: bind(whole(64, 126), func(c *Config) *int { return &c.Dnsmasq.netPrefix6 }),
	},
	{
		section: "dnsmasq", name: "gateway6", restart: true,
		doc: "This host's address within the IPv6 network. The bridge must bear it: otherwise dnsmasq\n" +
			"does not answer DHCPv6, and guests that are told of an IPv6 address wait for it at boot.",
		derive: func(d *defaults) any {
			if !d.config.Dnsmasq.netAddress6.IsValid() {
				return ""
			}
			return netip.PrefixFrom(d.config.Dnsmasq.netAddress6, d.config.Dnsmasq.netPrefix6).Masked().Addr().Next().String()
		},
		derived: "the network's first address, such as `fd00:122::1`",
		example: "fd00:122::1",
		binding: bind(optionalAddress6, func(c *Config) *addr { return &c.Dnsmasq.Gateway6 }),
	},
	{
		section: "dnsmasq", name: "reserved6", def: "",
		doc:     "IPv6 addresses that no guest is given, written as in `reserved`.",
		example: "fd00:122::2-fd00:122::ff",
		binding: bind(ranges6, func(c *Config) *[]Range { return &c.Dnsmasq.Reserved6 }),
	},
	{
		section: "dnsmasq", name: "quarantine", def: "1h",
		doc: "How long a released address rests before another guest may get it: a duration such\n" +
			"as 90s, 30m or 1h30m, or a number of seconds.",
		binding: bind(duration(8760*time.Hour), func(c *Config) *time.Duration { return &c.Dnsmasq.Quarantine }),
	},
	{
		section: "dnsmasq", name: "interface", rank: 31, def: "br-mds", restart: true,
		doc:     "The bridge of the guests' network; it bears the gateway and the listen address.",
		binding: bind(token(15), func(c *Config) *string { return &c.Dnsmasq.Interface }),
	},
	{
		section: "dnsmasq", name: "listen_address", rank: 32, restart: true,
		doc:     "A further address for dnsmasq to listen on, if the bridge's own are not enough.",
		example: "10.122.0.1",
		seen:    noneIsNil,
		binding: bind(optionalAddress, func(c *Config) *addr { return &c.Dnsmasq.ListenAddress }),
	},
	{
		section: "dnsmasq", name: "use_dns", rank: 30, def: false, shipped: "yes",
		doc: "Tell guests to use dnsmasq as their DNS server. With no, the default, they are told\n" +
			"of none; the original's dnsmasq offered itself whatever this key said.",
		binding: bind(boolean, func(c *Config) *bool { return &c.Dnsmasq.UseDNS }),
	},
	{
		section: "dnsmasq", name: "lease_len", rank: 33, def: 86400,
		doc: "Length of a DHCP lease in seconds. Guests renew theirs after half of it. dnsmasq\n" +
			"makes less than 120 seconds 120.",
		binding: bind(units(1, 4294967294, time.Second, "seconds"), func(c *Config) *time.Duration { return &c.Dnsmasq.LeaseLen }),
	},
	{
		section: "dnsmasq", name: "prefix", rank: 34, def: false, seen: boolOrText,
		doc:     "Prefix of the guests' names in DNS: with `test-` the guest vm1 is also test-vm1.",
		binding: bind(dnsPrefix, func(c *Config) *string { return &c.Dnsmasq.Prefix }),
	},
	{
		section: "dnsmasq", name: "domain", rank: 35, def: false, seen: boolOrText,
		doc:     "DNS domain of the guests.",
		binding: bind(dnsDomain, func(c *Config) *string { return &c.Dnsmasq.Domain }),
	},
	{
		section: "dnsmasq", name: "entry_order", rank: 36, def: "base",
		doc: "Which names a guest has in DNS; the first is what its address resolves to. base is\n" +
			"NAME, prefix is PREFIXNAME, domain (or fqdn) is PREFIXNAME.DOMAIN. A form whose\n" +
			"prefix or domain is not set is left out. For example, `prefix,domain,base` gives a\n" +
			"guest the names test-vm1, test-vm1.example.net and vm1.",
		binding: bind(entryOrder, func(c *Config) *[]string { return &c.Dnsmasq.EntryOrder }),
	},
	{
		section: "dnsmasq", name: "port_security", def: false, shipped: "yes",
		doc: "Let each guest send only as itself: from its own MAC and addresses, as a DHCP client and\n" +
			"no server or router, and never as this host. It is enforced by nftables at the guest's\n" +
			"port of the bridge, as libvirt names it. The metadata keys `allowed_addresses` and\n" +
			"`port_security` make exceptions for one guest. The default is no, for the sake of older\n" +
			"configurations; new installations set yes.",
		binding: bind(boolean, func(c *Config) *bool { return &c.Dnsmasq.PortSecurity }),
	},
}
