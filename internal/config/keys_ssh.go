package config

import (
	"time"

	"mdserver/internal/config/kind"
	"mdserver/internal/config/names"
)

// SSH is the section [ssh].
type SSH struct {
	HostCA              bool          // sign host certificates
	CertificateLifetime time.Duration // of host certificates
	User                string        // that people log in as; "" if guests differ
}

var sshKeys = []key{
	{
		section: "ssh", name: "host_ca", def: "no",
		doc: "Sign a host certificate for each SSH host key that a guest reports, at each of its boots.\n" +
			"Clients that have the line of `mdserver ssh ca` then know every guest. Guests report\n" +
			"host keys if `mdserver.report` is set.",
		binding: bind(kind.Boolean, func(c *Config) *bool { return &c.SSH.HostCA }),
	},
	{
		section: "ssh", name: "certificate_lifetime", def: 7,
		doc: "Lifetime of host certificates, in days. A guest gets a new certificate at each boot and,\n" +
			"while it runs, every day.",
		binding: bind(kind.Units(1, 3650, 24*time.Hour, "days"), func(c *Config) *time.Duration { return &c.SSH.CertificateLifetime }),
	},
	{
		section: "ssh", name: "user", def: "",
		doc: "User that people log in as, for `mdserver ssh` and `mdserver ssh-config`. The metadata key\n" +
			"`ssh_user` overrides it for one guest. If neither is set, ssh decides.",
		example: "debian",
		binding: bind(names.UserName, func(c *Config) *string { return &c.SSH.User }),
	},
}
