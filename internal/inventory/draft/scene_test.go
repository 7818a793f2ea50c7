package draft

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/index"
	"mdserver/internal/inventory/rules"
)

var (
	parse = netip.MustParseAddr
	noon  = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC) // now, in a scene
)

func numbered(n int) uuid.UUID { return uuid.NewSHA1(uuid.Nil, fmt.Append(nil, n)) }

func macOf(n int) instance.MAC { return instance.MAC{0x52, 0x54, 0, 0, byte(n >> 8), byte(n)} }

// A change sets something of a record.
type change = func(*instance.Instance)

// record is guest n of the host a, registered an hour ago.
func record(n int, name, ipv4 string, changes ...change) instance.Instance {
	guest := instance.Instance{ID: instance.DeriveID(numbered(n)), UUID: numbered(n), Name: name, Hostname: name, Network: "mds", MAC: macOf(n),
		Interfaces: []instance.Interface{{MAC: macOf(n), Network: "mds"}}, FirstSeen: noon.Add(-time.Hour), LastUpdate: noon.Add(-time.Hour),
		Home: instance.Home{Host: "a.example", HostID: "a", Epoch: 1}, Presence: instance.Presence{State: instance.Present, Since: noon.Add(-time.Hour)}}
	if ipv4 != "" {
		guest.IPv4 = parse(ipv4)
	}
	for _, c := range changes {
		c(&guest)
	}
	return guest
}

// on is the home of a guest of a host.
func on(host string, epoch int64) change {
	return func(g *instance.Instance) {
		g.Home = instance.Home{Host: host + ".example", HostID: host, Epoch: epoch, Run: instance.Running}
	}
}

// scene is a table and the rules of a host.
type scene struct {
	instance.Table
	rules.Options
}

// hostA is a scene of the host a, whose network mds has the addresses from 10.0.0.2 to 14.
func hostA(guests ...instance.Instance) scene {
	return scene{instance.Table{Instances: guests}, rules.Options{HostID: "a", HostName: "a.example", Alive: func(string) bool { return true },
		Networks: []instance.Network{{Name: "mds", IPv4: netip.MustParsePrefix("10.0.0.0/28"),
			Excluded: []instance.AddrRange{{First: parse("10.0.0.1"), Last: parse("10.0.0.1")}}}},
		Quarantine: 24 * time.Hour, Now: func() time.Time { return noon }}}
}

// alone is a scene of a host that shares its inventory with no other.
func alone(guests ...instance.Instance) scene {
	for i := range guests {
		guests[i].Home = instance.Home{}
	}
	s := hostA(guests...)
	s.HostID, s.HostName, s.Alive = "", "", nil
	return s
}

// spares adds spare addresses of a store: that of the host a is store-a.
func (s scene) spares(owner string, addrs ...string) scene {
	for _, addr := range addrs {
		s.Spares = append(s.Spares, instance.Spare{Addr: parse(addr), Network: "mds", Owner: owner, Host: owner})
	}
	return s
}

func (s scene) begin(t *testing.T) (*index.Index, *rules.Rules) {
	t.Helper()
	table, conflicts := index.Build(s.Table, "mds")
	if len(conflicts) > 0 {
		t.Fatal(conflicts[0].Err)
	}
	r := rules.New(s.Options)
	r.ID = "store-a"
	return table, r
}

func (s scene) draft(t *testing.T) *Draft { t.Helper(); return New(s.begin(t)) }

func (s scene) cutOff(t *testing.T) *Draft { t.Helper(); return NewCutOff(s.begin(t)) }

// find is the record of guest n in a draft.
func (d *Draft) find(t *testing.T, n int) instance.Instance {
	t.Helper()
	guest, ok := d.ByUUID(numbered(n))
	if !ok {
		t.Fatalf("guest %d is not known", n)
	}
	return *guest
}
