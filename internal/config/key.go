package config

import (
	"slices"
	"strconv"

	"mdserver/internal/config/kind"
)

// key is one row of the table that drives reading, checking, dumping,
// reloading and both documents.
type key struct {
	section, name string
	// rank is the place among the Python mdserver's defaults, whose order
	// templates and /service/configuration see; 0 if the Python mdserver sets no
	// default.
	rank int
	// def is the default as the Python mdserver holds it: nil, bool, int or
	// string.
	def any
	// derive computes the default instead, from keys further up in the table.
	derive func(*defaults) any
	// derived says in the reference what derive does.
	derived string
	// example stands in the sample file where a default cannot.
	example string
	// shipped is the value that the sample file sets; "" leaves it commented.
	shipped string
	// old is a former "section.key". If it is set, it wins, as in the Python
	// mdserver.
	old string
	// rest takes every key of the section that has no row of its own.
	rest func(c *Config, name, text string) error
	// network takes the key in each section [network NAME].
	network func(n *Network, text string) error
	// seen turns text of a file into what a template sees, if not the text.
	seen func(text string) any

	secret  bool // never shown
	restart bool // cannot change while the server runs
	doc     string

	binding
}

// binding ties a kind to the field of Config that holds the value.
type binding struct {
	accepts string
	quotes  bool
	set     func(c *Config, text string) error
	get     func(c *Config) any
	copy    func(to, from *Config)
}

func bind[T any](k kind.Kind[T], field func(*Config) *T) binding {
	return binding{
		accepts: k.Accepts,
		quotes:  k.Quotes,
		set: func(c *Config, text string) error {
			v, err := k.Parse(text)
			if err == nil {
				*field(c) = v
			}
			return err
		},
		get:  func(c *Config) any { return *field(c) },
		copy: func(to, from *Config) { *field(to) = *field(from) },
	}
}

// full is the name that messages and templates use.
func (k *key) full() string { return k.section + "." + k.name }

// original reports whether the Python mdserver knew the key.
func (k *key) original() bool {
	switch k.section {
	case "public-keys", "template-data", "_include_":
		return true
	}
	return k.rank > 0
}

// pyText writes a default as a file would have it.
func pyText(v any) string {
	switch v := v.(type) {
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case int:
		return strconv.Itoa(v)
	case string:
		return v
	}
	return ""
}

type section struct{ name, doc string }

// sections in the order of the sample file.
var sections = []section{
	{"mdserver", "The metadata server."},
	{"loglevels", "Messages go to standard output and, if `mdserver.logfile` is set, to that file. A message\n" +
		"is logged if it has the base level and the level of the target. Levels are debug, info,\n" +
		"warning, error and critical."},
	{"public-keys", "SSH public keys for all guests, one per line: `NAME = KEY`. Templates have each key as\n" +
		"`public_key_NAME`."},
	{"dnsmasq", "The primary network, and dnsmasq, which serves DHCP and DNS on it."},
	{networkSection, "A further network; NAME is its name in libvirt. There may be several. The keys mean the\n" +
		"same as in `[dnsmasq]`. The network of `[dnsmasq]` exists beside them unless that section\n" +
		"has no key about a network. A guest gets an address on each network that one of its\n" +
		"interfaces names, or whose bridge it names. Networks must not overlap. A change needs a\n" +
		"reload only. docs/howto/networks.md shows the steps."},
	{"template-data", "Values for templates, one per line: `NAME = VALUE`. In a template, `{{NAME}}` is VALUE,\n" +
		"always as a string. Names that templates have already, such as `hostname`, keep their\n" +
		"meaning."},
	{"libvirt", "The connection to libvirt."},
	{"store", "Where guests are kept: on this host, or in etcd for several hosts."},
	{"metrics", "Monitoring. docs/howto/monitoring.md shows the steps."},
	{"ssh", "SSH host keys of guests; docs/howto/ssh.md shows the steps."},
	{"service", "Names of this host for `/service/` and for EC2."},
	{"_include_", "Further files, read after the main file: first the directories, then the files. If several\n" +
		"set a key, the last one wins. Missing files are ignored. Only the main file may have this\n" +
		"section."},
}

// table holds every key, section by section.
var table = slices.Concat(serverKeys, accessKeys, registrationKeys, logKeys, publicKeys, dnsmasqKeys, rebindKeys, localNameKeys, dhcpKeys, networkKeys, networkDHCPKeys, templateKeys, serviceKeys, libvirtKeys, storeKeys, metricsKeys, sshKeys, includeKeys)

// index finds a row by its full name.
var index = func() map[string]*key {
	m := make(map[string]*key, len(table))
	for i := range table {
		m[table[i].full()] = &table[i]
	}
	return m
}()

// lookup finds the row of a key: its own, or the section's row for the rest.
func lookup(section, name string) *key {
	if _, ok := networkName(section); ok {
		section = networkSection
	}
	if k := index[section+"."+name]; k != nil && k.rest == nil {
		return k
	}
	return restOf(section)
}

func keysOf(section string) []*key {
	var list []*key
	for i := range table {
		if table[i].section == section {
			list = append(list, &table[i])
		}
	}
	return list
}

func knownSection(name string) bool {
	_, isNetwork := networkName(name)
	return isNetwork || slices.ContainsFunc(sections, func(s section) bool { return s.name == name })
}
