package clients

var cloudInitHeaders = []string{
	"User-Agent: Cloud-Init/26.2", "Accept-Encoding: gzip, deflate", "Accept: */*", "Connection: keep-alive",
}

// cloudInit is what most images boot with. Debian's release is run; the newest
// one, which asks for more, is replayed.
var cloudInit = []Client{
	{
		Name: "cloud-init, all stages, with ds-identify and ifupdown", Version: "22.4.2 (Debian 12)", As: "AWS",
		Package: "cloud-init", Image: "chroot", Test: "TestCloudInitFindsItsDatasource", Tokens: Always,
		Reads: "instance-id, host name, keys, user-data of two parts, network by DHCP and DHCPv6; no warning",
	},
	{
		Name: "the same", Version: "22.4.2 (Debian 12)", As: "EC2 clone", Package: "cloud-init", Image: "chroot", Test: "TestCloudInit", Tokens: Never,
		Reads: "the same, with the network left as it was",
	},
	{
		Name: "the same", Version: "22.4.2 (Debian 12)", As: "OpenStack", Package: "cloud-init", Image: "chroot", Test: "TestCloudInitFindsItsDatasource", Tokens: Never,
		Reads: "the same, vendor-data, static IPv4 and IPv6 addresses and routes; block devices by the EC2 tree",
	},
	{
		Name: "the same", Version: "22.4.2 (Debian 12)", As: "NoCloud", Package: "cloud-init", Image: "chroot", Test: "TestCloudInitFindsItsDatasource", Tokens: Unused,
		Reads: "the same, vendor-data; this version asks for no `network-config`",
	},
	{
		Name: "the same", Version: "25.1 (Debian 13)", As: "AWS, OpenStack, NoCloud", Test: "TestNewerCloudInit", Tokens: Always,
		Reads: "the same, and `network-config` of NoCloud; no warning, for which this version would end \"degraded\"",
	},
	{
		Name:    "Debian 12 with its own kernel, cloud-init, netplan and systemd-networkd, in a virtual machine under libvirtd",
		Version: "12", As: "OpenStack, on libvirt's `default` network", Test: "TestMachineOnStockNetwork", Tokens: Never,
		Reads: "set up by `virsh define` and `mdserver smbios --apply` alone: the same, static addresses; starts again " +
			"while mdserver is away",
	},
	{
		Name: "the same", Version: "12", As: "AWS", Test: "TestMachinesWithPortSecurity", Tokens: Always, Reads: "the same, with tokens",
	},
	{
		Name: "the same", Version: "12", As: "NoCloud", Test: "TestMachineWithNoCloud", Tokens: Unused, Reads: "the same, vendor-data",
	},
	{
		Name: "cloud-init", Version: "26.2", As: "AWS", Tokens: Always,
		Reads:   "instance-id, user-data, the whole of `meta-data/` and of the identity document's directory",
		Source:  "cloudinit/sources/DataSourceEc2.py, cloudinit/sources/helpers/ec2.py",
		Headers: cloudInitHeaders, TokenHeader: "X-aws-ec2-metadata-token: ",
		Ask: func(g Guest) []Request {
			return []Request{
				put("X-aws-ec2-metadata-token-ttl-seconds: 21600"),
				get("/2021-03-23/meta-data/instance-id", value(g.ID)),
				get("/2021-03-23/user-data", bytes(g.Userdata)),
				crawl("/2021-03-23/meta-data/"),
				crawl("/2021-03-23/dynamic/instance-identity"),
				get("/2021-03-23/dynamic/instance-identity/document", document(g)),
			}
		},
	},
	{
		Name: "cloud-init", Version: "26.2", As: "EC2 clone", Tokens: Never,
		Reads:   "instance-id, user-data, the whole of `meta-data/`",
		Source:  "cloudinit/sources/DataSourceEc2.py, cloudinit/sources/helpers/ec2.py",
		Headers: cloudInitHeaders,
		Ask: func(g Guest) []Request {
			return []Request{
				get("/2009-04-04/meta-data/instance-id", value(g.ID)),
				get("/2021-03-23/meta-data/instance-id", value(g.ID)),
				get("/2021-03-23/user-data", bytes(g.Userdata)),
				crawl("/2021-03-23/meta-data/"),
			}
		},
	},
	{
		Name: "cloud-init", Version: "26.2", As: "OpenStack", Tokens: Never,
		Reads:   "the newest version's files; by the EC2 tree, which it can do without, block devices",
		Source:  "cloudinit/sources/DataSourceOpenStack.py, cloudinit/sources/helpers/openstack.py",
		Headers: cloudInitHeaders,
		Ask: func(g Guest) []Request {
			const dir = "/openstack/2018-08-27/"
			versions := value("2012-08-10\n2013-04-04\n2013-10-17\n2015-10-15\n2016-06-30\n2016-10-06\n2017-02-22\n2018-08-27\n2020-10-14\nlatest")
			vendor := fields(map[string]string{"cloud-init": g.Vendordata})
			if g.Vendordata == "" {
				vendor = fields(nil)
			}
			return []Request{
				get("/openstack", versions), // to see that the server is there
				get("/openstack", versions),
				get(dir+"meta_data.json", novaMetadata(g)),
				get(dir+"user_data", bytes(g.Userdata)),
				get(dir+"vendor_data.json", vendor),
				get(dir+"vendor_data2.json", fields(nil)),
				get(dir+"network_data.json", novaNetwork(g)),
				crawl("/latest/meta-data/"),
			}
		},
	},
	{
		Name: "cloud-init", Version: "26.2", As: "NoCloud", Tokens: Unused,
		Reads:   "all four files, `network-config` first; it would ask ten times more for one that is missing",
		Source:  "cloudinit/sources/DataSourceNoCloud.py, cloudinit/util.py",
		Headers: cloudInitHeaders,
		Ask: func(g Guest) []Request {
			return []Request{
				get("/nocloud/network-config", netplan(g)),
				get("/nocloud/meta-data", seed(g)),
				get("/nocloud/user-data", blob(g.Userdata)),
				get("/nocloud/vendor-data", blob(g.Vendordata)),
			}
		},
	},
}
