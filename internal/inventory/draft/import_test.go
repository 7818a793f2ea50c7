package draft

import (
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/denied"
)

// bare is a guest's record as another database has it.
func bare(n int, name, ipv4 string) instance.Instance {
	return instance.Instance{UUID: numbered(n), Name: name, MAC: macOf(n), IPv4: parse(ipv4)}
}

// A record of another database is completed, and keeps what it has.
func TestImportCompletes(t *testing.T) {
	s := alone()
	s.FallbackHostname = "guest"
	d := s.draft(t)
	result := d.Import([]instance.Instance{bare(1, "web 1", "192.0.2.7")})
	want := bare(1, "web 1", "192.0.2.7")
	want.ID, want.Hostname, want.Network, want.FirstSeen, want.LastUpdate = instance.DeriveID(numbered(1)), "web-1", "mds", noon, noon
	want.Interfaces = []instance.Interface{{MAC: macOf(1), Network: "mds"}}
	if len(result.Added) != 1 || !reflect.DeepEqual(result.Added[0], want) || !reflect.DeepEqual(d.find(t, 1), want) {
		t.Errorf("%+v, want %+v", result, want)
	}

	t.Log("a record that is complete")
	full := record(2, "db", "10.0.0.3", func(g *instance.Instance) {
		g.ID, g.Network, g.Home = "i-10.0.0.3", "lan", instance.Home{}
		g.Interfaces = append(g.Interfaces, instance.Interface{MAC: macOf(9)})
	})
	if result := d.Import([]instance.Instance{full}); len(result.Added) != 1 || !reflect.DeepEqual(result.Added[0], full) {
		t.Errorf("%+v, want %+v", result, full)
	}

	t.Log("a record without a MAC address")
	poor := bare(3, "poor", "10.0.0.4")
	poor.MAC = instance.MAC{}
	if result := d.Import([]instance.Instance{poor}); len(result.Added) != 1 || result.Added[0].Interfaces != nil {
		t.Errorf("%+v", result)
	}
}

