package clients

var nixOS = []Client{
	{
		Name: "NixOS' ec2-metadata-fetcher, for amazon-init", Version: "nixpkgs 11a6f9a", As: "AWS", Tokens: Always,
		Reads:   "user-data, host name, first public key",
		Source:  "nixos/modules/virtualisation/ec2-metadata-fetcher.sh, amazon-init.nix",
		Headers: []string{"User-Agent: curl/8.7.1", "Accept: */*"}, TokenHeader: "X-aws-ec2-metadata-token: ",
		Ask: func(g Guest) []Request {
			return []Request{
				put("X-aws-ec2-metadata-token-ttl-seconds: 600"),
				get("/latest/meta-data/instance-id", value(g.ID)), // to try the token
				get("/latest/meta-data/ami-manifest-path", value("(unknown)")),
				get("/latest/user-data", bytes(g.Userdata)),
				get("/latest/meta-data/hostname", value(g.Name)),
				get("/latest/meta-data/public-keys/0/openssh-key", maybe(g.firstKey())),
			}
		},
	},
	{
		Name: "NixOS' openstack-metadata-fetcher", Version: "nixpkgs 14fd976", As: "OpenStack", Tokens: Never,
		Reads:   "by the EC2 tree user-data, host name, first public key",
		Source:  "nixos/modules/virtualisation/openstack-metadata-fetcher.nix",
		Headers: []string{"User-Agent: Wget/1.24.5", "Accept: */*", "Accept-Encoding: identity", "Connection: Keep-Alive"},
		Ask: func(g Guest) []Request {
			return []Request{
				get("/1.0/meta-data/ami-manifest-path", value("(unknown)")),
				get("/1.0/user-data", bytes(g.Userdata)),
				get("/1.0/meta-data/hostname", value(g.Name)),
				get("/1.0/meta-data/public-keys/0/openssh-key", maybe(g.firstKey())),
			}
		},
	},
}
