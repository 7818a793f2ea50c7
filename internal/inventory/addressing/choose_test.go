package addressing

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/inventory/index"
	"mdserver/internal/inventory/pool"
	"mdserver/internal/inventory/rules"
	"mdserver/internal/inventory/storage"
)

var (
	parse = netip.MustParseAddr
	start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	own   = instance.MAC{0x52, 0x54, 0, 0, 0, 0xff} // of the guest that is to get an address
	self  = uuid.NewSHA1(uuid.Nil, []byte("self"))
	lost  = uuid.NewSHA1(uuid.Nil, []byte("lost"))
)

// A state is what has an address.
type state string

const (
	free        state = ""
	present     state = "present"
	gone        state = "gone"
	unconfirmed state = "unconfirmed"
	resting     state = "resting"
	former      state = "resting of the guest itself"
	spare       state = "spare"
	foreign     state = "spare of another host"
	withheld    state = "withheld"
)

// A case is the states of 10.0.0.2 to 10.0.0.6, which are all the addresses of the network;
// the earlier ones have been so for longer.
type addresses [5]state

func (a addresses) chooser(t *testing.T) (Chooser, pool.Pool) {
	t.Helper()
	opts := rules.Options{Networks: []instance.Network{{Name: "mds", IPv4: netip.MustParsePrefix("10.0.0.0/29"),
		Excluded: []instance.AddrRange{{First: parse("10.0.0.1"), Last: parse("10.0.0.1")}}}}}
	var table instance.Table
	for i, s := range a {
		addr := netip.AddrFrom4([4]byte{10, 0, 0, byte(2 + i)})
		since := start.Add(time.Duration(i) * time.Hour)
		id := uuid.NewSHA1(uuid.Nil, []byte{byte(i)})
		guest := instance.Instance{ID: instance.DeriveID(id), UUID: id, Name: addr.String(), Hostname: "g" + string(rune('2'+i)), Network: "mds",
			MAC: instance.MAC{0x52, 0x54, 0, 0, 0, byte(2 + i)}, IPv4: addr, Presence: instance.Presence{State: instance.PresenceState(s), Since: since}}
		switch s {
		case unconfirmed:
			guest.Seen, guest.Presence.State = map[string]time.Time{instance.ByLocal: since}, ""
			table.Instances = append(table.Instances, guest)
		case present, gone:
			table.Instances = append(table.Instances, guest)
		case resting, former:
			if s == former {
				id = self
			}
			table.Resting = append(table.Resting, instance.Resting{Addr: addr, MAC: guest.MAC, UUID: id, Since: since})
		case spare, foreign:
			table.Spares = append(table.Spares, instance.Spare{Addr: addr, Network: "mds", Owner: map[state]string{spare: "a", foreign: "b"}[s], Host: "b.example"})
		case withheld:
			opts.Withheld = append(opts.Withheld, storage.Withheld{UUID: lost, Addrs: []netip.Addr{addr}})
		}
	}
	x, conflicts := index.Build(table, "mds")
	if len(conflicts) > 0 {
		t.Fatal(conflicts[0].Err)
	}
	r := rules.New(opts)
	r.ID = "a"
	network, _ := r.Network("mds")
	return Chooser{Table: x.Edit(), Rules: r}, network.Pool4
}

// claimOf is the claim of a new guest.
func claimOf() Claim { return Claim{Guest: &instance.Instance{UUID: self, Name: "self"}, MAC: own} }

