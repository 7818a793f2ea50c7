package firewall

import (
	"encoding/json"
	"net/netip"
	"testing"
)

var dns6 = Packet{Interface: "br-mds", Proto: "udp", Source: netip.MustParseAddr("fd00:1::2"),
	Target: netip.MustParseAddr("fd00:1::1"), SourcePort: 40000, Port: 53}

// What a match of nft asks, in its words, and whether packets are as it asks.
func TestMatch(t *testing.T) {
	r := reader{place: "inet f ", sets: map[string][]json.RawMessage{
		"inet f ports": {json.RawMessage("53"), json.RawMessage(`{"range":[79,81]}`)},
		"ip f ports":   {json.RawMessage("443")},
		"inet f none":  nil,
	}}
	meta := func(key string) string { return `{"meta":{"key":"` + key + `"}}` }
	payload := func(protocol, field string) string {
		return `{"payload":{"protocol":"` + protocol + `","field":"` + field + `"}}`
	}
	ct := func(key string) string { return `{"ct":{"key":"` + key + `"}}` }
	port := payload("th", "dport")
	for _, test := range []struct {
		left, op, right, text string
		http, dns6            Answer
	}{
		{meta("iifname"), "==", `"br-mds"`, "iifname br-mds", Yes, Yes},
		{meta("iif"), "==", `"eth0"`, "iif eth0", No, No},
		{meta("ibrname"), "==", `"br-*"`, "ibrname br-*", Yes, Yes},
		{meta("iifname"), "==", `"eth*"`, "iifname eth*", No, No},
		{meta("l4proto"), "==", `"tcp"`, "l4proto tcp", Yes, No},
		{meta("nfproto"), "==", `"ipv4"`, "nfproto ipv4", Yes, No},
		{meta("nfproto"), "==", `"ipv6"`, "nfproto ipv6", No, Yes},
		{meta("protocol"), "==", `"ip"`, "protocol ip", Yes, No},
		{meta("protocol"), "==", `"ip6"`, "protocol ip6", No, Yes},
		{meta("mark"), "==", `1`, "mark 1", Unknown, Unknown},

		{payload("tcp", "dport"), "==", `80`, "tcp dport 80", Yes, No},
		{payload("udp", "dport"), "==", `53`, "udp dport 53", No, Yes},
		{payload("th", "sport"), "==", `40000`, "th sport 40000", Yes, Yes},
		{payload("tcp", "flags"), "==", `"syn"`, "tcp flags syn", Unknown, No},
		{payload("ip", "saddr"), "==", `"10.122.0.9"`, "ip saddr 10.122.0.9", Yes, No},
		{payload("ip6", "daddr"), "==", `"fd00:1::1"`, "ip6 daddr fd00:1::1", No, Yes},
		{payload("ip", "protocol"), "==", `"tcp"`, "ip protocol tcp", Yes, No},
		{payload("ip6", "nexthdr"), "==", `"udp"`, "ip6 nexthdr udp", No, Yes},
		{payload("ip", "ttl"), "==", `1`, "ip ttl 1", Unknown, No},
		{payload("icmp", "type"), "==", `1`, "icmp type 1", No, No},
		{payload("icmpv6", "type"), "==", `1`, "icmpv6 type 1", No, No},
		{payload("ether", "saddr"), "==", `1`, "ether saddr 1", Unknown, Unknown},

		{ct("state"), "in", `"new"`, "ct state new", Yes, Yes},
		{ct("state"), "in", `["established","new"]`, "ct state [established,new]", Yes, Yes},
		{ct("state"), "in", `["established"]`, "ct state [established]", No, No},
		{ct("direction"), "==", `"original"`, "ct direction original", Yes, Yes},
		{ct("status"), "in", `"dnat"`, "ct status dnat", No, No},
		{ct("mark"), "==", `1`, "ct mark 1", Unknown, Unknown},

		{meta("iifname"), "!=", `"eth0"`, "iifname != eth0", Yes, Yes},
		{meta("iifname"), "!=", `"br-mds"`, "iifname != br-mds", No, No},
		{meta("mark"), "!=", `1`, "mark != 1", Unknown, Unknown},
		{port, "<", `1024`, "th dport 1024", Unknown, Unknown},

		{port, "==", `{"range":[53,80]}`, "th dport {range:[53,80]}", Yes, Yes},
		{port, "==", `{"range":[54,79]}`, "th dport {range:[54,79]}", No, No},
		{port, "==", `{"range":[54]}`, "th dport {range:[54]}", Unknown, Unknown},
		{port, "==", `{"range":["a","b"]}`, "th dport {range:[a,b]}", Unknown, Unknown},
		{port, "==", `{"range":["a",90]}`, "th dport {range:[a,90]}", Unknown, Unknown},
		{port, "==", `{"range":[1,"b"]}`, "th dport {range:[1,b]}", Unknown, Unknown},
		{port, "==", `{"elem":{"val":80}}`, "th dport {elem:{val:80}}", Yes, No},
		{port, "==", `{"set":[22,80]}`, "th dport {set:[22,80]}", Yes, No},
		{port, "==", `{"set":[]}`, "th dport {set:[]}", No, No},
		{port, "==", `{"other":1}`, "th dport {other:1}", Unknown, Unknown},
		{port, "==", `"@ports"`, "th dport @ports", Yes, Yes},
		{port, "==", `"@none"`, "th dport @none", No, No},
		{port, "==", `"@absent"`, "th dport @absent", No, No},
		{payload("ip", "saddr"), "==", `{"prefix":{"addr":"10.0.0.0","len":8}}`, "ip saddr {prefix:{addr:10.0.0.0,len:8}}", Yes, No},
		{payload("ip", "saddr"), "==", `{"prefix":{"addr":"10.0.0.0","len":16}}`, "ip saddr {prefix:{addr:10.0.0.0,len:16}}", No, No},
		{port, "==", `{"prefix":{"addr":"10.0.0.0","len":8}}`, "th dport {prefix:{addr:10.0.0.0,len:8}}", Unknown, Unknown},
		{payload("ip", "saddr"), "==", `{"range":["10.122.0.9","10.122.0.9"]}`, "ip saddr {range:[10.122.0.9,10.122.0.9]}", Yes, No},
		{payload("ip", "saddr"), "==", `{"range":["10.122.0.10","10.122.0.20"]}`, "ip saddr {range:[10.122.0.10,10.122.0.20]}", No, No},
		{payload("ip", "saddr"), "==", `{"range":["10.122.0.1","10.122.0.8"]}`, "ip saddr {range:[10.122.0.1,10.122.0.8]}", No, No},
		{payload("ip", "saddr"), "==", `{"range":["x","10.122.0.20"]}`, "ip saddr {range:[x,10.122.0.20]}", Unknown, No},
		{payload("ip", "saddr"), "==", `{"range":["10.122.0.1","x"]}`, "ip saddr {range:[10.122.0.1,x]}", Unknown, No},
		{meta("l4proto"), "==", `{"range":["10.122.0.1","10.122.0.8"]}`, "l4proto {range:[10.122.0.1,10.122.0.8]}", Unknown, Unknown},

		{`1`, "==", `80`, "? 80", Unknown, Unknown},
		{`{}`, "==", `80`, "? 80", Unknown, Unknown},
	} {
		ask, text := r.match(json.RawMessage(`{"op":"` + test.op + `","left":` + test.left + `,"right":` + test.right + `}`))
		if text != test.text {
			t.Errorf("%s %s %s: named %q, want %q", test.left, test.op, test.right, text, test.text)
		}
		if a, b := ask(http), ask(dns6); a != test.http || b != test.dns6 {
			t.Errorf("%s: %v of HTTP and %v of DNS, want %v and %v", text, a, b, test.http, test.dns6)
		}
	}
	if ask, text := r.match(json.RawMessage("1")); text != "?" || ask(http) != Unknown {
		t.Errorf("no match: %q, %v", text, ask(http))
	}
}

