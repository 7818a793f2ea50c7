package draft

import (
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/inventory/storage"
)

// An address that a guest gives up enters quarantine, and one that it gets back leaves it.
// Both are part of the change and of its events.
func TestChangeOfAnAddress(t *testing.T) {
	web := record(1, "web", "10.0.0.2")
	other := instance.Resting{Addr: parse("10.0.0.9"), UUID: numbered(9), Since: noon.Add(-time.Hour)}
	begin := func(quarantine time.Duration, changes ...change) (*Draft, instance.Instance) {
		s := alone(record(1, "web", "10.0.0.2", changes...))
		s.Quarantine = quarantine
		if quarantine > 0 {
			s.Table.Resting = []instance.Resting{other}
		}
		return s.draft(t), s.Instances[0]
	}
	moved := func(d *Draft, addr string) {
		old, _ := d.ByUUID(web.UUID)
		guest := *old
		guest.IPv4 = parse(addr)
		d.put(old, &guest)
	}
	rest := instance.Resting{Addr: web.IPv4, MAC: web.MAC, UUID: web.UUID, InstanceID: web.ID, Since: noon}

	d, old := begin(time.Hour * 24)
	moved(d, "10.0.0.9")
	if !reflect.DeepEqual(d.Change.Rest, []instance.Resting{rest}) || !slices.Equal(d.Change.Wake, []netip.Addr{other.Addr}) || len(d.Change.Put) != 1 {
		t.Errorf("the change is %+v", d.Change)
	}
	if len(d.Events) != 1 || !reflect.DeepEqual(*d.Events[0].Old, old) || d.Events[0].New.IPv4 != other.Addr {
		t.Errorf("the events are %+v", d.Events)
	}
	moved(d, "10.0.0.2") // back, within the same draft
	if !reflect.DeepEqual(d.Change.Rest, []instance.Resting{{Addr: other.Addr, MAC: web.MAC, UUID: web.UUID, InstanceID: web.ID, Since: noon}}) {
		t.Errorf("after it moved back, %+v", d.Change.Rest)
	}
	for addr, want := range map[string]bool{"10.0.0.2": true, "10.0.0.9": true, "10.0.0.3": false} {
		if _, occupied := d.Occupied(parse(addr)); occupied != want {
			t.Errorf("%s is occupied: %v", addr, occupied)
		}
	}

	for name, begun := range map[string]func() (*Draft, instance.Instance){
		"without a quarantine": func() (*Draft, instance.Instance) { return begin(0) },
		"of an unconfirmed guest": func() (*Draft, instance.Instance) {
			return begin(24*time.Hour, func(g *instance.Instance) { g.Seen = map[string]time.Time{instance.ByLocal: noon} })
		},
	} {
		d, _ := begun()
		moved(d, "10.0.0.3")
		if _, occupied := d.Occupied(web.IPv4); occupied || len(d.Change.Rest) > 0 {
			t.Errorf("%s: the address rests: %+v", name, d.Change.Rest)
		}
	}

	d, old = begin(24 * time.Hour)
	if guest, err := d.Release("web"); err != nil || guest.UUID != web.UUID {
		t.Errorf("released %+v, %v", guest, err)
	}
	if !slices.Equal(d.Change.Delete, []uuid.UUID{web.UUID}) || len(d.Change.Rest) != 1 || len(d.Events) != 1 || !reflect.DeepEqual(*d.Events[0].Old, old) || d.Events[0].New != nil {
		t.Errorf("released: %+v, %+v", d.Change, d.Events)
	}
	if _, err := d.Release("nobody"); err == nil || len(d.Change.Delete) != 1 {
		t.Errorf("a guest that is not known: %v", err)
	}
}

// A draft ends only quarantines that are over, and a limited number at once.
func TestWakes(t *testing.T) {
	s := alone()
	for i := range 5 {
		s.Table.Resting = append(s.Table.Resting, instance.Resting{Addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(2 + i)}), Since: noon.Add(time.Duration(i-27) * time.Hour)})
	}
	table, r := s.begin(t)
	for most, want := range map[int]int{0: 4, 1: 1, 3: 3, 4: 4, 9: 4} { // the fourth rests for a day just now
		r.MostWakes = most
		d := New(table, r)
		if len(d.Change.Wake) != want || want > 0 && d.Change.Wake[0] != parse("10.0.0.2") {
			t.Errorf("of at most %d, %v wake", most, d.Change.Wake)
		}
	}
	if d := NewCutOff(table, r); len(d.Change.Wake) > 0 || !d.cutOff {
		t.Errorf("while cut off, %v wake", d.Change.Wake)
	}
}

