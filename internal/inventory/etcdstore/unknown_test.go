package etcdstore

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"mdserver/internal/instance"
)

// future is a record of a newer mdserver: it has members that this one does not know,
// at each depth.
const future = `{"v":2,"instance_id":"i-1","name":"web","hostname":"web","uuid":"3b5c1d2e-0000-4000-8000-000000000001",
	"color":{"deep":[1]},"mac":"52:54:00:00:00:01","network":"mds","ipv4":"10.0.0.7","ipv6":"",
	"metadata":{"values":{"x":"y"},"labels":{"a":1}},
	"interfaces":[
		{"mac":"52:54:00:00:00:01","network":"mds","target":"vnet1","rate":1},
		{"mac":"52:54:00:00:00:02","network":"other","queue":{"n":2}},
		{"mac":"52:54:00:00:00:02","network":"other","queue":3},
		{"mac":"52:54:00:00:00:03"}],
	"disks":[{"target":"vda","device":"disk","size":4},{"target":"vdb","device":"disk","size":5}],
	"further":[{"network":"other","mac":"52:54:00:00:00:02","ipv4":"10.1.0.7","ipv6":"","dhcp":6}],
	"presence":{"state":"present","since":"2024-01-02T03:04:05Z","why":7},
	"seen":{"hook":"2024-01-02T03:04:05Z"},
	"first_seen":"2024-01-02T03:04:05Z","last_update":"2024-01-02T03:04:05Z"}`

func decodeGuest(t testing.TB, text string) (instance.Instance, *unknown) {
	t.Helper()
	e, err := decode[instance.Instance]([]byte(text), guestShape)
	if err != nil {
		t.Fatal(err)
	}
	return *e.record, e.unknown
}

// TestFutureRecord: an older host changes a record of a newer one, and keeps what it
// does not know of what is left.
func TestFutureRecord(t *testing.T) {
	unchanged := func(*instance.Instance) {}
	all := []string{`"v":2`, `"color":{"deep":[1]}`, `"labels":{"a":1}`, `"rate":1`, `"queue":{"n":2}`, `"queue":3`, `"size":4`, `"size":5`, `"dhcp":6`, `"why":7`}
	for name, tt := range map[string]struct {
		change func(*instance.Instance)
		gone   []string
	}{
		"nothing": {unchanged, nil},
		"a name": {func(g *instance.Instance) {
			g.Name, g.Hostname, g.Home = "renamed", "renamed", instance.Home{HostID: "kvm1", Epoch: 1}
		}, nil},
		"a new start": {func(g *instance.Instance) { g.Interfaces[0].Target = "vnet9"; g.Interfaces[1].Target = "vnet10" }, nil},
		"the order": {func(g *instance.Instance) {
			slices.Reverse(g.Interfaces[2:])
			slices.Reverse(g.Disks)
		}, nil},
		"a card is gone": {func(g *instance.Instance) { g.Interfaces = g.Interfaces[1:] }, []string{`"rate":1`}},
		"a twin is gone": {func(g *instance.Instance) { g.Interfaces = slices.Delete(g.Interfaces, 2, 3) }, []string{`"queue":3`}},
		"a new card": {func(g *instance.Instance) {
			g.Interfaces = append([]instance.Interface{{MAC: instance.MAC{0x52, 0x54, 9}}}, g.Interfaces...)
		}, nil},
		"all disks are gone":      {func(g *instance.Instance) { g.Disks = nil }, []string{`"size":4`, `"size":5`}},
		"another disk":            {func(g *instance.Instance) { g.Disks[1].Target = "vdc" }, []string{`"size":5`}},
		"another address":         {func(g *instance.Instance) { g.Further[0].IPv4 = g.IPv4 }, nil},
		"off the other network":   {func(g *instance.Instance) { g.Further = nil }, []string{`"dhcp":6`}},
		"nothing of its presence": {func(g *instance.Instance) { g.Presence = instance.Presence{} }, nil},
		"no metadata":             {func(g *instance.Instance) { g.Metadata = instance.Metadata{} }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			guest, kept := decodeGuest(t, future)
			tt.change(&guest)
			text, err := encode(guest, guestShape, kept, "")
			if err != nil {
				t.Fatal(err)
			}
			for _, part := range all {
				if want := !slices.Contains(tt.gone, part); strings.Contains(text, part) != want {
					t.Errorf("%s is in the record: %v, want %v:\n%s", part, !want, want, text)
				}
			}
			again, keptAgain := decodeGuest(t, text)
			if !reflect.DeepEqual(again, guest) {
				t.Errorf("the record is %+v, want %+v", again, guest)
			}
			if tt.gone == nil && name != "the order" && !reflect.DeepEqual(keptAgain, kept) && name != "a new card" {
				t.Errorf("kept %+v, want %+v", keptAgain, kept)
			}
		})
	}
}

