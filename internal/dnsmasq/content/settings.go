// Package content is what dnsmasq's files say, from the settings and the guests
// of one network. It touches no file.
package content

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"mdserver/internal/api"
)

// Mode is who runs dnsmasq.
type Mode = api.DnsmasqMode

// The modes.
const (
	Child    = api.DnsmasqChild
	External = api.DnsmasqExternal
	Off      = api.DnsmasqOff
)

// Settings is everything that dnsmasq's files and its supervision depend on.
type Settings struct {
	Mode      Mode
	Binary    string // path of the dnsmasq program
	User      string // whom dnsmasq runs as
	Launcher  string // socket of the launcher, which starts it as that user; "" for none
	BaseDir   string // of the files that dnsmasq reads
	RunDir    string // of the pid-file
	NetName   string // names the files: mds.conf, mds.opts, …
	HostID    string // of this host among several with one inventory, or empty
	Interface string // where dnsmasq listens

	// Further is set for all networks but the first of the configuration.
	Further bool

	Network         netip.Prefix
	Gateway         netip.Addr // the guests' router and DNS server
	MetadataAddress netip.Addr // where mdserver listens; options 121 and 249 route to it
	ListenAddress   netip.Addr // another address for dnsmasq to listen on, or zero

	UseDNS       bool // offer the gateway as DNS server
	ServeHosts   bool // serve the names in this host's /etc/hosts
	ForwardPlain bool // ask other servers for names without a dot

	LeaseTime  time.Duration // dnsmasq's least is two minutes
	Prefix     string        // of the generated names
	Domain     string        // of the generated names, and option 15
	EntryOrder []string      // base, prefix, domain or fqdn; see names

	Network6 netip.Prefix // zero: no IPv6
	Gateway6 netip.Addr

	NTPServers   []netip.Addr
	DomainSearch []string // options 119 and, for IPv6, 24
	MTU          int      // option 26; 0: not set
	Boot         string   // the value of dhcp-boot
	ConfFile     string   // of the administrator, with further lines for dnsmasq

	Rebind        Rebind         // "" is RebindNo
	OwnPrefixes   []netip.Prefix // the networks that only this host may name
	RebindDomains []string       // domains that may name private addresses, with RebindPrivate

	// What this host says of the above; see newHost.
	RunsAs, RunsAsGroup string // whom the configuration names
	Lines               string // the content of ConfFile
}

const (
	defaultLease = 24 * time.Hour
	leastLease   = 2 * time.Minute
)

// The files' places. The directories dhcp and dns keep the names that the
// Python mdserver gave them, so that a dnsmasq that still runs with its
// configuration reads our compact files at SIGHUP. It knows nothing of the
// watched directories, which is why they lie beside and not within.
func (s Settings) ConfigFile() string  { return filepath.Join(s.BaseDir, s.NetName+".conf") }
func (s Settings) OptionsFile() string { return filepath.Join(s.BaseDir, s.NetName+".opts") }
func (s Settings) DHCPFile() string    { return filepath.Join(s.BaseDir, "dhcp", s.NetName+".dhcp-hosts") }
func (s Settings) DNSFile() string     { return filepath.Join(s.BaseDir, "dns", s.NetName+".dns-hosts") }
func (s Settings) DHCPDir() string     { return filepath.Join(s.BaseDir, "dhcp.d") }
func (s Settings) DNSDir() string      { return filepath.Join(s.BaseDir, "dns.d") }
func (s Settings) Scratch() string     { return filepath.Join(s.BaseDir, "tmp") }

// PIDFile tells administrators of our child, as it did when dnsmasq wrote it.
func (s Settings) PIDFile() string { return filepath.Join(s.RunDir, s.NetName+".pid") }

// PIDDir is for the pid-file that dnsmasq itself writes. mdserver finds a dnsmasq
// that runs as a service of its own by that file.
func (s Settings) PIDDir() string          { return filepath.Join(s.RunDir, "dnsmasq") }
func (s Settings) ExternalPIDFile() string { return filepath.Join(s.PIDDir(), s.NetName+".pid") }

// SamePlace reports whether both settings concern the same dnsmasq: the same
// program, user, files and mode.
func (s Settings) SamePlace(o Settings) bool {
	return s.Mode == o.Mode && s.Binary == o.Binary && s.User == o.User && s.BaseDir == o.BaseDir &&
		s.RunDir == o.RunDir && s.NetName == o.NetName
}

// lease is the lease time as dnsmasq will use it.
func (s Settings) lease() time.Duration {
	if s.LeaseTime <= 0 {
		return defaultLease
	}
	return max(s.LeaseTime, leastLease).Truncate(time.Second)
}

// Complete fills in what may be left out.
func (s Settings) Complete() Settings {
	if s.Binary == "" {
		s.Binary = "dnsmasq"
	}
	if len(s.EntryOrder) == 0 {
		s.EntryOrder = []string{"base"}
	}
	s.Network, s.Network6 = s.Network.Masked(), s.Network6.Masked()
	return s
}

// Check refuses settings that would break dnsmasq's files. The configuration
// accepts no such value; this is the last line of defence.
func (s Settings) Check() error {
	for _, text := range []struct{ Name, value string }{
		{"user", s.User}, {"base_dir", s.BaseDir}, {"run_dir", s.RunDir}, {"net_name", s.NetName},
		{"interface", s.Interface}, {"prefix", s.Prefix}, {"domain", s.Domain},
	} {
		if !PlainText(text.value) {
			return fmt.Errorf("dnsmasq.%s %q cannot be written to dnsmasq's files, accepted: no comma, quote, #, backslash or control character",
				text.Name, text.value)
		}
	}
	switch {
	case !slices.Contains([]Mode{Child, External, Off}, s.Mode):
		return fmt.Errorf("dnsmasq.run %q is unknown, accepted: child, external, off", s.Mode)
	case !slices.Contains([]Rebind{"", RebindOwn, RebindPrivate, RebindNo}, s.Rebind):
		return fmt.Errorf("dnsmasq.stop_rebind %q is unknown, accepted: own, private, no", s.Rebind)
	case slices.ContainsFunc(s.RebindDomains, func(d string) bool { return !validName(d) }):
		return fmt.Errorf("dnsmasq.rebind_domains %q: not all are domain names", s.RebindDomains)
	case s.NetName == "" || strings.ContainsAny(s.NetName, "/ ") || strings.HasPrefix(s.NetName, "."):
		return fmt.Errorf("dnsmasq.net_name %q is not valid in a file name", s.NetName)
	case s.Interface == "":
		return errors.New("dnsmasq.interface is empty")
	case !s.Network.IsValid() || !s.Network.Addr().Is4():
		return fmt.Errorf("dnsmasq's network %v is not an IPv4 network", s.Network)
	case !s.Gateway.Is4():
		return fmt.Errorf("dnsmasq.gateway %v is not an IPv4 address", s.Gateway)
	case s.Domain != "" && !validName(s.Domain):
		return fmt.Errorf("dnsmasq.domain %q is not a domain name", s.Domain)
	case s.Network6.IsValid() && s.Network6.Bits() < 64: // also true of each prefix of IPv4
		return fmt.Errorf("dnsmasq's IPv6 network %v is not served, accepted: prefixes of 64 bits and more", s.Network6)
	}
	return nil
}

// PlainText reports whether dnsmasq takes text for a value as it stands.
func PlainText(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool {
		return unicode.IsControl(r) || strings.ContainsRune(`,"#\`, r)
	})
}