// A record that is made while etcd does not answer says so.
func TestUnsharedRecord(t *testing.T) {
	for _, cutOff := range []bool{false, true} {
		s := hostA().spares("store-a", "10.0.0.9")
		d := s.draft(t)
		d.cutOff = cutOff
		reg, err := d.Register(domainOf(record(1, "web", "")))
		if err != nil || reg.Instance.Unshared != cutOff || d.find(t, 1).Unshared != cutOff || d.Change.Put[0].Unshared != cutOff {
			t.Errorf("cut off %v: %+v, %v", cutOff, reg, err)
		}
	}
}

// A guest whose host name may be given to no guest gets another one at once.
func TestRenameReserved(t *testing.T) {
	s := alone(record(1, "hv1", "10.0.0.2"), record(2, "web", "10.0.0.3"))
	s.OwnNames = []string{"hv1"}
	d := s.draft(t)
	renamed := d.RenameReserved()
	want := instance.DistinctHostname("hv1", numbered(1))
	if len(renamed) != 1 || renamed[0].Former != "hv1" || !strings.Contains(renamed[0].Reason, "a name of this host") || renamed[0].Guest.Hostname != want {
		t.Fatalf("%+v", renamed)
	}
	if guest := d.find(t, 1); guest.Hostname != want || guest.LastUpdate != noon || len(d.Change.Put) != 1 {
		t.Errorf("%+v, %+v", guest, d.Change.Put)
	}
}

// Reattach places guests anew where it can, and updates those.
func TestReattach(t *testing.T) {
	for name, test := range map[string]struct {
		guests []instance.Instance
		change func(*scene)
		want   int
	}{
		"nothing new":     {[]instance.Instance{record(1, "web", "10.0.0.2")}, nil, 0},
		"no address":      {[]instance.Instance{record(1, "web", "")}, nil, 1},
		"reserved":        {[]instance.Instance{record(1, "web", "10.0.0.1")}, nil, 1},
		"of another host": {[]instance.Instance{record(1, "web", "10.0.0.1", on("b", 1))}, nil, 0},
		"of no host":      {[]instance.Instance{record(1, "web", "10.0.0.1", on("", 1))}, nil, 1},
		"on no network":   {[]instance.Instance{record(1, "web", "10.0.0.1", func(g *instance.Instance) { g.Interfaces = nil })}, nil, 0},
		"with another's MAC": {[]instance.Instance{record(2, "db", "10.0.0.3"), record(1, "web", "10.0.0.2", func(g *instance.Instance) {
			g.Interfaces = []instance.Interface{{MAC: macOf(2), Network: "mds"}}
		})}, nil, 0},
		"asks for a reserved one": {[]instance.Instance{record(1, "web", "10.0.0.2", func(g *instance.Instance) {
			g.Metadata.Values = map[string]string{"ipv4": "10.0.0.1"}
		})}, nil, 0},
		"an unconfirmed one in a full network": {append(filled(), record(1, "web", "", func(g *instance.Instance) {
			g.Seen = map[string]time.Time{instance.ByLocal: noon}
		})), nil, 0},
		"a confirmed one in a full network": {append(filled(), record(1, "web", "")), nil, 1},
	} {
		s := hostA(test.guests...)
		d := s.draft(t)
		if got := d.Reattach(); got != test.want || len(d.Change.Put) != test.want {
			t.Errorf("%s: %d changed, want %d: %+v", name, got, test.want, d.Change.Put)
		}
		if test.want > 0 && d.find(t, 1).LastUpdate != noon {
			t.Errorf("%s: it was updated at %v", name, d.find(t, 1).LastUpdate)
		}
	}
}