// TestWriter: a record names the host that wrote it last, and none if that is not one of
// the hosts, whatever else it keeps.
func TestWriter(t *testing.T) {
	theirs := strings.Replace(future, "{", `{"by":"theirs",`, 1)
	for _, by := range []string{"ours", ""} {
		read, err := decode[instance.Instance]([]byte(theirs), guestShape)
		if err != nil || read.by != "theirs" {
			t.Fatalf("written by %q, %v", read.by, err)
		}
		text, err := encode(read.record, guestShape, read.unknown, by)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := decode[instance.Instance]([]byte(text), guestShape); again.by != by || err != nil {
			t.Errorf("written by %q, %v; want %q", again.by, err, by)
		}
	}
}

// TestKnown: nothing of what this mdserver writes is unknown to it.
func TestKnown(t *testing.T) {
	guest, _ := decodeGuest(t, future)
	guest.Seen = map[string]time.Time{instance.ByHook: guest.FirstSeen}
	guest.Home = instance.Home{Host: "kvm1", HostID: "1", Epoch: 2, Run: instance.Starting, FromHost: "kvm2", FromID: "2"}
	guest.Hardware = instance.Hardware{VCPUs: 1, Memory: 2, Arch: "x"}
	guest.Metadata.Tags, guest.Metadata.Warnings = map[string]string{"a": "b"}, []string{"c"}
	guest.Location, guest.Password, guest.Unshared = "here", "secret", true
	text, err := encode(guest, guestShape, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	if again, kept := decodeGuest(t, text); kept != nil || !reflect.DeepEqual(again, guest) {
		t.Errorf("unknown: %+v; %+v, want %+v", kept, again, guest)
	}
	for name, shape := range map[string]*shape{"interfaces": guestShape.members["interfaces"], "disks": guestShape.members["disks"], "further": guestShape.members["further"]} {
		for _, id := range shape.identity {
			if _, ok := shape.element.members[id]; !ok {
				t.Errorf("%s have no member %q, which should identify them", name, id)
			}
		}
	}
}

// TestFutureInEtcd: a host registers the guest of a newer one again.
func TestFutureInEtcd(t *testing.T) {
	h := hosts(t, 1, options("10.0.0.0/24"))[0]
	d := dom(1, "web")
	d.Disks = []instance.Disk{{Target: "vda", Device: "disk"}}
	reg, err := h.Register(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	key := prefix + guestKey(reg.Instance.UUID)
	read := func() string {
		resp, err := h.store.client.Get(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		return string(resp.Kvs[0].Value)
	}
	newer := strings.Replace(read(), `"target":"vda"`, `"target":"vda","size":4`, 1)
	newer = strings.Replace(newer, `"interfaces":[{`, `"interfaces":[{"rate":1,`, 1)
	if _, err := h.store.client.Put(t.Context(), key, newer); err != nil {
		t.Fatal(err)
	}
	agree(t, []*host{h})
	d.Interfaces[0].Target = "vnet1"
	if _, err := h.Register(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"size":4`, `"rate":1`, `"target":"vnet1"`} {
		if text := read(); !strings.Contains(text, part) {
			t.Errorf("the record lacks %s: %s", part, text)
		}
	}
}

// FuzzRecord: what a record has that is unknown is the same after it was written.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(future))
	f.Add([]byte(`{"v":1,"presence":null,"interfaces":[null,{"x":1},{"x":2}],"disks":null,"metadata":{"y":{}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		read, err := decode[instance.Instance](text, guestShape)
		if err != nil {
			return
		}
		written, err := encode(read.record, guestShape, read.unknown, "")
		if err != nil {
			t.Skip() // such as a year that JSON cannot have
		}
		again, err := decode[instance.Instance]([]byte(written), guestShape)
		if err != nil {
			t.Fatalf("%q: %v", written, err)
		}
		if want, got := describe(t, *read.record), describe(t, *again.record); want != got {
			t.Errorf("%q: the record is %s, want %s", text, got, want)
		}
		if second, err := encode(again.record, guestShape, again.unknown, ""); err != nil || second != written {
			t.Errorf("%q: it is written as %s, and then as %s, %v", text, written, second, err)
		}
	})
}

func describe(t *testing.T, guest instance.Instance) string {
	var text bytes.Buffer
	if err := json.NewEncoder(&text).Encode(guest); err != nil {
		t.Fatal(err)
	}
	return text.String()
}
