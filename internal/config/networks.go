package config

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"mdserver/internal/config/kind"
	"mdserver/internal/config/names"
	"mdserver/internal/instance"
)

// networkSection is how the sections [network NAME] are called where all of
// them are meant.
const networkSection = "network NAME"

// Who serves DHCP and DNS on a network.
const (
	BackendDnsmasq = "dnsmasq" // one that is run for mdserver
	BackendLibvirt = "libvirt" // libvirt's own, by its network definition
)

// Which hosts a network's addresses are for, if several share the inventory.
const (
	ScopeShared = "shared" // a guest of any host has any of them
	ScopeHost   = "host"   // each host has a range of its own
)

// Network is one network that guests are served on: [dnsmasq] in its short
// form, or a section [network NAME]. Of a network that libvirt runs, libvirt
// tells bridge, addresses and domain; they are zero here.
type Network struct {
	Name      string
	Backend   string
	Interface string // the bridge

	Run           string // "child", "external" or "off"
	BaseDir       string // of the files that are written for its dnsmasq
	ListenAddress netip.Addr

	Network   netip.Prefix // IPv4, masked
	Gateway   netip.Addr
	Reserved  []instance.AddrRange
	Network6  netip.Prefix // zero: no IPv6
	Gateway6  netip.Addr   // zero without Network6
	Reserved6 []instance.AddrRange

	UseDNS     bool
	LeaseLen   time.Duration
	Prefix     string
	Domain     string
	EntryOrder []string

	NTPServers   []netip.Addr // that guests get
	DomainSearch []string     // that guests search; Domain if empty
	MTU          int          // 0: not set
	DHCPBoot     string       // as dnsmasq's dhcp-boot has it
	ConfFile     string       // with further lines for dnsmasq, or ""

	Scope string // ScopeShared or ScopeHost

	// OwnAddress has the server put its listen addresses on the bridge, if
	// they are not there.
	OwnAddress bool

	// PortSecurity has guests send only as themselves.
	PortSecurity bool

	short                   bool // of [dnsmasq]
	netAddress, netAddress6 netip.Addr
	netPrefix, netPrefix6   int
}

// networkName is the NAME of a section [network NAME].
func networkName(section string) (string, bool) {
	name, ok := strings.CutPrefix(section, "network ")
	return strings.TrimSpace(name), ok
}

// shortForm are the keys of [dnsmasq] that describe a network.
var shortForm = []string{
	"net_name", "net_address", "net_prefix", "gateway", "reserved",
	"net_address6", "net_prefix6", "gateway6", "reserved6", "interface", "listen_address",
}

// describesNetwork reports whether [dnsmasq] says anything of a network.
func (vs *values) describesNetwork() bool {
	return slices.ContainsFunc(shortForm, func(name string) bool {
		v := vs.byKey["dnsmasq."+name]
		return v != nil && v.file != ""
	})
}

// short is the network that [dnsmasq] describes.
func (d *Dnsmasq) short() Network {
	return Network{
		short: true, Name: d.NetName, Backend: BackendDnsmasq, Interface: d.Interface,
		Run: d.Run, BaseDir: d.BaseDir, ListenAddress: d.ListenAddress,
		Network: d.Network, Gateway: d.Gateway, Reserved: d.Reserved,
		Network6: d.Network6, Gateway6: d.Gateway6, Reserved6: d.Reserved6,
		UseDNS: d.UseDNS, LeaseLen: d.LeaseLen, Prefix: d.Prefix, Domain: d.Domain, EntryOrder: d.EntryOrder,
		Scope: d.Scope, PortSecurity: d.PortSecurity,
		NTPServers: d.NTPServers, DomainSearch: d.DomainSearch, MTU: d.MTU, DHCPBoot: d.DHCPBoot, ConfFile: d.ConfFile,
	}
}