// A new guest gets a free address, in a fixed order. No guest loses its address while
// another one is free.
func TestOrderOfChoice(t *testing.T) {
	for name, test := range map[string]struct {
		states      addresses
		unconfirmed bool
		want        string // empty: the network is full
		from        bool   // a guest has it
	}{
		"a free one":                              {states: addresses{gone, resting, spare, unconfirmed, free}, want: "10.0.0.6"},
		"a spare one of this host":                {states: addresses{gone, resting, spare, unconfirmed, present}, want: "10.0.0.4"},
		"the first spare one":                     {states: addresses{gone, resting, foreign, spare, spare}, want: "10.0.0.5"},
		"that of an unconfirmed guest":            {states: addresses{gone, resting, foreign, unconfirmed, present}, want: "10.0.0.5", from: true},
		"that of the oldest unconfirmed guest":    {states: addresses{gone, unconfirmed, resting, unconfirmed, present}, want: "10.0.0.3", from: true},
		"the one that has rested longest":         {states: addresses{gone, resting, foreign, resting, present}, want: "10.0.0.3"},
		"its own that rests":                      {states: addresses{gone, resting, former, free, free}, want: "10.0.0.4"},
		"that of the guest that is gone longest":  {states: addresses{withheld, gone, foreign, gone, present}, want: "10.0.0.3", from: true},
		"none":                                    {states: addresses{withheld, present, foreign, present, present}},
		"a free one, of an unconfirmed guest":     {states: addresses{gone, resting, spare, unconfirmed, free}, unconfirmed: true, want: "10.0.0.6"},
		"none of others, of an unconfirmed guest": {states: addresses{gone, resting, spare, unconfirmed, former}, unconfirmed: true},
	} {
		c, p := test.states.chooser(t)
		c.Unconfirmed = test.unconfirmed
		choice, err := c.Choose(p, claimOf())
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var from string
		if test.from {
			from = test.want
		}
		got, gotFrom := "", ""
		if choice.Addr.IsValid() {
			got = choice.Addr.String()
		}
		if choice.From != nil {
			gotFrom = choice.From.Name
		}
		if got != test.want || gotFrom != from {
			t.Errorf("%s: %q of guest %q, want %q of %q", name, got, gotFrom, test.want, from)
		}
		if full := errors.Is(choice.Problem, denied.ErrNetworkFull); full != (test.want == "") {
			t.Errorf("%s: the problem is %v", name, choice.Problem)
		}
	}
}

// A guest that makes way gives up no address that is withheld for another guest, or that
// the same request has already given to another interface.
func TestNothingForbiddenIsTakenFromOthers(t *testing.T) {
	for _, s := range []state{gone, unconfirmed, resting, spare} {
		c, p := addresses{s, s, s, present, present}.chooser(t)
		c.Rules = rules.New(rules.Options{Networks: c.Rules.Networks,
			Withheld: []storage.Withheld{{UUID: lost, Addrs: []netip.Addr{parse("10.0.0.2")}}}})
		c.Rules.ID = "a"
		claim := claimOf()
		claim.Given = []netip.Addr{parse("10.0.0.3")}
		if choice, err := c.Choose(p, claim); err != nil || choice.Addr != parse("10.0.0.4") {
			t.Errorf("%s: %v, %v; want 10.0.0.4", s, choice, err)
		}
	}
}

// A guest gets the address that it requests, or a refusal.
func TestGrant(t *testing.T) {
	all := addresses{present, resting, foreign, spare, withheld}
	for name, test := range map[string]struct {
		wanted      string
		unconfirmed bool
		has         string // the address that the guest has
		want        error
	}{
		"another guest's":                         {"10.0.0.2", false, "", denied.ErrAddressTaken},
		"one that rests":                          {"10.0.0.3", false, "", nil},
		"one that rests, unconfirmed":             {"10.0.0.3", true, "", denied.ErrAddressTaken},
		"a spare one of another host":             {"10.0.0.4", false, "", denied.ErrAddressTaken},
		"a spare one of this host":                {"10.0.0.5", false, "", nil},
		"one that does not rest, unconfirmed":     {"10.0.0.5", true, "", nil},
		"one that is withheld":                    {"10.0.0.6", false, "", denied.ErrAddressTaken},
		"one that is withheld, which it has":      {"10.0.0.6", false, "10.0.0.6", nil},
		"one that is withheld, and it has others": {"10.0.0.6", false, "10.0.0.5", denied.ErrAddressTaken},
		"a reserved one":                          {"10.0.0.1", false, "", denied.ErrAddressOutside},
		"one of another network":                  {"10.0.1.2", false, "", denied.ErrAddressOutside},
	} {
		c, p := all.chooser(t)
		c.Unconfirmed = test.unconfirmed
		claim := claimOf()
		claim.Wanted = parse(test.wanted)
		if test.has != "" {
			claim.Current = parse(test.has)
		}
		if choice, err := c.Choose(p, claim); !errors.Is(err, test.want) || choice.Addr != claim.Wanted || choice.Problem != nil {
			t.Errorf("%s: %v, %v; want %v", name, choice, err, test.want)
		}
	}
}

