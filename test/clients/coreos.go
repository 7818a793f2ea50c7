package clients

import "slices"

// What Ignition sends with each request, and the line by which both ask for
// the longest lifetime that there is.
var ignitionHeaders = []string{
	"User-Agent: Ignition/2.26.0",
	"Accept: application/vnd.coreos.ignition+json;version=3.6.0, */*;q=0.1",
	"Accept-Encoding: identity",
}

const longest = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds: 21600"

// coreOS is what Fedora CoreOS and Flatcar boot with.
var coreOS = []Client{
	{
		Name: "Ignition", Version: "2.14.0 (Debian 12)", As: "AWS", Package: "ignition", Test: "TestIgnition", Tokens: IfAny,
		Reads: "user-data, as the guest's configuration; none where there is none",
	},
	{
		Name: "Ignition", Version: "2.14.0 (Debian 12)", As: "OpenStack", Package: "ignition", Test: "TestIgnition", Tokens: Unused,
		Reads: "user-data, as the guest's configuration; none where there is none",
	},
	{
		Name: "Ignition", Version: "2.26.0", As: "AWS", Tokens: IfAny,
		Reads:   "user-data; the region, by Amazon's client for Go",
		Source:  "internal/providers/aws/aws.go, internal/resource/url.go",
		Headers: ignitionHeaders, TokenHeader: "X-Aws-Ec2-Metadata-Token: ",
		Ask: func(g Guest) []Request {
			sdk := []string{"User-Agent: aws-sdk-go-v2/1.40.0 lang/go#1.25", "Accept-Encoding: gzip"}
			return []Request{
				put(longest), // to see that the network is up
				put("X-Aws-Ec2-Metadata-Token-Ttl-Seconds: 300", sdk...),
				get("/latest/dynamic/instance-identity/document", document(g)),
				put(longest),
				get("/2019-10-01/user-data", bytes(g.Userdata)),
			}
		},
	},
	{
		Name: "Ignition", Version: "2.26.0", As: "OpenStack", Tokens: Unused,
		Reads:   "user-data",
		Source:  "internal/providers/openstack/openstack.go, internal/resource/url.go",
		Headers: ignitionHeaders,
		Ask: func(g Guest) []Request {
			return []Request{get("/openstack/latest/user_data", bytes(g.Userdata))}
		},
	},
	{
		Name: "afterburn", Version: "5.10.0", As: "AWS", Tokens: IfAny,
		Reads:   "ids, names and addresses for the guest's services, region, public keys, host name",
		Source:  "src/providers/aws/mod.rs, src/retry/client.rs",
		Headers: []string{"accept: */*"}, TokenHeader: "x-aws-ec2-metadata-token: ",
		Ask: func(g Guest) []Request {
			const dir = "/2021-01-03/meta-data/"
			return slices.Concat([]Request{
				put("x-aws-ec2-metadata-token-ttl-seconds: 21600", "accept: */*", "content-type: text/plain; charset=utf-8"),
				get(dir+"instance-id", value(g.ID)),
				get(dir+"instance-type", value(g.Type)),
				get(dir+"local-ipv4", value(g.ipv4())),
				get(dir+"public-ipv4", nothing),
				get(dir+"ipv6", maybe(g.ipv6())),
				get(dir+"placement/availability-zone", value(g.Zone)),
				get(dir+"placement/availability-zone-id", value(g.Zone)),
				get(dir+"hostname", value(g.Name)),
				get(dir+"public-hostname", nothing),
				get("/2021-01-03/dynamic/instance-identity/document", document(g)),
			}, keys(g, dir+"public-keys"), []Request{get(dir+"hostname", value(g.Name))})
		},
	},
	{
		Name: "afterburn", Version: "5.10.0", As: "OpenStack", Tokens: Never,
		Reads:   "the UUID; by the EC2 tree ids, names, addresses and public keys",
		Source:  "src/providers/openstack/network.rs, src/retry/client.rs",
		Headers: []string{"accept: */*"},
		Ask: func(g Guest) []Request {
			const dir = "/latest/meta-data/"
			return slices.Concat([]Request{
				get("/openstack/2012-08-10/meta_data.json", fields(map[string]string{"uuid": g.UUID})),
				get(dir+"hostname", value(g.Name)),
				get(dir+"instance-id", value(g.ID)),
				get(dir+"instance-type", value(g.Type)),
				get(dir+"local-ipv4", value(g.ipv4())),
				get(dir+"public-ipv4", nothing),
			}, keys(g, dir+"public-keys"), []Request{get(dir+"hostname", value(g.Name))})
		},
	},
}
