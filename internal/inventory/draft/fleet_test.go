package draft

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/denied"
)

// A host that is forgotten has no guests and no spare addresses any more.
func TestForgetHost(t *testing.T) {
	s := hostA(
		record(1, "here", "10.0.0.2"),
		record(2, "there", "10.0.0.3", on("b", 4)),
		record(3, "gone", "10.0.0.4", on("b", 1), func(g *instance.Instance) {
			g.Presence = instance.Presence{State: instance.Gone, Since: noon.Add(-time.Minute)}
		}),
		record(4, "leaving", "10.0.0.5", on("c", 3), func(g *instance.Instance) { g.FromHost, g.FromID = "b.example", "b" }),
		record(5, "arriving", "10.0.0.6", on("b", 3), func(g *instance.Instance) { g.FromHost, g.FromID = "c.example", "c" }),
		record(6, "elsewhere", "10.0.0.7", on("c", 1)),
	).spares("b", "10.0.0.10", "10.0.0.11").spares("store-a", "10.0.0.12")
	d := s.draft(t)
	if count := d.ForgetHost("b"); count != 3 {
		t.Errorf("it had %d guests, want 3", count)
	}
	away := instance.Presence{State: instance.Away, Since: noon}
	for n, want := range map[int]struct {
		home     instance.Home
		presence instance.Presence
	}{
		1: {s.Instances[0].Home, s.Instances[0].Presence},
		2: {instance.Home{Epoch: 5}, away},
		3: {instance.Home{Epoch: 2}, s.Instances[2].Presence},
		4: {instance.Home{Host: "c.example", HostID: "c", Epoch: 3, Run: instance.Running}, s.Instances[3].Presence},
		5: {instance.Home{Epoch: 4}, away},
		6: {s.Instances[5].Home, s.Instances[5].Presence},
	} {
		if guest := d.find(t, n); guest.Home != want.home || guest.Presence != want.presence || guest.IPv4 != s.Instances[n-1].IPv4 {
			t.Errorf("%s: %+v, %+v; want %+v, %+v", guest.Name, guest.Home, guest.Presence, want.home, want.presence)
		}
	}
	if len(d.Change.Put) != 4 || len(d.Change.Rest) > 0 {
		t.Errorf("changed are %+v, resting %+v", d.Change.Put, d.Change.Rest)
	}
	if _, spare := d.SpareAt(parse("10.0.0.12")); !spare || len(d.Change.Drop) != 2 {
		t.Errorf("given back are %v", d.Change.Drop)
	}
}

// A stop that libvirt's hook reports counts only among several hosts.
func TestStopped(t *testing.T) {
	runs := record(1, "web", "10.0.0.2", on("a", 1))
	for name, test := range map[string]struct {
		scene scene
		guest int
		want  bool // it stops
	}{
		"of this host":     {hostA(runs), 1, true},
		"of another host":  {hostA(record(1, "web", "10.0.0.2", on("b", 1))), 1, false},
		"unknown":          {hostA(runs), 2, false},
		"of the only host": {func() scene { s := alone(); s.Instances = []instance.Instance{runs}; return s }(), 1, false},
		"already stopped":  {hostA(record(1, "web", "10.0.0.2")), 1, false},
	} {
		d := test.scene.draft(t)
		d.Stopped(numbered(test.guest), "shutdown")
		if (len(d.Change.Put) > 0) != test.want {
			t.Errorf("%s: the change is %+v", name, d.Change)
		}
		if test.want && d.find(t, 1).Run != instance.NotRunning {
			t.Errorf("%s: it is %+v", name, d.find(t, 1).Home)
		}
	}
}

