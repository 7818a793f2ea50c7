package explain

import (
	"strings"
	"testing"
	"time"

	"mdserver/internal/api"
	"mdserver/internal/instance"
	"mdserver/internal/timeline"
)

func TestDetached(t *testing.T) {
	snapshot := newInventory(t, "web1")
	guest, _ := snapshot.ByName("web1")
	for name, test := range map[string]struct {
		tap  Tap
		want string // "" for nothing
	}{
		"in place":             {Tap{"vnet3", "br-mds", "br-mds"}, ""},
		"on no bridge":         {Tap{"vnet3", "", "br-mds"}, "its tap vnet3 is on no bridge instead of br-mds"},
		"on another one":       {Tap{"vnet3", "virbr0", "br-mds"}, "its tap vnet3 is on virbr0 instead of br-mds"},
		"the command":          {Tap{"vnet3", "", "br mds"}, "ip link set vnet3 master 'br mds'"},
		"of Open vSwitch":      {Tap{"vnet3", "ovs-system", "ovsbr0"}, ""},
		"the bridge not known": {Tap{"vnet3", "", ""}, ""},
	} {
		doc := Guest(Subject{Guest: guest, Snapshot: snapshot, Networks: []instance.Network{network}, Taps: []Tap{test.tap}})
		missing := strings.Join(doc.Missing, "\n")
		if strings.Contains(missing, "its tap") != (test.want != "") || !strings.Contains(missing, test.want) {
			t.Errorf("%s: want %q in:\n%s", name, test.want, missing)
		}
	}
}

// A guest that was started before the server is not said to be off, and what
// its first boot without a server means is told.
func TestStartedBefore(t *testing.T) {
	snapshot := newInventory(t, "web1")
	guest, _ := snapshot.ByName("web1")
	var log timeline.RequestLog
	explained := func(started time.Time) (string, string) {
		doc := Guest(Subject{Guest: guest, Snapshot: snapshot, Networks: []instance.Network{network}, Hears: true,
			Requests: log.Of(guest.UUID), Found: true, Started: started})
		state := ""
		for _, f := range doc.Facts {
			if f.Name == "state" {
				state = f.Value
			}
		}
		return strings.Join(doc.Missing, "\n"), state
	}
	want := func(missing string, words ...string) {
		t.Helper()
		for _, w := range words {
			if !strings.Contains(missing, w) {
				t.Errorf("%q is not in:\n%s", w, missing)
			}
		}
		if strings.Contains(missing, "is it on") {
			t.Errorf("a guest that runs is said to be off:\n%s", missing)
		}
	}
	missing, state := explained(guest.FirstSeen.Add(-time.Minute))
	want(missing, "OpenStack: it booted without keys", "NoCloud:", "EC2:", "virsh reboot web1", "cloud-init clean --reboot")
	if state != "running since before the server started" {
		t.Errorf("its state is %q", state)
	}
	missing, _ = explained(guest.FirstSeen.Add(time.Minute)) // an earlier server knew it
	want(missing, "it was running when the server started")
	if strings.Contains(missing, "clean --reboot") {
		t.Errorf("it is to be set up anew:\n%s", missing)
	}
	log.Note(guest.UUID, api.Request{At: time.Now(), Client: guest.IPv4, Method: "GET", Path: "/latest/meta-data/", Status: 200})
	if missing, _ = explained(guest.FirstSeen.Add(-time.Minute)); strings.Contains(missing, "started before") {
		t.Errorf("it has its metadata, but:\n%s", missing)
	}
}
