package inventory_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/denied"
)

// fleet is an inventory that hosts use in turn. Their names are those of their IDs with
// a domain.
type fleet struct {
	*lab
	dead    map[string]bool
	options func(host string, o *inventory.Options) // of one host; may be nil
}

func newFleet(t *testing.T) *fleet { return &fleet{lab: newLab(t), dead: map[string]bool{}} }

// on has a host use the inventory from now on.
func (f *fleet) on(host string) {
	opts := f.Opts
	opts.HostID, opts.HostName = host, hostName(host)
	opts.Alive = func(id string) bool { return id != "" && !f.dead[id] }
	if f.options != nil {
		f.options(host, &opts)
	}
	f.Reconfigure(opts)
}

func hostName(host string) string {
	if host == "" {
		return ""
	}
	return host + ".example"
}

// do has a host say something of guest 1. It returns the name of the host that runs the
// guest, too, as the host is told.
func (f *fleet) do(host, what string) (runsOn string) {
	f.T.Helper()
	f.Clock.Advance(time.Second)
	f.on(host)
	d := dom(1, "web")
	var reg inventory.Registration
	var err error
	switch verb, object, _ := strings.Cut(what, " "); verb {
	case "tells":
		d.Source = instance.ByCommand
		reg, err = f.Register(background(), d)
	case "starts", "receives":
		d.Source, d.Received = instance.ByHook, verb == "receives"
		reg, err = f.Register(background(), d)
	case "runs", "defines":
		reg, err = f.Observe(background(), d, verb == "runs")
	case "misses":
		_, err = f.Miss(background(), d.UUID, false)
	case "sends":
		_, err = f.Miss(background(), d.UUID, true)
	case "unplugs":
		_, err = f.Unplug(background(), d.UUID)
	case "stops":
		err = f.Stopped(background(), d.UUID, object)
	case "releases":
		_, err = f.ReleaseGone(background(), d.UUID, f.Clock.Now())
	case "forgets":
		_, err = f.ForgetHost(background(), object)
	case "dies":
		f.dead[host] = true
	case "returns":
		f.dead[host] = false
	default:
		f.T.Fatalf("%q is no step", what)
	}
	if err != nil {
		f.T.Fatalf("%s %s: %v", host, what, err)
	}
	return reg.RunsOn
}

// home tells who has guest 1: host, epoch and state, the host that it comes from, and
// its presence unless it is there.
func (f *fleet) home() string {
	guest, ok := f.Snapshot().ByUUID(uid(1))
	if !ok {
		return "released"
	}
	if guest.Host != hostName(guest.HostID) || guest.FromHost != hostName(guest.FromID) {
		f.T.Errorf("the names of the hosts are wrong: %+v", guest.Home)
	}
	text := fmt.Sprint(guest.HostID, " ", guest.Epoch)
	if guest.Run != instance.NotRunning {
		text += " " + string(guest.Run)
	}
	if guest.FromID != "" {
		text += " from " + guest.FromID
	}
	if guest.Presence.State != instance.Present && guest.Presence.State != "" {
		text += ", " + string(guest.Presence.State)
	}
	return text
}

