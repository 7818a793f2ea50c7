package config

// registrationKeys say who may register guests by TCP, and how many there may be.
var registrationKeys = []key{
	{
		section: "mdserver", name: "upload", def: "root",
		doc: "Who may register guests by `POST /instance-upload` over TCP, as the original's hook does.\n" +
			"root: processes of this host that run as root, or as mdserver's own user. socket: none;\n" +
			"mdserver's own hook and commands use the control socket, whose mode and group decide.\n" +
			"local: every process of this host, as with the original. A guest that a user other than\n" +
			"root uploads changes no guest that was registered otherwise, and makes way for those.",
		binding: bind(choice("root", "socket", "local"), func(c *Config) *string { return &c.Server.Upload }),
	},
	{
		section: "mdserver", name: "max_guests", def: 65536,
		doc: "How many guests there may be in all. Beyond that, a new guest takes the place of the one\n" +
			"that libvirt has not had for the longest time, or is refused; those that are known stay\n" +
			"and may change.",
		binding: bind(whole(1, 10000000), func(c *Config) *int { return &c.Server.MaxGuests }),
	},
	{
		section: "mdserver", name: "snapshots", def: 7,
		doc: "How many snapshots of the database to keep, in the directory snapshots beside it. One is\n" +
			"made each day, and one before guests of the original are imported again or a backup is\n" +
			"restored. They are backups that `mdserver restore` takes. 0: none.",
		binding: bind(whole(0, 1000), func(c *Config) *int { return &c.Server.Snapshots }),
	},
}
