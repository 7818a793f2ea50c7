package draft

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/storage"
)

func ptr[T any](v T) *T { return &v }

// updated is a change at a time after noon.
func updated(after time.Duration) change {
	return func(g *instance.Instance) { g.LastUpdate = noon.Add(after) }
}

func rack(value string) change {
	return func(g *instance.Instance) { g.Metadata.Values = map[string]string{"rack": value} }
}

// leaving is a guest that is on its way from the host a to the host b.
func leaving(changes ...change) instance.Instance {
	return record(1, "web", "10.0.0.2", append([]change{on("b", 2), func(g *instance.Instance) { g.FromHost, g.FromID, g.Run = "a.example", "a", instance.NotRunning }}, changes...)...)
}

// A registration made while etcd did not answer is shared if it is still true. What
// another host has changed meanwhile counts more.
func TestShare(t *testing.T) {
	web := record(1, "web", "10.0.0.2")
	changed := record(1, "web", "10.0.0.2", rack("four"), updated(0))
	for name, test := range map[string]struct {
		scene   scene
		record  instance.Instance
		base    *instance.Instance
		own     bool
		dropped string // why it is not kept
		changed []string
		kept    bool // nothing changes
	}{
		"a new guest":                        {scene: hostA().spares("store-a", "10.0.0.2"), record: web},
		"a change":                           {scene: hostA(web), record: changed, base: &web},
		"nothing new":                        {scene: hostA(web), record: record(1, "web", "10.0.0.2", updated(0)), base: &web, kept: true},
		"one that was shared and changed":    {scene: hostA(record(1, "web", "10.0.0.2", updated(time.Minute))), record: changed, base: nil, kept: true},
		"released by another host":           {scene: hostA(), record: changed, base: &web, dropped: "another host has released it"},
		"released by this host":              {scene: hostA().spares("store-a", "10.0.0.2"), record: changed, base: &web, own: true},
		"moved to another host":              {scene: hostA(record(1, "web", "10.0.0.2", on("b", 2))), record: changed, base: &web, dropped: `it is on the host "b.example"`},
		"taken by two hosts at once":         {scene: hostA(record(1, "web", "10.0.0.2", on("b", 1))), record: changed, base: &web, dropped: `it is on the host "b.example"`},
		"moved here since":                   {scene: hostA(record(1, "web", "10.0.0.2", on("b", 1))), record: record(1, "web", "10.0.0.2", on("a", 2)), base: ptr(record(1, "web", "10.0.0.2", on("b", 1)))},
		"moved here, and changed there":      {scene: hostA(record(1, "web", "10.0.0.2", on("b", 1), rack("two"))), record: record(1, "web", "10.0.0.2", on("a", 2)), base: ptr(record(1, "web", "10.0.0.2", on("b", 1)))},
		"registered here by another name":    {scene: hostA(record(1, "www", "10.0.0.2")), record: web},
		"changed while it leaves":            {scene: hostA(leaving()), record: leaving(rack("four")), base: ptr(leaving())},
		"taken back while it leaves":         {scene: hostA(leaving()), record: record(1, "web", "10.0.0.2", on("a", 3), rack("four")), base: ptr(leaving())},
		"moved by a write of this host":      {scene: hostA(record(1, "web", "10.0.0.2", on("b", 2))), record: changed, base: &web, own: true},
		"registered elsewhere":               {scene: hostA(record(1, "www", "10.0.0.2", func(g *instance.Instance) { g.Home = instance.Home{} })), record: web, dropped: "another host has registered it"},
		"registered elsewhere, with a MAC":   {scene: hostA(record(1, "web", "10.0.0.2", func(g *instance.Instance) { g.Home, g.MAC = instance.Home{}, macOf(9) })), record: web, dropped: "another host has registered it"},
		"registered elsewhere, just so":      {scene: hostA(record(1, "web", "10.0.0.2", rack("two"), func(g *instance.Instance) { g.Home = instance.Home{} })), record: web},
		"renamed elsewhere":                  {scene: hostA(record(1, "www", "10.0.0.2")), record: changed, base: &web, dropped: "another host has changed it"},
		"another host's, and changed there":  {scene: hostA(record(1, "web", "10.0.0.2", on("b", 1), rack("two"))), record: record(1, "web", "10.0.0.2", on("b", 1), rack("four")), base: ptr(record(1, "web", "10.0.0.2", on("b", 1))), dropped: "another host has changed it"},
		"another host's, and as it was":      {scene: hostA(record(1, "web", "10.0.0.2", on("b", 1))), record: record(1, "web", "10.0.0.2", on("b", 1), rack("four")), base: ptr(record(1, "web", "10.0.0.2", on("b", 1)))},
		"this host's, and changed elsewhere": {scene: hostA(record(1, "web", "10.0.0.2", rack("two"))), record: changed, base: &web},
		"its MAC address is taken":           {scene: hostA(record(2, "db", "10.0.0.3", func(g *instance.Instance) { g.MAC = macOf(1) })), record: web, dropped: "MAC address in use"},
		"its instance-id is taken":           {scene: hostA(record(2, "db", "10.0.0.3", func(g *instance.Instance) { g.ID = web.ID })), record: web, dropped: "instance-id in use"},
		"its name is taken": {scene: hostA(record(2, "web", "10.0.0.3", on("b", 1), func(g *instance.Instance) { g.Hostname = "db" })).spares("store-a", "10.0.0.2"), record: web,
			changed: []string{`its name is "` + numbered(1).String() + `", because a guest on the host "b.example" is "web"`}},
		"its host name is taken": {scene: hostA(record(2, "db", "10.0.0.3", on("b", 1), func(g *instance.Instance) { g.Hostname = "web" })).spares("store-a", "10.0.0.2"), record: web,
			changed: []string{`its host name is "` + instance.DistinctHostname("web", numbered(1)) + `", because guest "db" on the host "b.example" has "web"`}},
	} {
		d := test.scene.draft(t)
		o := d.Share(storage.Unshared{Record: test.record, Base: test.base}, test.own)
		if (o.Dropped == "") != (test.dropped == "") || !strings.Contains(o.Dropped, test.dropped) {
			t.Errorf("%s: dropped because %q, want %q", name, o.Dropped, test.dropped)
		}
		if !slices.Equal(o.Changed, test.changed) {
			t.Errorf("%s: changed %q, want %q", name, o.Changed, test.changed)
		}
		if test.dropped != "" || test.kept {
			if len(d.Change.Put)+len(d.Change.Delete) > 0 || len(d.Events) > 0 {
				t.Errorf("%s: the draft changes %+v", name, d.Change)
			}
			continue
		}
		if o.Guest.Home != test.record.Home || !reflect.DeepEqual(o.Guest.Metadata, test.record.Metadata) {
			t.Errorf("%s: shared as %+v, want %+v", name, o.Guest, test.record)
		}
		if len(d.Change.Put) != 1 || !reflect.DeepEqual(d.Change.Put[0], o.Guest) || o.Guest.IPv4 != test.record.IPv4 || !o.Guest.LastUpdate.Equal(test.record.LastUpdate) {
			t.Errorf("%s: shared as %+v, by %+v", name, o.Guest, d.Change)
		}
		for _, c := range o.Changed {
			if strings.HasPrefix(c, "its name") && o.Guest.Wanted.Name != "web" || strings.HasPrefix(c, "its host name") && o.Guest.Wanted.Hostname != "web" {
				t.Errorf("%s: it wants %+v", name, o.Guest.Wanted)
			}
		}
	}
}

