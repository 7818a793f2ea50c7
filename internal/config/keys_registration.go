package config

import "mdserver/internal/config/kind"

// registrationKeys say who may register guests by TCP, and how many there may be.
var registrationKeys = []key{
	{
		section: "mdserver", name: "upload", def: "root",
		doc: "Who may register guests by `POST /instance-upload` over TCP, as older hooks do. root:\n" +
			"processes of root and of mdserver's own user. socket: no process; mdserver's own hook\n" +
			"and commands use the control socket. local: all processes of this host. A guest that\n" +
			"another user than root registers never changes guests that were registered otherwise,\n" +
			"and gives way to them.",
		binding: bind(kind.Choice("root", "socket", "local"), func(c *Config) *string { return &c.Server.Upload }),
	},
	{
		section: "mdserver", name: "max_guests", def: 65536,
		doc: "Maximum number of guests. When it is reached, a new guest replaces the guest that has\n" +
			"been gone from libvirt for the longest time, or is refused.",
		binding: bind(kind.Whole(1, 10000000), func(c *Config) *int { return &c.Server.MaxGuests }),
	},
	{
		section: "mdserver", name: "snapshots", def: 7,
		doc: "Number of database snapshots to keep, in the directory snapshots beside the database.\n" +
			"One is made each day, one before each import, and one before and after each restore.\n" +
			"`mdserver restore` restores them. 0: none.",
		binding: bind(kind.Whole(0, 1000), func(c *Config) *int { return &c.Server.Snapshots }),
	},
}