// inherit is what a section [network NAME] starts from.
func (d *Dnsmasq) inherit(name string) Network {
	return Network{
		Name: name, Backend: BackendDnsmasq,
		Run: d.Run, BaseDir: filepath.Join(d.BaseDir, "networks", name),
		UseDNS: d.UseDNS, LeaseLen: d.LeaseLen, Prefix: d.Prefix, Domain: d.Domain, EntryOrder: d.EntryOrder,
		Scope: d.Scope, PortSecurity: d.PortSecurity,
		NTPServers: d.NTPServers, DomainSearch: d.DomainSearch, MTU: d.MTU, DHCPBoot: d.DHCPBoot, ConfFile: d.ConfFile,
		OwnAddress: true,
		netPrefix:  24, netPrefix6: 64,
	}
}

// networkHead is the head of a section [network NAME], where it came first.
type networkHead struct {
	section, name string
	file          string
	line          int
}

func (l *loader) network(head networkHead) {
	if l.head(head.name) == nil {
		l.networks = append(l.networks, head)
	}
}

func (l *loader) head(name string) *networkHead {
	i := slices.IndexFunc(l.networks, func(h networkHead) bool { return h.name == name })
	if i < 0 {
		return nil
	}
	return &l.networks[i]
}

// applyNetworks reads the sections [network NAME].
func (l *loader) applyNetworks() {
	c := l.config
	for _, head := range l.networks {
		if _, err := networkToken.Parse(head.name); err != nil {
			l.problems = append(l.problems, &Problem{File: head.file, Line: head.line, Key: "[" + head.section + "]",
				Reason: "the network's name: " + err.Error(), Accepted: networkToken.Accepts})
			continue
		}
		n := c.Dnsmasq.inherit(head.name)
		for _, k := range keysOf(networkSection) {
			if v := c.values.byKey[head.section+"."+k.name]; v != nil && v.file != "" {
				l.set(k, v, func(text string) error { return k.network(&n, text) })
			}
		}
		c.Networks = append(c.Networks, n)
	}
}

var networkToken = names.Token(50) // libvirt's name; it names files as well

// checkNetworks completes the list of networks and looks at them as a whole.
// Of two that overlap the later one is blamed.
func (l *loader) checkNetworks() {
	c := l.config
	for i := range c.Networks {
		l.checkSection(&c.Networks[i])
	}
	if len(c.Networks) == 0 || c.values.describesNetwork() {
		c.Networks = append([]Network{c.Dnsmasq.short()}, c.Networks...)
	}
	for i, n := range c.Networks {
		for _, earlier := range c.Networks[:i] {
			l.checkPair(earlier, n)
		}
		l.checkScope(n)
	}
}

func (l *loader) checkPair(earlier, n Network) {
	if reason := clash(earlier, n); reason != "" {
		l.problem(l.sectionValue(n.Name, "net_address", "net_address6", "interface"), reason, "networks that have nothing in common")
	}
}

// clash says what two networks must not share, or is empty.
func clash(a, b Network) string {
	switch {
	case a.Name == b.Name:
		return fmt.Sprintf("the network %s is described twice", b.Name)
	case a.Interface != "" && a.Interface == b.Interface:
		return fmt.Sprintf("the networks %s and %s have the same bridge %s", a.Name, b.Name, b.Interface)
	case a.Network.Overlaps(b.Network):
		return fmt.Sprintf("the network %s, %s, overlaps the network %s, %s", b.Name, b.Network, a.Name, a.Network)
	case a.Network6.Overlaps(b.Network6):
		return fmt.Sprintf("the network %s, %s, overlaps the network %s, %s", b.Name, b.Network6, a.Name, a.Network6)
	}
	return ""
}

// Clash returns an error if two of the networks share what they must not share.
// Load checks the networks of a file; Clash is for a configuration made by
// KeepFixed.
func (c *Config) Clash() error {
	for i, n := range c.Networks {
		for _, earlier := range c.Networks[:i] {
			if reason := clash(earlier, n); reason != "" {
				return fmt.Errorf("%s; it needs a restart", reason)
			}
		}
	}
	return nil
}

