package admission

import (
	"net/netip"
	"testing"

	"github.com/google/uuid"

	"mdserver/internal/ingress"
	"mdserver/internal/instance"
)

// Two guests on the bridge br-mds, the second without a tap on record, and a
// third on br-lan; the first is on both.
var (
	mac1, mac1lan = instance.MAC{0x52, 0x54, 0, 0, 0, 1}, instance.MAC{0x52, 0x54, 0, 0, 1, 1}
	mac2, mac3    = instance.MAC{0x52, 0x54, 0, 0, 0, 2}, instance.MAC{0x52, 0x54, 0, 0, 1, 3}

	vm1 = &instance.Instance{
		Name: "vm1", UUID: uuid.New(), Network: "mds", MAC: mac1,
		IPv4: netip.MustParseAddr("10.122.0.1"), IPv6: netip.MustParseAddr("fd00:122::1"),
		Further:    []instance.Attachment{{Network: "lan", MAC: mac1lan, IPv4: netip.MustParseAddr("10.50.0.1")}},
		Interfaces: []instance.Interface{{MAC: mac1, Network: "mds", Target: "lo"}, {MAC: mac1lan, Network: "lan"}},
	}
	vm2 = &instance.Instance{Name: "vm2", UUID: uuid.New(), Network: "mds", MAC: mac2, IPv4: netip.MustParseAddr("10.122.0.2")}
	vm3 = &instance.Instance{
		Name: "vm3", UUID: uuid.New(), Network: "lan", MAC: mac3, IPv4: netip.MustParseAddr("10.50.0.3"),
		Interfaces: []instance.Interface{{MAC: mac3, Network: "lan", Target: "vnet3"}},
	}
	vm4 = &instance.Instance{Name: "imported", UUID: uuid.New(), Network: "mds", IPv4: netip.MustParseAddr("10.122.0.4")}
)

type inventory []*instance.Instance

func (all inventory) ByAddr(addr netip.Addr) (*instance.Instance, bool) {
	for _, guest := range all {
		if _, ok := guest.At(addr); ok {
			return guest, true
		}
	}
	return nil, false
}

func (all inventory) ByMAC(mac instance.MAC) []*instance.Instance {
	var found []*instance.Instance
	for _, guest := range all {
		if len(guest.ByMAC(mac)) > 0 {
			found = append(found, guest)
		}
	}
	return found
}

// came are the facts of a connection. The tap of vm1 is called lo, since a tap
// that this host does not have is not compared.
func came(by, from string, mac instance.MAC, port ingress.Port) facts {
	f := facts{Source: ingress.Source{
		Local: netip.MustParseAddrPort("169.254.169.254:80"), Remote: netip.AddrPortFrom(netip.MustParseAddr(from), 4711),
		Index: 7, Interface: by, MAC: mac,
	}, port: port}
	if port == (ingress.Port{}) {
		f.portErr = ingress.ErrNoPort
	}
	return f
}

func at(port string) ingress.Port { return ingress.Port{Index: 9, Name: port, Bridged: true} }

