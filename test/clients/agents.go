package clients

import (
	"fmt"
	"net/http"
	"slices"
)

// ttl6h asks for a token of six hours, the longest that there is.
const ttl6h = "X-aws-ec2-metadata-token-ttl-seconds: 21600"

// agents run in a guest that is set up. Most of them ask for values with a slash
// at the end.
var agents = []Client{
	{
		Name: "ohai, of Chef", Version: "16.13.0 (Debian 12)", As: "AWS", Package: "ohai", Image: "clients", Test: "TestOhai", Tokens: IfAny,
		Reads: "the newest version that it knows of those that `/` lists: the whole of `meta-data/`, user-data, the identity document",
	},
	{
		Name: "facter, of Puppet", Version: "4.3.0 (Debian 12)", As: "AWS", Package: "facter", Image: "clients", Test: "TestFacter", Tokens: IfAny,
		Reads: "the whole of `meta-data/`, user-data",
	},
	{
		Name: "AWS CLI", Version: "2.9.19 (Debian 12)", As: "AWS", Package: "awscli", Image: "clients", Test: "TestBotocore", Tokens: IfAny,
		Reads: "the region, out of the zone",
	},
	{
		Name: "boto3 and botocore", Version: "1.26.27 (Debian 12)", As: "AWS", Package: "python3-boto3", Image: "clients", Test: "TestBotocore", Tokens: IfAny,
		Reads: "the region, out of the zone; credentials, of which there are none",
	},
	{
		Name: "boto", Version: "2.49.0 (Debian 12)", As: "AWS", Package: "python3-boto", Image: "clients", Test: "TestBoto", Tokens: Never,
		Reads: "the whole of `meta-data/` and of the identity document's directory, user-data",
	},
	{
		Name: "Prometheus, with `ec2_sd_configs`", Version: "2.42.0 (Debian 12)", As: "AWS", Package: "prometheus", Test: "TestPrometheusInEC2", Tokens: IfAny,
		Reads: "the region, out of the identity document",
	},
	{
		Name: "Ansible's amazon.aws.ec2_metadata_facts", Version: "7.7.0 (Debian 12)", As: "AWS", Package: "ansible", Image: "clients", Test: "TestAnsible",
		Tokens: IfAny, Reads: "the whole of `meta-data/` and `dynamic/`, user-data, the first public key, tags",
	},
	{
		Name: "EC2 Instance Connect, for sshd", Version: "1.1-18", As: "AWS", Tokens: Always,
		Reads:   "instance-id; keys that AWS hands out for a minute, of which there are none",
		Source:  "src/bin/eic_curl_authorized_keys",
		Headers: []string{"User-Agent: curl/8.5.0", "Accept: */*"}, TokenHeader: "X-aws-ec2-metadata-token: ",
		Ask: func(g Guest) []Request {
			return []Request{
				put("X-aws-ec2-metadata-token-ttl-seconds: 5"),
				get("/latest/meta-data/instance-id/", value(g.ID)),
				{Method: http.MethodHead, Path: "/latest/meta-data/managed-ssh-keys/active-keys/debian/", Makes: nothing},
			}
		},
	},
	{
		Name: "Datadog's agent", Version: "06107cc", As: "AWS", Tokens: IfAny,
		Reads:   "instance-id, host name, interfaces and their networks, the identity document",
		Source:  "pkg/util/ec2/network.go and the package's other files",
		Headers: []string{"User-Agent: Go-http-client/1.1", "Accept-Encoding: gzip"}, TokenHeader: "X-aws-ec2-metadata-token: ",
		Ask: func(g Guest) []Request {
			const dir = "/latest/meta-data"
			var macs []string
			for _, nic := range g.NICs {
				macs = append(macs, nic.MAC)
			}
			requests := []Request{
				put(ttl6h),
				get(dir+"/instance-id", value(g.ID)),
				get(dir+"/hostname", value(g.Name)),
				get(dir+"/public-ipv4", nothing),
				get("/latest/dynamic/instance-identity/document/", document(g)),
				get(dir+"/network/interfaces/macs", list(macs, "/")),
			}
			for _, nic := range g.NICs {
				requests = append(requests,
					get(dir+"/network/interfaces/macs/"+nic.MAC+"/vpc-id", present),
					get(dir+"/network/interfaces/macs/"+nic.MAC+"/vpc-ipv4-cidr-blocks", value(nic.IPv4.Masked().String())),
					get(dir+"/network/interfaces/macs/"+nic.MAC+"/security-groups", value("default")))
			}
			return requests
		},
	},
	{
		Name: "Fluent Bit", Version: "0791a03", As: "AWS", Tokens: IfAny,
		Reads:   "zone, ids, type, address, host name, the identity document; shows a wrong token to see whether tokens are in use",
		Source:  "src/aws/flb_aws_imds.c, plugins/filter_aws/aws.h",
		Headers: []string{"User-Agent: Fluent-Bit"}, TokenHeader: "X-aws-ec2-metadata-token: ",
		Ask: func(g Guest) []Request {
			const dir = "/latest/meta-data/"
			return []Request{
				{Method: http.MethodGet, Path: "/", Headers: []string{"User-Agent: Fluent-Bit", "X-aws-ec2-metadata-token: INVALID"}, Makes: tokensOrNone},
				put(ttl6h),
				get(dir+"placement/availability-zone/", value(g.Zone)),
				get(dir+"instance-id/", value(g.ID)),
				get(dir+"instance-type/", value(g.Type)),
				get(dir+"local-ipv4/", value(g.ipv4())),
				get(dir+"mac/", value(g.NICs[0].MAC)),
				get(dir+"network/interfaces/macs/"+g.NICs[0].MAC+"/vpc-id/", present),
				get(dir+"ami-id/", present),
				get("/latest/dynamic/instance-identity/document/", document(g)),
				get(dir+"hostname/", value(g.Name)),
			}
		},
	},
	{
		Name: "ec2-metadata, for Python", Version: "07a9054", As: "AWS", Tokens: Always,
		Reads:   "all that it has a property for",
		Source:  "src/ec2_metadata/__init__.py",
		Headers: []string{"User-Agent: python-requests/2.28.1", "Accept-Encoding: gzip, deflate", "Accept: */*"}, TokenHeader: "X-aws-ec2-metadata-token: ",
		Ask: func(g Guest) []Request {
			const dir = "/latest/meta-data/"
			nic := dir + "network/interfaces/macs/" + g.NICs[0].MAC + "/"
			var requests []Request
			for _, name := range []string{
				"ami-id", "ami-launch-index", "ami-manifest-path", "instance-action", "reservation-id", "security-groups",
				"placement/availability-zone-id", "services/partition", "services/domain", "network/interfaces/macs/",
			} {
				requests = append(requests, get(dir+name, present))
			}
			for _, name := range []string{"device-number", "interface-id", "owner-id", "security-groups", "security-group-ids", "subnet-id", "vpc-id"} {
				requests = append(requests, get(nic+name, present))
			}
			for _, name := range []string{"autoscaling/target-lifecycle-state", "iam/info", "kernel-id", "public-hostname", "public-ipv4", "spot/instance-action"} {
				requests = append(requests, get(dir+name, nothing))
			}
			return slices.Concat([]Request{put(ttl6h)}, requests, []Request{
				get(dir+"local-hostname", value(g.Name)),
				get("/latest/dynamic/instance-identity/document", document(g)),
				get("/latest/user-data/", bytes(g.Userdata)),
			})
		},
	},
}

// tokensOrNone is how a server answers a wrong token: 401 says that there are
// tokens, 200 that there are none.
func tokensOrNone(a Answer) error {
	if a.Status != http.StatusUnauthorized && a.Status != http.StatusOK {
		return fmt.Errorf("status %d with %q, want 401 or 200", a.Status, a.Body)
	}
	return nil
}