// A spare address of this host enters quarantine if its guest is not shared.
func TestDroppedAddressesRest(t *testing.T) {
	web := record(1, "web", "10.0.0.2")
	u := storage.Unshared{Record: web, Base: ptr(record(1, "web", ""))}
	u.Record.IPv6 = parse("fd00::2") // which is another host's
	for _, quarantine := range []time.Duration{24 * time.Hour, 0} {
		s := hostA().spares("store-a", "10.0.0.2", "10.0.0.3").spares("store-b", "fd00::2")
		s.Quarantine = quarantine
		d := s.draft(t)
		d.Share(u, false)
		var want []instance.Resting
		if quarantine > 0 {
			want = []instance.Resting{{Addr: web.IPv4, MAC: web.MAC, UUID: web.UUID, InstanceID: web.ID, Since: noon}}
		}
		if !reflect.DeepEqual(d.Change.Rest, want) || len(d.Change.Drop) != 1 || d.Change.Drop[0] != web.IPv4 {
			t.Errorf("with a quarantine of %v, %v rest and %v are spare no more", quarantine, d.Change.Rest, d.Change.Drop)
		}
		if _, rests := d.RestingAt(web.IPv4); rests != (quarantine > 0) {
			t.Errorf("with a quarantine of %v, the address rests: %v", quarantine, rests)
		}
	}
}