// sectionValue finds the value of a network to blame: the first of the keys
// that a file sets, else the section itself.
func (l *loader) sectionValue(network string, names ...string) *value {
	head := l.head(network)
	if head == nil { // the short form
		return l.place("dnsmasq.net_name")
	}
	for _, name := range names {
		if v := l.config.values.byKey[head.section+"."+name]; v != nil && v.file != "" {
			return v
		}
	}
	return &value{section: head.section, name: names[0], key: index[networkSection+"."+names[0]], file: head.file, line: head.line}
}

// checkSection completes one section.
func (l *loader) checkSection(n *Network) {
	if n.Backend == BackendLibvirt {
		l.checkLibvirt(n)
		return
	}
	if n.Interface == "" {
		l.problem(l.sectionValue(n.Name, "interface"), "the bridge of the network is not set", names.InterfaceName.Accepts)
	}
	if !n.netAddress.IsValid() {
		l.problem(l.sectionValue(n.Name, "net_address"), "the address of the network is not set", kind.Address4.Accepts)
		return
	}
	l.complete4(n)
	if n.netAddress6.IsValid() {
		l.complete6(n)
	}
}

// checkLibvirt refuses what libvirt's own definition of the network says.
func (l *loader) checkLibvirt(n *Network) {
	for _, name := range []string{"interface", "net_address", "net_prefix", "gateway", "net_address6", "net_prefix6", "gateway6",
		"listen_address", "use_dns", "lease_len", "run", "domain", "ntp_server", "domain_search", "mtu", "dhcp_boot", "conf_file"} {
		if v := l.config.values.byKey[l.head(n.Name).section+"."+name]; v != nil && v.file != "" {
			l.problem(v, "libvirt's definition of the network says that, see `virsh net-dumpxml "+n.Name+"`", "nothing here")
		}
	}
	if l.config.Libvirt.URI.Off {
		l.problem(l.sectionValue(n.Name, "backend"), "libvirt is not used, because libvirt.uri is off", BackendDnsmasq)
	}
	n.Domain, n.LeaseLen, n.Run = "", 0, ""
	n.NTPServers, n.DomainSearch, n.MTU, n.DHCPBoot, n.ConfFile = nil, nil, 0, "", ""
}

func (l *loader) complete4(n *Network) {
	n.Network = netip.PrefixFrom(n.netAddress, n.netPrefix).Masked()
	if !n.Gateway.IsValid() {
		n.Gateway = n.Network.Addr().Next()
	}
	if !n.Network.Contains(n.Gateway) || n.Gateway == n.Network.Addr() || n.Gateway == instance.LastAddr(n.Network) {
		l.problem(l.sectionValue(n.Name, "gateway", "net_address"), fmt.Sprintf("the gateway %s is not a host address in the network %s", n.Gateway, n.Network),
			fmt.Sprintf("an address from %s to %s", n.Network.Addr().Next(), instance.LastAddr(n.Network).Prev()))
	}
}

func (l *loader) complete6(n *Network) {
	n.Network6 = netip.PrefixFrom(n.netAddress6, n.netPrefix6).Masked()
	if !n.Gateway6.IsValid() {
		n.Gateway6 = n.Network6.Addr().Next()
	}
	if !n.Network6.Contains(n.Gateway6) || n.Gateway6 == n.Network6.Addr() {
		l.problem(l.sectionValue(n.Name, "gateway6", "net_address6"), fmt.Sprintf("the gateway %s is not a host address in the network %s", n.Gateway6, n.Network6),
			fmt.Sprintf("an address from %s to %s", n.Network6.Addr().Next(), instance.LastAddr(n.Network6)))
	}
}

// bridges are the interfaces of all networks, as far as they are configured.
func (c *Config) bridges() []string {
	list := make([]string, 0, len(c.Networks))
	for _, n := range c.Networks {
		if n.Interface != "" {
			list = append(list, n.Interface)
		}
	}
	return list
}

// bridges6 are the bridges of the networks that have IPv6, or all of them if
// none has.
func (c *Config) bridges6() []string {
	var list []string
	for _, n := range c.Networks {
		if n.Network6.IsValid() && n.Interface != "" {
			list = append(list, n.Interface)
		}
	}
	if list == nil {
		return c.bridges()
	}
	return list
}
