package clients

import "slices"

var goHeaders = []string{"User-Agent: Go-http-client/1.1", "Accept-Encoding: gzip"}

// sdks are libraries, and programs that find out where they run by them.
var sdks = []Client{
	{
		Name: "Amazon's client for JavaScript, @aws-sdk/ec2-metadata-service", Version: "3.1164.0", As: "AWS", Tokens: IfAny,
		Reads:   "values with a doubled slash before them; the region; credentials, of which there are none",
		Source:  "packages/ec2-metadata-service/src/MetadataService.ts; @smithy/util-defaults-mode-node",
		Headers: []string{"Connection: keep-alive"}, TokenHeader: "x-aws-ec2-metadata-token: ",
		Ask: func(g Guest) []Request {
			const ttl = "x-aws-ec2-metadata-token-ttl-seconds: 21600"
			return []Request{
				put(ttl), get("//latest/meta-data/instance-id", value(g.ID)),
				put(ttl), get("//latest/meta-data/placement/region/", value(g.Region)),
				put(ttl), get("/latest/meta-data/iam/security-credentials/", nothing),
				put(ttl), get("/latest/meta-data/placement/region", value(g.Region)),
			}
		},
	},
	{
		Name: "Amazon's former client for Go, aws-sdk-go", Version: "1.55.8", As: "AWS", Tokens: IfAny,
		Reads:   "instance-id, region, the identity document, user-data; credentials, of which there are none",
		Source:  "aws/ec2metadata/api.go, token_provider.go",
		Headers: []string{"User-Agent: aws-sdk-go/1.55.8 (go1.26; linux; amd64)", "Accept-Encoding: gzip"}, TokenHeader: "X-Aws-Ec2-Metadata-Token: ",
		Ask: func(g Guest) []Request {
			return []Request{
				put(longest),
				get("/latest/meta-data/instance-id", value(g.ID)),
				get("/latest/dynamic/instance-identity/document", document(g)),
				get("/latest/user-data", bytes(g.Userdata)),
				get("/latest/meta-data/iam/info", nothing),
				get("/latest/meta-data/iam/security-credentials/", nothing),
			}
		},
	},
	{
		Name: "step, of Smallstep, with the AWS provisioner", Version: "certificates 0.30.2", As: "AWS", Tokens: IfAny,
		Reads:   "the identity document and its signature, which the certificate authority checks by `iidRoots`",
		Source:  "authority/provisioner/aws.go",
		Headers: goHeaders, TokenHeader: "X-Aws-Ec2-Metadata-Token: ",
		Ask: func(g Guest) []Request {
			const ttl, dir = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds: 30", "/latest/dynamic/instance-identity/"
			return []Request{
				put(ttl), get(dir+"document", document(g)),
				put(ttl), get(dir+"signature", present),
			}
		},
	},
	{
		Name: "Vault's agent and client, with `auth/aws`", Version: "api/auth/aws 0.12.0", As: "AWS", Tokens: IfAny,
		Reads:   "the identity document with its signatures, which Vault checks by the certificate that it is configured with",
		Source:  "api/auth/aws/aws.go; builtin/credential/aws/path_login.go",
		Headers: []string{"User-Agent: aws-sdk-go/1.55.8 (go1.26; linux; amd64)", "Accept-Encoding: gzip"}, TokenHeader: "X-Aws-Ec2-Metadata-Token: ",
		Ask: func(g Guest) []Request {
			const dir = "/latest/dynamic/instance-identity/"
			return []Request{
				put(longest), get(dir+"pkcs7", present), get(dir+"rsa2048", present),
				get(dir+"document", document(g)), get(dir+"signature", present),
			}
		},
	},
	{
		Name: "OpenTelemetry's detector, for Go", Version: "detectors/aws/ec2/v2 2.6.0", As: "AWS", Tokens: IfAny,
		Reads:   "the identity document, host name",
		Source:  "detectors/aws/ec2/v2/ec2.go",
		Headers: []string{"User-Agent: aws-sdk-go-v2/1.47.1", "Accept-Encoding: gzip"}, TokenHeader: "X-Aws-Ec2-Metadata-Token: ",
		Ask: func(g Guest) []Request {
			return []Request{
				put(longest),
				get("/latest/dynamic/instance-identity/document", document(g)),
				get("/latest/meta-data/hostname", value(g.Name)),
			}
		},
	},
	{
		Name: "Vector's aws_ec2_metadata", Version: "c3445d4", As: "AWS", Tokens: Always,
		Reads:   "the identity document, zone, host name, address, networks, tags",
		Source:  "src/transforms/aws_ec2_metadata.rs",
		Headers: []string{"accept: */*"}, TokenHeader: "x-aws-ec2-metadata-token: ",
		Ask: func(g Guest) []Request {
			const dir = "/latest/meta-data/"
			nic := dir + "network/interfaces/macs/" + g.NICs[0].MAC + "/"
			return []Request{
				put("x-aws-ec2-metadata-token-ttl-seconds: 21600"),
				get("/latest/dynamic/instance-identity/document", document(g)),
				get(dir+"placement/availability-zone", value(g.Zone)),
				get(dir+"local-hostname", value(g.Name)),
				get(dir+"local-ipv4", value(g.ipv4())),
				get(dir+"public-hostname", nothing),
				get(dir+"public-ipv4", nothing),
				get(dir+"mac", value(g.NICs[0].MAC)),
				get(nic+"subnet-id", present),
				get(nic+"vpc-id", present),
				get(dir+"iam/security-credentials/", nothing),
				get(dir+"tags/instance/nosuch", nothing),
			}
		},
	},
	{
		Name: "Landscape's client", Version: "26.08~beta.4", As: "EC2", Tokens: Never,
		Reads:   "instance-id, instance-type, ami-id",
		Source:  "landscape/lib/cloud.py, fetch.py",
		Headers: []string{"User-Agent: PycURL/7.45.2 libcurl/7.88.1", "Accept: */*"},
		Ask: func(g Guest) []Request {
			const dir = "/latest/meta-data/"
			return []Request{get(dir+"instance-id", value(g.ID)), get(dir+"instance-type", value(g.Type)), get(dir+"ami-id", present)}
		},
	},
	{
		Name: "Ubuntu Pro's client", Version: "9e02305", As: "AWS", Tokens: IfAny,
		Reads:   "the identity document, also as PKCS #7",
		Source:  "uaclient/clouds/aws.py",
		Headers: []string{"Accept-Encoding: identity", "Connection: close"}, TokenHeader: "X-aws-ec2-metadata-token: ",
		Ask: func(g Guest) []Request {
			const dir = "/latest/dynamic/instance-identity/"
			return []Request{put(ttl6h), get(dir+"document", document(g)), get(dir+"pkcs7", present)}
		},
	},
	{
		Name: "Kubernetes' cloud-provider-openstack and Cinder driver", Version: "c453fb7", As: "OpenStack", Tokens: Unused,
		Reads:   "the UUID, zone and devices",
		Source:  "pkg/util/metadata/metadata.go",
		Headers: goHeaders,
		Ask: func(g Guest) []Request {
			return []Request{get("/openstack/latest/meta_data.json", novaMetadata(g))}
		},
	},
	{
		Name: "os-collect-config", Version: "12.0.0", As: "EC2", Tokens: Never,
		Reads:   "the whole of `meta-data/`, and what is in each key's directory",
		Source:  "os_collect_config/ec2.py",
		Headers: pythonRequests,
		Ask: func(g Guest) []Request {
			const dir = "/latest/meta-data/"
			requests := []Request{crawl(dir)}
			if len(g.Keys) > 0 {
				requests = append(requests, get(dir+"public-keys/0/", value("openssh-key")), get(dir+"public-keys/0/openssh-key", value(g.firstKey())))
			}
			return requests
		},
	},
}