// A guest that is shared gets another address if its own is not this host's any more.
func TestSharedAddresses(t *testing.T) {
	had := record(1, "web", "10.0.0.2")
	for name, test := range map[string]struct {
		scene   scene
		record  instance.Instance
		cutOff  bool
		want    string // the first words of what has changed
		changes int    // how much has
		addr    string // that it has then, empty for another one
		without bool   // it has none
	}{
		"a spare one of this host":        {scene: hostA().spares("store-a", "10.0.0.2"), record: had, addr: "10.0.0.2"},
		"its own":                         {scene: hostA(had), record: record(1, "web", "10.0.0.2", updated(0)), addr: "10.0.0.2"},
		"a spare one of another host":     {scene: hostA().spares("store-b", "10.0.0.2"), record: had, changes: 2, want: "it lost the address 10.0.0.2, it has the address"},
		"another guest's":                 {scene: hostA(record(2, "db", "10.0.0.2")), record: had, changes: 2, want: "it lost the address 10.0.0.2, it has the address"},
		"none so far":                     {scene: hostA(), record: record(1, "web", ""), changes: 1, want: "it has the address"},
		"another guest's, while cut off":  {scene: hostA(record(2, "db", "10.0.0.2")), record: had, cutOff: true, changes: 1, want: "it lost the address 10.0.0.2", without: true},
		"another one than the shared one": {scene: hostA(record(1, "web", "10.0.0.5")), record: record(1, "web", "10.0.0.2", updated(0)), changes: 2, want: "it lost the address 10.0.0.2, it has the address 10.0.0.5", addr: "10.0.0.5"},
		"on a network that is not known":  {scene: hostA(), record: record(1, "web", "10.0.0.2", func(g *instance.Instance) { g.Network = "other" }), changes: 1, want: "it lost the address 10.0.0.2", without: true},
		"asked for, and another guest's":  {scene: hostA(record(2, "db", "10.0.0.2")), record: record(1, "web", "10.0.0.2", func(g *instance.Instance) { g.Metadata.Values = map[string]string{"ipv4": "10.0.0.2"} }), changes: 2, want: "it lost the address 10.0.0.2, guest", without: true},
	} {
		d := test.scene.draft(t)
		d.cutOff = test.cutOff
		o := d.Share(storage.Unshared{Record: test.record}, true)
		var words []string
		for _, c := range o.Changed {
			words = append(words, strings.TrimSuffix(c, ", which this host does not have any more"))
		}
		if got := strings.Join(words, ", "); !strings.HasPrefix(got, test.want) || len(o.Changed) != test.changes {
			t.Errorf("%s: changed %q, want %q", name, got, test.want)
		}
		addr := o.Guest.IPv4
		if addr.IsValid() == test.without || test.addr != "" && addr != parse(test.addr) || test.addr == "" && addr == test.record.IPv4 && addr.IsValid() {
			t.Errorf("%s: it has %s", name, addr)
		}
		if addr.IsValid() && !slices.Contains(o.Guest.Addrs(), addr) {
			t.Errorf("%s: %v", name, o.Guest)
		}
		if guest := d.find(t, 1); guest.IPv4 != addr {
			t.Errorf("%s: the table has %s, the outcome %s", name, guest.IPv4, addr)
		}
	}
}

