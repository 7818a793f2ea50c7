package etcdstore

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"mdserver/internal/instance"
)

// planned is a guest of the tests of plans: its address ends with its number.
func planned(n int, name string, changes ...func(*instance.Instance)) instance.Instance {
	guest := instance.Instance{ID: fmt.Sprint("i-", n), Name: name, Hostname: strings.ToUpper(name), UUID: uid(n), Network: "mds",
		MAC: instance.MAC{2, 0, 0, 0, 0, byte(n)}, IPv4: addr(n)}
	for _, change := range changes {
		change(&guest)
	}
	return guest
}

func addr(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}) }

// ofEtcd is a mirror of two guests, an address in quarantine, and two spare addresses.
func ofEtcd() *mirror {
	m := newMirror("a")
	m.revision = 9
	for n, name := range []string{1: "web", 2: "db"} {
		if n > 0 {
			guest := planned(n, name)
			m.guests[guest.UUID] = entry[instance.Instance]{revision: int64(n), record: &guest}
		}
	}
	m.resting[addr(3)] = entry[instance.Resting]{revision: 3, record: &instance.Resting{Addr: addr(3), UUID: uid(33)}}
	m.spares[addr(4)] = entry[instance.Spare]{revision: 4, record: &instance.Spare{Addr: addr(4), Owner: "a"}}
	m.spares[addr(5)] = entry[instance.Spare]{revision: 5, record: &instance.Spare{Addr: addr(5), Owner: "b"}}
	return m
}

// text is a plan in one line, with the numbers of guests in place of their UUIDs.
func (p *plan) text() string {
	short := func(text string) string {
		for n := range 10 {
			text = strings.ReplaceAll(text, uid(n).String(), fmt.Sprint(n))
		}
		return strings.NewReplacer("claims/", "", "02:00:00:00:00:0", "mac").Replace(text)
	}
	var conditions, puts, deletes []string
	for key, revision := range p.revisions {
		conditions = append(conditions, short(fmt.Sprintf("%s=%d", key, revision)))
	}
	for key, value := range p.puts {
		if strings.HasPrefix(value, "{") {
			value = "{}"
		}
		puts = append(puts, short(key+"="+value))
	}
	for key := range p.deletes {
		deletes = append(deletes, short(key))
	}
	var parts []string
	for _, list := range []struct {
		verb string
		keys []string
	}{{"if ", conditions}, {"put ", puts}, {"delete ", deletes}} {
		slices.Sort(list.keys)
		if len(list.keys) > 0 {
			parts = append(parts, list.verb+strings.Join(list.keys, " "))
		}
	}
	return strings.Join(parts, "; ")
}

