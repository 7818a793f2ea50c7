package draft

import (
	"errors"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/inventory/storage"
)

// Adopt one record beside the guest db and an address in quarantine.
func TestAdopt(t *testing.T) {
	db := record(2, "db", "10.0.0.3")
	rests := instance.Resting{Addr: parse("10.0.0.9"), UUID: numbered(1), InstanceID: "i-1", Since: noon.Add(-time.Hour)}
	for name, test := range map[string]struct {
		record  instance.Instance
		replace bool
		want    error  // it is skipped, or
		field   string // of the result
	}{
		"new":                                {record: record(1, "web", "10.0.0.2"), field: "Added"},
		"as it is":                           {record: db, field: "Unchanged"},
		"differs":                            {record: record(2, "db", "10.0.0.4"), want: denied.ErrUUIDTaken},
		"replaces":                           {record: record(2, "db", "10.0.0.4"), replace: true, field: "Replaced"},
		"replaces by another name":           {record: record(2, "www", "10.0.0.3"), replace: true, field: "Replaced"},
		"without a name":                     {record: record(1, "", "10.0.0.2"), want: denied.ErrInvalid},
		"of a time with one network":         {record: record(1, "web", "10.0.0.2", func(g *instance.Instance) { g.Network = "" }), field: "Added"},
		"its name is taken":                  {record: record(1, "db", "10.0.0.2", func(g *instance.Instance) { g.Hostname = "web" }), want: denied.ErrNameTaken},
		"its name is taken, and it replaces": {record: record(1, "db", "10.0.0.2"), replace: true, want: denied.ErrNameTaken},
		"its host name is taken":             {record: record(1, "web", "10.0.0.2", func(g *instance.Instance) { g.Hostname = "db" }), field: "Added"},
		"its address is taken":               {record: record(1, "web", "10.0.0.3"), want: denied.ErrAddressTaken},
		"its own address rests":              {record: record(1, "web", "10.0.0.9"), field: "Added"},
		"another guest's address rests":      {record: record(3, "web", "10.0.0.9"), want: denied.ErrAddressTaken},
		"its address is withheld":            {record: record(1, "web", "10.0.0.10"), want: denied.ErrAddressTaken},
		"its address is another host's":      {record: record(1, "web", "10.0.0.11"), want: denied.ErrAddressTaken},
	} {
		s := hostA(db).spares("store-b", "10.0.0.11")
		s.Table.Resting = []instance.Resting{rests}
		s.Withheld = []storage.Withheld{{UUID: numbered(9), Addrs: []netip.Addr{parse("10.0.0.10")}}}
		d := s.draft(t)
		result := d.Adopt(instance.Table{Instances: []instance.Instance{test.record}}, test.replace)
		field := ""
		for f, n := range map[string]int{"Added": len(result.Added), "Replaced": len(result.Replaced), "Unchanged": result.Unchanged} {
			if n > 0 {
				field += f
			}
		}
		if field != test.field {
			t.Errorf("%s: it is in %q, want %q", name, field, test.field)
		}
		if test.want != nil {
			if len(result.Skipped) != 1 || !errors.Is(result.Skipped[0].Err, test.want) || result.Skipped[0].Instance.UUID != test.record.UUID {
				t.Errorf("%s: skipped are %+v, want %v", name, result.Skipped, test.want)
			}
			if guest, ok := d.ByUUID(numbered(2)); !ok || !reflect.DeepEqual(*guest, db) || len(d.Change.Put) > 0 {
				t.Errorf("%s: db is %+v", name, guest)
			}
			continue
		}
		want := test.record
		want.Network = "mds"
		if test.record.Hostname == "db" && test.record.UUID != db.UUID {
			want.Hostname = instance.DistinctHostname("db", test.record.UUID)
		}
		guest, ok := d.ByUUID(test.record.UUID)
		if !ok || !reflect.DeepEqual(*guest, want) || len(result.Skipped) > 0 {
			t.Errorf("%s: %+v, want %+v; skipped %v", name, guest, want, result.Skipped)
		}
	}
}

// Records take what others of the same table give up, in whatever order they come.
func TestAdoptExchange(t *testing.T) {
	d := hostA(record(1, "a", "10.0.0.2"), record(2, "b", "10.0.0.3"), record(3, "c", "10.0.0.4")).draft(t)
	result := d.Adopt(instance.Table{Instances: []instance.Instance{
		record(1, "b", "10.0.0.3"), record(2, "c", "10.0.0.4"), record(3, "d", "10.0.0.5"),
	}}, true)
	if len(result.Replaced) != 3 || len(result.Skipped) > 0 || result.Unchanged > 0 {
		t.Fatalf("%+v", result)
	}
	for n, want := range map[int]string{1: "b 10.0.0.3", 2: "c 10.0.0.4", 3: "d 10.0.0.5"} {
		if guest := d.find(t, n); guest.Name+" "+guest.IPv4.String() != want {
			t.Errorf("%s has %s, want %s", guest.Name, guest.IPv4, want)
		}
	}
	if len(d.Change.Rest) != 1 || d.Change.Rest[0].Addr != parse("10.0.0.2") {
		t.Errorf("%v begin to rest", d.Change.Rest)
	}
}

// Addresses in quarantine elsewhere are in quarantine here, unless a guest has them.
func TestAdoptResting(t *testing.T) {
	day := 24 * time.Hour
	s := hostA(record(2, "db", "10.0.0.3"))
	s.Table.Resting = []instance.Resting{{Addr: parse("10.0.0.4"), UUID: numbered(4), Since: noon.Add(-time.Hour)}}
	d := s.draft(t)
	from := func(addr string, ago time.Duration) instance.Resting {
		r := instance.Resting{UUID: numbered(8), InstanceID: "i-8", Since: noon.Add(-ago)}
		if addr != "" {
			r.Addr = parse(addr)
		}
		return r
	}
	result := d.Adopt(instance.Table{Resting: []instance.Resting{
		from("10.0.0.2", time.Hour), from("10.0.0.3", time.Hour), from("10.0.0.4", time.Hour), from("", time.Hour),
		from("10.0.0.5", day), from("10.0.0.6", day-1), from("10.0.0.7", -time.Hour),
	}}, false)
	got := map[string]uuid.UUID{}
	for _, r := range d.Change.Rest {
		got[r.Addr.String()] = r.UUID
		if r.Since.After(noon) {
			t.Errorf("%s rests since %v, which is still to come", r.Addr, r.Since)
		}
	}
	if want := map[string]uuid.UUID{"10.0.0.2": numbered(8), "10.0.0.6": numbered(8), "10.0.0.7": numbered(8)}; result.Resting != 3 || !reflect.DeepEqual(got, want) {
		t.Errorf("%d begin to rest: %v, want %v", result.Resting, got, want)
	}
}

// An address that leaves quarantine for its guest goes to no other record.
func TestAdoptOneAddressTwice(t *testing.T) {
	s := hostA()
	s.Table.Resting = []instance.Resting{{Addr: parse("10.0.0.9"), UUID: numbered(1), Since: noon.Add(-time.Hour)}}
	result := s.draft(t).Adopt(instance.Table{Instances: []instance.Instance{record(1, "web", "10.0.0.9"), record(3, "db", "10.0.0.9")}}, false)
	if len(result.Added) != 1 || result.Added[0].Name != "web" || len(result.Skipped) != 1 || !errors.Is(result.Skipped[0].Err, denied.ErrAddressTaken) {
		t.Errorf("%+v", result)
	}
}
