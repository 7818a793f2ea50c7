package inventory_test

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/inventory/storetest"
)

// TestAdoptIsLossless adopts the tables of random runs, some guests of which have
// two interfaces on one network. A second time changes nothing.
func TestAdoptIsLossless(t *testing.T) {
	for seed := range uint64(20) {
		r := newRun(t, seed)
		for range 80 {
			r.step()
		}
		want := r.inv.Snapshot().Table()
		want.Resting = slices.DeleteFunc(want.Resting, func(rest instance.Resting) bool {
			return !rest.Since.Add(r.opts.Quarantine).After(r.clock.Now()) // its rest is over
		})
		memory := storetest.NewMemory()
		other, err := inventory.Open(t.Context(), memory, r.opts)
		if err != nil {
			t.Fatal(err)
		}
		for round := range 2 {
			result, err := other.Adopt(t.Context(), want, false)
			if err != nil || len(result.Skipped) > 0 || round == 1 && result.Unchanged != len(want.Instances) {
				t.Fatalf("seed %d: %+v, %v", seed, result, err)
			}
			stored, err := memory.Load(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, got := range []instance.Table{other.Snapshot().Table(), stored} {
				if diff := storetest.Diff(want, got); diff != "" {
					t.Fatalf("seed %d: (-want +got):\n%s", seed, diff)
				}
			}
		}
		if err := errors.Join(other.Close(), r.inv.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAdoptReplaces brings an inventory that went on back to an earlier table:
// guests have changed their addresses among themselves meanwhile.
func TestAdoptReplaces(t *testing.T) {
	l := newLab(t)
	for n := range 4 {
		l.MustRegister(dom(n, []string{"a", "b", "c", "d"}[n]))
	}
	want := l.Inventory.Snapshot().Table()
	want.Instances[0].Password = "posted"
	random := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		if _, err := l.Reprovision(t.Context(), []string{"a", "b", "c", "d"}[random.IntN(4)]); err != nil {
			t.Fatal(err)
		}
	}
	l.MustRelease("c")
	l.MustRelease("d")
	l.Clock.Advance(2 * day)
	l.MustRegister(dom(3, "d", "ipv4", want.Instances[2].IPv4.String()))
	result, err := l.Adopt(t.Context(), want, true)
	if err != nil || len(result.Skipped) > 0 {
		t.Fatalf("%+v, %v", result, err)
	}
	if diff := storetest.Diff(instance.Table{Instances: want.Instances}, instance.Table{Instances: l.Inventory.Snapshot().Table().Instances}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAdoptSkips(t *testing.T) {
	l := newLab(t)
	ours := l.MustRegister(dom(1, "web")).Instance
	rests := l.MustRegister(dom(2, "gone")).Instance
	l.MustRelease("gone")
	fresh := func(change func(*instance.Instance)) instance.Instance {
		guest := instance.Instance{Name: "new", UUID: uid(9), ID: "i-9", Hostname: "new", Network: "mds", MAC: mac(9),
			IPv4: netip.MustParseAddr("10.0.0.14"), FirstSeen: l.Clock.Now(), LastUpdate: l.Clock.Now()}
		change(&guest)
		return guest
	}
	tests := []struct {
		name   string
		record instance.Instance
		want   error
	}{
		{"the guest exists", fresh(func(g *instance.Instance) { g.UUID = ours.UUID }), denied.ErrUUIDTaken},
		{"its name", fresh(func(g *instance.Instance) { g.Name = "web" }), denied.ErrNameTaken},
		{"its address", fresh(func(g *instance.Instance) { g.IPv4 = ours.IPv4 }), denied.ErrAddressTaken},
		{"its MAC", fresh(func(g *instance.Instance) { g.MAC = ours.MAC }), denied.ErrMACInUse},
		{"its instance-id", fresh(func(g *instance.Instance) { g.ID = ours.ID }), denied.ErrIDTaken},
		{"its address rests", fresh(func(g *instance.Instance) { g.IPv4 = rests.IPv4 }), denied.ErrAddressTaken},
		{"no instance-id", fresh(func(g *instance.Instance) { g.ID = "" }), denied.ErrInvalid},
		{"no name", fresh(func(g *instance.Instance) { g.Name = "" }), denied.ErrInvalid},
	}
	before := l.Inventory.Snapshot().Table()
	for _, tt := range tests {
		result, err := l.Adopt(t.Context(), instance.Table{Instances: []instance.Instance{tt.record}}, false)
		if err != nil || len(result.Skipped) != 1 || !errors.Is(result.Skipped[0].Err, tt.want) {
			t.Errorf("%s: %+v, %v; want %v", tt.name, result, err, tt.want)
		}
	}
	if diff := storetest.Diff(before, l.Inventory.Snapshot().Table()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	result, err := l.Adopt(t.Context(), instance.Table{Instances: []instance.Instance{fresh(func(g *instance.Instance) { g.Hostname = "web" })},
		Resting: []instance.Resting{{Addr: ours.IPv4, Since: l.Clock.Now()}, {Addr: netip.MustParseAddr("10.0.0.13"), Since: l.Clock.Now().Add(time.Hour)}}}, false)
	if err != nil || len(result.Added) != 1 || result.Added[0].Hostname == "web" || result.Resting != 1 {
		t.Errorf("%+v, %v; want the guest with another host name and one address", result, err)
	}
}
