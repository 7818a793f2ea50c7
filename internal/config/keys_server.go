package config

import (
	"path/filepath"
	"time"
)

var serverKeys = []key{
	{
		section: "mdserver", name: "port", rank: 11, def: 80, restart: true,
		doc:     "TCP port of the metadata server.",
		binding: bind(whole(1, 65535), func(c *Config) *int { return &c.Server.Port }),
	},
	{
		section: "mdserver", name: "listen_address", rank: 17, def: "169.254.169.254", restart: true,
		doc: "Address of the metadata server. Guests look for it at 169.254.169.254. `0.0.0.0` or\n" +
			"nothing means every IPv4 address of this host, `::` every address.",
		binding: bind(anyAddress, func(c *Config) *addr { return &c.Server.ListenAddress }),
	},
	{
		section: "mdserver", name: "listen_address6", def: "auto", restart: true,
		doc: "IPv6 addresses of the metadata server beside `listen_address`, separated by commas. Guests\n" +
			"look for it at `fd00:ec2::254` and at `fe80::a9fe:a9fe` of their own network: auto means\n" +
			"both if `net_address6` is set. A link-local address is that of the bridge, `interface`,\n" +
			"unless it names another as in `fe80::1%br0`. The bridge has to have these addresses.",
		binding: bind(listen6, func(c *Config) *Listen6 { return &c.Server.Listen6 }),
	},
	{
		section: "mdserver", name: "userdata_dir", rank: 12, def: "/etc/mdserver/userdata",
		doc:     "Directory in which to look for the guests' user-data.",
		binding: bind(path, func(c *Config) *string { return &c.Server.UserdataDir }),
	},
	{
		section: "mdserver", name: "userdata_suffixes", rank: 13, def: ":.yaml",
		doc: "Suffixes to try when looking for user-data, separated by colons. Nothing before\n" +
			"the first, after the last or between two colons means the bare name.",
		binding: bind(suffixes, func(c *Config) *[]string { return &c.Server.UserdataSuffixes }),
	},
	{
		section: "mdserver", name: "default_template", rank: 18,
		doc: "User-data template for guests that have none of their own. If it is not set, a\n" +
			"minimal built-in one serves.",
		example: "/etc/mdserver/userdata/base.yaml",
		seen:    noneIsNil,
		binding: bind(optionalPath, func(c *Config) *string { return &c.Server.DefaultTemplate }),
	},
	{
		section: "mdserver", name: "vendordata_template", def: "",
		doc: "Template of the vendor-data: what this site sets up on every guest, beside and before\n" +
			"the guest's own user-data, which wins where both set the same. It has the variables\n" +
			"of user-data. OpenStack and NoCloud have vendor-data, EC2 has none.",
		example: "/etc/mdserver/vendor-data.yaml",
		binding: bind(optionalPath, func(c *Config) *string { return &c.Server.VendordataTemplate }),
	},
	{
		section: "mdserver", name: "password", rank: 8, secret: true,
		doc: "Password for templates, as `{{mdserver_password}}`: best the hash that\n" +
			"`openssl passwd -6` prints. If it is not set, templates have no such value.",
		example: "$6$salt$hash",
		seen:    noneIsNil,
		binding: bind(secret, func(c *Config) *string { return &c.Server.Password }),
	},
	{
		section: "mdserver", name: "hostname_prefix", rank: 9, def: "vm",
		doc:     "Begins the host name of a guest whose own name has no letter or digit in it.",
		binding: bind(hostPrefix, func(c *Config) *string { return &c.Server.HostnamePrefix }),
	},
	{
		section: "mdserver", name: "db_file", rank: 19, def: "/var/lib/mdserver/db_file.json", restart: true,
		doc: "The original's JSON database. Guests in it are imported at the first start; the\n" +
			"file itself is left as it is.",
		binding: bind(path, func(c *Config) *string { return &c.Server.DBFile }),
	},
	{
		section: "mdserver", name: "database", restart: true,
		doc:     "The database of guests.",
		derive:  func(d *defaults) any { return filepath.Join(filepath.Dir(d.config.Server.DBFile), "mdserver.db") },
		derived: "`mdserver.db` beside `db_file`",
		example: "/var/lib/mdserver/mdserver.db",
		binding: bind(path, func(c *Config) *string { return &c.Server.Database }),
	},
	{
		section: "mdserver", name: "socket", def: "/run/mdserver/mdserver.sock", restart: true,
		doc:     "Unix socket by which the libvirt hook and the mdserver commands reach the server.",
		binding: bind(socketPath, func(c *Config) *string { return &c.Server.Socket }),
	},
	{
		section: "mdserver", name: "logfile", rank: 14, def: "/var/log/mdserver.log",
		doc:     "Log file. Nothing turns it off; standard output gets messages in any case.",
		binding: bind(optionalPath, func(c *Config) *string { return &c.Server.LogFile }),
	},
	{
		section: "mdserver", name: "debug", rank: 15, def: "no",
		doc:     "Log everything, whatever the levels of `[loglevels]` say.",
		binding: bind(boolean, func(c *Config) *bool { return &c.Server.Debug }),
	},
	{
		section: "mdserver", name: "debug_userdata", rank: 16, def: "no",
		doc:     "Keep a copy of each user-data that a guest was given. It may hold secrets.",
		binding: bind(boolean, func(c *Config) *bool { return &c.Server.DebugUserdata }),
	},
	{
		section: "mdserver", name: "template_escape", def: "html", shipped: "none",
		doc: "What `{{ }}` in templates does to the characters `& < > \" '`. html replaces them by HTML\n" +
			"entities: so did the original, and it is the default for the sake of its files.\n" +
			"But user-data is YAML or shell text, in which `&amp;` is a mistake, so new\n" +
			"installations set none. `{{! }}` never replaces anything.",
		binding: bind(choice("html", "none"), func(c *Config) *string { return &c.Server.TemplateEscape }),
	},
	{
		section: "mdserver", name: "template_none", def: "text",
		doc:     "What `{{ }}` prints for None: the word None (text), or nothing (empty).",
		binding: bind(choice("text", "empty"), func(c *Config) *string { return &c.Server.TemplateNone }),
	},
	{
		section: "mdserver", name: "template_format", def: "stpl",
		doc: "How a user-data file is taken unless it says so itself: stpl is a template, raw is\n" +
			"served as it is. The first line `## mdserver: raw` or the suffix `.raw` says so for\n" +
			"one file.",
		binding: bind(choice("stpl", "raw"), func(c *Config) *string { return &c.Server.TemplateFormat }),
	},
	{
		section: "mdserver", name: "template_path", def: "",
		doc: "Directories in which `include` and `rebase` look, separated by colons, after\n" +
			"`userdata_dir` and its subdirectory `views`.",
		example: "/etc/mdserver/templates",
		binding: bind(paths, func(c *Config) *[]string { return &c.Server.TemplatePath }),
	},
	{
		section: "mdserver", name: "template_steps", def: 5000000,
		doc: "How many steps of computation one template may take. This limit and the next ones\n" +
			"count all parts of one document (`userdata_parts`) as one template.",
		binding: bind(whole(1000, 1000000000), func(c *Config) *int { return &c.Server.TemplateSteps }),
	},
	{
		section: "mdserver", name: "template_memory", def: 64,
		doc:     "How much memory one template may ask for over its whole run, in MiB.",
		binding: bind(whole(1, 4096), func(c *Config) *int { return &c.Server.TemplateMemory }),
	},
	{
		section: "mdserver", name: "template_recursion", def: 500,
		doc:     "How deep functions of a template may call each other.",
		binding: bind(whole(10, 5000), func(c *Config) *int { return &c.Server.TemplateRecursion }),
	},
	{
		section: "mdserver", name: "template_output", def: 1024,
		doc:     "How long the output of one template may be, in KiB.",
		binding: bind(whole(1, 65536), func(c *Config) *int { return &c.Server.TemplateOutput }),
	},
	{
		section: "mdserver", name: "template_time", def: 1000,
		doc: "How long one template may compute, in milliseconds of processor time. By the clock it\n" +
			"may take ten times as long, so that it does not fail because the host is busy.",
		binding: bind(units(1, 60000, time.Millisecond, "milliseconds"), func(c *Config) *time.Duration { return &c.Server.TemplateTime }),
	},
	{
		section: "mdserver", name: "userdata_size", def: 16384,
		doc: "How large the user-data of one guest may be, all its parts unpacked and joined, in KiB.\n" +
			"The same bounds vendor-data.",
		binding: bind(whole(1, 65536), func(c *Config) *int { return &c.Server.UserdataSize }),
	},
}

var logKeys = []key{
	{
		section: "loglevels", name: "base", rank: 20, def: "info", old: "mdserver.loglevel",
		doc:     "What is logged at all.",
		binding: bind(level, func(c *Config) *logLevel { return &c.LogLevels.Base }),
	},
	{
		section: "loglevels", name: "stream", rank: 21, def: "info",
		doc:     "What goes to standard output.",
		binding: bind(level, func(c *Config) *logLevel { return &c.LogLevels.Stream }),
	},
	{
		section: "loglevels", name: "file", rank: 22, def: "debug",
		doc:     "What goes to the log file.",
		binding: bind(level, func(c *Config) *logLevel { return &c.LogLevels.File }),
	},
	{
		section: "loglevels", name: "log_format", def: "text",
		doc:     "How messages are written: text for key=value pairs, json for one object a line.",
		binding: bind(choice("text", "json"), func(c *Config) *string { return &c.LogLevels.LogFormat }),
	},
}
