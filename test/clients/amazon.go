package clients

import "slices"

// bottlerocket asks for a token of a minute in each of its programs.
const bottlerocketTTL = "x-aws-ec2-metadata-token-ttl-seconds: 60"

// amazon is what Amazon's own images bring.
var amazon = []Client{
	{
		Name: "Amazon's client for Go, aws-sdk-go-v2", Version: "imds 1.20.8", As: "AWS", Test: "TestAmazonsClient", Tokens: IfAny,
		Reads: "instance-id, user-data",
	},
	{
		Name: "Amazon's client for Ruby, aws-sdk-core", Version: "3.168.1 (Debian 12)", As: "AWS", Package: "ruby-aws-sdk-core", Image: "clients", Test: "TestRuby",
		Tokens: Always, Reads: "instance-id, tags",
	},
	{
		Name: "ec2-metadata, of amazon-ec2-utils", Version: "2.0.1 (Debian 12)", As: "AWS", Package: "amazon-ec2-utils", Test: "TestAmazonsEC2Metadata", Tokens: Always,
		Reads: "all that it has an option for; prints it",
	},
	{
		Name: "amazon-ec2-net-utils", Version: "2.7.4", As: "AWS", Tokens: Always,
		Reads:   "each interface's number, id and addresses, from which it makes policy routes",
		Source:  "lib/lib.sh, bin/setup-policy-routes.sh",
		Headers: []string{"User-Agent: amazon-ec2-net-utils/2.7.4", "Accept: */*"}, TokenHeader: "X-aws-ec2-metadata-token:",
		Ask: func(g Guest) []Request {
			var list []Request
			for i, nic := range g.NICs {
				list = append(list, netUtils(g, i, "/latest/meta-data/network/interfaces/macs/"+nic.MAC+"/")...)
			}
			return list
		},
	},
	{
		Name: "Bottlerocket's imdsclient", Version: "core kit 3.1.1", As: "AWS", Tokens: Always,
		Reads: "host name, user-data, interfaces and their networks, addresses, instance-type, region, zone, partition, " +
			"public keys",
		Source:  "sources/imdsclient/src/lib.rs and its callers: dogtag, early-boot-config, pluto, shibaken, cfsignal",
		Headers: []string{"accept: */*"}, TokenHeader: "x-aws-ec2-metadata-token: ",
		Ask: func(g Guest) []Request {
			const version = "/2021-07-15/"
			const dir = version + "meta-data/"
			var macs []string
			for _, nic := range g.NICs {
				macs = append(macs, nic.MAC)
			}
			// the first line of the listing, with the slash at its end
			first := dir + "network/interfaces/macs/" + macs[0] + "/"
			return slices.Concat([]Request{
				put(bottlerocketTTL),
				get(dir+"local-hostname", value(g.Name)),
				put(bottlerocketTTL),
				get(version+"user-data", bytes(g.Userdata)),
				put(bottlerocketTTL),
				get(dir+"network/interfaces/macs", list(macs, "/")),
				get(first+"/vpc-ipv4-cidr-blocks", value(g.NICs[0].IPv4.Masked().String())),
				get(dir+"local-ipv4", value(g.ipv4())),
				get(first+"/ipv6s", maybe(g.ipv6())),
				get(dir+"instance-type", value(g.Type)),
				get(dir+"instance-id", value(g.ID)),
				get(version+"dynamic/instance-identity/document", document(g)),
				put(bottlerocketTTL),
			}, keys(g, dir+"public-keys"), []Request{
				get(dir+"services/partition", value("mdserver")),
				get(dir+"autoscaling/target-lifecycle-state", nothing),
			})
		},
	},
}

// netUtils is what is asked for one interface when it appears.
func netUtils(g Guest, number int, dir string) []Request {
	const mac = "/latest/meta-data/mac"
	primary := value(g.NICs[0].MAC)
	nic := g.NICs[number]
	list := []Request{put("X-aws-ec2-metadata-token-ttl-seconds: 60"), get(mac, primary)}
	if number == 0 {
		return append(list, get(mac, primary), get(dir+"interface-id", present), get(mac, primary), get(mac, primary),
			get(dir+"local-ipv4s", value(nic.IPv4.Addr().String())))
	}
	// It asks again and again until one of the first two numbers is not 0.
	return append(list,
		get(dir+"network-card", value("0")),
		get(mac, primary),
		get(dir+"device-number", value(string(rune('0'+number)))),
		get(dir+"interface-id", present),
		get(mac, primary),
		get(dir+"local-ipv4s", value(nic.IPv4.Addr().String())),
		get(dir+"ipv4-prefix", nothing),
		get(mac, primary),
		get(dir+"local-ipv4s", value(nic.IPv4.Addr().String())),
	)
}