// A guest that libvirt no longer has on a host concerns the host that has it.
func TestMissAmongHosts(t *testing.T) {
	arriving := func(g *instance.Instance) { g.FromHost, g.FromID = "b.example", "b" }
	leaving := func(g *instance.Instance) { g.FromHost, g.FromID, g.Run = "a.example", "a", instance.NotRunning }
	for name, test := range map[string]struct {
		guest  instance.Instance
		away   bool
		missed bool
		state  instance.PresenceState
		home   instance.Home
	}{
		"of this host":               {record(1, "web", "10.0.0.2", on("a", 1)), false, true, instance.Gone, instance.Home{Host: "a.example", HostID: "a", Epoch: 1}},
		"of this host, away":         {record(1, "web", "10.0.0.2", on("a", 1)), true, true, instance.Away, instance.Home{Host: "a.example", HostID: "a", Epoch: 1}},
		"of another host":            {record(1, "web", "10.0.0.2", on("b", 1)), false, false, instance.Present, instance.Home{Host: "b.example", HostID: "b", Epoch: 1, Run: instance.Running}},
		"of another host, away":      {record(1, "web", "10.0.0.2", on("b", 1)), true, false, instance.Present, instance.Home{Host: "b.example", HostID: "b", Epoch: 1, Run: instance.Running}},
		"did not arrive":             {record(1, "web", "10.0.0.2", on("a", 3), arriving), false, false, instance.Present, instance.Home{Host: "b.example", HostID: "b", Epoch: 4, Run: instance.Running}},
		"left, and has arrived":      {record(1, "web", "10.0.0.2", on("b", 3), leaving), true, false, instance.Present, instance.Home{Host: "b.example", HostID: "b", Epoch: 3, Run: instance.Starting}},
		"left, and may still return": {record(1, "web", "10.0.0.2", on("b", 3), leaving), false, false, instance.Present, instance.Home{Host: "b.example", HostID: "b", FromHost: "a.example", FromID: "a", Epoch: 3}},
	} {
		d := hostA(test.guest).draft(t)
		missed := d.Miss(numbered(1), test.away)
		if guest := d.find(t, 1); missed != test.missed || guest.Presence.State != test.state || guest.Home != test.home {
			t.Errorf("%s: %v, %s, %+v; want %v, %s, %+v", name, missed, guest.Presence.State, guest.Home, test.missed, test.state, test.home)
		}
	}
}

// A host releases its own guests that are gone, and those that no host has.
func TestReleaseGoneAmongHosts(t *testing.T) {
	isGone := func(g *instance.Instance) { g.Presence.State = instance.Gone }
	for name, test := range map[string]struct {
		guest instance.Instance
		want  bool
	}{
		"of this host":          {record(1, "web", "10.0.0.2", isGone), true},
		"of no host":            {record(1, "web", "10.0.0.2", isGone, func(g *instance.Instance) { g.Home = instance.Home{Epoch: 2} }), true},
		"of another host":       {record(1, "web", "10.0.0.2", isGone, on("b", 1)), false},
		"of this host, present": {record(1, "web", "10.0.0.2"), false},
	} {
		d := hostA(test.guest).draft(t)
		if released := d.ReleaseGone(numbered(1), noon); released != test.want || (len(d.Change.Delete) > 0) != test.want {
			t.Errorf("%s: %v, %+v", name, released, d.Change)
		}
	}
}

// domainOf is the domain of a guest, as libvirt has it.
func domainOf(guest instance.Instance) instance.Domain {
	return instance.Domain{Name: guest.Name, UUID: guest.UUID, Interfaces: guest.Interfaces, Metadata: guest.Metadata}
}

// A guest of another host that is gone, and makes way for a domain of its name, leaves it
// the name.
func TestNamesakeMakesWay(t *testing.T) {
	there := record(2, "web", "10.0.0.2", on("b", 1), func(g *instance.Instance) { g.Presence.State = instance.Gone })
	for name, change := range map[string]func(dom *instance.Domain, s *scene){
		"its MAC address":        func(dom *instance.Domain, _ *scene) { dom.Interfaces[0].MAC = there.MAC },
		"its address":            func(dom *instance.Domain, _ *scene) { dom.Metadata.Values = map[string]string{"ipv4": "10.0.0.2"} },
		"the last address":       func(_ *instance.Domain, s *scene) { s.Networks[0].IPv4 = netip.MustParsePrefix("10.0.0.0/30") },
		"the last guest's place": func(_ *instance.Domain, s *scene) { s.MaxGuests = 1 },
	} {
		s, dom := hostA(there), domainOf(record(1, "web", ""))
		change(&dom, &s)
		reg, err := s.draft(t).Observe(dom, true)
		if err != nil || reg.Instance.Name != "web" || reg.Instance.Wanted.Name != "" || len(reg.Yielded) != 1 {
			t.Errorf("%s: %+v, %v", name, reg, err)
		}
	}
}

