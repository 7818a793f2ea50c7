package fleet

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"mdserver/internal/etcd/etcdtest"
	"mdserver/internal/instance"
)

// lan is a network as the configuration of a host describes it. reserved is FIRST-LAST.
func lan(perHost bool, prefix, gateway string, reserved ...string) instance.Network {
	n := instance.Network{Name: "lan", PerHost: perHost}
	if p := netip.MustParsePrefix(prefix); p.Addr().Is4() {
		n.IPv4, n.Gateway4 = p, netip.MustParseAddr(gateway)
	} else {
		n.IPv6, n.Gateway6 = p, netip.MustParseAddr(gateway)
	}
	for _, text := range append(reserved, gateway+"-"+gateway) {
		first, end, _ := strings.Cut(text, "-")
		n.Excluded = append(n.Excluded, instance.AddrRange{First: netip.MustParseAddr(first), Last: netip.MustParseAddr(end)})
	}
	return n
}

func TestConflicts(t *testing.T) {
	const all, own = false, true // whose the addresses are
	both := func(n, six instance.Network) instance.Network {
		n.IPv6, n.Gateway6, n.Excluded = six.IPv6, six.Gateway6, append(n.Excluded, six.Excluded...)
		return n
	}
	four := lan(all, "10.0.0.0/24", "10.0.0.1")
	for name, tt := range map[string]struct {
		a, b instance.Network
		want string // the problem, and the keys
	}{
		"the same":  {four, four, ""},
		"reserved":  {four, lan(all, "10.0.0.0/24", "10.0.0.1", "10.0.0.9-10.0.0.99"), ""},
		"host bits": {four, lan(all, "10.0.0.1/24", "10.0.0.1"), ""},
		"two names": {four, func() instance.Network { n := lan(all, "10.9.0.0/16", "10.9.0.1"); n.Name = "dmz"; return n }(), ""},
		"pending":   {four, instance.Network{Name: "lan", Pending: true}, ""},
		"scopes": {four, lan(own, "10.0.0.0/24", "10.0.0.1"),
			`the network "lan" has scope = shared on kvm1 and scope = host on kvm2 [scope]`},
		"prefixes": {four, lan(all, "10.0.0.0/16", "10.0.0.1"),
			`the network "lan", which all hosts share, is 10.0.0.0/24 on kvm1 and is 10.0.0.0/16 on kvm2 [net_address net_prefix]`},
		"gateways": {four, lan(all, "10.0.0.0/24", "10.0.0.254"),
			`the network "lan", which all hosts share, has the gateway 10.0.0.1 on kvm1 and 10.0.0.254 on kvm2 [gateway]`},
		"IPv6 on one host": {four, both(four, lan(all, "fd00::/64", "fd00::1")),
			`the network "lan", which all hosts share, has no IPv6 on kvm1 and is fd00::/64 on kvm2 [net_address6 net_prefix6]`},
		"IPv4 on one host": {lan(all, "fd00::/64", "fd00::1"), both(four, lan(all, "fd00::/64", "fd00::1")),
			`the network "lan", which all hosts share, has no IPv4 on kvm1 and is 10.0.0.0/24 on kvm2 [net_address net_prefix]`},
		"IPv6 gateways": {both(four, lan(all, "fd00::/64", "fd00::1")), both(four, lan(all, "fd00::/64", "fd00::2")),
			`the network "lan", which all hosts share, has the gateway fd00::1 on kvm1 and fd00::2 on kvm2 [gateway6]`},

		"ranges apart": {lan(own, "10.0.1.0/24", "10.0.1.1"), lan(own, "10.0.2.0/24", "10.0.2.1"), ""},
		"one prefix, divided": {lan(own, "10.0.0.0/24", "10.0.0.1", "10.0.0.128-10.0.0.255"),
			lan(own, "10.0.0.0/24", "10.0.0.1", "10.0.0.0-10.0.0.127"), ""},
		"one prefix, divided badly": {lan(own, "10.0.0.0/24", "10.0.0.1", "10.0.0.128-10.0.0.255"),
			lan(own, "10.0.0.0/24", "10.0.0.1", "10.0.0.0-10.0.0.99"),
			`the network "lan" has scope = host, and guests of kvm1 and of kvm2 can both get 10.0.0.100-10.0.0.127 [net_address net_prefix reserved]`},
		"one address twice": {lan(own, "10.0.0.0/24", "10.0.0.1", "10.0.0.128-10.0.0.255"), lan(own, "10.0.0.0/24", "10.0.0.1", "10.0.0.0-10.0.0.126"),
			`the network "lan" has scope = host, and guests of kvm1 and of kvm2 can both get 10.0.0.127 [net_address net_prefix reserved]`},
		"no gateway": {four, func() instance.Network { n := four; n.Gateway4 = netip.Addr{}; return n }(),
			`the network "lan", which all hosts share, has the gateway 10.0.0.1 on kvm1 and none on kvm2 [gateway]`},
		"one range in another": {lan(own, "10.0.0.0/16", "10.0.0.1"), lan(own, "10.0.7.0/24", "10.0.7.1"),
			`the network "lan" has scope = host, and guests of kvm1 and of kvm2 can both get 10.0.7.2-10.0.7.254 [net_address net_prefix reserved]`},
		"another's gateway": {lan(own, "10.0.0.0/24", "10.0.0.1", "10.0.0.128-10.0.0.255"), lan(own, "10.0.0.0/24", "10.0.0.9", "10.0.0.0-10.0.0.127"),
			`the network "lan" has scope = host, and guests of kvm1 can get 10.0.0.9, which is the gateway on kvm2 [gateway reserved]`},
		"our gateway": {lan(own, "10.0.0.0/24", "10.0.0.200", "10.0.0.128-10.0.0.255"), lan(own, "10.0.0.0/24", "10.0.0.1", "10.0.0.0-10.0.0.127"),
			`the network "lan" has scope = host, and guests of kvm2 can get 10.0.0.200, which is the gateway on kvm1 [gateway reserved]`},
		"IPv6 ranges": {lan(own, "fd00::/64", "fd00::1", "fd00::1:0-fd00::ffff:ffff:ffff:ffff"), lan(own, "fd00::/64", "fd00::1"),
			`the network "lan" has scope = host, and guests of kvm1 and of kvm2 can both get fd00::2-fd00::ffff [net_address6 net_prefix6 reserved6]`},
		"IPv6 prefixes that overlap beyond their first /64": {lan(own, "fd00::/56", "fd00::1"), lan(own, "fd00:0:0:1::/64", "fd00:0:0:1::1"), ""},
		"IPv6 on one host of two":                           {lan(own, "10.0.1.0/24", "10.0.1.1"), both(lan(own, "10.0.2.0/24", "10.0.2.1"), lan(own, "fd00::/64", "fd00::1")), ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := Host{ID: "1", Name: "kvm1", Networks: Publishable([]instance.Network{tt.a}), Alive: true}
			b := Host{ID: "2", Name: "kvm2", Networks: Publishable([]instance.Network{tt.b}), Alive: true}
			if got := describe(ConflictsOf(a, []Host{a, b})); got != tt.want {
				t.Errorf("%s\nwant %s", got, tt.want)
			}
			if back := ConflictsOf(b, []Host{a, b}); (len(back) > 0) != (tt.want != "") {
				t.Errorf("seen from the other host: %s", describe(back))
			}
			b.Alive = false
			if got := ConflictsOf(a, []Host{a, b}); len(got) > 0 {
				t.Errorf("with a host that is away: %s", describe(got))
			}
		})
	}
}