// A guest keeps the addresses of both families that it may have here, also on a network
// where each host has a range.
func TestSharedAddressesInRange(t *testing.T) {
	six := func(g *instance.Instance) { g.IPv6 = parse("fd00::2") }
	had := record(1, "web", "10.0.0.2", six)
	for name, test := range map[string]struct {
		scene      scene
		record     instance.Instance
		ipv4, ipv6 string
	}{
		"of this host's range":    {hostA(record(1, "web", "10.0.0.9", six)), record(1, "web", "10.0.0.9", six, updated(0)), "10.0.0.9", "fd00::2"},
		"of another host's range": {hostA(had), record(1, "web", "10.0.0.2", six, updated(0)), "", "fd00::2"},
		"of no host":              {hostA(record(1, "web", "10.0.0.2", six, on("", 1))), record(1, "web", "10.0.0.2", six, on("", 1), updated(0)), "10.0.0.2", "fd00::2"},
		"IPv6 of another guest":   {hostA(record(2, "db", "10.0.0.9", six), record(1, "web", "10.0.0.10")), record(1, "web", "10.0.0.10", six, updated(0)), "10.0.0.10", ""},
	} {
		s := test.scene
		s.Networks[0].PerHost, s.Networks[0].IPv6 = true, netip.MustParsePrefix("fd00::/64")
		s.Networks[0].Excluded = []instance.AddrRange{{First: parse("10.0.0.1"), Last: parse("10.0.0.7")}}
		d := s.draft(t)
		o := d.Share(storage.Unshared{Record: test.record}, true)
		for got, want := range map[netip.Addr]string{o.Guest.IPv4: test.ipv4, o.Guest.IPv6: test.ipv6} {
			if want != "" && got != parse(want) || want == "" && (!got.IsValid() || got == had.IPv4 || got == had.IPv6) {
				t.Errorf("%s: it has %s, want %q", name, got, want)
			}
		}
	}
}

// While etcd does not answer, a guest does not go on with an address that another one has.
func TestSharedAddressesCutOff(t *testing.T) {
	other := record(2, "db", "10.0.0.2", func(g *instance.Instance) { g.IPv6 = parse("fd00::2") })
	for name, test := range map[string]struct{ record, want instance.Instance }{
		"IPv4": {record(1, "web", "10.0.0.2", func(g *instance.Instance) { g.IPv6 = parse("fd00::3") }), record(1, "web", "", func(g *instance.Instance) { g.IPv6 = parse("fd00::3") })},
		"IPv6": {record(1, "web", "10.0.0.3", func(g *instance.Instance) { g.IPv6 = parse("fd00::2") }), record(1, "web", "10.0.0.3")},
	} {
		d := hostA(other).spares("store-a", "10.0.0.3", "fd00::3").cutOff(t)
		o := d.Share(storage.Unshared{Record: test.record}, false)
		if guest := d.find(t, 1); guest.IPv4 != test.want.IPv4 || guest.IPv6 != test.want.IPv6 || len(o.Changed) != 1 {
			t.Errorf("%s: it has %s and %s, changed %q", name, guest.IPv4, guest.IPv6, o.Changed)
		}
		if holder, _ := d.ByAddr(parse("10.0.0.2")); holder.UUID != other.UUID {
			t.Errorf("%s: 10.0.0.2 is of %q", name, holder.Name)
		}
	}
}