// verdictOn is what becomes of HTTP: "" if it is accepted, else what drops it, with
// a question mark if that is doubtful.
func verdictOn(chains Chains) string {
	v := chains.Input(http)
	if v.Doubtful {
		return v.By + "?"
	}
	return v.By
}

// The ways of a packet through the chains of nft.
func TestNFTChains(t *testing.T) {
	const base = `{"chain":{"family":"inet","table":"f","name":"in","hook":"input","prio":0,"policy":"accept"}}`
	chain := func(family, table, name, hook, policy, prio string) string {
		return `,{"chain":{"family":"` + family + `","table":"` + table + `","name":"` + name + `","hook":"` + hook + `","prio":` + prio + `,"policy":"` + policy + `"}}`
	}
	rule := func(chain, expr string) string {
		return `,{"rule":{"family":"inet","table":"f","chain":"` + chain + `","expr":[` + expr + `]}}`
	}
	const drop, accept, unknown, other = `{"drop":null}`, `{"accept":null}`, `{"match":{"op":"==","left":{"meta":{"key":"mark"}},"right":1}}`, `{"match":{"op":"==","left":{"meta":{"key":"iifname"}},"right":"eth0"}}`
	const to, goes = `{"jump":{"target":"guests"}}`, `{"goto":{"target":"guests"}}`
	guests := chain("inet", "f", "guests", "", "", "0")
	vmap := func(pairs string) string {
		return `{"vmap":{"key":{"meta":{"key":"l4proto"}},"data":{"set":[` + pairs + `]}}}`
	}
	set := func(family, table, port string) string {
		return `,{"set":{"family":"` + family + `","table":"` + table + `","name":"ports","elem":[` + port + `]}}`
	}
	const inSet = `{"match":{"op":"==","left":{"payload":{"protocol":"th","field":"dport"}},"right":"@ports"}}`
	const byIn, byGuests = `the rule "drop" of the nftables chain inet f in`, `the rule "drop" of the nftables chain inet f guests`
	for name, test := range map[string]struct{ rules, want string }{
		"none":                            {"", ""},
		"drop":                            {rule("in", drop), byIn},
		"reject":                          {rule("in", `{"reject":{"type":"tcp reset"}}`), `the rule "reject" of the nftables chain inet f in`},
		"of another packet":               {rule("in", other+","+drop), ""},
		"all words":                       {rule("in", `{"match":{"op":"==","left":{"meta":{"key":"l4proto"}},"right":"tcp"}},{"counter":{}},`+drop), `the rule "l4proto tcp drop" of the nftables chain inet f in`},
		"accept first":                    {rule("in", accept) + rule("in", drop), ""},
		"continue":                        {rule("in", `{"continue":null}`) + rule("in", drop), byIn},
		"return":                          {rule("in", `{"return":null}`) + rule("in", drop), ""},
		"what decides nothing":            {rule("in", `{"counter":{}},{"log":{}},{"notrack":null},{"mangle":{}},{"set":{}},{"map":{}},{"meter":{}},{"ct helper":""},{"comment":""},`+drop), byIn},
		"an unknown statement":            {rule("in", `{"limit":{}},`+accept) + rule("in", drop), byIn + "?"},
		"an unknown drop":                 {rule("in", `{"limit":{}},`+drop), ""},
		"an unknown drop first":           {rule("in", unknown+","+drop) + rule("in", drop), byIn},
		"an unknown accept":               {rule("in", unknown+","+accept) + rule("in", drop), byIn + "?"},
		"an unknown jump":                 {rule("in", unknown+","+to) + rule("in", drop) + guests, byIn + "?"},
		"an unknown goto":                 {rule("in", unknown+","+goes) + rule("in", drop) + guests, byIn + "?"},
		"an unknown return":               {rule("in", unknown+`,{"return":null}`) + rule("in", drop), byIn + "?"},
		"unknown and not":                 {rule("in", unknown+","+other+","+accept) + rule("in", drop), byIn},
		"not and unknown":                 {rule("in", other+","+unknown+","+accept) + rule("in", drop), byIn},
		"two unknown":                     {rule("in", unknown+","+accept) + rule("in", unknown+`,{"log":{}}`) + rule("in", drop), byIn + "?"},
		"jump":                            {rule("in", to) + guests + rule("guests", drop), byGuests},
		"jump and back":                   {rule("in", to) + rule("in", drop) + guests, byIn},
		"jump and return":                 {rule("in", to) + rule("in", drop) + guests + rule("guests", `{"return":null}`), byIn},
		"jump and accept":                 {rule("in", to) + rule("in", drop) + guests + rule("guests", accept), ""},
		"goto":                            {rule("in", goes) + guests + rule("guests", drop), byGuests},
		"goto and not back":               {rule("in", goes) + rule("in", drop) + guests, ""},
		"goto, after return":              {rule("in", goes) + rule("in", drop) + guests + rule("guests", `{"return":null}`), ""},
		"jump to no chain":                {rule("in", `{"jump":{"target":"none"}}`) + rule("in", drop), byIn},
		"jump within the table":           {rule("in", to) + chain("inet", "g", "guests", "", "", "0") + chain("ip", "f", "guests", "", "", "0") + guests + rule("guests", drop), byGuests},
		"the policy":                      {chain("inet", "g", "second", "input", "drop", "5"), "the policy of the nftables chain inet g second"},
		"the policy after accept":         {chain("inet", "g", "second", "input", "drop", "5") + rule("in", accept), "the policy of the nftables chain inet g second"},
		"the policy of another hook":      {chain("inet", "g", "second", "forward", "drop", "5"), ""},
		"the policy for IPv6":             {chain("ip6", "g", "second", "input", "drop", "5"), ""},
		"the policy for IPv4":             {chain("ip", "g", "second", "input", "drop", "5"), "the policy of the nftables chain ip g second"},
		"the policy of a bridge":          {chain("bridge", "g", "second", "input", "drop", "5"), ""},
		"the first by priority":           {chain("inet", "g", "later", "input", "drop", "5") + chain("inet", "h", "sooner", "input", "drop", "-5"), "the policy of the nftables chain inet h sooner"},
		"of iptables":                     {chain("ip", "filter", "INPUT", "input", "drop", "0"), ""},
		"of ip6tables":                    {chain("ip6", "filter", "INPUT", "input", "drop", "0"), ""},
		"a table as of iptables, of inet": {chain("inet", "filter", "INPUT", "input", "drop", "0"), "the policy of the nftables chain inet filter INPUT"},
		"another table of ip":             {chain("ip", "mine", "INPUT", "input", "drop", "0"), "the policy of the nftables chain ip mine INPUT"},
		"another chain of filter":         {chain("ip", "filter", "input", "input", "drop", "0"), "the policy of the nftables chain ip filter input"},
		"a rule of no chain":              {rule("none", drop), ""},
		"a rule of iptables":              {rule("in", `{"xt":{}},`+accept) + rule("in", drop), byIn},
		"a map":                           {rule("in", vmap(`["tcp",{"drop":null}]`)), `the rule "vmap" of the nftables chain inet f in`},
		"a map, first to last":            {rule("in", vmap(`["udp",{"drop":null}],["tcp",{"accept":null}],["tcp",{"drop":null}]`)) + rule("in", drop), ""},
		"a map with a jump":               {rule("in", vmap(`["tcp",{"jump":{"target":"guests"}}]`)) + guests + rule("guests", drop), byGuests},
		"a map without it":                {rule("in", vmap(`["udp",{"drop":null}]`)) + rule("in", drop), byIn},
		"a map of something else":         {rule("in", vmap(`["tcp"],1,["tcp",1],["tcp",{"counter":null}]`)), ""},
		"a set of another table":          {set("ip", "f", "22") + set("inet", "g", "22") + set("inet", "f", "80") + rule("in", inSet+","+drop), `the rule "th dport @ports drop" of the nftables chain inet f in`},
		"a set of a table for IPv4":       {chain("ip", "f", "in", "input", "accept", "5") + set("inet", "f", "22") + set("ip", "f", "80") + `,{"rule":{"family":"ip","table":"f","chain":"in","expr":[` + inSet + "," + drop + `]}}`, `the rule "th dport @ports drop" of the nftables chain ip f in`},
		"no map":                          {rule("in", `{"vmap":1}`) + rule("in", drop), byIn},
	} {
		chains, err := ParseNFT(`{"nftables":[` + base + test.rules + `]}`)
		if err != nil {
			t.Fatal(err)
		}
		if got := verdictOn(chains); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	six, err := ParseNFT(`{"nftables":[` + base + chain("ip6", "filter", "INPUT", "input", "drop", "0") + `]}`)
	if v := six.Input(dns6); err != nil || v.Dropped {
		t.Errorf("of ip6tables: %+v, %v", v, err)
	}
	if chains, err := ParseNFT(" \n"); chains != nil || err != nil {
		t.Errorf("no output: %v, %v", chains, err)
	}
	if _, err := ParseNFT("{"); err == nil || err.Error() != "the rules that nft prints: unexpected end of JSON input" {
		t.Errorf("%v", err)
	}
	if c := (&Chain{Family: "inet", Table: "f"}); c.Program() != "nft" {
		t.Errorf("changed by %s", c.Program())
	}
}

// The ways of a packet through the chains of iptables.
func TestIPTablesRules(t *testing.T) {
	by := func(rule, chain string) string { return `the rule "` + rule + `" of the iptables chain ` + chain }
	for rules, want := range map[string]string{
		"-A INPUT -i br-mds -j DROP":                                       by("INPUT -i br-mds -j DROP", "INPUT"),
		"-A INPUT -i br-md -j DROP":                                        "",
		"-A INPUT -i br-m+ -j DROP":                                        by("INPUT -i br-m+ -j DROP", "INPUT"),
		"-A INPUT -s 10.122.0.9 -j DROP":                                   by("INPUT -s 10.122.0.9 -j DROP", "INPUT"),
		"-A INPUT -s 10.122.0.8 -j DROP":                                   "",
		"-A INPUT ! -d 169.254.0.0/16 -j DROP":                             "",
		"-A INPUT -d 169.254.0.0/16 -j REJECT":                             by("INPUT -d 169.254.0.0/16 -j REJECT", "INPUT"),
		"-A INPUT -p tcp -m tcp --sport 40000 -j DROP":                     by("INPUT -p tcp -m tcp --sport 40000 -j DROP", "INPUT"),
		"-A INPUT -p udp -m udp --dport 80 -j DROP":                        "",
		"-A INPUT -p tcp -m multiport --sports 1,40000 -j DROP":            by("INPUT -p tcp -m multiport --sports 1,40000 -j DROP", "INPUT"),
		"-A INPUT -p tcp -m multiport --dports 22,79:81 -j DROP":           by("INPUT -p tcp -m multiport --dports 22,79:81 -j DROP", "INPUT"),
		"-A INPUT -p tcp -m multiport --dports 81:90,22 -j DROP":           "",
		"-A INPUT -m state --state NEW -j DROP":                            by("INPUT -m state --state NEW -j DROP", "INPUT"),
		"-A INPUT -m state --state RENEW,NEWER -j DROP":                    "",
		"-A INPUT -m conntrack --ctdir ORIGINAL -j DROP":                   by("INPUT -m conntrack --ctdir ORIGINAL -j DROP", "INPUT"),
		`-A INPUT -m comment --comment "a -i eth0 b" -j DROP`:              by(`INPUT -m comment --comment "a -i eth0 b" -j DROP`, "INPUT"),
		`-A INPUT -m comment --comment -i -j DROP`:                         by("INPUT -m comment --comment -i -j DROP", "INPUT"),
		"-A INPUT -p tcp -j REJECT --reject-with -i":                       by("INPUT -p tcp -j REJECT --reject-with -i", "INPUT"),
		"-A INPUT -j LOG --log-prefix -i --log-level -s\n-A INPUT -j DROP": by("INPUT -j DROP", "INPUT"),
		"-A INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j DROP":   by("INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j DROP", "INPUT"),
		"-A INPUT -p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -j DROP": "",
		"-A INPUT -p tcp -m tcp --tcp-flags FIN,SYN FIN,SYN -j DROP":       "",
		"-A INPUT -p tcp -m tcp --tcp-flags FIN,SYN,ACK NONE -j DROP":      "",
		"-A INPUT -p tcp -m tcp --tcp-flags FIN,ACK FIN -j DROP":           "",
		"-A INPUT -p tcp -m tcp --tcp-flags FIN,ACK NONE -j DROP":          by("INPUT -p tcp -m tcp --tcp-flags FIN,ACK NONE -j DROP", "INPUT"),
		"-A INPUT -p tcp -m tcp --tcp-flags SYN":                           "",
		`-A INPUT -m comment --comment "a \" -i eth0 b" -j DROP`:           by(`INPUT -m comment --comment "a \" -i eth0 b" -j DROP`, "INPUT"),
		`-A INPUT -m comment --comment "a \" b" -j DROP`:                   by(`INPUT -m comment --comment "a \" b" -j DROP`, "INPUT"),
		`-A INPUT -m comment --comment "a b\\" -j DROP`:                    by(`INPUT -m comment --comment "a b\\" -j DROP`, "INPUT"),
		"-A INPUT -m set --match-set a src -j ACCEPT\n-A INPUT -j DROP":    by("INPUT -j DROP", "INPUT") + "?",
		"-A INPUT -m set --match-set a src -j DROP":                        "",
		"-A INPUT -j ACCEPT\n-A INPUT -j DROP":                             "",
		"-A INPUT -j MARK --set-xmark 1\n-A INPUT -j DROP":                 by("INPUT -j DROP", "INPUT"),
		"-A INPUT -j RETURN\n-A INPUT -j DROP":                             "",
		"-A INPUT -j guests\n-A guests -j DROP":                            by("guests -j DROP", "guests"),
		"-A INPUT -j guests\n-A guests -j RETURN\n-A INPUT -j DROP":        by("INPUT -j DROP", "INPUT"),
		"-A INPUT -g guests\n-A guests -j DROP":                            by("guests -j DROP", "guests"),
		"-A INPUT -g guests\n-A INPUT -j DROP":                             "",
		"-A INPUT -j TARPIT\n-A INPUT -j DROP":                             by("INPUT -j DROP", "INPUT"),
		"-A INPUT -j REJECT --reject-with a -i eth0":                       "",
		"-A INPUT -j REJECT --reject-with a -i br-mds":                     by("INPUT -j REJECT --reject-with a -i br-mds", "INPUT"),
		"-A INPUT -j DROP --log-prefix a -i eth0":                          "",
		"-A INPUT -j DROP --log-prefix a -i br-mds":                        by("INPUT -j DROP --log-prefix a -i br-mds", "INPUT"),
		"-A INPUT -j DROP --log-level a -i eth0":                           "",
		"-A INPUT -j DROP --log-level a -i br-mds":                         by("INPUT -j DROP --log-level a -i br-mds", "INPUT"),
		"-A INPUT -m socket -j ACCEPT\n-A INPUT -j DROP":                   by("INPUT -j DROP", "INPUT") + "?",
		"-A INPUT -i":       "",
		"-A guests -j DROP": "",
	} {
		chains, err := ParseIPTables("ip", "*filter\n:INPUT ACCEPT [0:0]\n:guests - [0:0]\n"+rules+"\nCOMMIT\n")
		if err != nil {
			t.Fatal(err)
		}
		if got := verdictOn(chains); got != want {
			t.Errorf("%s: %q, want %q", rules, got, want)
		}
	}
	for text, want := range map[string]string{
		"*filter\n:INPUT\n":           `the rules that iptables-save prints: ":INPUT" names no policy`,
		"*filter\n-A INPUT -j DROP\n": `the rules that iptables-save prints: "-A INPUT -j DROP" is of no chain`,
	} {
		if _, err := ParseIPTables("ip", text); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	policy, err := ParseIPTables("ip", "*filter\n:INPUT DROP\n:FORWARD DROP [0:0]\nCOMMIT\n")
	if err != nil || verdictOn(policy) != "the policy of the iptables chain INPUT" {
		t.Errorf("%v, %q", err, verdictOn(policy))
	}
}

// A policy that drops is named only if no rule has decided.
func TestPolicy(t *testing.T) {
	const policy = "the policy of the iptables chain INPUT"
	for rules, want := range map[string]string{
		"":                                      policy,
		"-A INPUT -p tcp -j DROP":               `the rule "INPUT -p tcp -j DROP" of the iptables chain INPUT`,
		"-A INPUT -j guests\n-A guests -j DROP": `the rule "guests -j DROP" of the iptables chain guests`,
		"-A INPUT -p tcp -j ACCEPT":             "",
		"-A INPUT -g guests\n-A guests -j ACCEPT":        "",
		"-A INPUT -g guests\n-A INPUT -j ACCEPT":         policy,
		"-A INPUT -j RETURN\n-A INPUT -j ACCEPT":         policy,
		"-A INPUT -j guests\n-A guests -j guests":        policy, // which the kernel refuses
		"-A INPUT -j none":                               policy,
		"-A INPUT -m mark --mark 1 -j ACCEPT":            policy + "?",
		"-A INPUT -i eth0 -m mark --mark 1 -j ACCEPT":    policy,
		"-A INPUT -j guests\n-A guests -p udp -j ACCEPT": policy,
	} {
		chains, err := ParseIPTables("ip", "*filter\n:INPUT DROP [0:0]\n:guests - [0:0]\n"+rules+"\nCOMMIT\n")
		if err != nil {
			t.Fatal(err)
		}
		if got := verdictOn(chains); got != want {
			t.Errorf("%s: %q, want %q", rules, got, want)
		}
	}
}

// The kernel allows 16 jumps, one in another. What is behind more is not followed.
func TestDepth(t *testing.T) {
	for depth, want := range map[int]bool{maxDepth: true, maxDepth + 1: false} {
		chains := Chains{{Family: "ip", Name: "c0", Input: true}}
		for i := 1; i <= depth; i++ {
			name := string(rune('a' + i))
			chains[i-1].Rules = []Rule{{Does: Jump, Target: name}}
			chains = append(chains, Chain{Family: "ip", Name: name})
		}
		chains[depth].Rules = []Rule{{Does: Drop}}
		if got := chains.Input(http).Dropped; got != want {
			t.Errorf("%d jumps: dropped %v, want %v", depth, got, want)
		}
	}
}