func describe(all []Conflict) string {
	var lines []string
	for _, c := range all {
		lines = append(lines, c.Problem+" ["+strings.Join(c.Keys, " ")+"]")
	}
	return strings.Join(lines, "\n")
}

func TestRemedy(t *testing.T) {
	for want, keys := range map[string][]string{
		"change scope of the network lan on kvm1 or kvm2; with backend = libvirt, change the network's definition":               {"scope"},
		"change gateway or reserved of the network lan on kvm1 or kvm2; with backend = libvirt, change the network's definition": {"gateway", "reserved"},
		"change a, b or reserved of the network lan on kvm1 or kvm2; with backend = libvirt, change the network's definition":    {"a", "b", "reserved"},
	} {
		if got := (Conflict{Network: "lan", Hosts: [2]string{"kvm1", "kvm2"}, Keys: keys}).Remedy(); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}

// TestConflictsAreFoundOnce: who asks for the conflicts of a host has nothing compared again.
func TestConflictsAreFoundOnce(t *testing.T) {
	f := New(Options{Prefix: "/", ID: "1", Name: "kvm1"})
	f.SetNetworks(Publishable([]instance.Network{lan(false, "10.0.0.0/24", "10.0.0.1")}))
	for key, value := range map[string]string{
		"/alive/2": "session",
		"/hosts/2": `{"name": "kvm2", "networks": [{"name": "lan", "scope": "host", "ipv4": {"prefix": "10.0.0.0/24"}}]}`,
	} {
		event := clientv3.Event{Kv: &mvccpb.KeyValue{Key: []byte(key), Value: []byte(value)}}
		if err := f.receive(clientv3.WatchResponse{Events: []*clientv3.Event{&event}}, true); err != nil {
			t.Fatal(err)
		}
	}
	const want = `the network "lan" has scope = shared on kvm1 and scope = host on kvm2 [scope]`
	var got []Conflict
	if n := testing.AllocsPerRun(10, func() { got = f.Conflicts() }); n > 0 || describe(got) != want {
		t.Errorf("%v allocations for %s\nwant %s", n, describe(got), want)
	}
	if f.SetNetworks(nil); len(f.Conflicts()) > 0 { // at once, not when etcd tells of it
		t.Errorf("without networks: %s", describe(f.Conflicts()))
	}
}

// conflicts waits until a host knows these conflicts.
func (m *member) conflicts(t *testing.T, want string) {
	t.Helper()
	got := "unknown"
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if got = describe(m.Conflicts()); got == want {
			return
		}
	}
	t.Fatalf("%s knows the conflicts %q, want %q", m.ID, got, want)
}