func TestJudge(t *testing.T) {
	home := Policy{Interfaces: []string{"br-mds", "br-lan"}, Bridges: map[string]string{"mds": "br-mds", "lan": "br-lan"}, Verify: VerifyBridge}
	routed, strict, off, offRouted := home, home, home, home
	routed.Routed, routed.Interfaces = true, []string{"br-mds", "br-lan", "eth1"}
	strict.Routed, strict.Interfaces, strict.Verify = true, nil, VerifyAll
	off.Verify = VerifyNone
	offRouted.Routed, offRouted.Interfaces, offRouted.Verify = true, nil, VerifyNone
	unknown := Policy{Bridges: map[string]string{"mds": "br-mds"}, Verify: VerifyBridge}
	contested, made := at("lo"), at("vnet9")
	contested.Contested = true
	made.MAC = instance.MAC{0xfe, 0x54, 0, 0, 0, 1}
	contestedMade := made
	contestedMade.Contested = true
	noBridge := ingress.Port{Index: 7, Name: "br-mds"}

	tests := []struct {
		name   string
		policy Policy
		facts  facts
		guest  *instance.Instance // nil for a stranger
		why    refusal
		local  bool
	}{
		{"a guest", home, came("br-mds", "10.122.0.1", mac1, at("lo")), vm1, none, false},
		{"a guest by IPv6", home, came("br-mds", "fd00:122::1", mac1, at("lo")), vm1, none, false},
		{"a guest on its other network", home, came("br-lan", "10.50.0.1", mac1lan, at("vnet8")), vm1, none, false},
		{"a guest without a tap on record", home, came("br-mds", "10.122.0.2", mac2, at("vnet7")), vm2, none, false},
		{"a guest without a tap on record, at a port that is not known", home, came("br-mds", "10.122.0.2", mac2, ingress.Port{}), vm2, none, false},
		{"a guest whose tap on record is gone", home, came("br-lan", "10.50.0.3", mac3, at("vnet8")), vm3, none, false},
		{"a guest by a bridge without ports", home, came("br-mds", "10.122.0.1", mac1, noBridge), vm1, none, false},
		{"a guest whose tap has another name, but was made for it", home, came("br-mds", "10.122.0.1", mac1, made), vm1, none, false},
		{"a guest by link-local address", home, came("br-mds", "fe80::1%br-mds", mac1, at("lo")), vm1, none, false},
		{"a guest by IPv4 link-local address", home, came("br-mds", "169.254.7.7", mac1, at("lo")), vm1, none, false},
		{"a stranger", home, came("br-mds", "10.122.0.9", mac1, at("lo")), nil, none, false},
		{"this host", home, came("lo", "169.254.169.254", instance.MAC{}, ingress.Port{}), nil, none, true},
		{"this host from any address", home, came("lo", "192.0.2.1", instance.MAC{}, ingress.Port{}), nil, none, true},
		{"this host in a guest's name", home, came("lo", "10.122.0.1", instance.MAC{}, ingress.Port{}), vm1, none, false},
		{"this host by link-local address is nobody", home, came("lo", "fe80::1%br-mds", instance.MAC{}, ingress.Port{}), nil, none, false},

		{"the host's own address by a bridge", home, came("br-mds", "10.122.0.254", mac1, at("lo")), nil, none, false},
		{"a loopback address by a bridge", home, came("br-mds", "127.0.0.1", mac1, at("lo")), nil, none, false},
		{"another's address", home, came("br-mds", "10.122.0.1", mac2, at("vnet7")), vm1, wrongMAC, false},
		{"another's address by IPv6", home, came("br-mds", "fd00:122::1", mac2, at("vnet7")), vm1, wrongMAC, false},
		{"an address without a MAC", home, came("br-mds", "10.122.0.1", instance.MAC{}, at("lo")), vm1, wrongMAC, false},
		{"a cloned MAC", home, came("br-mds", "10.122.0.1", mac1, at("vnet7")), vm1, wrongPort, false},
		{"a cloned MAC with a link-local address", home, came("br-mds", "fe80::1%br-mds", mac1, at("vnet7")), vm1, wrongPort, false},
		{"a MAC that was elsewhere meanwhile", home, came("br-mds", "10.122.0.1", mac1, contested), vm1, contestedPort, false},
		{"a MAC that was elsewhere meanwhile at a tap made for it", home, came("br-mds", "10.122.0.1", mac1, contestedMade), vm1, contestedPort, false},
		{"a MAC that is nowhere", home, came("br-mds", "10.122.0.1", mac1, ingress.Port{}), vm1, wrongPort, false},
		{"the MAC of a guest without a tap by the tap of another", home, came("br-mds", "10.122.0.2", mac2, at("vnet3")), vm2, wrongPort, false},
		{"the address of another network", home, came("br-lan", "10.122.0.1", mac1, at("lo")), vm1, wrongNetwork, false},
		{"a link-local address of another bridge", home, came("br-lan", "fe80::1%br-lan", mac1, at("lo")), nil, none, false},
		{"another interface", home, came("virbr0", "10.122.0.1", mac1, at("lo")), nil, wrongInterface, false},

		{"behind a router", routed, came("eth1", "10.122.0.1", mac2, ingress.Port{Index: 4, Name: "eth1"}), vm1, none, false},
		{"the address of a guest behind a router by a bridge of ours", routed, came("br-mds", "10.50.0.3", mac1, at("lo")), vm3, wrongMAC, false},
		{"its MAC, too", routed, came("br-mds", "10.50.0.3", mac3, at("lo")), vm3, wrongNetwork, false},
		{"a guest's address on its other bridge", routed, came("br-lan", "10.122.0.1", mac1lan, at("vnet8")), vm1, none, false},
		{"a guest's address on its other bridge by IPv6", routed, came("br-lan", "fd00:122::1", mac1lan, at("vnet8")), vm1, none, false},
		{"another's address on its other bridge by IPv6", routed, came("br-lan", "fd00:122::1", mac2, at("vnet7")), vm1, wrongMAC, false},
		{"a link-local address behind a router", routed, came("eth1", "fe80::1%eth1", mac1, ingress.Port{Index: 4, Name: "eth1"}), nil, none, false},
		{"behind a router where all are verified", strict, came("eth1", "10.122.0.1", mac2, ingress.Port{Index: 4, Name: "eth1"}), vm1, wrongMAC, false},

		{"another's address where none is verified", off, came("br-mds", "10.122.0.1", mac2, at("vnet7")), vm1, none, false},
		{"a guest's address is not local there", off, came("br-mds", "10.122.0.1", mac1, at("lo")), vm1, none, false},
		{"the host's own address is not local there", off, came("br-mds", "10.122.0.254", mac1, at("lo")), nil, none, false},
		{"another's link-local address means nothing there", off, came("br-mds", "fe80::1%br-mds", mac2, at("vnet7")), vm2, none, false},
		{"a cloned MAC with a link-local address there", off, came("br-mds", "fe80::1%br-mds", mac1, at("vnet7")), vm1, wrongPort, false},
		{"the address of another network there", off, came("br-lan", "10.122.0.1", mac1, at("lo")), vm1, wrongNetwork, false},
		{"a guest whose MAC is not on record", home, came("br-mds", "10.122.0.4", instance.MAC{2, 0, 0, 0, 0, 4}, at("vnet6")), vm4, none, false},
		{"a guest whose MAC is not on record where all are verified", strict, came("br-mds", "10.122.0.4", instance.MAC{2, 0, 0, 0, 0, 4}, at("vnet6")), vm4, wrongMAC, false},
		{"its address from an unknown MAC where all are verified", strict, came("eth1", "10.122.0.4", instance.MAC{}, ingress.Port{Index: 4, Name: "eth1"}), vm4, wrongMAC, false},
		{"its address from another guest's MAC", home, came("br-mds", "10.122.0.4", mac2, at("vnet7")), vm4, wrongMAC, false},
		{"its address by another guest's tap", home, came("br-mds", "10.122.0.4", instance.MAC{2, 0, 0, 0, 0, 4}, at("vnet3")), vm4, wrongPort, false},
		{"a guest on a network whose bridge is not known yet", unknown, came("virbr1", "10.50.0.3", mac3, at("vnet3")), vm3, none, false},
		{"by any interface there", offRouted, came("virbr0", "10.122.0.1", mac2, ingress.Port{}), vm1, none, false},
	}
	all := inventory{vm1, vm2, vm3, vm4}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := New(tt.policy, all, nil, quiet)
			for _, guest := range all {
				d.taps.change(nil, guest)
			}
			v := d.judge(&tt.facts)
			if v.guest != tt.guest || v.refusal != tt.why || v.local != tt.local {
				t.Errorf("guest %v, refusal %d, local %v; want %v, %d, %v", v.guest, v.refusal, v.local, tt.guest, tt.why, tt.local)
			}
		})
	}
}