// The arrival of a guest that left this host is added to its record.
func TestShareArrival(t *testing.T) {
	leaving := func(epoch int64, run instance.RunState) instance.Instance {
		guest := record(1, "web", "10.0.0.2", on("b", epoch))
		guest.FromHost, guest.FromID, guest.Run = "a.example", "a", run
		return guest
	}
	base := leaving(2, instance.NotRunning)
	arrived := base
	arrived.FromHost, arrived.FromID, arrived.Run = "", "", instance.Running
	for name, test := range map[string]struct {
		current instance.Instance
		want    instance.Home
	}{
		"it is still on its way":             {base, instance.Home{Host: "b.example", HostID: "b", Epoch: 2, Run: instance.Running}},
		"the other host has said so":         {record(1, "web", "10.0.0.2", on("b", 2)), instance.Home{Host: "b.example", HostID: "b", Epoch: 2, Run: instance.Running}},
		"it is on its way for another time":  {leaving(4, instance.NotRunning), leaving(4, instance.NotRunning).Home},
		"it has moved on":                    {record(1, "web", "10.0.0.2", on("c", 3)), instance.Home{Host: "c.example", HostID: "c", Epoch: 3, Run: instance.Running}},
		"it leaves another host, that epoch": {record(1, "web", "10.0.0.2", on("c", 2), func(g *instance.Instance) { g.FromID = "b" }), instance.Home{Host: "c.example", HostID: "c", Epoch: 2, Run: instance.Running, FromID: "b"}},
	} {
		d := hostA(test.current).draft(t)
		if o := d.Share(storage.Unshared{Record: arrived, Base: &base}, false); o.Dropped != "" || o.Guest.UUID != base.UUID {
			t.Errorf("%s: %+v", name, o)
		}
		if got := d.find(t, 1).Home; got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
		if moved := test.current.Home != test.want; len(d.Change.Put) > 0 != moved {
			t.Errorf("%s: the change is %+v", name, d.Change)
		}
	}
}