// Each step is what a host says or does, and who has the guest then.
func TestHome(t *testing.T) {
	type steps [][3]string
	for name, test := range map[string]steps{
		"a start and a stop":     {{"a", "starts", "a 1 starting"}, {"a", "runs", "a 1 running"}, {"a", "defines", "a 1"}, {"a", "starts", "a 1 starting"}, {"a", "defines", "a 1"}},
		"registered by hand":     {{"a", "tells", " 0"}, {"b", "tells", " 0"}, {"b", "defines", "b 1"}, {"a", "tells", "b 1"}, {"b", "tells", "b 1"}},
		"by hand while it runs":  {{"a", "runs", "a 1 running"}, {"b", "tells", "a 1 running"}, {"a", "tells", "a 1 running"}},
		"defined on two hosts":   {{"a", "defines", "a 1"}, {"b", "defines", "a 1"}, {"b", "misses", "a 1"}},
		"started elsewhere":      {{"a", "defines", "a 1"}, {"b", "starts", "b 2 starting"}, {"a", "defines", "b 2 starting"}, {"b", "runs", "b 2 running"}},
		"a start that was tried": {{"a", "starts", "a 1 starting"}, {"b", "starts", "b 2 starting"}, {"a", "runs", "a 3 running"}},
		"found elsewhere":        {{"a", "defines", "a 1"}, {"b", "runs", "b 2 running"}, {"a", "misses", "b 2 running"}},
		"runs on two hosts": {{"a", "runs", "a 1 running"}, {"b", "starts", "a 1 running; a.example runs it"}, {"b", "runs", "a 1 running; a.example runs it"},
			{"b", "defines", "a 1 running"}, {"b", "misses", "a 1 running"}, {"b", "sends", "a 1 running"}, {"b", "unplugs", "a 1 running"}},
		"a host dies":            {{"a", "runs", "a 1 running"}, {"a", "dies", "a 1 running"}, {"b", "starts", "b 2 starting"}, {"b", "runs", "b 2 running"}},
		"a host dies, no hook":   {{"a", "runs", "a 1 running"}, {"a", "dies", "a 1 running"}, {"b", "defines", "a 1 running"}, {"b", "runs", "b 2 running"}},
		"and returns":            {{"a", "runs", "a 1 running"}, {"a", "dies", "a 1 running"}, {"b", "runs", "b 2 running"}, {"a", "returns", "b 2 running"}, {"a", "runs", "b 2 running; b.example runs it"}, {"a", "defines", "b 2 running"}, {"a", "misses", "b 2 running"}},
		"a live migration":       {{"a", "runs", "a 1 running"}, {"b", "receives", "b 2 from a"}, {"a", "runs", "b 2 from a"}, {"b", "starts", "b 2 starting from a"}, {"b", "runs", "b 2 running"}, {"a", "sends", "b 2 running"}},
		"a live migration fails": {{"a", "runs", "a 1 running"}, {"b", "receives", "b 2 from a"}, {"b", "misses", "a 3 running"}, {"a", "runs", "a 3 running"}},
		"and leaves its domain":  {{"a", "runs", "a 1 running"}, {"b", "receives", "b 2 from a"}, {"b", "defines", "a 3 running"}},
		"by hand on its way":     {{"a", "runs", "a 1 running"}, {"b", "receives", "b 2 from a"}, {"b", "tells", "b 2 from a"}},
		"its source dies":        {{"a", "runs", "a 1 running"}, {"b", "receives", "b 2 from a"}, {"a", "dies", "b 2 from a"}, {"b", "runs", "b 2 running"}},
		"its target dies":        {{"a", "runs", "a 1 running"}, {"b", "receives", "b 2 from a"}, {"b", "dies", "b 2 from a"}, {"a", "runs", "a 3 running"}},
		"a third host runs it":   {{"a", "runs", "a 1 running"}, {"b", "receives", "b 2 from a"}, {"c", "runs", "c 3 running"}},
		"tried on a third host":  {{"a", "runs", "a 1 running"}, {"b", "receives", "b 2 from a"}, {"c", "receives", "c 3 from a"}, {"c", "misses", "a 4 running"}},
		"back before it arrived": {{"a", "runs", "a 1 running"}, {"b", "receives", "b 2 from a"}, {"a", "receives", "a 3 from b"}, {"a", "runs", "a 3 running"}},
		"there and back":         {{"a", "runs", "a 1 running"}, {"b", "receives", "b 2 from a"}, {"b", "runs", "b 2 running"}, {"a", "receives", "a 3 from b"}, {"a", "runs", "a 3 running"}},
		"migrated while off":     {{"a", "defines", "a 1"}, {"b", "receives", "b 2"}, {"b", "defines", "b 2"}, {"a", "misses", "b 2"}},
		"migrated at its start":  {{"a", "starts", "a 1 starting"}, {"b", "receives", "b 2 from a"}, {"b", "runs", "b 2 running"}},
		"undefined":              {{"a", "runs", "a 1 running"}, {"a", "misses", "a 1, gone"}, {"b", "releases", "a 1, gone"}, {"a", "releases", "released"}},
		"undefined and found":    {{"a", "runs", "a 1 running"}, {"a", "misses", "a 1, gone"}, {"b", "defines", "b 2"}},
		"away":                   {{"a", "runs", "a 1 running"}, {"a", "sends", "a 1, away"}, {"b", "defines", "a 1, away"}, {"b", "runs", "b 2 running"}},
		"forgotten":              {{"a", "runs", "a 1 running"}, {"b", "forgets a", " 2, away"}, {"b", "defines", " 2, away"}, {"b", "runs", "b 3 running"}},
		"gone and forgotten":     {{"a", "runs", "a 1 running"}, {"a", "misses", "a 1, gone"}, {"b", "forgets a", " 2, gone"}, {"b", "releases", "released"}},
		"forgotten and missed":   {{"a", "runs", "a 1 running"}, {"b", "forgets a", " 2, away"}, {"b", "misses", " 2, away"}, {"a", "starts", "a 3 starting, away"}},
		"its source forgotten":   {{"a", "runs", "a 1 running"}, {"b", "receives", "b 2 from a"}, {"c", "forgets a", "b 2"}, {"b", "defines", "b 2"}},
		"another forgotten":      {{"a", "runs", "a 1 running"}, {"b", "forgets c", "a 1 running"}},
		"sent":                   {{"a", "runs", "a 1 running"}, {"b", "receives", "b 2 from a"}, {"a", "sends", "b 2 starting"}},
		"shut down":              {{"a", "runs", "a 1 running"}, {"b", "stops shutdown", "a 1 running"}, {"a", "stops shutdown", "a 1"}},
		"shut down as it left":   {{"a", "runs", "a 1 running"}, {"b", "receives", "b 2 from a"}, {"c", "stops shutdown", "b 2 from a"}, {"a", "stops shutdown", "a 3"}},
		"saved as it left":       {{"a", "runs", "a 1 running"}, {"b", "receives", "b 2 from a"}, {"b", "starts", "b 2 starting from a"}, {"a", "stops saved", "a 3"}},
		"stopped as it left":     {{"a", "runs", "a 1 running"}, {"b", "receives", "b 2 from a"}, {"a", "stops destroyed", "a 3"}},
		"stopped as migrated":    {{"a", "runs", "a 1 running"}, {"b", "receives", "b 2 from a"}, {"a", "stops migrated", "b 2 running"}},
		"stopped when it left":   {{"a", "runs", "a 1 running"}, {"b", "receives", "b 2 from a"}, {"b", "starts", "b 2 starting from a"}, {"a", "stops -", "b 2 running"}},
		"shut down on arrival":   {{"a", "runs", "a 1 running"}, {"b", "receives", "b 2 from a"}, {"b", "stops shutdown", "b 2"}},
		"saved on arrival":       {{"a", "runs", "a 1 running"}, {"b", "receives", "b 2 from a"}, {"b", "stops saved", "b 2"}},
		"sent on on arrival":     {{"a", "runs", "a 1 running"}, {"b", "receives", "b 2 from a"}, {"b", "stops migrated", "b 2"}},
		"did not arrive":         {{"a", "runs", "a 1 running"}, {"b", "receives", "b 2 from a"}, {"b", "stops failed", "a 3 running"}},
		"without other hosts":    {{"", "starts", " 0"}, {"", "runs", " 0"}, {"", "misses", " 0, gone"}, {"", "releases", "released"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t)
			for i, step := range test {
				got := f.do(step[0], step[1])
				if got != "" {
					got = "; " + got + " runs it"
				}
				if got = f.home() + got; got != step[2] {
					t.Fatalf("step %d, %s %s: %q, want %q", i+1, step[0], step[1], got, step[2])
				}
			}
		})
	}
}