// A guest that makes way for another while all are placed anew stays released, and the other
// has its address alone.
func TestReattachReleases(t *testing.T) {
	gone := func(g *instance.Instance) { g.Presence.State = instance.Gone }
	unconfirmed := func(g *instance.Instance) { g.Seen = map[string]time.Time{instance.ByLocal: noon} }
	for name, old := range map[string]instance.Instance{ // they are placed in the order of their names
		"gone":                            record(2, "old", "10.0.0.2", gone),
		"unconfirmed":                     record(2, "old", "10.0.0.2", unconfirmed),
		"gone, and has just moved":        record(2, "a", "10.0.0.8", gone),
		"unconfirmed, and has just moved": record(2, "a", "10.0.0.8", unconfirmed),
	} {
		s := alone(record(1, "db", "10.0.0.9"), old)
		s.Networks[0].Excluded = append(s.Networks[0].Excluded, instance.AddrRange{First: parse("10.0.0.3"), Last: parse("10.0.0.14")})
		d := s.draft(t)
		if d.Reattach(); len(d.Change.Put) != 1 || !slices.Equal(d.Change.Delete, []uuid.UUID{numbered(2)}) {
			t.Errorf("%s: %+v", name, d.Change)
		}
		if _, there := d.ByUUID(numbered(2)); there {
			t.Errorf("%s: it is still a guest", name)
		}
		addr := d.find(t, 1).IPv4
		if _, rests := d.RestingAt(addr); addr != parse("10.0.0.2") || rests {
			t.Errorf("%s: the other has %s, which rests: %v", name, addr, rests)
		}
		if _, occupied := d.Occupied(addr); !occupied {
			t.Errorf("%s: %s counts as free", name, addr)
		}
	}
}

// A guest that makes way for others does not do so for itself: one more interface of it gets
// no address in a full network.
func TestMakesNoWayForItself(t *testing.T) {
	for name, makesWay := range map[string]change{
		"gone":        func(g *instance.Instance) { g.Presence.State = instance.Gone },
		"unconfirmed": func(g *instance.Instance) { g.Seen = map[string]time.Time{instance.ByLocal: noon} },
	} {
		s := alone(record(1, "web", "10.0.0.2", makesWay))
		s.Networks[0].Excluded = append(s.Networks[0].Excluded, instance.AddrRange{First: parse("10.0.0.3"), Last: parse("10.0.0.14")})
		d := s.draft(t)
		dom := domainOf(record(1, "web", ""))
		dom.Interfaces = append([]instance.Interface{{MAC: macOf(9), Network: "mds"}}, dom.Interfaces...)
		reg, err := d.Register(dom)
		if err != nil || len(reg.Yielded)+len(d.Change.Delete) > 0 || !errors.Is(reg.AddressProblem, denied.ErrNetworkFull) {
			t.Errorf("%s: %+v, %v; %v are released", name, reg, err, d.Change.Delete)
		}
		if had := reg.Instance.ByMAC(macOf(1)); len(had) != 1 || had[0].IPv4 != parse("10.0.0.2") {
			t.Errorf("%s: its former interface has %+v", name, had)
		}
	}
}

// filled are guests that have all addresses and are gone.
func filled() (guests []instance.Instance) {
	for i := range 13 {
		guests = append(guests, record(50+i, "gone-"+string(rune('a'+i)), netip.AddrFrom4([4]byte{10, 0, 0, byte(2 + i)}).String(),
			func(g *instance.Instance) { g.Presence.State = instance.Gone }))
	}
	return guests
}

// onLAN adds the network lan, where the guest had the given IPv4 address.
func onLAN(s scene) scene {
	s.Networks = append(s.Networks, instance.Network{Name: "lan", IPv4: netip.MustParsePrefix("10.1.0.0/24"), IPv6: netip.MustParsePrefix("fd01::/64")})
	return s
}

