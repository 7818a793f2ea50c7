// Package config reads mdserver.conf: an INI file with its includes, every key of
// the Python mdserver under its name, meaning and default, and new keys beside
// them. It gives typed, validated values, reports each problem with file and line,
// and writes the sample file and the reference from the same table of keys.
package config

import (
	"log/slog"
	"net/netip"
	"time"

	"mdserver/internal/instance"
)

// Config is one whole, valid configuration. It is never changed after Load.
type Config struct {
	Server       Server
	LogLevels    LogLevels
	PublicKeys   []PublicKey // "default" first, then in the order of the files
	Dnsmasq      Dnsmasq
	Networks     []Network  // all that are served, see networks
	TemplateData []KeyValue // [template-data] without _config_items_
	ConfigItems  []string   // "section.key" names out of _config_items_
	Service      Service
	Libvirt      Libvirt
	Metrics      Metrics
	Store        Store
	SSH          SSH
	Files        Files

	values    *values           // as read, for Values and Dump
	effective map[string]string // active text by full name
}

// Server is the section [mdserver].
type Server struct {
	Port          int
	ListenAddress netip.Addr // 0.0.0.0 and :: mean every address
	Listen6       Listen6    // further addresses; see Config.ListenAddresses6

	UserdataDir      string
	UserdataSuffixes []string // tried in this order; "" is the bare name
	DefaultTemplate  string   // a file; "" for the built-in template

	VendordataTemplate string // a file; "" for no vendor-data
	Report             bool
	Password           string // secret, for templates; usually a crypt hash
	PasswordSet        bool
	HostnamePrefix     string // of guests whose own name makes no host name

	DBFile   string // the Python mdserver's JSON database, imported at first start
	Database string // our bbolt file
	Identity string // key and certificate of the identity authority
	Socket   string // Unix socket of the hook and the commands

	IMDS         string   // "optional", "required" or "off"
	IMDSHopLimit int      // IP TTL of an answer with a token
	IMDSExempt   []string // frontends that ask for no token, see instance.IMDSFrontends

	AcceptInterfaces []string // see GuestInterfaces
	VerifyMAC        string   // "bridge", "yes" or "no"
	AcceptHosts      []string // further names that requests may be for
	MaxConnections   int      // of all guests at a time
	GuestConnections int      // of one guest at a time
	RequestRate      int      // of one guest, a second; 0 for no limit

	Upload    string // who may upload by TCP: "root", "socket" or "local"
	MaxGuests int    // in all
	Snapshots int    // of the database that are kept

	LogFile       string // "" for none
	Debug         bool   // every log level becomes debug
	DebugUserdata bool   // keep a copy of each rendered user-data

	TemplateEscape string   // what {{ }} does: "html" or "none"
	TemplateNone   string   // what None prints: "text" ("None") or "empty"
	TemplateFormat string   // "stpl", or "raw" for no templating
	TemplatePath   []string // further directories of include and rebase

	TemplateSteps     int // limits of one render, see stpl.Limits
	TemplateMemory    int // MiB
	TemplateRecursion int
	TemplateOutput    int           // limit of one render's output, in KiB
	TemplateTime      time.Duration // limit of one render's computing time
	UserdataSize      int           // limit of a whole document, in KiB
	StuckAfter        time.Duration // without a sign of progress
}

// LogLevels is the section [loglevels]. A message passes Base first, then the
// level of each target.
type LogLevels struct {
	Base, Stream, File slog.Level
	LogFormat          string // "text" or "json"
}

// PublicKey is one line of [public-keys].
type PublicKey struct {
	Name string
	Key  string // an OpenSSH public key, one line
}

// KeyValue is one line of [template-data].
type KeyValue struct{ Key, Value string }

// Dnsmasq is the section [dnsmasq]: the guests' network and the program that
// serves it.
type Dnsmasq struct {
	User    string // user that dnsmasq runs as
	BaseDir string // of the generated files
	RunDir  string // of the pid-file
	Run     string // "child", "external" or "off"
	Binary  string // path of the dnsmasq program

	NetName       string     // libvirt's network; also the stem of file names
	Interface     string     // the bridge
	ListenAddress netip.Addr // zero if not set

	Network   netip.Prefix // IPv4, masked
	Gateway   netip.Addr
	Reserved  []instance.AddrRange
	Network6  netip.Prefix // zero: no IPv6
	Gateway6  netip.Addr   // zero without Network6
	Reserved6 []instance.AddrRange

	UseDNS     bool          // tell guests to ask us for names
	LeaseLen   time.Duration // whole seconds
	Quarantine time.Duration // rest of a released address
	Prefix     string        // before a guest's name; "" for none
	Domain     string        // after a guest's name; "" for none
	EntryOrder []string      // of "base", "prefix", "domain"

	StopRebind    string   // "own", "private" or "no"
	RebindDomains []string // that may name private addresses

	NTPServers   []netip.Addr // that guests get
	DomainSearch []string     // that guests search; Domain if empty
	MTU          int          // 0: not set
	DHCPBoot     string       // as dnsmasq's dhcp-boot has it
	ConfFile     string       // with further lines for dnsmasq, or ""

	ServeHosts   bool // serve the names in this host's /etc/hosts
	DomainNeeded bool // do not ask other servers for names without a dot

	Scope        string // ScopeShared or ScopeHost, of networks that do not say
	PortSecurity bool   // guests may send only as themselves

	netAddress, netAddress6 netip.Addr
	netPrefix, netPrefix6   int
}

// Service is the section [service]: what /service/ tells.
type Service struct {
	Name, Type, Version, ReleaseDate string
	Hostname, Location               string
	Region, AvailabilityZone         string   // what EC2 calls the location
	AccountID                        string   // of the owner of all guests, 12 digits
	EC2Versions                      []string // the first path elements that we answer under
}

// Files tells what was read, for a watcher and for /service/configuration.
type Files struct {
	Main        string
	Directories []Directory
	Included    []string // single files of [_include_] files

	directories, files []string // as the section names them
}

// String names the configuration, so that printing one tells no secret.
func (c Config) String() string { return "configuration " + c.Files.Main }

// LogValue keeps secrets out of structured logs.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }
