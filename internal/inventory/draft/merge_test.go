package draft_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/storetest"
)

// mergeRecord is a guest of another database.
func mergeRecord(n int, name, addr string, updated time.Time) instance.Instance {
	return instance.Instance{
		Name: name, UUID: uid(n), ID: "i-" + addr, MAC: mac(n), IPv4: netip.MustParseAddr(addr),
		FirstSeen: updated, LastUpdate: updated,
	}
}

func TestMerge(t *testing.T) {
	imported := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) // and the time of the lab's clock
	before, after := imported.Add(-time.Hour), imported.Add(time.Hour)
	with := func(r instance.Instance, change func(*instance.Instance)) instance.Instance {
		change(&r)
		return r
	}
	web := mergeRecord(1, "web", "10.0.0.2", before)
	tests := []struct {
		name   string
		record instance.Instance
		want   string // the result's field with the record, empty for none
		guest  string // name, UUID's number and address of a guest there afterwards
		ours   bool   // the guest here is updated after the record
	}{
		{name: "the same", record: web, guest: "web 1 10.0.0.2"},
		{name: "the same, of an older update", record: web, guest: "web 1 10.0.0.2", ours: true},
		{name: "new", record: mergeRecord(2, "db", "10.0.0.3", after), want: "Added", guest: "db 2 10.0.0.3"},
		{name: "new, without times", record: mergeRecord(2, "db", "10.0.0.3", time.Time{}), want: "Added", guest: "db 2 10.0.0.3"},
		{name: "released here", record: mergeRecord(2, "db", "10.0.0.3", before), want: "Released"},
		{name: "name with another UUID", record: with(mergeRecord(2, "web", "10.0.0.2", after), func(r *instance.Instance) { r.MAC = mac(1) }),
			want: "Replaced", guest: "web 2 10.0.0.2"},
		{name: "name with another UUID, updated at the same time", record: mergeRecord(2, "web", "10.0.0.2", before), want: "Replaced", guest: "web 2 10.0.0.2"},
		{name: "name with another UUID, ours newer", record: mergeRecord(2, "web", "10.0.0.2", before), want: "Kept", guest: "web 1 10.0.0.2", ours: true},
		{name: "renamed", record: with(web, func(r *instance.Instance) {
			r.Name, r.IPv4, r.ID, r.LastUpdate = "www", netip.MustParseAddr("10.0.0.9"), "i-10.0.0.9", after
		}), want: "Replaced", guest: "www 1 10.0.0.9"},
		{name: "another address", record: with(web, func(r *instance.Instance) {
			r.IPv4, r.ID, r.LastUpdate = netip.MustParseAddr("10.0.0.9"), "i-10.0.0.9", after
		}), want: "Replaced", guest: "web 1 10.0.0.9"},
		{name: "another MAC", record: with(web, func(r *instance.Instance) { r.MAC, r.LastUpdate = mac(9), after }), want: "Replaced", guest: "web 1 10.0.0.2"},
		{name: "other metadata", record: with(web, func(r *instance.Instance) {
			r.Metadata.Values, r.LastUpdate = map[string]string{"userdata_prefix": "x"}, after
		}), want: "Updated", guest: "web 1 10.0.0.2"},
		{name: "other metadata, ours newer", record: with(web, func(r *instance.Instance) {
			r.Metadata.Values = map[string]string{"userdata_prefix": "x"}
		}), guest: "web 1 10.0.0.2", ours: true},
		{name: "address taken", record: mergeRecord(2, "db", "10.0.0.2", after), want: "Kept", guest: "web 1 10.0.0.2"},
		{name: "MAC taken", record: with(mergeRecord(2, "db", "10.0.0.3", after), func(r *instance.Instance) { r.MAC = mac(1) }), want: "Kept", guest: "web 1 10.0.0.2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			ours := web
			if tt.ours {
				ours.LastUpdate = after
			}
			if _, err := l.Import(t.Context(), []instance.Instance{ours, mergeRecord(7, "other", "10.0.0.8", before)}); err != nil {
				t.Fatal(err)
			}
			result, err := l.Merge(t.Context(), []instance.Instance{tt.record}, imported)
			if err != nil {
				t.Fatal(err)
			}
			if got := outcome(result); got != tt.want {
				t.Errorf("the record is in %q, want %q: %+v", got, tt.want, result)
			}
			if tt.guest != "" {
				name := strings.Fields(tt.guest)[0]
				guest, ok := l.Snapshot().ByName(name)
				if !ok || guest.Name+" "+number(guest)+" "+guest.IPv4.String() != tt.guest {
					t.Errorf("the guest is %+v, want %s", guest, tt.guest)
				}
			}
			if _, ok := l.Snapshot().ByName("other"); !ok {
				t.Error("a guest that no record mentions is gone")
			}
			again, err := l.Merge(t.Context(), []instance.Instance{tt.record}, imported)
			if got := outcome(again); err != nil || got != "" && got != tt.want || len(again.Added)+len(again.Replaced)+len(again.Updated) > 0 {
				t.Errorf("the second merge: %+v, %v", again, err)
			}
		})
	}
}

func number(guest *instance.Instance) string {
	for _, n := range []int{1, 2} {
		if guest.UUID == uid(n) {
			return string(rune('0' + n))
		}
	}
	return guest.UUID.String()
}

// outcome names the fields of a result that are not empty.
func outcome(m inventory.Merged) string {
	var names []string
	for name, n := range map[string]int{
		"Added": len(m.Added), "Replaced": len(m.Replaced), "Updated": len(m.Updated), "Kept": len(m.Kept), "Released": len(m.Released),
	} {
		if n > 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

// What a merge replaces is gone from the store, too.
func TestMergeIsStored(t *testing.T) {
	store := storetest.NewMemory()
	l := labOn(t, store)
	at := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	l.MustRegister(dom(1, "web"))
	if _, err := l.Merge(t.Context(), []instance.Instance{mergeRecord(2, "web", "10.0.0.2", at)}, at.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	table, err := store.Load(t.Context())
	if err != nil || len(table.Instances) != 1 {
		t.Fatalf("the store has %+v, %v; want one guest", table.Instances, err)
	}
	if guest := table.Instances[0]; guest.UUID != uid(2) || guest.Hostname != "web" {
		t.Errorf("the guest is %+v", guest)
	}
}

// TestMergeKeepsFurtherInterfaces: the other database knows of one interface of a
// guest, and nothing of its hardware.
func TestMergeKeepsFurtherInterfaces(t *testing.T) {
	tests := []struct {
		name   string
		change func(*instance.Instance)
		want   func(before instance.Instance) []instance.Attachment
	}{
		{"another address", func(r *instance.Instance) { r.IPv4 = netip.MustParseAddr("10.0.0.9") },
			func(g instance.Instance) []instance.Attachment { return g.Further }},
		{"another name", func(r *instance.Instance) { r.Name = "www" },
			func(g instance.Instance) []instance.Attachment { return g.Further }},
		{"another MAC", func(r *instance.Instance) { r.MAC = mac(9) },
			func(g instance.Instance) []instance.Attachment { return g.Further }},
		{"the MAC of the second interface", func(r *instance.Instance) { r.MAC = mac(2) },
			func(instance.Instance) []instance.Attachment { return nil }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			domain := dom(1, "web")
			domain.Disks = []instance.Disk{{Target: "vda", Device: "disk"}}
			domain.Interfaces = append(domain.Interfaces, instance.Interface{MAC: mac(2), Network: "mds"})
			before := l.MustRegister(domain).Instance
			record := instance.Instance{Name: "web", UUID: before.UUID, ID: before.ID, MAC: before.MAC, IPv4: before.IPv4,
				Location: "there", IPv6: netip.MustParseAddr("2001:db8::9"), FirstSeen: before.FirstSeen.Add(-day), LastUpdate: before.LastUpdate.Add(time.Hour)}
			record.Metadata.Values = map[string]string{"userdata_prefix": "x"}
			tt.change(&record)
			result, err := l.Merge(t.Context(), []instance.Instance{record}, before.LastUpdate)
			if err != nil || len(result.Replaced) != 1 {
				t.Fatalf("%+v, %v", result, err)
			}
			after := result.Replaced[0]
			if after.MAC != record.MAC || after.IPv4 != record.IPv4 || after.Name != record.Name {
				t.Errorf("the guest is %+v, want what the record has", after)
			}
			if after.Location != "there" || after.IPv6 != record.IPv6 || !after.FirstSeen.Equal(record.FirstSeen) || after.Metadata.Values["userdata_prefix"] != "x" {
				t.Errorf("the guest is %+v, want what the record says of it", after)
			}
			if want := tt.want(before); !slices.Equal(after.Further, want) {
				t.Errorf("further interfaces %v, want %v", after.Further, want)
			}
			if len(after.Interfaces) != 3 || len(after.Disks) != 1 || after.VCPUs != before.VCPUs {
				t.Errorf("interfaces %v, disks %v, %d CPUs; want those of before", after.Interfaces, after.Disks, after.VCPUs)
			}
		})
	}
}
