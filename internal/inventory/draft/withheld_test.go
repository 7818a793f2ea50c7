package draft_test

import (
	"net/netip"
	"strings"
	"testing"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/denied"
	"mdserver/internal/inventory/storage"
)

// withheldLab withholds what the guest "lost" had, and then forgets it, as a
// damaged database does.
func withheldLab(t *testing.T, change ...func(*inventory.Options)) (*lab, instance.Instance) {
	t.Helper()
	before := newLab(t, change...)
	lost := before.MustRegister(dom(1, "lost")).Instance
	w := storage.Withheld{UUID: lost.UUID, ID: "i-of-old", Name: lost.Name, Hostname: lost.Hostname, Addrs: lost.Addrs(), File: "x.json"}
	l := newLab(t, append(change, func(o *inventory.Options) { o.Withheld = []storage.Withheld{w} })...)
	return l, lost
}

// TestWithheldIsGivenToNoOther fills the network: neither by chance nor for the
// asking does another guest get what is withheld.
func TestWithheldIsGivenToNoOther(t *testing.T) {
	l, lost := withheldLab(t)
	if w := l.Withheld(); len(w) != 1 || !w[0].Means("lost") || !w[0].Means(lost.IPv4.String()) || w[0].Means("other") {
		t.Errorf("%v is withheld", w)
	}
	l.Refused(dom(2, "asks", "ipv4", lost.IPv4.String()), denied.ErrAddressTaken, "reserved for", `"lost"`, "x.json")
	l.Refused(dom(2, "asks", "hostname", "LOST"), denied.ErrInvalid, "reserved for", `"lost"`)
	named := l.MustRegister(dom(3, "lost"))
	if named.Instance.Hostname == "lost" || !strings.Contains(named.NameProblem, "reserved for") {
		t.Errorf("the guest of that name is %q: %q", named.Instance.Hostname, named.NameProblem)
	}
	for n := range 20 {
		guest := l.MustRegister(dom(10+n, "g"+string(rune('a'+n)))).Instance
		if guest.IPv4 == lost.IPv4 {
			t.Fatalf("the guest %s has the address", guest.Name)
		}
	}
	record := instance.Instance{Name: "imported", UUID: uid(90), MAC: mac(90), IPv4: lost.IPv4}
	if result, err := l.Import(t.Context(), []instance.Instance{record}); err != nil || len(result.Skipped) != 1 {
		t.Errorf("import: %+v, %v", result, err)
	}
	record.ID, record.Hostname = "i-90", "imported"
	if result, err := l.Adopt(t.Context(), instance.Table{Instances: []instance.Instance{record}}, true); err != nil || len(result.Skipped) != 1 {
		t.Errorf("adopt: %+v, %v", result, err)
	}
}

// TestWithheldComesBack: the guest itself gets all of it, by a second interface on
// the network, too.
func TestWithheldComesBack(t *testing.T) {
	l, lost := withheldLab(t, withIPv6)
	for n := range 8 {
		l.MustRegister(dom(10+n, "g"+string(rune('a'+n))))
	}
	back := l.MustRegister(dom(1, "lost")).Instance
	if back.ID != "i-of-old" || back.Hostname != "lost" || back.IPv4 != lost.IPv4 || back.IPv6 != lost.IPv6 {
		t.Errorf("the guest is %+v, want what it had: %+v", back, lost)
	}
	if w := l.Withheld(); len(w) != 0 {
		t.Errorf("%v is withheld", w)
	}
}

// TestWithheldHarmsNoHolder: a guest that has such an address or name already keeps
// it.
func TestWithheldHarmsNoHolder(t *testing.T) {
	l := newLab(t)
	guest := l.MustRegister(dom(2, "web", "hostname", "www")).Instance
	l.Opts.Withheld = []storage.Withheld{{UUID: uid(1), Hostname: "www", Addrs: []netip.Addr{guest.IPv4}}}
	l.Reconfigure(l.Opts)
	for _, d := range []instance.Domain{dom(2, "web", "hostname", "www"), dom(2, "web", "hostname", "www", "ipv4", guest.IPv4.String())} {
		if again := l.MustRegister(d).Instance; again.IPv4 != guest.IPv4 || again.Hostname != "www" {
			t.Errorf("the guest is %+v", again)
		}
	}
}

// TestWithheldEnds: when the administrator has decided, others get it.
func TestWithheldEnds(t *testing.T) {
	l, lost := withheldLab(t)
	l.Opts.Withheld = nil
	l.Reconfigure(l.Opts)
	if guest := l.MustRegister(dom(2, "asks", "ipv4", lost.IPv4.String(), "hostname", "lost")).Instance; guest.IPv4 != lost.IPv4 || guest.Hostname != "lost" {
		t.Errorf("the guest is %+v", guest)
	}
}
