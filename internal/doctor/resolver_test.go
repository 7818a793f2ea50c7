package doctor

import (
	"net/netip"
	"slices"
	"testing"
)

// What resolvectl of systemd 252 prints.
const (
	noServers  = "Global:\nLink 2 (br-mds):\nLink 3 (eth0): 192.0.2.53\n"
	noDomains  = "Global:\nLink 2 (br-mds):\nLink 3 (eth0): example.org\n"
	hasServer  = "Global:\nLink 2 (br-mds): 10.122.0.1\nLink 3 (eth0): 192.0.2.53\n"
	hasDomain  = "Global:\nLink 2 (br-mds): ~example.net\nLink 3 (eth0): example.org\n"
	hasServers = "Global:\nLink 2 (br-mds): 10.122.0.9 10.122.0.8 10.122.0.7 10.122.0.6 10.122.0.5\n        fd00::1 10.122.0.1\nLink 3 (eth0): 192.0.2.53\n"
	hasDomains = "Global:\nLink 2 (br-mds): a.example.org bbbbbbbbbbbbbbbbbbbbbb.example.org\n        ~example.net\nLink 3 (eth0): example.org\n"
)

func TestUnresolved(t *testing.T) {
	mds := Network{
		Name: "mds", Bridge: "br-mds", Gateway: netip.MustParseAddr("10.122.0.1"), IPv4: netip.MustParsePrefix("10.122.0.0/24"),
		UseDNS: true, Domain: "example.net", Run: "child",
	}
	with := func(change func(*Network)) Network {
		n := mds
		change(&n)
		return n
	}
	remedy := []string{"resolvectl dns br-mds 10.122.0.1", "resolvectl domain br-mds '~example.net'"}
	for name, tt := range map[string]struct {
		network          Network
		servers, domains string
		want             []string
	}{
		"nothing is set":         {mds, noServers, noDomains, remedy},
		"only the server is set": {mds, hasServer, noDomains, remedy},
		"only the domain is set": {mds, noServers, hasDomain, remedy},
		"both are set":           {mds, hasServer, hasDomain, nil},
		"in longer lists":        {mds, hasServers, hasDomains, nil},
		"the server is another link's": {
			mds, "Global:\nLink 2 (br-mds):\nLink 3 (eth0): 10.122.0.1\n", hasDomain, remedy,
		},
		"another domain": {with(func(n *Network) { n.Domain = "example.com" }), hasServer, hasDomain, []string{remedy[0], "resolvectl domain br-mds '~example.com'"}},
		"for the whole host": {
			mds, "Global: 10.122.0.1\n", "Global: example.net\n", nil,
		},
		"in other letters":       {mds, hasServer, "Link 2 (br-mds): ~Example.NET\n", nil},
		"the network is without": {with(func(n *Network) { n.Domain = "" }), noServers, noDomains, nil},
		"guests use no DNS":      {with(func(n *Network) { n.UseDNS = false }), noServers, noDomains, nil},
	} {
		t.Run(name, func(t *testing.T) {
			h := &Host{Networks: []Network{tt.network}}
			var got []string
			for _, f := range h.unresolved(scopes(tt.servers), scopes(tt.domains)) {
				got = append(got, f.Remedy...)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("the remedy is %q, want %q", got, tt.want)
			}
		})
	}
}