// While etcd does not answer, a guest gets nothing that another host could take, and gives
// up nothing.
func TestUnshared(t *testing.T) {
	web := record(1, "web", "10.0.0.2")
	settled, _ := hostA(web, record(6, "bare", "")).spares("store-a", "10.0.0.3").spares("store-b", "10.0.0.4").begin(t)
	for name, test := range map[string]struct {
		change instance.Change
		kept   *storage.Unshared
		want   string // the error, or empty
		base   *instance.Instance
	}{
		"a change":                         {change: instance.Change{Put: []instance.Instance{record(1, "web", "10.0.0.2", rack("four"))}}, base: &web},
		"a change of a change":             {change: instance.Change{Put: []instance.Instance{record(1, "web", "10.0.0.2", rack("four"))}}, kept: &storage.Unshared{Record: web}, want: "10.0.0.2 is not a spare address"},
		"a change of a guest that is kept": {change: instance.Change{Put: []instance.Instance{record(5, "new", "10.0.0.3", rack("four"))}}, kept: &storage.Unshared{Record: record(5, "new", "10.0.0.3")}},
		"a new guest":                      {change: instance.Change{Put: []instance.Instance{record(5, "new", "10.0.0.3")}, Drop: nil}},
		"a new guest without address":      {change: instance.Change{Put: []instance.Instance{record(5, "new", "")}}},
		"with an address of another host":  {change: instance.Change{Put: []instance.Instance{record(5, "new", "10.0.0.4")}}, want: "10.0.0.4 is not a spare address of this host"},
		"with an address of nobody":        {change: instance.Change{Put: []instance.Instance{record(5, "new", "10.0.0.5")}}, want: "10.0.0.5 is not a spare address of this host"},
		"a further address":                {change: instance.Change{Put: []instance.Instance{record(6, "bare", "10.0.0.3")}}, base: ptr(record(6, "bare", ""))},
		"a further address of nobody":      {change: instance.Change{Put: []instance.Instance{record(6, "bare", "10.0.0.5")}}, want: "10.0.0.5 is not a spare address of this host"},
		"another name alone":               {change: instance.Change{Put: []instance.Instance{record(1, "www", "10.0.0.2", func(g *instance.Instance) { g.Hostname = "web" })}}, want: "cannot get another name"},
		"another name":                     {change: instance.Change{Put: []instance.Instance{record(1, "www", "10.0.0.2")}}, want: "cannot get another name"},
		"another instance-id":              {change: instance.Change{Put: []instance.Instance{record(1, "web", "10.0.0.2", func(g *instance.Instance) { g.ID = "i-9" })}}, want: "cannot get another name"},
		"another host name":                {change: instance.Change{Put: []instance.Instance{record(1, "web", "10.0.0.2", func(g *instance.Instance) { g.Hostname = "www" })}}, want: "cannot get another name"},
		"another MAC address":              {change: instance.Change{Put: []instance.Instance{record(1, "web", "10.0.0.2", func(g *instance.Instance) { g.MAC = macOf(9) })}}, want: "cannot get another name"},
		"another address":                  {change: instance.Change{Put: []instance.Instance{record(1, "web", "10.0.0.3")}}, want: "cannot get another name"},
		"no address":                       {change: instance.Change{Put: []instance.Instance{record(1, "web", "")}}, want: "cannot get another name"},
		"two guests":                       {change: instance.Change{Put: []instance.Instance{web, record(5, "new", "10.0.0.3")}}, want: "only a change of one guest"},
		"no guest":                         {change: instance.Change{Drop: []netip.Addr{parse("10.0.0.3")}}, want: "only a change of one guest"},
		"a guest is released":              {change: instance.Change{Put: []instance.Instance{web}, Delete: []uuid.UUID{numbered(2)}}, want: "only a change of one guest"},
		"an address begins to rest":        {change: instance.Change{Put: []instance.Instance{web}, Rest: []instance.Resting{{Addr: parse("10.0.0.9")}}}, want: "only a change of one guest"},
	} {
		d := hostA(web).cutOff(t)
		d.Change = test.change
		kept := map[uuid.UUID]storage.Unshared{}
		if test.kept != nil {
			kept[test.kept.Record.UUID] = *test.kept
		}
		u, err := d.Unshared(settled, kept)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
			continue
		}
		if err == nil && (!reflect.DeepEqual(u.Record, test.change.Put[0]) || !reflect.DeepEqual(u.Base, test.base)) {
			t.Errorf("%s: %+v", name, u)
		}
	}
}

// A guest may get further addresses, but no different ones.
func TestSameIdentity(t *testing.T) {
	both := func(ipv4, ipv6 string) instance.Instance {
		guest := record(1, "web", ipv4)
		if ipv6 != "" {
			guest.IPv6 = parse(ipv6)
		}
		return guest
	}
	further := both("10.0.0.2", "")
	further.Further = []instance.Attachment{{Network: "lan", MAC: macOf(2)}}
	elsewhere := both("10.0.0.2", "")
	elsewhere.Network = "lan"
	for name, test := range map[string]struct {
		before, after instance.Instance
		want          bool
	}{
		"the same":              {both("10.0.0.2", "fd00::2"), both("10.0.0.2", "fd00::2"), true},
		"gets IPv4":             {both("", "fd00::2"), both("10.0.0.2", "fd00::2"), true},
		"gets IPv6":             {both("10.0.0.2", ""), both("10.0.0.2", "fd00::2"), true},
		"another IPv4":          {both("10.0.0.2", "fd00::2"), both("10.0.0.3", "fd00::2"), false},
		"another IPv6":          {both("10.0.0.2", "fd00::2"), both("10.0.0.2", "fd00::3"), false},
		"loses IPv6":            {both("10.0.0.2", "fd00::2"), both("10.0.0.2", ""), false},
		"another network":       {both("10.0.0.2", ""), elsewhere, false},
		"one interface more":    {both("10.0.0.2", ""), further, false},
		"one interface less":    {further, both("10.0.0.2", ""), false},
		"both of its interface": {further, further, true},
	} {
		if got := sameIdentity(&test.before, &test.after); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}