// A guest without a request keeps what it has, or gets back what it had, if it may.
func TestOwnAddresses(t *testing.T) {
	mac := instance.MAC{0x52, 0x54, 0, 0, 0, 3} // of the interface that had 10.0.0.3
	for name, test := range map[string]struct {
		states addresses
		change func(*Claim)
		want   string
	}{
		"keeps its own":                              {addresses{former, free, free, free, free}, func(c *Claim) { c.Current = parse("10.0.0.5") }, "10.0.0.5"},
		"keeps its own, though that is withheld":     {addresses{former, withheld, free, free, free}, func(c *Claim) { c.Current = parse("10.0.0.3") }, "10.0.0.3"},
		"does not keep a reserved one":               {addresses{present, present, present, present, free}, func(c *Claim) { c.Current = parse("10.0.0.1") }, "10.0.0.6"},
		"has the latest back":                        {addresses{former, former, free, free, free}, nil, "10.0.0.3"},
		"has that of the same interface back":        {addresses{free, former, former, free, free}, func(c *Claim) { c.MAC = mac }, "10.0.0.3"},
		"not that of its other interface":            {addresses{present, former, present, free, present}, func(c *Claim) { c.Guest.Interfaces = []instance.Interface{{MAC: mac}} }, "10.0.0.5"},
		"not one that another interface was given":   {addresses{former, former, free, free, free}, func(c *Claim) { c.Given = []netip.Addr{parse("10.0.0.3")} }, "10.0.0.2"},
		"has what is withheld for it":                {addresses{free, free, free, withheld, free}, func(c *Claim) { c.Guest.UUID = lost }, "10.0.0.5"},
		"inherits":                                   {addresses{free, free, free, free, free}, func(c *Claim) { c.Inherited = parse("10.0.0.4") }, "10.0.0.4"},
		"its own rest comes before what it inherits": {addresses{former, free, free, free, free}, func(c *Claim) { c.Inherited = parse("10.0.0.4") }, "10.0.0.2"},
		"does not inherit what another guest has":    {addresses{present, present, present, present, free}, func(c *Claim) { c.Inherited = parse("10.0.0.4") }, "10.0.0.6"},
		"does not inherit another host's spare one":  {addresses{present, present, foreign, present, free}, func(c *Claim) { c.Inherited = parse("10.0.0.4") }, "10.0.0.6"},
	} {
		c, p := test.states.chooser(t)
		claim := claimOf()
		if test.change != nil {
			test.change(&claim)
		}
		if choice, err := c.Choose(p, claim); err != nil || choice.Problem != nil || choice.Addr != parse(test.want) || choice.From != nil {
			t.Errorf("%s: %+v, %v; want %s", name, choice, err, test.want)
		}
	}
}

// While the shared store is away, a guest keeps its address or gets a spare one of this host.
func TestChooseCutOff(t *testing.T) {
	for name, test := range map[string]struct {
		states      addresses
		unconfirmed bool
		change      func(*Claim)
		want        string // empty: it has to wait
	}{
		"keeps its own":                           {addresses{present, spare, spare, spare, free}, false, func(c *Claim) { c.Current = parse("10.0.0.2") }, "10.0.0.2"},
		"keeps its own, unconfirmed":              {addresses{present, spare, spare, spare, free}, true, func(c *Claim) { c.Current = parse("10.0.0.2") }, "10.0.0.2"},
		"keeps its own, and asks for another":     {addresses{present, spare, spare, spare, free}, false, func(c *Claim) { c.Current, c.Wanted = parse("10.0.0.2"), parse("10.0.0.3") }, "10.0.0.2"},
		"gets the first spare one":                {addresses{free, foreign, spare, spare, free}, false, nil, "10.0.0.4"},
		"gets a spare one that was not given yet": {addresses{free, foreign, spare, spare, free}, false, func(c *Claim) { c.Given = []netip.Addr{parse("10.0.0.4")} }, "10.0.0.5"},
		"gets no spare one, unconfirmed":          {addresses{free, foreign, spare, spare, free}, true, nil, ""},
		"gets none of another host":               {addresses{free, foreign, resting, gone, former}, false, nil, ""},
		"asks for a spare one":                    {addresses{free, foreign, spare, spare, free}, false, func(c *Claim) { c.Wanted = parse("10.0.0.5") }, "10.0.0.5"},
		"asks for one of another host":            {addresses{free, foreign, spare, spare, free}, false, func(c *Claim) { c.Wanted = parse("10.0.0.3") }, ""},
		"asks for a free one":                     {addresses{free, foreign, spare, spare, free}, false, func(c *Claim) { c.Wanted = parse("10.0.0.2") }, ""},
	} {
		c, p := test.states.chooser(t)
		c.CutOff, c.Unconfirmed = true, test.unconfirmed
		claim := claimOf()
		if test.change != nil {
			test.change(&claim)
		}
		choice, err := c.Choose(p, claim)
		got := ""
		if choice.Addr.IsValid() {
			got = choice.Addr.String()
		}
		if err != nil || got != test.want || errors.Is(choice.Problem, storage.ErrAway) != (test.want == "") || choice.From != nil {
			t.Errorf("%s: %+v, %v; want %q", name, choice, err, test.want)
		}
	}
	c, _ := addresses{}.chooser(t)
	c.CutOff = true
	if choice, err := c.Choose(pool.Pool{}, claimOf()); err != nil || choice != (Choice{}) {
		t.Errorf("of a family that the network does not have: %+v, %v", choice, err)
	}
}