// Each change, and the transactions that make it: what has to be as it was, and what is
// written then.
func TestPlans(t *testing.T) {
	web, db := planned(1, "web"), planned(2, "db")
	named := func(name string) func(*instance.Instance) { return func(g *instance.Instance) { g.Name = name } }
	at := func(n int) func(*instance.Instance) { return func(g *instance.Instance) { g.IPv4 = addr(n) } }
	rests := func(n int) instance.Resting { return instance.Resting{Addr: addr(n), UUID: uid(1)} }
	put := func(guests ...instance.Instance) instance.Change { return instance.Change{Put: guests} }
	for name, tt := range map[string]struct {
		change instance.Change
		want   []string
	}{
		"nothing": {instance.Change{}, nil},
		"a new guest": {put(planned(6, "new")), []string{
			"if address/10.0.0.6=0 guests/6=0 hostname/new=0 id/i-6=0 mac/mac6/mds=0 name/new=0 quarantine/10.0.0.6=0; " +
				"put address/10.0.0.6=6 guests/6={} hostname/new=6 id/i-6=6 mac/mac6/mds=6 name/new=6"}},
		"a fact": {put(planned(1, "web", func(g *instance.Instance) { g.Location = "x" })), []string{"if guests/1=1; put guests/1={}"}},
		"a name": {put(planned(1, "web", named("new"))), []string{"if guests/1=1 name/new=0; put guests/1={} name/new=1; delete name/web"}},
		"an address": {instance.Change{Put: []instance.Instance{planned(1, "web", at(6))}, Rest: []instance.Resting{rests(1)}}, []string{
			"if address/10.0.0.6=0 guests/1=1 quarantine/10.0.0.1=0 quarantine/10.0.0.6=0; put address/10.0.0.6=1 guests/1={} quarantine/10.0.0.1={}; delete address/10.0.0.1"}},
		"an address that rested": {instance.Change{Put: []instance.Instance{planned(1, "web", at(3))}, Wake: []netip.Addr{addr(3)}}, []string{
			"if address/10.0.0.3=0 guests/1=1 quarantine/10.0.0.3=3; put address/10.0.0.3=1 guests/1={}; delete address/10.0.0.1 quarantine/10.0.0.3"}},
		"a spare address": {instance.Change{Put: []instance.Instance{planned(1, "web", at(4))}, Drop: []netip.Addr{addr(4)}}, []string{
			"if guests/1=1 quarantine/10.0.0.4=0 spares/10.0.0.4=4; put address/10.0.0.4=1 guests/1={}; delete address/10.0.0.1 spares/10.0.0.4"}},
		"a release": {instance.Change{Delete: []uuid.UUID{uid(1)}, Rest: []instance.Resting{rests(1)}}, []string{
			"if guests/1=1 quarantine/10.0.0.1=0; put quarantine/10.0.0.1={}; delete address/10.0.0.1 guests/1 hostname/web id/i-1 mac/mac1/mds name/web"}},
		"a release of no one": {instance.Change{Delete: []uuid.UUID{uid(7)}, Wake: []netip.Addr{addr(7)}, Drop: []netip.Addr{addr(7)}}, nil},
		"names exchanged": {put(planned(1, "web", named("db")), planned(2, "db", named("web"))), []string{
			"if guests/1=1 guests/2=2; put guests/1={} guests/2={} name/db=1 name/web=2"}},
		"a name handed over": {instance.Change{Delete: []uuid.UUID{uid(1)}, Put: []instance.Instance{planned(6, "new", named("web"))}}, []string{
			"if address/10.0.0.6=0 guests/1=1 guests/6=0 hostname/new=0 id/i-6=0 mac/mac6/mds=0 quarantine/10.0.0.6=0; " +
				"put address/10.0.0.6=6 guests/6={} hostname/new=6 id/i-6=6 mac/mac6/mds=6 name/web=6; delete address/10.0.0.1 guests/1 hostname/web id/i-1 mac/mac1/mds"}},
		"two guests apart":       {put(planned(1, "web", named("x")), planned(2, "db", named("y"))), []string{"if guests/1=1 name/x=0; put guests/1={} name/x=1; delete name/web", "if guests/2=2 name/y=0; put guests/2={} name/y=2; delete name/db"}},
		"a wake":                 {instance.Change{Wake: []netip.Addr{addr(3)}}, []string{"if quarantine/10.0.0.3=3; delete quarantine/10.0.0.3"}},
		"an address that rests":  {instance.Change{Rest: []instance.Resting{rests(6)}}, []string{"if address/10.0.0.6=0 quarantine/10.0.0.6=0; put quarantine/10.0.0.6={}"}},
		"a claim":                {instance.Change{Hold: []instance.Spare{{Addr: addr(6), Owner: "a", Host: "kvm1"}}}, []string{"if address/10.0.0.6=0 quarantine/10.0.0.6=0 spares/10.0.0.6=0; put address/10.0.0.6=spare/a spares/10.0.0.6={}"}},
		"a claim given back":     {instance.Change{Drop: []netip.Addr{addr(4)}}, []string{"if spares/10.0.0.4=4; delete address/10.0.0.4 spares/10.0.0.4"}},
		"a claim that rests":     {instance.Change{Drop: []netip.Addr{addr(4)}, Rest: []instance.Resting{rests(4)}}, []string{"if quarantine/10.0.0.4=0 spares/10.0.0.4=4; put quarantine/10.0.0.4={}; delete address/10.0.0.4 spares/10.0.0.4"}},
		"a name that stays free": {instance.Change{Put: []instance.Instance{web}, Free: []string{"lab-WEB"}}, []string{"if guests/1=1 hostname/lab-web=0; put guests/1={}"}},
		"a name that gets free":  {instance.Change{Put: []instance.Instance{planned(1, "web", func(g *instance.Instance) { g.Hostname = "x" })}, Free: []string{"WEB"}}, []string{"if guests/1=1 hostname/x=0; put guests/1={} hostname/x=1; delete hostname/web"}},
	} {
		t.Run(name, func(t *testing.T) {
			plans, err := ofEtcd().plans([]instance.Change{tt.change})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range plans {
				got = append(got, p.text())
			}
			slices.Sort(got)
			if !slices.Equal(got, tt.want) {
				t.Errorf("%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
	t.Run("several changes", func(t *testing.T) { // the last one counts
		plans, err := ofEtcd().plans([]instance.Change{
			{Put: []instance.Instance{planned(2, "db", named("x"))}, Rest: []instance.Resting{rests(6)}, Hold: []instance.Spare{{Addr: addr(7), Owner: "a"}}},
			{Put: []instance.Instance{db}, Wake: []netip.Addr{addr(6)}, Drop: []netip.Addr{addr(7)}}})
		if err != nil || len(plans) != 1 || plans[0].text() != "if guests/2=2; put guests/2={}" {
			t.Errorf("%v, %v", plans, err)
		}
	})
}

// Plans are packed as far as etcd takes them, and what is larger is refused.
func TestPack(t *testing.T) {
	sized := func(keys, bytes int) *plan {
		p := newPlan()
		for n := range keys {
			p.revisions[fmt.Sprint(keys, bytes, n)] = 0
		}
		p.puts["k"+fmt.Sprint(keys, bytes)] = strings.Repeat("x", bytes)
		return p
	}
	for _, tt := range []struct {
		keys, bytes int
		fits        bool
	}{{1, 1, true}, {127, 1, true}, {128, 1, false}, {1, 1<<20 - 10, true}, {1, 1<<20 + 1, false}} {
		p := sized(tt.keys, tt.bytes)
		if err := p.checkSize(); p.fits() != tt.fits || (err == nil) != tt.fits || (p.weight() <= 1) != tt.fits {
			t.Errorf("%d keys and %d bytes: %v, %v, weight %v", tt.keys, tt.bytes, p.fits(), err, p.weight())
		}
	}
	var parts []int
	for _, p := range pack([]*plan{sized(60, 1), sized(60, 2), sized(60, 3), sized(1, 1<<19), sized(2, 1<<19), sized(3, 1)}) {
		parts = append(parts, p.parts)
		if !p.fits() {
			t.Errorf("%d keys and %d bytes are too many", p.operationCount(), p.bytes())
		}
	}
	if fmt.Sprint(parts) != "[2 2 2]" {
		t.Errorf("packed as %v", parts)
	}
}