// Former places are found by MAC address and network, then by the network alone, also if
// that has another name now.
func TestFormer(t *testing.T) {
	place := func(network string, mac int, ipv4 string) instance.Attachment {
		return instance.Attachment{Network: network, MAC: macOf(mac), IPv4: parse(ipv4)}
	}
	d := onLAN(alone()).draft(t)
	first, second, third := place("mds", 1, "10.0.0.2"), place("lan", 2, "10.1.0.2"), place("mds", 3, "10.0.0.3")
	renamed := place("old", 4, "10.1.0.4")
	guest := &instance.Instance{}
	guest.Attach([]instance.Attachment{first, second, third, renamed})
	for name, test := range map[string]struct{ places, want []instance.Attachment }{
		"as they were":          {[]instance.Attachment{first, second, third}, []instance.Attachment{first, second, third}},
		"in another order":      {[]instance.Attachment{third, second, first}, []instance.Attachment{third, second, first}},
		"a new MAC address":     {[]instance.Attachment{place("lan", 9, "10.1.0.9")}, []instance.Attachment{second}},
		"a new one before":      {[]instance.Attachment{place("mds", 9, "10.0.0.9"), first}, []instance.Attachment{third, first}},
		"a network of new name": {[]instance.Attachment{place("lan", 4, "10.1.0.9")}, []instance.Attachment{renamed}},
		"another network":       {[]instance.Attachment{place("other", 1, "10.9.0.9")}, []instance.Attachment{{}}},
		"more than there were":  {[]instance.Attachment{place("lan", 7, "10.1.0.7"), place("lan", 8, "10.1.0.8"), place("lan", 9, "10.1.0.9")}, []instance.Attachment{second, renamed, {}}},
	} {
		if got := d.former(test.places, guest); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
	if got := d.former([]instance.Attachment{first}, nil); !slices.Equal(got, []instance.Attachment{{}}) {
		t.Errorf("of no guest: %v", got)
	}
}

// A request for an address belongs to the network that has it, or else to one on which other
// hosts may have it, or else to the first.
func TestMeant(t *testing.T) {
	s := onLAN(hostA())
	s.Networks = append(s.Networks, instance.Network{Name: "far", IPv4: netip.MustParsePrefix("10.2.0.0/24"), PerHost: true})
	d := s.draft(t)
	mds, lan, far := instance.Attachment{Network: "mds"}, instance.Attachment{Network: "lan"}, instance.Attachment{Network: "far"}
	for name, test := range map[string]struct {
		wanted string
		places []instance.Attachment
		want   int
	}{
		"of the first":               {"10.0.0.2", []instance.Attachment{mds, lan, far}, 0},
		"of the second":              {"10.1.0.2", []instance.Attachment{mds, lan, far}, 1},
		"IPv6 of the second":         {"fd01::2", []instance.Attachment{mds, lan, far}, 1},
		"perhaps of another host":    {"10.9.0.2", []instance.Attachment{mds, lan, far}, 2},
		"of none, and no other host": {"10.9.0.2", []instance.Attachment{mds, lan}, 0},
	} {
		if got := d.meant(parse(test.wanted), test.places); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
}

// Requests of both families go to the place that each belongs to.
func TestRequestsOfBothFamilies(t *testing.T) {
	guest := record(1, "web", "", func(g *instance.Instance) {
		g.Interfaces = append(g.Interfaces, instance.Interface{MAC: macOf(2), Network: "lan"})
		g.Metadata.Values = map[string]string{"ipv4": "10.0.0.9", "ipv6": "fd01::9"}
	})
	reg, err := onLAN(alone()).draft(t).Register(domainOf(guest))
	if err != nil || reg.Instance.IPv4 != parse("10.0.0.9") || len(reg.Instance.Further) != 1 || reg.Instance.Further[0].IPv6 != parse("fd01::9") {
		t.Errorf("%+v, %v", reg, err)
	}
}

// An address given by hand stays on the network that has no addresses of its family. One
// on a further network does not count as given by hand.
func TestAddressByHand(t *testing.T) {
	byHand := record(1, "web", "10.0.0.2", func(g *instance.Instance) { g.ID, g.IPv6 = "i-1", parse("2001:db8::1") })
	d := hostA(byHand).draft(t)
	if reg, err := d.Register(domainOf(byHand)); err != nil || reg.Instance.IPv6 != byHand.IPv6 {
		t.Errorf("%+v, %v", reg, err)
	}
	further := record(1, "web", "10.0.0.2", func(g *instance.Instance) {
		g.ID, g.IPv6 = "i-1", parse("2001:db8::1")
		g.Interfaces = append(g.Interfaces, instance.Interface{MAC: macOf(2), Network: "lan"})
		g.Further = []instance.Attachment{{Network: "lan", MAC: macOf(2), IPv4: parse("10.1.0.2"), IPv6: parse("2001:db8::2")}}
	})
	s := hostA(further)
	s.Networks = append(s.Networks, instance.Network{Name: "lan", IPv4: netip.MustParsePrefix("10.1.0.0/24")})
	reg, err := s.draft(t).Register(domainOf(further))
	if err != nil || len(reg.Instance.Further) != 1 || reg.Instance.Further[0].IPv6.IsValid() || reg.Instance.Further[0].IPv4 != parse("10.1.0.2") {
		t.Errorf("%+v, %v", reg, err)
	}
}

// A guest keeps what it wished for, as long as it has the name that it got instead.
func TestWantedHostname(t *testing.T) {
	had := record(1, "web", "10.0.0.2", func(g *instance.Instance) { g.Hostname, g.Wanted.Hostname = "web-1", "web" })
	reg, err := hostA(had).draft(t).Register(domainOf(had))
	if err != nil || reg.Instance.Hostname != "web-1" || reg.Instance.Wanted.Hostname != "web" {
		t.Errorf("registered again: %+v, %v", reg.Instance, err)
	}
	dom := domainOf(had)
	dom.Name = "www"
	if reg, err := hostA(had).draft(t).Register(dom); err != nil || reg.Instance.Hostname != "www" || reg.Instance.Wanted.Hostname != "" {
		t.Errorf("by another name: %+v, %v", reg.Instance, err)
	}
}

// A guest remembers each source that has reported it, and when it last did.
func TestTellers(t *testing.T) {
	had := record(1, "web", "10.0.0.2", func(g *instance.Instance) {
		g.Seen = map[string]time.Time{instance.ByHook: noon.Add(-time.Hour), instance.ByCommand: noon.Add(-time.Hour)}
	})
	dom := domainOf(had)
	dom.Source = instance.ByHook
	reg, err := hostA(had).draft(t).Register(dom)
	want := map[string]time.Time{instance.ByHook: noon, instance.ByCommand: noon.Add(-time.Hour)}
	if err != nil || !reflect.DeepEqual(reg.Instance.Seen, want) || !had.Seen[instance.ByHook].Equal(noon.Add(-time.Hour)) {
		t.Errorf("%v, %v; want %v", reg.Instance.Seen, err, want)
	}
}

// A guest that returns has the instance-id that it had, if that is known and no other
// guest's.
func TestInstanceID(t *testing.T) {
	derived := instance.DeriveID(numbered(1))
	taken := record(2, "db", "10.0.0.3", func(g *instance.Instance) { g.ID = "i-taken" })
	for name, test := range map[string]struct {
		resting, withheld string
		want              string
	}{
		"neither":                 {"", "", derived},
		"of its rest":             {"i-old", "", "i-old"},
		"of its record set aside": {"", "i-aside", "i-aside"},
		"of its rest first":       {"i-old", "i-aside", "i-old"},
		"taken":                   {"i-taken", "", derived},
		"taken, and aside":        {"i-taken", "i-aside", "i-aside"},
		"both taken":              {"i-taken", "i-taken", derived},
	} {
		s := hostA(taken)
		s.Table.Resting = []instance.Resting{{Addr: parse("10.0.0.9"), UUID: numbered(1), InstanceID: test.resting, Since: noon}}
		s.Withheld = []storage.Withheld{{UUID: numbered(1), ID: test.withheld}}
		if reg, err := s.draft(t).Register(domainOf(record(1, "web", ""))); err != nil || reg.Instance.ID != test.want {
			t.Errorf("%s: %q, %v; want %q", name, reg.Instance.ID, err, test.want)
		}
	}
}

// A refusal lists where the interfaces are, each once.
func TestNetworksOf(t *testing.T) {
	for want, nics := range map[string][]instance.Interface{
		"it has no network interface":                             nil,
		`they are on "lan"`:                                       {{Network: "lan"}, {Network: "lan", Bridge: "br0"}},
		`they are on the bridge "br0", no libvirt network, "lan"`: {{Bridge: "br0"}, {}, {Network: "lan"}, {Bridge: "br0"}},
	} {
		if got := networksOf(instance.Domain{Interfaces: nics}); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// An interface that two networks have is on the first of them alone.
func TestPlaceOnOneNetwork(t *testing.T) {
	s := alone()
	s.Networks[0].Bridge = "br0"
	s.Networks = append(s.Networks, instance.Network{Name: "lan", Bridge: "br0", IPv4: netip.MustParsePrefix("10.1.0.0/24")})
	d := s.draft(t)
	places := d.places(instance.Domain{Interfaces: []instance.Interface{{MAC: macOf(1), Bridge: "br0"}, {MAC: macOf(2), Network: "lan"}}})
	if want := []instance.Attachment{{Network: "mds", MAC: macOf(1)}, {Network: "lan", MAC: macOf(2)}}; !slices.Equal(places, want) {
		t.Errorf("%v, want %v", places, want)
	}
}

// Guests that are gone make way if they have the wanted host name, address or MAC address.
// Others stay.
func TestYieldTo(t *testing.T) {
	isGone := func(g *instance.Instance) { g.Presence.State = instance.Gone }
	begin := func() scene {
		s := alone(
			record(1, "web", "10.0.0.2", isGone), record(2, "web.example.net", "10.0.0.3", isGone), record(3, "db", "10.0.0.4", isGone),
			record(4, "mac", "10.0.0.5", isGone), record(5, "here", "10.0.0.6"))
		s.Networks[0].Domain = "example.net"
		return s
	}
	for name, test := range map[string]struct {
		change      change
		unconfirmed bool
		want        []string // who makes way
	}{
		"in no one's way":        {change: func(*instance.Instance) {}},
		"by host name":           {change: func(g *instance.Instance) { g.Metadata.Values = map[string]string{"hostname": "web"} }, want: []string{"web", "web.example.net"}},
		"by address":             {change: func(g *instance.Instance) { g.Metadata.Values = map[string]string{"ipv4": "10.0.0.4"} }, want: []string{"db"}},
		"by MAC address":         {change: func(g *instance.Instance) { g.Interfaces[0].MAC = macOf(4) }, want: []string{"mac"}},
		"by MAC, unconfirmed":    {change: func(g *instance.Instance) { g.Interfaces[0].MAC = macOf(4) }, unconfirmed: true},
		"by one's that is there": {change: func(g *instance.Instance) { g.Metadata.Values = map[string]string{"ipv4": "10.0.0.6"} }},
	} {
		d := begin().draft(t)
		d.unconfirmed = test.unconfirmed
		dom := domainOf(record(9, "new", "", test.change))
		d.yieldTo(dom, d.places(dom))
		var got []string
		for _, guest := range d.yielded {
			got = append(got, guest.Name)
		}
		slices.Sort(got)
		if !slices.Equal(got, test.want) || len(d.Change.Delete) != len(test.want) {
			t.Errorf("%s: %q make way, want %q", name, got, test.want)
		}
	}
}

// A new instance-id changes the guest's time of change.
func TestReprovisionedNow(t *testing.T) {
	d := hostA(record(1, "web", "10.0.0.2")).draft(t)
	if guest, err := d.Reprovision("web"); err != nil || guest.LastUpdate != noon || guest.ID == instance.DeriveID(numbered(1)) || guest.Home.HostID != "a" {
		t.Errorf("%+v, %v", guest, err)
	}
}

// A request for an address of another host's range takes nothing from the guest that has it.
func TestYieldToInRanges(t *testing.T) {
	for _, perHost := range []bool{false, true} {
		s := hostA(record(1, "web", "10.0.0.2", func(g *instance.Instance) { g.Presence.State = instance.Gone }))
		if s.Networks[0].PerHost = perHost; perHost {
			s.Networks[0].Excluded = []instance.AddrRange{{First: parse("10.0.0.1"), Last: parse("10.0.0.7")}}
		}
		d := s.draft(t)
		dom := domainOf(record(9, "new", "", func(g *instance.Instance) { g.Metadata.Values = map[string]string{"ipv4": "10.0.0.2"} }))
		d.yieldTo(dom, d.places(dom))
		if yields := len(d.yielded) > 0; yields == perHost {
			t.Errorf("with a range of this host %v, the guest makes way: %v", perHost, yields)
		}
	}
}

// A repeated report of libvirt about a guest that is not shared changes nothing.
func TestUnsharedSeenAgain(t *testing.T) {
	web := record(1, "web", "10.0.0.2", func(g *instance.Instance) {
		g.Unshared, g.Seen, g.Run = true, map[string]time.Time{instance.ByLibvirt: noon}, instance.Running
	})
	d := hostA(web).cutOff(t)
	if reg, err := d.Observe(domainOf(web), true); err != nil || len(d.Change.Put) > 0 || !reg.Instance.Unshared {
		t.Errorf("%+v, %+v, %v", d.Change.Put, reg, err)
	}
}
