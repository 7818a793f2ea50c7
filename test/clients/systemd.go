package clients

import (
	"fmt"
	"net/http"
)

// systemd's client takes a guest for AWS by the BIOS vendor Amazon EC2. It trims
// nothing: what it gets becomes a credential as it is. Each value is a process of
// its own; the token is in a file.
var systemd = []Client{
	{
		Name: "systemd-imdsd, for systemd-imds --import", Version: "262.1", As: "AWS", Tokens: Always,
		Reads:   "IPv6 address, host name, first public key and credentials in user-data; renews a token that is refused",
		Source:  "src/imds/imdsd.c, src/imds/imds-tool.c, hwdb.d/40-imds.hwdb",
		Headers: imdsd, TokenHeader: "X-aws-ec2-metadata-token: ",
		Ask: func(g Guest) []Request {
			return []Request{
				{Method: http.MethodGet, Path: "/latest/meta-data/hostname", Headers: append([]string{"X-aws-ec2-metadata-token: stale"}, imdsd...), Makes: renewable},
				put("X-aws-ec2-metadata-token-ttl-seconds: 900"),
				get("/latest/meta-data/hostname", value(g.Name)),
				get("/latest/meta-data/public-keys/0/openssh-key", terse(maybe(g.firstKey()))),
				get("/latest/user-data", terse(bytes(g.Userdata))),
				// its summary asks for these, too
				get("/latest/meta-data/placement/region", value(g.Region)),
				get("/latest/meta-data/placement/availability-zone", value(g.Zone)),
				get("/latest/meta-data/public-ipv4", terse(nothing)),
				get("/latest/meta-data/ipv6", terse(maybe(g.ipv6()))),
			}
		},
	},
}

var imdsd = []string{"User-Agent: systemd-imdsd/262.1-1", "Accept: */*"}

// terse is an answer that has no text if it is an error: systemd takes a text for
// a transfer that failed, and does not look at the status.
func terse(makes func(Answer) error) func(Answer) error {
	return func(a Answer) error {
		if a.Status >= http.StatusBadRequest && a.Body != "" {
			return fmt.Errorf("status %d with the text %q, want none", a.Status, a.Body)
		}
		return makes(a)
	}
}

// renewable is the answer to a token that has expired: 401, at which the client
// asks for another one, or what it wants if there are no tokens.
func renewable(a Answer) error { return terse(tokensOrNone)(a) }