func TestSpares(t *testing.T) {
	c, p := addresses{foreign, spare, present, spare, resting}.chooser(t)
	if got, want := c.Spares(p), []netip.Addr{parse("10.0.0.3"), parse("10.0.0.5")}; !slices.Equal(got, want) {
		t.Errorf("spare are %v, want %v", got, want)
	}
	if got := c.Spares(pool.New(netip.MustParsePrefix("10.0.1.0/29"), instance.Network{})); got != nil {
		t.Errorf("spare in another network are %v", got)
	}
	for addr, test := range map[string]struct{ own, refused bool }{
		"10.0.0.2": {false, true}, "10.0.0.3": {true, false}, "10.0.0.4": {false, false}, "10.0.0.6": {false, false},
	} {
		if got := c.IsOwnSpare(parse(addr)); got != test.own {
			t.Errorf("%s: own %v", addr, got)
		}
		if err := c.CheckSpare(parse(addr), "web"); errors.Is(err, denied.ErrAddressTaken) != test.refused {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

// A network without addresses of a family gives none of it, but its addresses may not be
// known yet, or be given by hand.
func TestWithoutPool(t *testing.T) {
	for name, test := range map[string]struct {
		pending, byHand bool
		want            bool // the guest keeps what it has
	}{
		"neither": {}, "not known yet": {pending: true, want: true}, "by hand": {byHand: true, want: true},
	} {
		c, _ := addresses{}.chooser(t)
		claim := claimOf()
		claim.Current, claim.ByHand = parse("192.0.2.9"), test.byHand
		choice, err := c.Choose(pool.New(netip.Prefix{}, instance.Network{Pending: test.pending}), claim)
		if err != nil || choice.Addr.IsValid() != test.want || choice.Problem != nil {
			t.Errorf("%s: %+v, %v", name, choice, err)
		}
	}
}

// An address is given by hand if it came neither from a pool nor from the metadata. Only
// records of another database have such addresses.
func TestGivenByHand(t *testing.T) {
	record := func(id string, meta map[string]string) *instance.Instance {
		return &instance.Instance{UUID: self, ID: id, IPv4: parse("10.0.0.2"), IPv6: parse("fd00::2"), Metadata: instance.Metadata{Values: meta}}
	}
	for name, test := range map[string]struct {
		guest      *instance.Instance
		ipv4, ipv6 bool
	}{
		"of this database":         {record(instance.DeriveID(self), nil), false, false},
		"of another one":           {record("i-1", nil), true, true},
		"IPv4 that it asks for":    {record("i-1", map[string]string{"ipv4": "10.0.0.2"}), false, true},
		"IPv6 that it asks for":    {record("i-1", map[string]string{"ipv6": "fd00::2"}), true, false},
		"another one is asked for": {record("i-1", map[string]string{"ipv4": "10.0.0.3"}), true, true},
	} {
		if ipv4, ipv6 := GivenByHand(test.guest); ipv4 != test.ipv4 || ipv6 != test.ipv6 {
			t.Errorf("%s: %v, %v", name, ipv4, ipv6)
		}
	}
}
