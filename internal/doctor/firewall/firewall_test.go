package firewall

import (
	"net/netip"
	"strings"
	"testing"
)

var (
	dhcp = Packet{Interface: "br-mds", Proto: "udp", Source: netip.MustParseAddr("0.0.0.0"),
		Target: netip.MustParseAddr("255.255.255.255"), SourcePort: 68, Port: 67}
	http = Packet{Interface: "br-mds", Proto: "tcp", Source: netip.MustParseAddr("10.122.0.9"),
		Target: netip.MustParseAddr("169.254.169.254"), SourcePort: 40000, Port: 80}
)

func TestIPTables(t *testing.T) {
	tests := []struct {
		name, policy, rules string
		dhcp, http          string // "" for passed, else a part of what drops it
	}{
		{"no rules", "ACCEPT", "", "", ""},
		{"policy", "DROP", "", "policy", "policy"},
		{"opened", "DROP", "-A INPUT -i br-mds -p udp -m udp --dport 67 -j ACCEPT", "", "policy"},
		{"any of several ports", "DROP", "-A INPUT -i br+ -p udp -m multiport --dports 53,67:68 -j ACCEPT", "", "policy"},
		{"another interface", "ACCEPT", "-A INPUT -i eth0 -j DROP", "", ""},
		{"all but one interface", "ACCEPT", "-A INPUT ! -i eth0 -p tcp -j REJECT --reject-with tcp-reset", "", "REJECT"},
		{"established only", "DROP", "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "policy", "policy"},
		{"a network", "ACCEPT", "-A INPUT -s 10.122.0.0/16 -j DROP", "", "10.122.0.0/16"},
		{"a chain", "ACCEPT", "-A INPUT -j guests\n-A guests -p tcp -m tcp --dport 22 -j RETURN\n-A guests -p tcp -j DROP", "", "chain guests"},
		{"back from a chain", "ACCEPT", "-A INPUT -j guests\n-A guests -j RETURN\n-A guests -j DROP", "", ""},
		{"a comment with spaces", "ACCEPT", `-A INPUT -m comment --comment "no -j DROP here" -j ACCEPT`, "", ""},
		{"a loop", "ACCEPT", "-A INPUT -j guests\n-A guests -j guests", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := "*nat\n:INPUT DROP [0:0]\n-A INPUT -j DROP\nCOMMIT\n*filter\n:INPUT " + tt.policy + " [0:0]\n:guests - [0:0]\n" + tt.rules + "\nCOMMIT\n"
			chains, err := ParseIPTables("ip", text)
			if err != nil {
				t.Fatal(err)
			}
			wantVerdict(t, "DHCP", chains.Input(dhcp), tt.dhcp)
			wantVerdict(t, "HTTP", chains.Input(http), tt.http)
		})
	}
}

func wantVerdict(t *testing.T, what string, v Verdict, by string) {
	t.Helper()
	if v.Dropped != (by != "") || !strings.Contains(v.By, by) {
		t.Errorf("%s: dropped %v by %q, want by %q", what, v.Dropped, v.By, by)
	}
}

// Rules of ip6tables hold for IPv6 alone, and those of iptables for IPv4.
func TestFamilies(t *testing.T) {
	dhcp6 := Packet{Interface: "br-mds", Proto: "udp", Source: netip.MustParseAddr("fe80::1"),
		Target: netip.MustParseAddr("ff02::1:2"), SourcePort: 546, Port: 547}
	for _, test := range []struct{ family, program, four, six string }{
		{"ip", "iptables", "iptables chain INPUT", ""},
		{"ip6", "ip6tables", "", "ip6tables chain INPUT"},
	} {
		chains, err := ParseIPTables(test.family, "*filter\n:INPUT DROP [0:0]\nCOMMIT\n")
		if err != nil {
			t.Fatal(err)
		}
		wantVerdict(t, test.program+": DHCP", chains.Input(dhcp), test.four)
		wantVerdict(t, test.program+": DHCPv6", chains.Input(dhcp6), test.six)
		if got := chains[0].Program(); got != test.program {
			t.Errorf("the program is %s, want %s", got, test.program)
		}
	}
}

// What cannot be judged before a drop makes that doubtful.
func TestDoubt(t *testing.T) {
	chains, err := ParseIPTables("ip", "*filter\n:INPUT DROP [0:0]\n-A INPUT -m set --match-set friends src -j ACCEPT\nCOMMIT\n")
	if err != nil {
		t.Fatal(err)
	}
	if v := chains.Input(http); !v.Dropped || !v.Doubtful {
		t.Errorf("%+v, want a doubtful drop", v)
	}
}

