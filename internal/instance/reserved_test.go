package instance

import "testing"

func TestReservedName(t *testing.T) {
	for _, name := range []string{
		"wpad", "WPAD", "wpad.example.net", "isatap", "isatap.corp.example", "localhost", "localhost.localdomain", "localdomain",
		"broadcasthost", "gateway", "metadata", "metadata.google.internal", "instance-data", "data-server",
		"com", "NET", "org", "arpa", "local",
	} {
		if ReservedName(name) == "" {
			t.Errorf("%q is given", name)
		}
	}
	for _, name := range []string{"web1", "wpad-1", "lab-wpad", "com.example.net", "example.com", "dev", "db", "mx", "proxy", "ntp", "test"} {
		if why := ReservedName(name); why != "" {
			t.Errorf("%q is not given: %s", name, why)
		}
	}
}

func TestDNSNamesAreReservedAfterPrefixAndDomain(t *testing.T) {
	for _, tt := range []struct {
		network  Network
		hostname string
		reserved bool
	}{
		{Network{}, "web1", false},
		{Network{NamePrefix: "w"}, "pad", true},
		{Network{NamePrefix: "w"}, "PAD", true},
		{Network{NamePrefix: "lab-"}, "pad", false},
		{Network{NamePrefix: "wpad."}, "web1", false}, // all guests would be
		{Network{NamePrefix: "lab-"}, "wpad", true},
		{Network{NamePrefix: "lab-"}, "lab-wpad", false},
		{Network{Domain: "example.net"}, "wpad.example.net", true},
		{Network{Domain: "example.net"}, "com.example.net", true},  // dnsmasq serves com, too
		{Network{Domain: "example.net"}, "wpad.example.org", true}, // also of another domain
		{Network{Domain: "example.net"}, "web.example.org", false},
		{Network{Domain: "google.internal"}, "metadata", true},
	} {
		reserved := false
		for _, name := range tt.network.DNSNames(tt.hostname) {
			reserved = reserved || ReservedName(name) != ""
		}
		if reserved != tt.reserved {
			t.Errorf("%q on %+v: reserved %v, want %v", tt.hostname, tt.network, reserved, tt.reserved)
		}
	}
}

func TestBelow(t *testing.T) {
	n := Network{Domain: "Example.net"}
	for hostname, want := range map[string]bool{
		"web1.example.net": true, "a.b.EXAMPLE.net": true, "example.net": false, "web1.example.org": false,
		"webexample.net": false, "web1": false, ".example.net": false,
	} {
		if got := n.Below(hostname); got != want {
			t.Errorf("%q: %v, want %v", hostname, got, want)
		}
	}
	if (Network{}).Below("web1.") {
		t.Error("a name is below no domain")
	}
}