// TestPublishedNetworks: hosts learn of each other's networks and of their changes. Hosts of
// other versions take part whatever they publish.
func TestPublishedNetworks(t *testing.T) {
	cluster := etcdtest.Start(t, etcdtest.Options{})
	a, b := join(t, cluster, "1", "kvm1"), join(t, cluster, "2", "kvm2")
	a.has(t, "1 kvm1 true, 2 kvm2 true")
	a.SetNetworks(Publishable([]instance.Network{lan(false, "10.0.0.0/24", "10.0.0.1")}))
	a.conflicts(t, "")
	b.SetNetworks(Publishable([]instance.Network{lan(true, "10.0.0.0/24", "10.0.0.1")}))
	a.conflicts(t, `the network "lan" has scope = shared on kvm1 and scope = host on kvm2 [scope]`)
	b.conflicts(t, `the network "lan" has scope = host on kvm2 and scope = shared on kvm1 [scope]`)
	b.SetNetworks(Publishable([]instance.Network{lan(false, "10.0.0.0/24", "10.0.0.2")}))
	a.conflicts(t, `the network "lan", which all hosts share, has the gateway 10.0.0.1 on kvm1 and 10.0.0.2 on kvm2 [gateway]`)
	b.stop()
	a.conflicts(t, "")

	for what, published := range map[string]string{
		"nothing, as earlier versions":     ``,
		"something of a later version":     `, "networks": {"lan": 7}, "future": 1`,
		"a scope of a later version":       `, "networks": [{"name": "lan", "scope": "rack", "ipv4": {"prefix": "10.0.0.0/8"}}]`,
		"an address that cannot be parsed": `, "networks": [{"name": "lan", "scope": "shared", "ipv4": {"prefix": "ten"}}]`,
	} {
		record := `{"name": "kvm3", "version": "9"` + published + `}`
		for key, value := range map[string]string{"hosts/3": record, "alive/3": "session"} {
			if _, err := a.Client.Put(t.Context(), "/mdserver/"+key, value); err != nil {
				t.Fatal(err)
			}
		}
		a.has(t, "1 kvm1 true, 2 kvm2 false, 3 kvm3 true")
		for _, c := range a.Conflicts() {
			if c.Keys[0] != "scope" {
				t.Errorf("%s: %s", what, c.Problem)
			}
		}
	}

	restarted := join(t, cluster, "2", "kvm2") // before it knows its networks
	a.has(t, "1 kvm1 true, 2 kvm2 true, 3 kvm3 true")
	for _, h := range a.Hosts() {
		if h.ID == "2" && len(h.Networks) > 0 {
			t.Errorf("the networks of its run before are published: %+v", h.Networks)
		}
	}
	restarted.SetNetworks(Publishable([]instance.Network{lan(false, "10.0.0.0/16", "10.0.0.1")}))
	if _, err := a.Client.Delete(t.Context(), "/mdserver/alive/3"); err != nil {
		t.Fatal(err)
	}
	a.conflicts(t, `the network "lan", which all hosts share, is 10.0.0.0/24 on kvm1 and is 10.0.0.0/16 on kvm2 [net_address net_prefix]`)
}

// TestPublishIsOwn: a server whose place another one has publishes nothing in its name.
func TestPublishIsOwn(t *testing.T) {
	cluster := etcdtest.Start(t, etcdtest.Options{})
	a := join(t, cluster, "1", "kvm1")
	a.SetNetworks(Publishable([]instance.Network{lan(false, "10.0.0.0/24", "10.0.0.1")}))
	a.has(t, "1 kvm1 true")
	watcher := join(t, cluster, "2", "kvm2")
	watcher.SetNetworks(Publishable([]instance.Network{lan(false, "10.0.0.0/24", "10.0.0.2")}))
	const want = `the network "lan", which all hosts share, has the gateway 10.0.0.2 on kvm2 and 10.0.0.1 on kvm1 [gateway]`
	watcher.conflicts(t, want)
	twin := join(t, cluster, "1", "twin")
	twin.has(t, "1 kvm1 true, 2 kvm2 true")
	twin.SetNetworks(Publishable([]instance.Network{lan(true, "10.0.0.0/24", "10.0.0.1")}))
	if err := twin.publishRecord(t.Context(), &lease{}); err != nil {
		t.Fatal(err)
	}
	watcher.conflicts(t, want)
}