// What a rule asks of the connection is known of its first packet: nothing has
// translated it, and nothing has answered it.
func TestFirstPacketOfAConnection(t *testing.T) {
	nft := func(key, op, right string) func() (Chains, error) {
		return func() (Chains, error) {
			return ParseNFT(`{"nftables":[{"chain":{"family":"inet","table":"firewalld","name":"filter_INPUT","hook":"input","prio":10,"policy":"drop"}},` +
				`{"rule":{"family":"inet","table":"firewalld","chain":"filter_INPUT","expr":[{"match":{"op":"` + op + `","left":{"ct":{"key":"` + key + `"}},"right":` + right + `}},{"accept":null}]}}]}`)
		}
	}
	iptables := func(option string) func() (Chains, error) {
		return func() (Chains, error) {
			return parseIPTables("*filter\n:INPUT DROP [0:0]\n-A INPUT -m conntrack " + option + " -j ACCEPT\nCOMMIT\n")
		}
	}
	for name, test := range map[string]struct {
		rules             func() (Chains, error)
		dropped, doubtful bool
	}{
		"nft, established or related":  {nft("state", "in", `["established","related"]`), true, false},
		"nft, new":                     {nft("state", "in", `"new"`), false, false},
		"nft, translated":              {nft("status", "in", `"dnat"`), true, false},
		"nft, not translated":          {nft("status", "!=", `"dnat"`), false, false},
		"nft, an answer":               {nft("direction", "==", `"reply"`), true, false},
		"nft, another key":             {nft("mark", "==", `1`), true, true},
		"iptables, established":        {iptables("--ctstate RELATED,ESTABLISHED"), true, false},
		"iptables, translated":         {iptables("--ctstatus DNAT"), true, false},
		"iptables, not translated":     {iptables("! --ctstatus DNAT"), false, false},
		"iptables, without any status": {iptables("--ctstatus NONE,CONFIRMED"), false, false},
		"iptables, an answer":          {iptables("--ctdir REPLY"), true, false},
		"iptables, another option":     {iptables("--ctproto 6"), true, true},
	} {
		chains, err := test.rules()
		if err != nil {
			t.Fatal(err)
		}
		if v := chains.Input(http); v.Dropped != test.dropped || v.Doubtful != test.doubtful {
			t.Errorf("%s: %+v, want dropped %v, doubtful %v", name, v, test.dropped, test.doubtful)
		}
	}
}

func TestNFT(t *testing.T) {
	const chain = `{"chain":{"family":"inet","table":"f","name":"in","type":"filter","hook":"input","prio":0,"policy":"accept"}},` +
		`{"chain":{"family":"inet","table":"f","name":"guests"}},{"set":{"family":"inet","table":"f","name":"ports","type":"inet_service","elem":[67,{"range":[79,81]}]}}`
	rule := func(chain, expr string) string {
		return `,{"rule":{"family":"inet","table":"f","chain":"` + chain + `","expr":[` + expr + `]}}`
	}
	dport := func(proto, right string) string {
		return `{"match":{"op":"==","left":{"payload":{"protocol":"` + proto + `","field":"dport"}},"right":` + right + `}}`
	}
	tests := []struct{ name, rules, dhcp, http string }{
		{"one port", rule("in", dport("udp", "67")+`,{"counter":{}},{"drop":null}`), "udp dport 67", ""},
		{"a set written out", rule("in", dport("tcp", `{"set":[22,80]}`)+`,{"reject":null}`), "", "reject"},
		{"a named set", rule("in", dport("th", `"@ports"`)+`,{"drop":null}`), "@ports", "@ports"},
		{"an interface by a star", rule("in", `{"match":{"op":"==","left":{"meta":{"key":"iifname"}},"right":"br-*"}},{"drop":null}`), "br-*", "br-*"},
		{"a prefix", rule("in", `{"match":{"op":"==","left":{"payload":{"protocol":"ip","field":"saddr"}},"right":{"prefix":{"addr":"10.0.0.0","len":8}}}},{"drop":null}`), "", "10.0.0.0"},
		{"invalid state", rule("in", `{"match":{"op":"in","left":{"ct":{"key":"state"}},"right":["invalid","established"]}},{"drop":null}`), "", ""},
		{"a verdict map", rule("in", `{"vmap":{"key":{"meta":{"key":"iifname"}},"data":{"set":[["lo",{"accept":null}],["br-mds",{"jump":{"target":"guests"}}]]}}}`) +
			rule("guests", dport("tcp", "80")+`,{"drop":null}`), "", "guests"},
		{"of iptables", rule("in", `{"xt":{"type":"match","name":"x"}},{"drop":null}`), "", ""},
		{"what nobody knows", rule("in", `{"match":{"op":"==","left":{"meta":{"key":"mark"}},"right":1}},{"drop":null}`), "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			chains, err := ParseNFT(`{"nftables":[{"metainfo":{"version":"1.0.6"}},` + chain + tt.rules + `]}`)
			if err != nil {
				t.Fatal(err)
			}
			wantVerdict(t, "DHCP", chains.Input(dhcp), tt.dhcp)
			wantVerdict(t, "HTTP", chains.Input(http), tt.http)
		})
	}
}

func parseIPTables(text string) (Chains, error) { return ParseIPTables("ip", text) }

// FuzzRules makes sure that no text of rules is too odd to be read.
func FuzzRules(f *testing.F) {
	f.Add("*filter\n:INPUT DROP [0:0]\n-A INPUT ! -i eth0 -p udp --dport 1:2 -j X\n:X - [0:0]\n")
	f.Add(`{"nftables":[{"chain":{"family":"ip","table":"t","name":"c","hook":"input","policy":"drop"}},{"rule":{"family":"ip","table":"t","chain":"c","expr":[{"vmap":{"key":1,"data":[]}}]}}]}`)
	f.Fuzz(func(_ *testing.T, text string) {
		for _, parse := range []func(string) (Chains, error){ParseNFT, parseIPTables} {
			if chains, err := parse(text); err == nil {
				chains.Input(dhcp)
				chains.Input(http)
			}
		}
	})
}