// A host with another name has the guests that it had.
func TestRenamedHost(t *testing.T) {
	f := newFleet(t)
	f.do("a", "runs")
	f.options = func(_ string, o *inventory.Options) { o.HostName = "renamed" }
	f.on("a")
	f.MustObserve(dom(1, "web"), true)
	if guest, _ := f.Snapshot().ByUUID(uid(1)); guest.Host != "renamed" || guest.HostID != "a" || guest.Epoch != 1 {
		t.Errorf("%+v", guest.Home)
	}
}

// A guest whose name a guest of another host has is named by its UUID, and by its own name
// when that one is gone.
func TestNamesake(t *testing.T) {
	f := newFleet(t)
	f.on("b")
	f.MustObserve(dom(2, "web"), true)
	f.on("a")
	for range 2 {
		reg := f.MustRegister(started(1, "web"))
		if reg.Instance.Name != uid(1).String() || reg.Instance.Wanted.Name != "web" || !strings.Contains(reg.NameProblem, "b.example") || reg.Replaced != nil {
			t.Errorf("%+v, %q", reg.Instance, reg.NameProblem)
		}
	}
	f.MustObserve(dom(1, "web"), true)
	if theirs, ok := f.Snapshot().ByName("web"); !ok || theirs.UUID != uid(2) {
		t.Errorf("the name is with %+v", theirs)
	}
	f.MustObserve(dom(3, uid(4).String()), true)
	f.Refused(started(4, "web"), denied.ErrNameTaken, "rename one of them")
	f.MustRelease(uid(2).String())
	if reg := f.MustRegister(started(1, "web")); reg.Instance.Name != "web" || reg.Instance.Wanted.Name != "" || reg.NameProblem != "" {
		t.Errorf("after the other one is gone: %+v, %q", reg.Instance, reg.NameProblem)
	}
}

