package clients

// systemd's client takes a guest for AWS by the BIOS vendor Amazon EC2. It
// trims nothing: what it gets becomes a credential as it is.
var systemd = []Client{
	{
		Name: "systemd-imdsd, for systemd-imds --import", Version: "261", As: "AWS", Tokens: Always,
		Reads:   "IPv6 address, host name, first public key and credentials in user-data",
		Source:  "src/imds/imdsd.c, src/imds/imds-tool.c, hwdb.d/40-imds.hwdb",
		Headers: []string{"User-Agent: systemd-imdsd/261", "Accept: */*"}, TokenHeader: "X-aws-ec2-metadata-token: ",
		Ask: func(g Guest) []Request {
			return []Request{
				put("X-aws-ec2-metadata-token-ttl-seconds: 900"),
				get("/latest/meta-data/public-ipv4", nothing),
				get("/latest/meta-data/ipv6", maybe(g.ipv6())),
				get("/latest/meta-data/hostname", value(g.Name)),
				get("/latest/meta-data/public-keys/0/openssh-key", maybe(g.firstKey())),
				get("/latest/user-data", bytes(g.Userdata)),
				// its summary asks for these, too
				get("/latest/meta-data/placement/region", value(g.Region)),
				get("/latest/meta-data/placement/availability-zone", value(g.Zone)),
			}
		},
	},
}