// A domain whose name another host's guest has gets another name, and keeps it.
func TestNamesakes(t *testing.T) {
	there := record(2, "web", "10.0.0.3", on("b", 1))
	d := hostA(there).draft(t)
	dom := domainOf(record(1, "web", ""))
	reg, err := d.Observe(dom, true)
	id := numbered(1).String()
	if err != nil || reg.Instance.Name != id || reg.Instance.Wanted.Name != "web" || !strings.Contains(reg.NameProblem, `the host b.example has another domain of the name "web"`) || reg.Replaced != nil {
		t.Errorf("%+v, %v", reg, err)
	}
	if reg.Instance.Home != (instance.Home{Host: "a.example", HostID: "a", Epoch: 1, Run: instance.Running}) {
		t.Errorf("it is at %+v", reg.Instance.Home)
	}
	if d.find(t, 2).Name != "web" {
		t.Error("the other guest lost its name")
	}
	if again, err := d.Observe(dom, true); err != nil || again.Instance.Name != id {
		t.Errorf("seen again, it is %q, %v", again.Instance.Name, err)
	}

	t.Log("told by hand, it takes the name")
	d = hostA(there).draft(t)
	dom.Source = instance.ByCommand
	if reg, err := d.Register(dom); err != nil || reg.Instance.Name != "web" || reg.Replaced == nil {
		t.Errorf("%+v, %v", reg, err)
	}

	t.Log("even its UUID is the name of another guest")
	d = hostA(there, record(3, id, "10.0.0.4")).draft(t)
	dom.Source = ""
	if _, err := d.Observe(dom, true); err == nil || !strings.Contains(err.Error(), denied.ErrNameTaken.Error()) || !strings.Contains(err.Error(), "rename one of them") {
		t.Errorf("registered: %v", err)
	}
}

// This host does not change a guest that another host runs, and says which host that is.
func TestRunsElsewhere(t *testing.T) {
	there := record(1, "web", "10.0.0.2", on("b", 1))
	for _, running := range []bool{true, false} {
		d := hostA(there).draft(t)
		dom := domainOf(there)
		dom.Name = "www"
		reg, err := d.Observe(dom, running)
		want := ""
		if running {
			want = "b.example"
		}
		if err != nil || reg.RunsOn != want || reg.Instance.Name != "web" || len(d.Change.Put) > 0 {
			t.Errorf("running %v: %+v, %v", running, reg, err)
		}
	}
}