// A guest of no host makes way for the one that a host starts under its name, and its
// addresses follow this host's networks.
func TestGuestOfNoHost(t *testing.T) {
	f := newFleet(t)
	f.on("b")
	f.MustRegister(dom(2, "web"))
	opts := f.Opts
	opts.HostID = "a"
	opts.Networks = []instance.Network{{Name: "mds", IPv4: netip.MustParsePrefix("10.0.9.0/28")}}
	f.Reconfigure(opts)
	if n, err := f.Reattach(background()); n != 1 || err != nil {
		t.Errorf("%d guests have other addresses, want 1: %v", n, err)
	}
	if reg := f.MustRegister(started(1, "web")); reg.Instance.Name != "web" || reg.Replaced == nil || reg.Replaced.UUID != uid(2) {
		t.Errorf("%+v, in place of %+v", reg.Instance, reg.Replaced)
	}
}

// What a host says of a guest of another one changes nothing, unless an administrator
// says it.
func TestFactsOfOthers(t *testing.T) {
	f := newFleet(t)
	f.do("a", "runs")
	f.on("b")
	prefix := func() string {
		guest, _ := f.Snapshot().ByUUID(uid(1))
		return guest.Metadata.Values["userdata_prefix"]
	}
	before := f.Snapshot()
	f.MustObserve(dom(1, "web", "userdata_prefix", "defined"), false)
	f.MustObserve(dom(1, "web", "userdata_prefix", "runs"), true)
	f.MustRegister(started(1, "web", "userdata_prefix", "starts"))
	if f.Snapshot() != before {
		t.Errorf("its user-data is %q now", prefix())
	}
	f.MustRegister(dom(1, "web", "userdata_prefix", "told"))
	if prefix() != "told" || f.home() != "a 1 running" {
		t.Errorf("its user-data is %q, and it is on %s", prefix(), f.home())
	}
}