// setups are further programs that set a guest up.
var setups = []Client{
	{
		Name: "nm-cloud-setup, of NetworkManager", Version: "355bc90 (1.59)", As: "AWS", Tokens: Always,
		Reads:   "each interface's network and addresses; asks again for up to 15 seconds until all interfaces are listed",
		Source:  "src/nm-cloud-setup/nmcs-provider-ec2.c, nm-http-client.c",
		Headers: []string{"Accept: */*"}, TokenHeader: "X-aws-ec2-metadata-token: ",
		Ask: func(g Guest) []Request {
			const dir = "/2018-09-24/meta-data/network/interfaces/macs/"
			var macs []string
			for _, nic := range g.NICs {
				macs = append(macs, nic.MAC)
			}
			requests := []Request{put("X-aws-ec2-metadata-token-ttl-seconds: 180"), get(dir, list(macs, "/"))}
			for _, nic := range g.NICs {
				requests = append(requests,
					get(dir+nic.MAC+"/subnet-ipv4-cidr-block", value(nic.IPv4.Masked().String())),
					get(dir+nic.MAC+"/local-ipv4s", value(nic.IPv4.Addr().String())))
			}
			return requests
		},
	},
	{
		Name: "coreos-cloudinit, of Flatcar", Version: "8df59e8", As: "EC2", Tokens: IfAny,
		Reads:   "public keys, host name, addresses, user-data",
		Source:  "datasource/metadata/ec2/metadata.go, pkg/http_client.go",
		Headers: goHeaders, TokenHeader: "X-aws-ec2-metadata-token: ",
		Ask: func(g Guest) []Request {
			const dir = "/2009-04-04/meta-data"
			return slices.Concat([]Request{put(longest), get("/2009-04-04/", present)}, keys(g, dir+"/public-keys"), []Request{
				get(dir+"/hostname", value(g.Name)),
				get(dir+"/local-ipv4", value(g.ipv4())),
				get(dir+"/public-ipv4", nothing),
				get("/2009-04-04/user-data", bytes(g.Userdata)),
			})
		},
	},
	{
		Name: "LinuxKit's metadata; Kairos, by yip", Version: "3bf33c3; 62df27a", As: "EC2", Tokens: Never,
		Reads:   "host name, addresses, zone, instance-type, instance-id, first public key, user-data",
		Source:  "pkg/metadata/provider_aws.go, provider_openstack.go",
		Headers: goHeaders,
		Ask: func(g Guest) []Request {
			const dir = "/latest/meta-data/"
			return []Request{
				get(dir+"hostname", value(g.Name)),
				get(dir+"public-ipv4", nothing),
				get(dir+"local-ipv4", value(g.ipv4())),
				get(dir+"placement/availability-zone", value(g.Zone)),
				get(dir+"instance-type", value(g.Type)),
				get(dir+"instance-id", value(g.ID)),
				get(dir+"local-hostname", value(g.Name)),
				get(dir+"public-keys/0/openssh-key", maybe(g.firstKey())),
				get("/latest/user-data", bytes(g.Userdata)),
			}
		},
	},
}