// Whatever is not verified is on the account of the port that it came by.
func TestAccounts(t *testing.T) {
	policy := Policy{Interfaces: []string{"br-mds", "br-lan", "eth1"}, Bridges: map[string]string{"mds": "br-mds", "lan": "br-lan"}, Verify: VerifyBridge}
	d := New(policy, inventory{vm1, vm2}, nil, quiet)
	account := func(f facts) clientKey {
		key, _ := (&conn{facts: f, verdict: d.judge(&f)}).account()
		return key
	}
	port := clientKey{kind: stranger, port: 9}
	for name, f := range map[string]facts{
		"a stranger":                                       came("br-mds", "10.122.0.9", mac2, at("vnet7")),
		"another's address":                                came("br-mds", "10.122.0.1", mac2, at("vnet7")),
		"another's address by IPv6":                        came("br-mds", "fd00:122::1", mac2, at("vnet7")),
		"another's address and MAC":                        came("br-mds", "10.122.0.1", mac1, at("vnet7")),
		"a guest's address and MAC by another bridge":      came("br-lan", "10.122.0.1", mac1, at("vnet7")),
		"a guest's address by another bridge":              came("br-lan", "10.122.0.1", mac2, at("vnet7")),
		"a guest's address and MAC by a foreign interface": came("virbr0", "10.122.0.1", mac1, at("vnet7")),
		"a guest's address by a foreign interface":         came("virbr0", "10.122.0.1", mac2, at("vnet7")),
		"a made-up MAC and address":                        came("br-mds", "10.122.77.7", instance.MAC{2, 1, 2, 3, 4, 5}, at("vnet7")),
		"a made-up link-local sender":                      came("br-mds", "fe80::77%br-mds", instance.MAC{2, 1, 2, 3, 4, 5}, at("vnet7")),
	} {
		if got := account(f); got != port {
			t.Errorf("%s is on the account %+v", name, got)
		}
	}
	if got := account(came("br-mds", "10.122.0.1", mac1, at("lo"))); got != (clientKey{kind: guest, guest: vm1.UUID}) {
		t.Errorf("a guest is on the account %+v", got)
	}
	if got := account(came("eth1", "192.0.2.1", mac1, ingress.Port{})); got != (clientKey{kind: stranger, port: 7}) {
		t.Errorf("a stranger without a port is on the account %+v", got)
	}
}

// However many connections strangers and one guest try to have, the other guests
// have theirs.
func TestNoAccountTakesAll(t *testing.T) {
	d := New(Policy{Connections: 40, GuestConnections: 1000}, inventory{vm1, vm2}, nil, quiet)
	enter := func(f facts, v verdict) int {
		n := 0
		for range 100 {
			if d.enter(&conn{facts: f, verdict: v, admission: d}) {
				n++
			}
		}
		return n
	}
	if n := enter(facts{}, verdict{guest: vm1}); n != 20 {
		t.Errorf("one guest has %d connections of 40", n)
	}
	sum := 0
	for port := range 100 {
		n := enter(facts{port: ingress.Port{Index: port + 1, Name: "vnet"}}, verdict{})
		if n > portConnections {
			t.Errorf("the strangers of one port have %d connections", n)
		}
		sum += n
	}
	if sum != 10 {
		t.Errorf("all strangers have %d connections of 40", sum)
	}
	if n := enter(facts{}, verdict{guest: vm2}); n == 0 {
		t.Error("nothing is left for another guest")
	}
}

// A connection that has ended leaves room for the next one, whoever had it, and those of
// this host leave as much as there was.
func TestRoomAfterConnections(t *testing.T) {
	d := New(Policy{Connections: 8, GuestConnections: 8}, inventory{vm1}, nil, quiet)
	local := facts{Source: ingress.Source{Remote: netip.MustParseAddrPort("127.0.0.1:4711"), Interface: "lo"}}
	for name, c := range map[string]func() *conn{
		"a guest's": func() *conn {
			return &conn{facts: came("br-mds", "10.122.0.1", mac1, at("lo")), verdict: verdict{guest: vm1}}
		},
		"a stranger's": func() *conn { return &conn{facts: came("br-mds", "10.122.0.9", mac2, at("vnet7"))} },
		"this host's":  func() *conn { return &conn{facts: local, verdict: verdict{local: true}} },
	} {
		for n := range 20 {
			c := c()
			if !d.enter(c) {
				t.Fatalf("%s connection number %d is refused", name, n+1)
			}
			d.leave(c)
		}
	}
	entered := 0
	for range 20 {
		if d.enter(&conn{facts: came("br-mds", "10.122.0.1", mac1, at("lo")), verdict: verdict{guest: vm1}}) {
			entered++
		}
	}
	if entered != 4 || d.open != 4 {
		t.Errorf("one guest has %d connections of 8, %d are open", entered, d.open)
	}
}

// TestTaps: of guests whose records name one tap, the one that named it last has
// it, until its own record names another.
func TestTaps(t *testing.T) {
	on := func(id byte, tap string) *instance.Instance {
		return &instance.Instance{UUID: uuid.UUID{id}, Interfaces: []instance.Interface{{MAC: instance.MAC{2, id}, Target: tap}}}
	}
	off, later := on(1, "vnet5"), on(2, "vnet5")
	steps := []struct {
		name          string
		before, after *instance.Instance
		owner         *instance.Instance // nil for none
	}{
		{"a guest starts", nil, off, off},
		{"libvirt gives its tap to another guest", nil, later, later},
		{"something else of the first record changes", off, on(1, "vnet5"), later},
		{"something else of the second record changes", later, on(2, "vnet5"), later},
		{"the first record names it no more", off, on(1, ""), later},
		{"the second guest stops", on(2, "vnet5"), on(2, ""), nil},
		{"the first guest is released", off, nil, nil},
		{"the second guest starts again", on(2, ""), later, later},
	}
	taps := taps{owners: map[string]uuid.UUID{}}
	for _, step := range steps {
		taps.change(step.before, step.after)
		for _, guest := range []*instance.Instance{off, later} {
			want := step.owner != nil && step.owner != guest
			if got := taps.another("vnet5", guest); got != want {
				t.Errorf("%s: the tap is another's for guest %d: %v", step.name, guest.UUID[0], got)
			}
		}
	}
}

func TestStaleTap(t *testing.T) {
	policy := Policy{Interfaces: []string{"br-mds"}, Bridges: map[string]string{"mds": "br-mds"}, Verify: VerifyBridge}
	thief := &instance.Instance{Name: "thief", UUID: uuid.New(), Network: "mds", MAC: instance.MAC{2, 9},
		Interfaces: []instance.Interface{{MAC: instance.MAC{2, 9}, Network: "mds", Target: "lo"}}}
	d := New(policy, inventory{vm1, thief}, nil, quiet)
	d.taps.change(nil, vm1)
	d.taps.change(nil, thief)
	f := came("br-mds", "10.122.0.1", mac1, at("lo"))
	if v := d.judge(&f); v.refusal != wrongPort {
		t.Errorf("the tap of a later guest counts as that of the former one: %+v", v)
	}
}