// On a network where each host has a range, this host knows its own range, and does not
// touch the addresses of guests that it does not have or that have not arrived.
func TestKeepsAddresses(t *testing.T) {
	had := instance.Attachment{IPv4: parse("10.0.0.2")}
	for name, test := range map[string]struct {
		perHost bool
		guest   instance.Instance
		had     instance.Attachment
		want    bool
	}{
		"a network that all share":      {false, record(1, "web", "", on("b", 1)), had, false},
		"of this host":                  {true, record(1, "web", ""), had, false},
		"of another host":               {true, record(1, "web", "", on("b", 1)), had, true},
		"of no host":                    {true, record(1, "web", "", on("", 1)), had, true},
		"of no host, without addresses": {true, record(1, "web", "", on("", 1)), instance.Attachment{}, false},
		"on its way here":               {true, record(1, "web", "", func(g *instance.Instance) { g.FromID = "b" }), had, true},
	} {
		s := hostA()
		s.Networks[0].PerHost = test.perHost
		d := s.draft(t)
		if got := d.keepsAddresses(d.rules.Pools[0], &test.guest, test.had); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// A guest that moves here gets an address of this host's range when it has left the other
// host; while etcd does not answer, the shared store still has the former one.
func TestRangeOfThisHost(t *testing.T) {
	there := record(1, "web", "10.0.0.2", on("b", 1))
	begin := func(cutOff bool) *Draft {
		s := hostA(there).spares("store-a", "10.0.0.12")
		s.Alive = func(string) bool { return false }
		s.Networks[0].PerHost = true
		s.Networks[0].Excluded = []instance.AddrRange{{First: parse("10.0.0.1"), Last: parse("10.0.0.7")}}
		if cutOff {
			return s.cutOff(t)
		}
		return s.draft(t)
	}
	for _, cutOff := range []bool{false, true} {
		d := begin(cutOff)
		reg, err := d.Observe(domainOf(there), true)
		if err != nil || reg.Instance.HostID != "a" || reg.Instance.IPv4.Less(parse("10.0.0.8")) || reg.AddressProblem != nil {
			t.Fatalf("cut off %v: %+v, %v", cutOff, reg, err)
		}
		if rests := len(d.Change.Rest) == 1 && d.Change.Rest[0].Addr == there.IPv4; rests == cutOff {
			t.Errorf("cut off %v: %v begin to rest", cutOff, d.Change.Rest)
		}
		if !cutOff {
			continue
		}
		settled, _ := hostA(there).spares("store-a", "10.0.0.12").begin(t)
		if u, err := d.Unshared(settled, nil); err != nil || u.Record.IPv4 != parse("10.0.0.12") || !u.Record.Unshared {
			t.Errorf("unshared: %+v, %v", u, err)
		}
	}
	d := begin(false)
	dom := domainOf(there)
	dom.Metadata.Values = map[string]string{"ipv4": "10.0.0.3"}
	if reg, err := d.Observe(dom, true); err != nil || reg.Instance.IPv4.Less(parse("10.0.0.8")) || reg.AddressProblem == nil {
		t.Errorf("asked for an address of another host's range, it has %+v, %v", reg, err)
	}
}

// Observe records whether libvirt says that the guest runs.
func TestObservedRunning(t *testing.T) {
	stopped := record(1, "web", "10.0.0.2")
	for _, running := range []bool{true, false} {
		d := hostA(stopped).draft(t)
		reg, err := d.Observe(domainOf(stopped), running)
		want := instance.NotRunning
		if running {
			want = instance.Running
		}
		if err != nil || reg.Instance.Run != want {
			t.Errorf("running %v: %q, %v", running, reg.Instance.Run, err)
		}
	}
}

// A name that a domain has in libvirt here is not taken from a guest of another host, nor
// from the domain itself.
func TestMakeWay(t *testing.T) {
	for name, test := range map[string]struct {
		holder instance.Instance
		want   bool
	}{
		"another guest of this host":      {record(2, "web", "10.0.0.3"), true},
		"another guest of another host":   {record(2, "web", "10.0.0.3", on("b", 1)), false},
		"the guest itself":                {record(1, "web", "10.0.0.3"), false},
		"the guest itself, with new MAC":  {record(1, "web", "10.0.0.3", func(g *instance.Instance) { g.Interfaces = []instance.Interface{{MAC: macOf(7), Network: "mds"}} }), false},
		"another guest with the same MAC": {record(2, "web", "10.0.0.3", func(g *instance.Instance) { g.Interfaces[0].MAC = macOf(1) }), false},
	} {
		d := hostA(test.holder).draft(t)
		d.makeWay(domainOf(record(1, "web", "")))
		if got := len(d.Change.Put) > 0; got != test.want {
			t.Errorf("%s: renamed %v", name, got)
		}
	}
}

// A new source or time alone is no change of a guest.
func TestSameButTime(t *testing.T) {
	web := record(1, "web", "10.0.0.2")
	web.Seen = map[string]time.Time{instance.ByHook: noon}
	for name, test := range map[string]struct {
		change change
		want   bool
	}{
		"nothing":          {func(*instance.Instance) {}, true},
		"when":             {func(g *instance.Instance) { g.LastUpdate = noon }, true},
		"when it was told": {func(g *instance.Instance) { g.Seen = map[string]time.Time{instance.ByHook: noon.Add(time.Hour)} }, true},
		"who": {func(g *instance.Instance) {
			g.Seen = map[string]time.Time{instance.ByHook: noon, instance.ByCommand: noon}
		}, false},
		"its first time": {func(g *instance.Instance) { g.FirstSeen = noon }, false},
		"its address":    {func(g *instance.Instance) { g.IPv4 = parse("10.0.0.3") }, false},
		"its host":       {on("b", 1), false},
	} {
		other := web
		test.change(&other)
		if got := SameButTime(web, other); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}
