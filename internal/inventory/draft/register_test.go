package draft_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"mdserver/internal/instance"
	"mdserver/internal/inventory/denied"
)

func TestRegisterNewGuest(t *testing.T) {
	l := newLab(t)
	domain := func() instance.Domain {
		d := dom(1, "web 1", "userdata_prefix", "x")
		d.Metadata.Tags, d.Metadata.Warnings = map[string]string{"role": "web"}, []string{"there is no element <tag>"}
		d.Disks = []instance.Disk{{Target: "vda", Bus: "virtio", Device: "disk", Serial: "root"}}
		d.Arch = "aarch64"
		return d
	}
	callers, d := domain(), domain()
	r := l.MustRegister(callers)
	want := instance.Instance{
		ID: instance.DeriveID(uid(1)), Name: "web 1", Hostname: "web-1", UUID: uid(1), Location: "here",
		Metadata: d.Metadata, Network: "mds", MAC: mac(1), Interfaces: d.Interfaces, Disks: d.Disks, IPv4: r.Instance.IPv4,
		Hardware: instance.Hardware{VCPUs: 1, Memory: 1 << 30, Arch: "aarch64"}, FirstSeen: l.Clock.Now(), LastUpdate: l.Clock.Now(),
		Seen: map[string]time.Time{instance.ByLibvirt: l.Clock.Now()},
	}
	if diff := cmp.Diff(want, r.Instance, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !r.Created || r.Replaced != nil || r.AddressProblem != nil || !r.Instance.IPv4.IsValid() || r.Instance.IPv6.IsValid() {
		t.Errorf("%+v", r)
	}
	const changed = "changed by the caller"
	callers.Metadata.Values["userdata_prefix"], callers.Metadata.Tags["role"], callers.Metadata.Warnings[0] = changed, changed, changed
	callers.Interfaces[0].Network, callers.Disks[0].Serial = changed, changed
	guest, _ := l.Snapshot().ByUUID(uid(1))
	if diff := cmp.Diff(want, *guest, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("the record shares what the caller may change (-want +got):\n%s", diff)
	}
}

func TestUpdateInPlace(t *testing.T) {
	l := newLab(t)
	first := l.MustRegister(dom(1, "web1")).Instance
	l.Clock.Advance(time.Hour)
	again := l.MustRegister(dom(1, "web1"))
	if again.Created || !again.Instance.FirstSeen.Equal(first.FirstSeen) || !again.Instance.LastUpdate.Equal(l.Clock.Now()) {
		t.Errorf("an identical upload gives %+v", again)
	}
	changed := dom(1, "web2", "k", "v")
	changed.Interfaces[1].MAC, changed.VCPUs, changed.Memory = mac(99), 8, 1<<40
	got := l.MustRegister(changed).Instance
	if got.ID != first.ID || got.IPv4 != first.IPv4 || got.Name != "web2" || got.Hostname != "web2" ||
		got.MAC != mac(99) || got.VCPUs != 8 || got.Memory != 1<<40 || got.Metadata.Values["k"] != "v" {
		t.Errorf("got %+v after %+v", got, first)
	}
	s := l.Snapshot()
	_, byName := s.ByName("web1")
	byMAC := len(s.ByMAC(mac(1))) > 0
	_, byHostname := s.ByHostname("WEB1")
	if byName || byMAC || byHostname || s.Len() != 1 {
		t.Error("the old name or MAC address is still found")
	}
}

func TestUnusableDomains(t *testing.T) {
	tests := []struct {
		name   string
		change func(*instance.Domain)
		kind   error
		texts  []string
	}{
		{"no name", func(d *instance.Domain) { d.Name = "" }, denied.ErrInvalid, []string{"no name"}},
		{"a slash", func(d *instance.Domain) { d.Name = "a/b" }, denied.ErrInvalid, []string{"slash"}},
		{"no UUID", func(d *instance.Domain) { d.UUID = uuid.Nil }, denied.ErrInvalid, []string{"no UUID"}},
		{"bad metadata", func(d *instance.Domain) { d.Metadata.Values = map[string]string{"ipv4": "x"} }, denied.ErrInvalid, []string{`ipv4 "x"`}},
		{"no MAC", func(d *instance.Domain) { d.Interfaces[1].MAC = instance.MAC{} }, denied.ErrInvalid, []string{"no MAC address"}},
		{"no interface", func(d *instance.Domain) { d.Interfaces = nil }, denied.ErrNoInterface, []string{`"web1"`, `"mds"`, "no network interface"}},
		{"other networks", func(d *instance.Domain) { d.Interfaces[1].Network = "default" }, denied.ErrNoInterface,
			[]string{`"web1"`, `"mds"`, `no libvirt network, "default"`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := dom(1, "web1")
			tt.change(&d)
			newLab(t).Refused(d, tt.kind, tt.texts...)
		})
	}
}

func TestTakeover(t *testing.T) {
	l := newLab(t, withIPv6)
	old := l.MustRegister(dom(1, "web1")).Instance
	l.Clock.Advance(time.Hour)
	r := l.MustRegister(dom(2, "web1"))
	got := r.Instance
	if !r.Created || r.Replaced == nil || r.Replaced.UUID != uid(1) {
		t.Errorf("%+v", r)
	}
	if got.IPv4 != old.IPv4 || got.IPv6 != old.IPv6 || got.Hostname != "web1" {
		t.Errorf("took over %v %v %q, want %v %v", got.IPv4, got.IPv6, got.Hostname, old.IPv4, old.IPv6)
	}
	if got.ID != instance.DeriveID(uid(2)) || !got.FirstSeen.Equal(l.Clock.Now()) {
		t.Errorf("kept the old identity: %+v", got)
	}
	if _, ok := l.Snapshot().ByUUID(uid(1)); ok || len(l.RestingIDs()) != 0 {
		t.Error("the old guest, or its address at rest, is left behind")
	}
}

func TestTakeoverWithTheSameMAC(t *testing.T) {
	l := newLab(t)
	l.MustRegister(dom(1, "web1"))
	d := dom(2, "web1")
	d.Interfaces[1].MAC = mac(1)
	if r := l.MustRegister(d); r.Replaced == nil {
		t.Error("not taken over")
	}
}

func TestTakeoverWithAnotherAddress(t *testing.T) {
	l := newLab(t)
	old := l.MustRegister(dom(1, "web1", "ipv4", "10.0.0.2")).Instance
	got := l.MustRegister(dom(2, "web1", "ipv4", "10.0.0.3")).Instance
	if got.IPv4.String() != "10.0.0.3" {
		t.Errorf("address %v", got.IPv4)
	}
	if diff := cmp.Diff(map[string]string{"10.0.0.2": old.ID}, l.RestingIDs()); diff != "" {
		t.Errorf("resting (-want +got):\n%s", diff)
	}
}

func TestRenameToAnothersName(t *testing.T) {
	l := newLab(t)
	loser := l.MustRegister(dom(1, "web1")).Instance
	own := l.MustRegister(dom(2, "web2")).Instance
	r := l.MustRegister(dom(2, "web1"))
	if r.Created || r.Replaced == nil || r.Replaced.UUID != uid(1) || r.Instance.IPv4 != own.IPv4 || r.Instance.ID != own.ID {
		t.Errorf("%+v", r)
	}
	if diff := cmp.Diff(map[string]string{loser.IPv4.String(): loser.ID}, l.RestingIDs()); diff != "" {
		t.Errorf("resting (-want +got):\n%s", diff)
	}
	back := l.MustRegister(dom(1, "web3")).Instance
	if back.IPv4 != loser.IPv4 || back.ID != loser.ID || len(l.RestingIDs()) != 0 {
		t.Errorf("the released one got %v %s, want %v %s", back.IPv4, back.ID, loser.IPv4, loser.ID)
	}
}

func TestReturningGuest(t *testing.T) {
	l := newLab(t, withIPv6)
	imported := instance.Instance{ID: "i-10.0.0.9", Name: "old", UUID: uid(1), Network: "mds", MAC: mac(1),
		IPv4: netip.MustParseAddr("10.0.0.9"), IPv6: netip.MustParseAddr("fd00::9")}
	if _, err := l.Import(t.Context(), []instance.Instance{imported}); err != nil {
		t.Fatal(err)
	}
	l.MustRelease("old")
	if l.Snapshot().Len() != 0 {
		t.Fatal("not released")
	}
	l.Clock.Advance(day - time.Second)
	got := l.MustRegister(dom(1, "old")).Instance
	if got.ID != imported.ID || got.IPv4 != imported.IPv4 || got.IPv6 != imported.IPv6 {
		t.Errorf("within the quarantine: %s %v %v", got.ID, got.IPv4, got.IPv6)
	}
	l.MustRelease("old")
	l.Clock.Advance(day)
	if got := l.MustRegister(dom(1, "old")).Instance; got.ID != instance.DeriveID(uid(1)) || len(l.RestingIDs()) != 0 {
		t.Errorf("after the quarantine: %s, resting %v", got.ID, l.RestingIDs())
	}
}

func TestMACInUse(t *testing.T) {
	l := newLab(t)
	l.MustRegister(dom(1, "web1"))
	d := dom(2, "web2")
	d.Interfaces[1].MAC = mac(1)
	l.Refused(d, denied.ErrMACInUse, `"web1"`, `"web2"`, mac(1).String(), "mdserver instance rm web1")
	l.MustRelease("web1")
	l.MustRegister(d)

	odd := dom(3, "$(x) y")
	l.MustRegister(odd)
	d = dom(4, "web4")
	d.Interfaces[1].MAC = mac(3)
	l.Refused(d, denied.ErrMACInUse, "mdserver instance rm "+instance.DeriveID(uid(3)))
}

func TestMACOfAnotherInterfaceIsFree(t *testing.T) {
	l := newLab(t)
	l.MustRegister(dom(1, "web1"))
	d := dom(2, "web2")
	d.Interfaces[0].MAC = mac(1)
	l.MustRegister(d)
}

func TestHostnames(t *testing.T) {
	l := newLab(t)
	hostname := func(d instance.Domain) string { t.Helper(); return l.MustRegister(d).Instance.Hostname }
	if got := hostname(dom(1, "Web 1")); got != "Web-1" {
		t.Errorf("derived %q", got)
	}
	second := hostname(dom(2, "web-1"))
	if want := instance.DistinctHostname("web-1", uid(2)); second != want {
		t.Errorf("the second of the same got %q, want %q", second, want)
	}
	l.Refused(dom(3, "x", "hostname", "WEB-1"), denied.ErrHostnameTaken, `"x"`, `"Web 1"`)
	l.MustRelease("Web 1")
	if got := hostname(dom(2, "web-1")); got != second {
		t.Errorf("an unchanged name changed its host name to %q", got)
	}
	if got := hostname(dom(3, "x", "hostname", "web-1")); got != "web-1" {
		t.Errorf("asked for web-1, got %q", got)
	}
	if got := hostname(dom(3, "x")); got != "x" {
		t.Errorf("no longer asked for, it is %q, want the derived one", got)
	}
	if got := hostname(dom(4, "日本")); !strings.HasPrefix(got, "vm-") {
		t.Errorf("no letters: %q", got)
	}
	taken := instance.DistinctHostname("x", uid(5))
	l.MustRegister(dom(6, "thief", "hostname", taken))
	if got := hostname(dom(5, "X")); got == taken || !instance.ValidHostname(got) || !strings.HasPrefix(got, "X-") {
		t.Errorf("even the distinct one is taken: %q", got)
	}
}