// Guests on different networks may have one MAC address, as may the interfaces of
// one guest. The link tells which is meant.
func TestJudgeOneMACOnTwoNetworks(t *testing.T) {
	onMDS := &instance.Instance{Name: "mds", UUID: uuid.New(), Network: "mds", MAC: mac1, IPv4: netip.MustParseAddr("10.122.0.1")}
	onLAN := &instance.Instance{Name: "lan", UUID: uuid.New(), Network: "lan", MAC: mac1, IPv4: netip.MustParseAddr("10.50.0.1")}
	onBoth := &instance.Instance{Name: "both", UUID: uuid.New(), Network: "mds", MAC: mac2, IPv4: netip.MustParseAddr("10.122.0.2"),
		Further: []instance.Attachment{{Network: "lan", MAC: mac2, IPv4: netip.MustParseAddr("10.50.0.2")}}}
	home := Policy{Bridges: map[string]string{"mds": "br-mds", "lan": "br-lan", "dmz": "br-dmz"}, Verify: VerifyBridge}
	routed := home
	routed.Routed = true
	tests := []struct {
		name   string
		policy Policy
		facts  facts
		guest  *instance.Instance
		why    refusal
	}{
		{"the first guest", home, came("br-mds", "10.122.0.1", mac1, at("vnet1")), onMDS, none},
		{"the second guest", home, came("br-lan", "10.50.0.1", mac1, at("vnet2")), onLAN, none},
		{"the first by link-local address", home, came("br-mds", "fe80::1%br-mds", mac1, at("vnet1")), onMDS, none},
		{"the second by link-local address", home, came("br-lan", "fe80::1%br-lan", mac1, at("vnet2")), onLAN, none},
		{"on a network of neither", home, came("br-dmz", "fe80::1%br-dmz", mac1, at("vnet3")), nil, none},
		{"the second with the first's address", home, came("br-lan", "10.122.0.1", mac1, at("vnet2")), onMDS, wrongNetwork},
		{"and where guests may be routed", routed, came("br-lan", "10.122.0.1", mac1, at("vnet2")), onMDS, wrongNetwork},
		{"the first with the second's address", routed, came("br-mds", "10.50.0.1", mac1, at("vnet1")), onLAN, wrongNetwork},
		{"one guest by link-local address on its second network", home, came("br-lan", "fe80::2%br-lan", mac2, at("vnet4")), onBoth, none},
		{"with its first address on its second network", routed, came("br-lan", "10.122.0.2", mac2, at("vnet4")), onBoth, none},
	}
	for _, guests := range []inventory{{onMDS, onLAN, onBoth}, {onBoth, onLAN, onMDS}} {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				d := New(tt.policy, guests, nil, quiet)
				if v := d.judge(&tt.facts); v.guest != tt.guest || v.refusal != tt.why {
					t.Errorf("guest %v, refusal %d; want %v, %d", v.guest, v.refusal, tt.guest, tt.why)
				}
			})
		}
	}
}

// A guest with two interfaces on one network asks from each address by its own
// interface.
func TestJudgeTwoInterfacesOnOneNetwork(t *testing.T) {
	vm := &instance.Instance{Name: "vm", UUID: uuid.New(), Network: "mds", MAC: mac1, IPv4: netip.MustParseAddr("10.122.0.1"),
		Interfaces: []instance.Interface{{MAC: mac1, Network: "mds", Target: "vnet1"}, {MAC: mac2, Network: "mds", Target: "vnet2"}},
		Further:    []instance.Attachment{{Network: "mds", MAC: mac2, IPv4: netip.MustParseAddr("10.122.0.2")}}}
	d := New(Policy{Bridges: map[string]string{"mds": "br-mds"}, Verify: VerifyBridge}, inventory{vm}, nil, quiet)
	d.taps.change(nil, vm)
	for _, tt := range []struct {
		facts facts
		why   refusal
	}{
		{came("br-mds", "10.122.0.1", mac1, at("vnet1")), none},
		{came("br-mds", "10.122.0.2", mac2, at("vnet2")), none},
		{came("br-mds", "fe80::2%br-mds", mac2, at("vnet2")), none},
		{came("br-mds", "10.122.0.2", mac1, at("vnet1")), wrongMAC},
	} {
		if v := d.judge(&tt.facts); v.guest != vm || v.refusal != tt.why {
			t.Errorf("%v from %v: guest %v, refusal %d; want %d", tt.facts.Addr(), tt.facts.MAC, v.guest, v.refusal, tt.why)
		}
	}
}
