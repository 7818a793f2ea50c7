package clients

var others = []Client{
	{
		Name: "ec2metadata, of cloud-guest-utils", Version: "0.33 (Debian 12)", As: "AWS", Package: "cloud-guest-utils", Test: "TestEC2Metadata", Tokens: Always,
		Reads: "all that it has an option for; prints it",
	},
	{
		Name: "iPXE, in a virtual machine", Version: "1.0.0 of 2019-01-25 (Debian 12)", As: "EC2", Package: "ipxe", Image: "clients", Test: "TestIPXE", Tokens: Never,
		Reads: "user-data, which it runs as its script, and instance-id",
	},
	{
		Name: "curl, dhclient and glibc's resolver in a guest with IPv6 alone", Version: "of Debian 12", As: "EC2, OpenStack, NoCloud",
		Test: "TestGuestWithIPv6Alone", Tokens: Never,
		Reads: "address by DHCPv6, route by router advertisement, all three at `[fd00:ec2::254]` and `[fe80::a9fe:a9fe]`, " +
			"names by AAAA and PTR",
	},
}
