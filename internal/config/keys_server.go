package config

import (
	"path/filepath"
	"time"

	"mdserver/internal/config/kind"
	"mdserver/internal/config/names"
)

var serverKeys = []key{
	{
		section: "mdserver", name: "port", rank: 11, def: 80, restart: true,
		doc:     "TCP port of the metadata server. Guests use port 80.",
		binding: bind(kind.Whole(1, 65535), func(c *Config) *int { return &c.Server.Port }),
	},
	{
		section: "mdserver", name: "listen_address", rank: 17, def: "169.254.169.254", restart: true,
		doc: "IPv4 address of the metadata server. Guests use 169.254.169.254. `0.0.0.0` or an empty\n" +
			"value means all IPv4 addresses of this host, `::` all addresses.",
		binding: bind(kind.AnyAddress, func(c *Config) *addr { return &c.Server.ListenAddress }),
	},
	{
		section: "mdserver", name: "listen_address6", def: "auto", restart: true,
		doc: "Further IPv6 addresses of the metadata server, separated by commas. Guests use\n" +
			"`fd00:ec2::254` and `fe80::a9fe:a9fe`. auto: both of these if `net_address6` is set. A\n" +
			"link-local address is on the bridge `interface` unless it names another, as in\n" +
			"`fe80::1%br0`. The bridge must have these addresses.",
		binding: bind(listen6, func(c *Config) *Listen6 { return &c.Server.Listen6 }),
	},
	{
		section: "mdserver", name: "userdata_dir", rank: 12, def: "/etc/mdserver/userdata",
		doc:     "Directory of user-data templates.",
		binding: bind(kind.Path, func(c *Config) *string { return &c.Server.UserdataDir }),
	},
	{
		section: "mdserver", name: "userdata_suffixes", rank: 13, def: ":.yaml",
		doc: "Suffixes to try when searching for user-data, separated by colons. An empty suffix means\n" +
			"the bare name.",
		binding: bind(kind.Suffixes, func(c *Config) *[]string { return &c.Server.UserdataSuffixes }),
	},
	{
		section: "mdserver", name: "default_template", rank: 18,
		doc: "User-data template for guests that have no template of their own. If it is not set, a\n" +
			"built-in template is used.",
		example: "/etc/mdserver/userdata/base.yaml",
		seen:    noneIsNil,
		binding: bind(kind.OptionalPath, func(c *Config) *string { return &c.Server.DefaultTemplate }),
	},
	{
		section: "mdserver", name: "vendordata_template", def: "",
		doc: "Template for vendor-data: a baseline for all guests, in addition to their own user-data.\n" +
			"If both set the same value, user-data wins. OpenStack and NoCloud have vendor-data, EC2\n" +
			"does not.",
		example: "/etc/mdserver/vendor-data.yaml",
		binding: bind(kind.OptionalPath, func(c *Config) *string { return &c.Server.VendordataTemplate }),
	},
	{
		section: "mdserver", name: "report", def: "no", shipped: "yes",
		doc: "Ask guests to report their boots: cloud-init's stages as they go, how the boot ended, and\n" +
			"the public ssh host keys. cloud-init is asked by its vendor-data (OpenStack, NoCloud), or\n" +
			"by parts behind its user-data (EC2). Nothing is added for other programs. What a\n" +
			"guest's own user-data sets wins.",
		binding: bind(kind.Boolean, func(c *Config) *bool { return &c.Server.Report }),
	},
	{
		section: "mdserver", name: "password", rank: 8, secret: true,
		doc: "Password for templates, as `{{mdserver_password}}`. Use a hash, as printed by `openssl\n" +
			"passwd -6`. If it is not set, templates have no such variable.",
		example: "$6$salt$hash",
		seen:    noneIsNil,
		binding: bind(kind.Secret, func(c *Config) *string { return &c.Server.Password }),
	},
	{
		section: "mdserver", name: "hostname_prefix", rank: 9, def: "vm",
		doc:     "Prefix for guests whose name has no letter or digit.",
		binding: bind(names.HostPrefix, func(c *Config) *string { return &c.Server.HostnamePrefix }),
	},
	{
		section: "mdserver", name: "db_file", rank: 19, def: "/var/lib/mdserver/db_file.json", restart: true,
		doc: "JSON database of the Python mdserver. Its guests are imported at the first start. The\n" +
			"file is not changed.",
		binding: bind(kind.Path, func(c *Config) *string { return &c.Server.DBFile }),
	},
	{
		section: "mdserver", name: "database", restart: true,
		doc:     "Database of guests.",
		derive:  func(d *defaults) any { return filepath.Join(filepath.Dir(d.config.Server.DBFile), "mdserver.db") },
		derived: "`mdserver.db` beside `db_file`",
		example: "/var/lib/mdserver/mdserver.db",
		binding: bind(kind.Path, func(c *Config) *string { return &c.Server.Database }),
	},
	{
		section: "mdserver", name: "identity", restart: true,
		doc: "Key and certificate that sign identity documents. The server creates the file. A backup\n" +
			"contains it.",
		derive:  func(d *defaults) any { return filepath.Join(filepath.Dir(d.config.Server.Database), "identity.pem") },
		derived: "`identity.pem` beside `database`",
		example: "/var/lib/mdserver/identity.pem",
		binding: bind(kind.Path, func(c *Config) *string { return &c.Server.Identity }),
	},
	{
		section: "mdserver", name: "socket", def: "/run/mdserver/mdserver.sock", restart: true,
		doc:     "Unix socket for libvirt's hook and the mdserver commands.",
		binding: bind(kind.SocketPath, func(c *Config) *string { return &c.Server.Socket }),
	},
	{
		section: "mdserver", name: "logfile", rank: 14, def: "/var/log/mdserver.log",
		doc:     "Log file. Leave empty to disable. Standard output always gets messages, too.",
		binding: bind(kind.OptionalPath, func(c *Config) *string { return &c.Server.LogFile }),
	},
	{
		section: "mdserver", name: "debug", rank: 15, def: "no",
		doc:     "Log everything, regardless of the levels in `[loglevels]`.",
		binding: bind(kind.Boolean, func(c *Config) *bool { return &c.Server.Debug }),
	},
	{
		section: "mdserver", name: "debug_userdata", rank: 16, def: "no",
		doc:     "Keep a copy of all user-data that guests get, in `run_dir`. It may contain secrets.",
		binding: bind(kind.Boolean, func(c *Config) *bool { return &c.Server.DebugUserdata }),
	},
	{
		section: "mdserver", name: "template_escape", def: "html", shipped: "none",
		doc: "Escaping of `{{ }}` in templates. html: replace `& < > \" '` by HTML entities. none: do\n" +
			"not escape. In user-data, which is YAML or shell text, entities such as `&amp;` are\n" +
			"wrong, so new installations set none. The default is for older templates. `{{! }}` never\n" +
			"escapes.",
		binding: bind(kind.Choice("html", "none"), func(c *Config) *string { return &c.Server.TemplateEscape }),
	},
	{
		section: "mdserver", name: "template_none", def: "text",
		doc:     "Output of `{{ }}` for None. text: the word None. empty: nothing.",
		binding: bind(kind.Choice("text", "empty"), func(c *Config) *string { return &c.Server.TemplateNone }),
	},
	{
		section: "mdserver", name: "template_format", def: "stpl",
		doc: "Format of user-data files. stpl: templates. raw: sent as they are. The first line `##\n" +
			"mdserver: raw` or the suffix `.raw` makes a single file raw.",
		binding: bind(kind.Choice("stpl", "raw"), func(c *Config) *string { return &c.Server.TemplateFormat }),
	},
	{
		section: "mdserver", name: "template_path", def: "",
		doc: "Further directories for `include` and `rebase`, separated by colons. They are searched\n" +
			"after `userdata_dir` and its subdirectory `views`.",
		example: "/etc/mdserver/templates",
		binding: bind(kind.Paths, func(c *Config) *[]string { return &c.Server.TemplatePath }),
	},
	{
		section: "mdserver", name: "template_steps", def: 5000000,
		doc: "Maximum number of steps of one template. This limit and the next ones apply to all parts\n" +
			"of one document (`userdata_parts`) together.",
		binding: bind(kind.Whole(1000, 1000000000), func(c *Config) *int { return &c.Server.TemplateSteps }),
	},
	{
		section: "mdserver", name: "template_memory", def: 64,
		doc:     "Maximum memory that one template may allocate, in MiB.",
		binding: bind(kind.Whole(1, 4096), func(c *Config) *int { return &c.Server.TemplateMemory }),
	},
	{
		section: "mdserver", name: "template_recursion", def: 500,
		doc:     "Maximum depth of function calls in a template.",
		binding: bind(kind.Whole(10, 5000), func(c *Config) *int { return &c.Server.TemplateRecursion }),
	},
	{
		section: "mdserver", name: "template_output", def: 1024,
		doc:     "Maximum size of a template's output, in KiB.",
		binding: bind(kind.Whole(1, 65536), func(c *Config) *int { return &c.Server.TemplateOutput }),
	},
	{
		section: "mdserver", name: "template_time", def: 1000,
		doc: "Maximum processor time of one template, in milliseconds. The elapsed time may be ten\n" +
			"times as long, so that templates do not fail on a busy host.",
		binding: bind(kind.Units(1, 60000, time.Millisecond, "milliseconds"), func(c *Config) *time.Duration { return &c.Server.TemplateTime }),
	},
	{
		section: "mdserver", name: "stuck_after", def: "10m",
		doc: "Time without a sign of progress after which a boot that has not ended counts as stuck,\n" +
			"see `mdserver boots`. For example 90s, 10m or 1h.",
		binding: bind(kind.Positive(kind.Duration(8760*time.Hour)), func(c *Config) *time.Duration { return &c.Server.StuckAfter }),
	},
	{
		section: "mdserver", name: "userdata_size", def: 16384,
		doc: "Maximum size of a guest's user-data, with all parts unpacked and joined, in KiB. The\n" +
			"limit for vendor-data is the same.",
		binding: bind(kind.Whole(1, 65536), func(c *Config) *int { return &c.Server.UserdataSize }),
	},
}

var logKeys = []key{
	{
		section: "loglevels", name: "base", rank: 20, def: "info", old: "mdserver.loglevel",
		doc:     "Lowest level that is logged at all.",
		binding: bind(kind.Level, func(c *Config) *logLevel { return &c.LogLevels.Base }),
	},
	{
		section: "loglevels", name: "stream", rank: 21, def: "info",
		doc:     "Lowest level for standard output.",
		binding: bind(kind.Level, func(c *Config) *logLevel { return &c.LogLevels.Stream }),
	},
	{
		section: "loglevels", name: "file", rank: 22, def: "debug",
		doc:     "Lowest level for the log file.",
		binding: bind(kind.Level, func(c *Config) *logLevel { return &c.LogLevels.File }),
	},
	{
		section: "loglevels", name: "log_format", def: "text", restart: true,
		doc:     "Format of messages. text: key=value pairs. json: one object per line.",
		binding: bind(kind.Choice("text", "json"), func(c *Config) *string { return &c.LogLevels.LogFormat }),
	},
}
