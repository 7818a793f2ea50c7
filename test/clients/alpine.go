package clients

// tinyCloudToken asks for a token with netcat, as HTTP/1.0 and without a Host.
// tiny-cloud does so before each request.
func tinyCloudToken() Request {
	return Request{Method: "PUT", Path: "/latest/api/token", TTL: "X-aws-ec2-metadata-token-ttl-seconds: 5", Old: true}
}

var alpine = []Client{
	{
		Name: "Alpine's tiny-cloud", Version: "9d1d448, after 3.0.2", As: "AWS", Tokens: IfAny,
		Reads:   "user-data, host name, public keys; the token by HTTP/1.0 without a `Host`",
		Source:  "bin/imds, lib/tiny-cloud/init, lib/tiny-cloud/cloud/aws/imds",
		Headers: []string{"User-Agent: Wget", "Connection: close"}, TokenHeader: "X-aws-ec2-metadata-token: ",
		Ask: func(g Guest) []Request {
			requests := []Request{
				tinyCloudToken(), get("/latest/user-data", bytes(g.Userdata)),
				tinyCloudToken(), get("/latest/meta-data/hostname", value(g.Name)),
				tinyCloudToken(),
			}
			return append(requests, keys(g, "/latest/meta-data/public-keys")...)
		},
	},
	{
		Name: "Alpine's tiny-cloud", Version: "9d1d448, after 3.0.2", As: "NoCloud", Tokens: Unused,
		Reads:   "host name and user-data; the seed's address, and a second slash behind it",
		Source:  "lib/tiny-cloud/init, lib/tiny-cloud/cloud/nocloud/imds",
		Headers: []string{"User-Agent: Wget", "Connection: close"},
		Ask: func(g Guest) []Request {
			return []Request{
				get("/nocloud//meta-data", seed(g)),
				get("/nocloud//user-data", blob(g.Userdata)),
				get("/nocloud//vendor-data", blob(g.Vendordata)),
				get("/nocloud//network-config", netplan(g)),
			}
		},
	},
}

// talos knows NoCloud by a serial number that begins with ds=nocloud-net only.
var talos = []Client{
	{
		Name: "Talos Linux", Version: "06fea24", As: "NoCloud, by `nocloud-net`", Tokens: Unused,
		Reads:   "host name, network configuration, user-data, as the machine's configuration",
		Source:  "internal/app/machined/pkg/runtime/v1alpha1/platform/nocloud/metadata.go",
		Headers: []string{"User-Agent: Go-http-client/1.1", "Accept-Encoding: gzip"},
		Ask: func(g Guest) []Request {
			return []Request{
				get("/nocloud/meta-data", seed(g)),
				get("/nocloud/network-config", netplan(g)),
				get("/nocloud/user-data", blob(g.Userdata)),
			}
		},
	},
}
