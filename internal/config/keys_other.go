package config

import (
	"errors"
	"log/slog"
	"net/netip"
	"strings"
)

// Short names for the table.
type (
	addr     = netip.Addr
	logLevel = slog.Level
)

// notConfigured is the original's default of public-keys.default.
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
		doc:     "The first key; the built-in user-data template installs it.",
		example: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI... you@example.net",
	},
	{
		section: "public-keys", name: "NAME", secret: true, rest: addPublicKey,
		doc:     "Any further key. A template gets all of them by name as `public_keys`.",
		example: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI... colleague@example.net",
		binding: binding{accepts: "an OpenSSH public key on one line"},
	},
}

var templateKeys = []key{
	{
		section: "template-data", name: "_config_items_",
		doc: "Configuration values that templates get under their bare names, as section.key\n" +
			"names separated by commas: `dnsmasq.domain` becomes `{{domain}}`.",
		example: "dnsmasq.prefix, dnsmasq.domain",
		secret:  true,
		binding: bind(items, func(c *Config) *[]string { return &c.ConfigItems }),
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
		doc:     "A name for your site or installation.",
		binding: bind(line, func(c *Config) *string { return &c.Service.Name }),
	},
	{
		section: "service", name: "type", rank: 2, def: "mdserver",
		doc:     "What clients recognise the service by. Best left alone.",
		binding: bind(line, func(c *Config) *string { return &c.Service.Type }),
	},
	{
		section: "service", name: "version", rank: 3,
		doc:     "Version of the service.",
		derive:  func(*defaults) any { return Version },
		derived: "the version of mdserver", example: "1.0.0",
		binding: bind(line, func(c *Config) *string { return &c.Service.Version }),
	},
	{
		section: "service", name: "release_date", rank: 4,
		doc:     "Date of that version.",
		derive:  func(*defaults) any { return ReleaseDate },
		derived: "the release date of mdserver", example: "2026-11-24",
		binding: bind(line, func(c *Config) *string { return &c.Service.ReleaseDate }),
	},
	{
		section: "service", name: "hostname", rank: 5,
		doc:     "Full name of this host.",
		derive:  func(d *defaults) any { return d.host() },
		derived: "the host's full name", example: "kvm1.example.net",
		binding: bind(line, func(c *Config) *string { return &c.Service.Hostname }),
	},
	{
		section: "service", name: "location", rank: 6,
		doc: "Where this service runs.",
		derive: func(d *defaults) any {
			label, _, _ := strings.Cut(d.host(), ".")
			return label
		},
		derived: "the first label of the host's full name", example: "kvm1",
		binding: bind(line, func(c *Config) *string { return &c.Service.Location }),
	},
	{
		section: "service", name: "region",
		doc: "The location as EC2 knows it. Guests see it as their region; some clients build the\n" +
			"names of package mirrors out of it.",
		derive:  func(d *defaults) any { return placeName(d.config.Service.Location) },
		derived: "`location` in lower case, with hyphens for all but letters and digits", example: "kvm1",
		binding: bind(region, func(c *Config) *string { return &c.Service.Region }),
	},
	{
		section: "service", name: "availability_zone",
		doc:     "The part of the region that this host is. Clients without better knowledge take all\nbut its last character for the region.",
		derive:  func(d *defaults) any { return d.config.Service.Region + "a" },
		derived: "`region` and the letter a", example: "kvm1a",
		binding: bind(region, func(c *Config) *string { return &c.Service.AvailabilityZone }),
	},
	{
		section: "service", name: "account_id", def: "000000000000",
		doc:     "Account that all guests belong to, as EC2 counts them. It is part of the signed\nidentity documents: give each site its own to tell them apart.",
		binding: bind(account, func(c *Config) *string { return &c.Service.AccountID }),
	},
	{
		section: "service", name: "ec2_versions", rank: 7, def: knownVersions,
		doc: "Versions of the EC2 metadata to serve, separated by commas. The default is every\n" +
			"version that AWS ever had, and latest: clients pin one each, and current ones ask\n" +
			"for newer versions than 2009-04-04, which alone was the original's default.",
		binding: bind(versions, func(c *Config) *[]string { return &c.Service.EC2Versions }),
	},
}

var includeKeys = []key{
	{
		section: "_include_", name: "directories", shipped: "/etc/mdserver/mdserver.conf.d",
		doc: "Directories, separated by colons. All files in them whose names end in `.conf` are\n" +
			"read in alphabetical order, but for those whose names begin with a dot.",
		binding: bind(paths, func(c *Config) *[]string { return &c.Files.directories }),
	},
	{
		section: "_include_", name: "files",
		doc:     "Single files, separated by colons.",
		example: "/etc/mdserver/local.conf:/etc/mdserver/more.conf",
		binding: bind(paths, func(c *Config) *[]string { return &c.Files.files }),
	},
}

func addPublicKey(c *Config, name, text string) error {
	if err := plain(name); err != nil {
		return errors.New("the name " + err.Error())
	}
	if err := plain(text); err != nil {
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
	if isNone(text) {
		return nil
	}
	return text
}

// boolOrText is what the original made of prefix and domain: Python's
// strtobool gives 1 or 0, and other text stays.
func boolOrText(text string) any {
	switch {
	case isTrue(text):
		return 1
	case isFalse(text):
		return 0
	}
	return text
}
