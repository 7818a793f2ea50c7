package config

import (
	"errors"
	"log/slog"
	"net/netip"
	"strings"

	"mdserver/internal/build"
	"mdserver/internal/config/kind"
	"mdserver/internal/config/names"
)

// Short names for the table.
type (
	addr     = netip.Addr
	logLevel = slog.Level
)

// notConfigured is the Python mdserver's default of public-keys.default.
const notConfigured = "__NOT_CONFIGURED__"

// knownVersions are all versions that AWS ever served, for clients pin them:
// cloud-init asks for 2021-03-23, 2018-09-24, 2016-09-02 and 2009-04-04,
// Ignition for 2019-10-01, afterburn for 2021-01-03, Bottlerocket for 2021-07-15.
const knownVersions = "1.0, 2007-01-19, 2007-03-01, 2007-08-29, 2007-10-10, 2007-12-15, 2008-02-01, " +
	"2008-09-01, 2009-04-04, 2011-01-01, 2011-05-01, 2012-01-12, 2014-02-25, 2014-11-05, 2015-10-20, " +
	"2016-04-19, 2016-06-30, 2016-09-02, 2018-03-28, 2018-08-17, 2018-09-24, 2019-10-01, 2020-10-27, " +
	"2021-01-03, 2021-03-23, 2021-07-15, 2022-07-09, 2022-09-24, 2024-04-11, latest"

var publicKeys = []key{
	{
		section: "public-keys", name: "default", rank: 10, def: notConfigured, secret: true,
		doc:     "The first key.",
		example: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI... you@example.net",
	},
	{
		section: "public-keys", name: "NAME", secret: true, rest: addPublicKey,
		doc:     "Further keys. Templates have all keys by name in `public_keys`.",
		example: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI... colleague@example.net",
		binding: binding{accepts: "an OpenSSH public key on one line"},
	},
}

var templateKeys = []key{
	{
		section: "template-data", name: "_config_items_",
		doc: "Configuration values that templates get as variables, as section.key names separated by\n" +
			"commas: `dnsmasq.domain` becomes `{{domain}}`.",
		example: "dnsmasq.prefix, dnsmasq.domain",
		secret:  true,
		binding: bind(kind.Items, func(c *Config) *[]string { return &c.ConfigItems }),
	},
	{
		section: "template-data", name: "NAME", secret: true, rest: addTemplateData,
		doc:     "Any value.",
		example: "text",
		binding: binding{accepts: "any text"},
	},
}

var serviceKeys = []key{
	{
		section: "service", name: "name", rank: 1, def: "mdserver",
		doc:     "Name of your site or installation.",
		binding: bind(kind.Line, func(c *Config) *string { return &c.Service.Name }),
	},
	{
		section: "service", name: "type", rank: 2, def: "mdserver",
		doc:     "Type of the service, which clients look for. Usually left as it is.",
		binding: bind(kind.Line, func(c *Config) *string { return &c.Service.Type }),
	},
	{
		section: "service", name: "version", rank: 3,
		doc:     "Version of the service.",
		derive:  func(*defaults) any { return build.Version },
		derived: "the version of mdserver", example: "1.0.0",
		binding: bind(kind.Line, func(c *Config) *string { return &c.Service.Version }),
	},
	{
		section: "service", name: "release_date", rank: 4,
		doc:     "Date of that version.",
		derive:  func(*defaults) any { return build.Date },
		derived: "the release date of mdserver", example: "2026-11-24",
		binding: bind(kind.Line, func(c *Config) *string { return &c.Service.ReleaseDate }),
	},
	{
		section: "service", name: "hostname", rank: 5,
		doc:     "Full name of this host.",
		derive:  func(d *defaults) any { return d.host() },
		derived: "the host's full name", example: "kvm1.example.net",
		binding: bind(kind.Line, func(c *Config) *string { return &c.Service.Hostname }),
	},
	{
		section: "service", name: "location", rank: 6,
		doc: "Location of this host.",
		derive: func(d *defaults) any {
			label, _, _ := strings.Cut(d.host(), ".")
			return label
		},
		derived: "the first label of the host's full name", example: "kvm1",
		binding: bind(kind.Line, func(c *Config) *string { return &c.Service.Location }),
	},
	{
		section: "service", name: "region",
		doc:     "EC2 region of the guests. Some clients derive the names of package mirrors from it.",
		derive:  func(d *defaults) any { return names.PlaceName(d.config.Service.Location) },
		derived: "`location` in lower case, with hyphens for all but letters and digits", example: "kvm1",
		binding: bind(names.Region, func(c *Config) *string { return &c.Service.Region }),
	},
	{
		section: "service", name: "availability_zone",
		doc: "EC2 availability zone of this host. Some clients derive the region from all but its last\n" +
			"character.",
		derive:  func(d *defaults) any { return d.config.Service.Region + "a" },
		derived: "`region` and the letter a", example: "kvm1a",
		binding: bind(names.Region, func(c *Config) *string { return &c.Service.AvailabilityZone }),
	},
	{
		section: "service", name: "account_id", def: "000000000000",
		doc: "EC2 account of all guests. It is part of the signed identity documents; use a different\n" +
			"one for each site to tell them apart.",
		binding: bind(names.Account, func(c *Config) *string { return &c.Service.AccountID }),
	},
	{
		section: "service", name: "ec2_versions", rank: 7, def: knownVersions,
		doc: "EC2 metadata versions to serve, separated by commas. Clients ask for a certain version;\n" +
			"the default lists all versions of AWS, and latest.",
		binding: bind(names.Versions, func(c *Config) *[]string { return &c.Service.EC2Versions }),
	},
}

var includeKeys = []key{
	{
		section: "_include_", name: "directories", shipped: "/etc/mdserver/mdserver.conf.d",
		doc: "Directories, separated by colons. All files whose names end in `.conf` and do not begin\n" +
			"with a dot are read, in alphabetical order.",
		binding: bind(kind.Paths, func(c *Config) *[]string { return &c.Files.directories }),
	},
	{
		section: "_include_", name: "files",
		doc:     "Single files, separated by colons.",
		example: "/etc/mdserver/local.conf:/etc/mdserver/more.conf",
		binding: bind(kind.Paths, func(c *Config) *[]string { return &c.Files.files }),
	},
}

func addPublicKey(c *Config, name, text string) error {
	if err := kind.Plain(name); err != nil {
		return errors.New("the name " + err.Error())
	}
	if err := kind.Plain(text); err != nil {
		return err
	}
	if text != "" && text != notConfigured {
		c.PublicKeys = append(c.PublicKeys, PublicKey{Name: name, Key: text})
	}
	return nil
}

func addTemplateData(c *Config, name, text string) error {
	c.TemplateData = append(c.TemplateData, KeyValue{Key: name, Value: text})
	return nil
}

// noneIsNil reads "nothing" as Python's None.
func noneIsNil(text string) any {
	if kind.IsNone(text) {
		return nil
	}
	return text
}

// boolOrText is what the Python mdserver made of prefix and domain: Python's
// strtobool gives 1 or 0, and other text stays.
func boolOrText(text string) any {
	switch {
	case kind.IsTrue(text):
		return 1
	case kind.IsFalse(text):
		return 0
	}
	return text
}