// A time that a store cannot keep becomes now.
func TestImportedTimes(t *testing.T) {
	d := alone().draft(t)
	for name, test := range map[string]struct{ at, want time.Time }{
		"missing":         {time.Time{}, noon},
		"of the year 1":   {time.Date(1, 12, 31, 0, 0, 0, 0, time.UTC), noon},
		"of the year 2":   {time.Date(2, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2, 1, 1, 0, 0, 0, 0, time.UTC)},
		"of another zone": {noon.In(time.FixedZone("", 3600)), noon},
		"of 9999":         {time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)},
		"of 10000":        {time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), noon},
	} {
		if got := d.seen(test.at); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// Records whose names can be host names come first: those that ask for one, those whose
// name is one, and then all others, each kind in its order.
func TestByRank(t *testing.T) {
	var records []instance.Instance
	for i, name := range []string{"web 1", "db", "a b", "www", "x y", "z"} {
		r := bare(i, name, "10.0.0.2")
		if name == "x y" || name == "z" {
			r.Metadata.Values = map[string]string{"hostname": "h-" + name[:1]}
		}
		records = append(records, r)
	}
	before := slices.Clone(records)
	var got []string
	for _, r := range byRank(records) {
		got = append(got, r.Name)
	}
	if want := []string{"x y", "z", "db", "www", "web 1", "a b"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if !reflect.DeepEqual(records, before) {
		t.Error("the caller's records have another order")
	}
}

// A record that contradicts a guest or an earlier record is skipped, and the others are not.
func TestImportSkips(t *testing.T) {
	d := alone(record(9, "db", "10.0.0.9")).draft(t)
	sameMAC, sameID := bare(5, "e", "10.0.0.5"), bare(6, "f", "10.0.0.6")
	sameMAC.MAC, sameID.ID = macOf(9), instance.DeriveID(numbered(9))
	result := d.Import([]instance.Instance{
		bare(1, "web", "10.0.0.2"), bare(2, "web", "10.0.0.3"), bare(3, "c", "10.0.0.9"), bare(9, "g", "10.0.0.10"), sameMAC, sameID,
		{UUID: numbered(7), Name: "a/b"}, bare(8, "last", "10.0.0.8"), {Name: "nobody"},
	})
	skipped := map[string]error{}
	for _, s := range result.Skipped {
		skipped[s.Instance.Name] = s.Err
	}
	for name, want := range map[string]error{"web": denied.ErrNameTaken, "c": denied.ErrAddressTaken, "g": denied.ErrUUIDTaken, "e": denied.ErrMACInUse,
		"f": denied.ErrIDTaken, "a/b": denied.ErrInvalid, "nobody": denied.ErrInvalid} {
		if !errors.Is(skipped[name], want) {
			t.Errorf("%s: %v, want %v", name, skipped[name], want)
		}
	}
	if len(result.Added) != 2 || result.Added[0].Name != "web" || result.Added[1].Name != "last" || len(result.Skipped) != 7 || len(d.Change.Put) != 2 {
		t.Errorf("added are %+v, skipped %+v", result.Added, result.Skipped)
	}
	if guest := d.find(t, 9); guest.Name != "db" {
		t.Errorf("the guest of this inventory is %+v", guest)
	}
	if _, known := d.ByUUID(uuid.Nil); known {
		t.Error("a record without a UUID is a guest")
	}
}

// A host name that another guest has gets digits.
func TestImportedHostname(t *testing.T) {
	d := alone(record(9, "www", "10.0.0.9")).draft(t)
	r := bare(1, "web", "10.0.0.2")
	r.Hostname = "WWW"
	if result := d.Import([]instance.Instance{r}); len(result.Added) != 1 || result.Added[0].Hostname != instance.DistinctHostname("WWW", numbered(1)) {
		t.Errorf("%+v", result)
	}
}

// What identifies a guest is compared, as far as the record has it.
func TestSameGuest(t *testing.T) {
	guest := record(1, "web", "10.0.0.2", func(g *instance.Instance) { g.IPv6 = parse("fd00::2") })
	for name, test := range map[string]struct {
		change change
		want   bool
	}{
		"all":          {func(*instance.Instance) {}, true},
		"another name": {func(r *instance.Instance) { r.Name = "www" }, false},
		"another UUID": {func(r *instance.Instance) { r.UUID = numbered(2) }, false},
		"another MAC":  {func(r *instance.Instance) { r.MAC = macOf(2) }, false},
		"no MAC":       {func(r *instance.Instance) { r.MAC = instance.MAC{} }, true},
		"another IPv4": {func(r *instance.Instance) { r.IPv4 = parse("10.0.0.3") }, false},
		"no IPv4":      {func(r *instance.Instance) { r.IPv4 = instance.Attachment{}.IPv4 }, true},
		"another IPv6": {func(r *instance.Instance) { r.IPv6 = parse("fd00::3") }, false},
		"no IPv6":      {func(r *instance.Instance) { r.IPv6 = instance.Attachment{}.IPv6 }, true},
		"another ID":   {func(r *instance.Instance) { r.ID = "i-9" }, true},
	} {
		r := guest
		test.change(&r)
		if got := sameGuest(&r, &guest); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// The other database keeps microseconds.
func TestLater(t *testing.T) {
	for after, want := range map[time.Duration]bool{-time.Second: false, 0: false, time.Microsecond: false, time.Microsecond + 1: true} {
		if got := later(noon.Add(after), noon); got != want {
			t.Errorf("%v: %v", after, got)
		}
	}
}

// A record was there at an earlier import if neither of its times is after that.
func TestKnown(t *testing.T) {
	for name, test := range map[string]struct {
		first, last time.Time
		want        bool
	}{
		"at that time":         {noon, noon, true},
		"updated since":        {noon.Add(-time.Hour), noon.Add(1), false},
		"registered since":     {noon.Add(1), time.Time{}, false},
		"only its update":      {time.Time{}, noon, true},
		"updated before first": {noon, noon.Add(-time.Hour), true},
		"without times":        {time.Time{}, time.Time{}, false},
	} {
		if got := known(instance.Instance{FirstSeen: test.first, LastUpdate: test.last}, noon); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// A record that takes a guest's place keeps what the other database does not store, except
// where the record is on another interface.
func TestCompleted(t *testing.T) {
	place := func(n int, ipv4, ipv6 string) instance.Attachment {
		return instance.Attachment{Network: "lan", MAC: macOf(n), IPv4: parse(ipv4), IPv6: parse(ipv6)}
	}
	guest := record(1, "web", "10.0.0.2", func(g *instance.Instance) {
		g.IPv6 = parse("fd00::2")
		g.Further = []instance.Attachment{place(2, "10.1.0.2", "fd01::2"), place(3, "10.1.0.3", "fd01::3")}
		g.Interfaces = append(g.Interfaces, instance.Interface{MAC: macOf(2), Network: "lan"}, instance.Interface{MAC: macOf(3), Network: "lan"})
		g.VCPUs, g.Disks = 4, []instance.Disk{{Target: "vda"}}
	})
	all := guest.Further
	for name, test := range map[string]struct {
		change  change
		further []instance.Attachment
		macs    []instance.MAC
		ipv4    string
	}{
		"nothing":                   {func(*instance.Instance) {}, all, []instance.MAC{macOf(1), macOf(2), macOf(3)}, "10.0.0.2"},
		"another address":           {func(r *instance.Instance) { r.IPv4 = parse("10.0.0.9") }, all, []instance.MAC{macOf(1), macOf(2), macOf(3)}, "10.0.0.9"},
		"a further interface's":     {func(r *instance.Instance) { r.IPv4 = parse("10.1.0.3") }, all[:1], []instance.MAC{macOf(1), macOf(2), macOf(3)}, "10.1.0.3"},
		"a further interface's six": {func(r *instance.Instance) { r.IPv6 = parse("fd01::2") }, all[1:], []instance.MAC{macOf(1), macOf(2), macOf(3)}, "10.0.0.2"},
		"a new MAC address":         {func(r *instance.Instance) { r.MAC = macOf(9) }, all, []instance.MAC{macOf(9), macOf(2), macOf(3)}, "10.0.0.2"},
		"a further interface's MAC": {func(r *instance.Instance) { r.MAC = macOf(2) }, all[1:], []instance.MAC{macOf(1), macOf(2), macOf(3)}, "10.0.0.2"},
		"no MAC address":            {func(r *instance.Instance) { r.MAC = instance.MAC{} }, all, []instance.MAC{macOf(1), macOf(2), macOf(3)}, "10.0.0.2"},
		"no addresses":              {func(r *instance.Instance) { r.IPv4, r.IPv6 = instance.Attachment{}.IPv4, instance.Attachment{}.IPv6 }, all, []instance.MAC{macOf(1), macOf(2), macOf(3)}, "10.0.0.2"},
	} {
		r := instance.Instance{UUID: guest.UUID, ID: "i-new", Name: "www", Hostname: "www", Location: "there", MAC: guest.MAC, IPv4: guest.IPv4, IPv6: guest.IPv6,
			FirstSeen: noon, LastUpdate: noon, Metadata: instance.Metadata{Values: map[string]string{"rack": "four"}}}
		test.change(&r)
		full := completed(r, guest)
		var macs []instance.MAC
		for _, nic := range full.Interfaces {
			macs = append(macs, nic.MAC)
		}
		if !slices.Equal(full.Further, test.further) || !slices.Equal(macs, test.macs) || full.IPv4 != parse(test.ipv4) {
			t.Errorf("%s: %+v", name, full)
		}
		if full.ID != "i-new" || full.Name != "www" || full.Hostname != "www" || full.Location != "there" || full.FirstSeen != noon || full.LastUpdate != noon ||
			full.Metadata.Values["rack"] != "four" || full.VCPUs != 4 || len(full.Disks) != 1 || full.Home != guest.Home || full.Presence != guest.Presence {
			t.Errorf("%s: %+v is not complete", name, full)
		}
	}
	if guest.Interfaces[0].MAC != macOf(1) || len(guest.Further) != 2 {
		t.Errorf("the guest itself is %+v", guest)
	}
}

// The error about a record that is older than a guest here says what the guest has, and
// that it is newer.
func TestNewerHere(t *testing.T) {
	web, other := record(1, "web", "10.0.0.2"), record(2, "db", "10.0.0.3")
	nobody := bare(1, "web", "10.0.0.2")
	nobody.UUID = uuid.Nil
	nil2 := other
	nil2.UUID = uuid.Nil
	for name, test := range map[string]struct {
		record  instance.Instance
		holders []*instance.Instance
		kind    error
		value   string
	}{
		"the same UUID":            {web, []*instance.Instance{&web}, denied.ErrUUIDTaken, web.UUID.String()},
		"the same UUID, not first": {web, []*instance.Instance{&other, &web}, denied.ErrUUIDTaken, web.UUID.String()},
		"the same name":            {web, []*instance.Instance{&other}, denied.ErrNameTaken, "web"},
		"neither has a UUID":       {nobody, []*instance.Instance{&nil2}, denied.ErrNameTaken, "web"},
	} {
		err := newerHere(&test.record, test.holders)
		conflict, ok := errors.AsType[*denied.ConflictError](err)
		if !ok || conflict.Kind != test.kind || conflict.Value != test.value || conflict.Guest != "web" || conflict.Holder != test.holders[0].Name || conflict.Hint != "which was updated later" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A record that takes the place of a guest with its UUID is a change of that guest, and takes
// its own name from no other; one that cannot leaves all as it was.
func TestReplace(t *testing.T) {
	web, db := record(1, "web", "10.0.0.2"), record(2, "db", "10.0.0.3")
	later := func(r instance.Instance) instance.Instance { r.LastUpdate = noon; return r }
	for name, test := range map[string]struct {
		record            instance.Instance
		replaced, deleted int
		kept              bool
	}{
		"its own place":                 {record: later(bare(1, "web", "10.0.0.4")), replaced: 1},
		"its own and that of its name":  {record: later(bare(1, "db", "10.0.0.4")), replaced: 1, deleted: 1},
		"that of its name":              {record: later(bare(5, "db", "10.0.0.4")), replaced: 1, deleted: 1},
		"its own, but for the address":  {record: later(bare(1, "web", "10.0.0.3")), kept: true},
		"that of its name, but for one": {record: later(bare(5, "db", "10.0.0.2")), kept: true},
	} {
		d := alone(web, db).draft(t)
		result := d.Merge([]instance.Instance{test.record}, noon.Add(-2*time.Hour))
		if len(result.Replaced) != test.replaced || len(d.Change.Delete) != test.deleted || (len(result.Kept) > 0) != test.kept || len(result.Added) > 0 {
			t.Errorf("%s: %+v, %+v", name, result, d.Change)
		}
		if test.kept {
			for _, before := range []instance.Instance{web, db} {
				if guest, ok := d.ByName(before.Name); !ok || guest.UUID != before.UUID || guest.IPv4 != before.IPv4 {
					t.Errorf("%s: %s is %+v", name, before.Name, guest)
				}
			}
			continue
		}
		for _, e := range d.Events {
			if e.New != nil && (e.Old != nil) != (test.record.UUID == web.UUID) {
				t.Errorf("%s: the event is %+v", name, e)
			}
		}
		if guest, ok := d.ByName(test.record.Name); !ok || guest.UUID != test.record.UUID || guest.IPv4 != test.record.IPv4 {
			t.Errorf("%s: %+v", name, guest)
		}
	}
}

// A record that is later and says the same of a guest changes nothing.
func TestMergeOfTheSame(t *testing.T) {
	web := record(1, "web", "10.0.0.2", rack("four"))
	d := alone(web).draft(t)
	web.LastUpdate = noon
	if result := d.Merge([]instance.Instance{web}, noon.Add(-2*time.Hour)); !reflect.DeepEqual(result, Merged{}) || len(d.Change.Put) > 0 {
		t.Errorf("%+v, %+v", result, d.Change)
	}
}
