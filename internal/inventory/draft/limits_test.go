package draft_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"mdserver/internal/instance"
	"mdserver/internal/inventory"
	"mdserver/internal/inventory/denied"
)

func atMost(n int) func(*inventory.Options) { return func(o *inventory.Options) { o.MaxGuests = n } }

// local is a domain that a user other than root uploads.
func local(d instance.Domain) instance.Domain {
	d.Source = instance.ByLocal
	return d
}

func TestMaxGuests(t *testing.T) {
	l := newLab(t, atMost(2))
	l.MustRegister(dom(1, "web1"))
	l.MustObserve(dom(2, "web2"), true)
	l.Refused(dom(3, "web3"), denied.ErrTooManyGuests, `"web3"`, "2 guests", "mdserver.max_guests")
	if _, err := l.Observe(t.Context(), dom(3, "web3"), true); !errors.Is(err, denied.ErrTooManyGuests) {
		t.Errorf("libvirt's guest: %v", err)
	}
	l.MustRegister(dom(1, "web1", "rack", "four")) // a known one may change,
	l.MustRegister(dom(4, "web1"))                 // be replaced,
	l.MustMiss(2, false)
	if reg := l.MustRegister(dom(3, "web3")); len(reg.Yielded) != 1 || reg.Yielded[0].Name != "web2" { // and one that is gone makes way
		t.Errorf("yielded %+v", reg.Yielded)
	}
	if n := l.Snapshot().Len(); n != 2 {
		t.Errorf("%d guests, want 2", n)
	}
	l.Opts.MaxGuests = 1
	l.Reconfigure(l.Opts)
	l.MustRegister(dom(3, "web3", "rack", "five"))
	l.Refused(dom(5, "web5"), denied.ErrTooManyGuests)
}

// What a user other than root uploads takes nothing from other guests.
func TestUnconfirmedTakesNothing(t *testing.T) {
	for name, real := range map[string]func(*lab, instance.Domain){
		"libvirt's":         func(l *lab, d instance.Domain) { l.MustObserve(d, true) },
		"root's":            func(l *lab, d instance.Domain) { d.Source = instance.ByUpload; l.MustRegister(d) },
		"the hook's":        func(l *lab, d instance.Domain) { d.Source = instance.ByHook; l.MustRegister(d) },
		"added by command":  func(l *lab, d instance.Domain) { d.Source = instance.ByCommand; l.MustRegister(d) },
		"gone from libvirt": func(l *lab, d instance.Domain) { l.MustObserve(d, true); l.MustMiss(1, false) },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			real(l, dom(1, "web1", "ipv4", "10.0.0.3", "hostname", "www"))
			sameMAC := dom(3, "other")
			sameMAC.Interfaces = dom(1, "web1").Interfaces
			for what, attack := range map[string]instance.Domain{
				"its name": dom(3, "web1"), "its UUID": dom(1, "web1", "userdata_prefix", "mine"), "its UUID, by another name": dom(1, "x"),
				"its MAC address": sameMAC, "its address": dom(3, "x", "ipv4", "10.0.0.3"), "its host name": dom(3, "x", "hostname", "www"),
			} {
				before := l.Snapshot()
				if _, err := l.Register(t.Context(), local(attack)); err == nil || l.Snapshot() != before {
					t.Errorf("an upload took %s: %v", what, err)
				}
			}
			l.Refused(local(dom(3, "x", "hostname", "www.example.org")), denied.ErrInvalid, "hostname", "root")
		})
	}
}

// An unconfirmed guest may be changed and replaced by others of its kind, and
// makes way for every other.
func TestUnconfirmedMakesWay(t *testing.T) {
	l := newLab(t)
	l.MustRegister(local(dom(1, "a", "ipv4", "10.0.0.3")))
	l.MustRegister(local(dom(1, "a", "ipv4", "10.0.0.4")))
	if reg := l.MustRegister(local(dom(2, "a", "ipv4", "10.0.0.3"))); reg.Replaced == nil {
		t.Error("it was not replaced")
	}
	if reg := l.MustRegister(dom(3, "b", "ipv4", "10.0.0.3")); len(reg.Yielded) != 1 || reg.Yielded[0].Name != "a" {
		t.Errorf("yielded %+v", reg.Yielded)
	}
	l.MustRegister(local(dom(4, "c")))
	l.MustRegister(dom(4, "c")) // root confirms it
	l.Refused(local(dom(5, "c")), denied.ErrNameTaken, "mdserver.upload")
}

// However many guests an ordinary user uploads, and however often, real ones get
// an address, and those that rest are left for their guests.
func TestUnconfirmedFlood(t *testing.T) {
	l := newLab(t, withIPv6, atMost(20)) // ten addresses
	l.MustRegister(dom(1, "web1"))
	former := l.MustRegister(dom(2, "web2")).Instance
	l.MustRelease("web2")
	for round := range 3 {
		for i := range 30 {
			_, err := l.Register(t.Context(), local(dom(1000*(round+1)+i, fmt.Sprintf("flood-%d-%d", round, i))))
			if err != nil && !errors.Is(err, denied.ErrTooManyGuests) {
				t.Fatal(err)
			}
		}
		if _, held := l.Snapshot().ByAddr(former.IPv4); held {
			t.Fatalf("the flood has %s, which rests", former.IPv4)
		}
	}
	l.Refused(local(dom(5000, "x", "ipv4", former.IPv4.String())), denied.ErrTooManyGuests)
	for i := 10; i < 17; i++ {
		if reg := l.MustRegister(dom(i, fmt.Sprint("real", i))); !reg.Instance.IPv4.IsValid() || reg.AddressProblem != nil {
			t.Errorf("%s has no address: %v", reg.Instance.Name, reg.AddressProblem)
		}
	}
	if again := l.MustRegister(dom(2, "web2")).Instance; again.IPv4 != former.IPv4 || again.ID != former.ID {
		t.Errorf("web2 comes back as %s with %v, it was %s with %v", again.ID, again.IPv4, former.ID, former.IPv4)
	}
	if got := l.RestingIDs(); len(got) != 0 {
		t.Errorf("addresses of the flood rest: %v", got)
	}
}

// A former guest's UUID gives an ordinary user neither its address nor its
// instance-id.
func TestUnconfirmedIsNoFormerGuest(t *testing.T) {
	l := newLab(t)
	if _, err := l.Import(t.Context(), []instance.Instance{{
		UUID: uid(1), ID: "i-10.0.0.3", Name: "web1", MAC: mac(1), IPv4: netip.MustParseAddr("10.0.0.3"),
	}}); err != nil {
		t.Fatal(err)
	}
	former := l.MustRelease("web1")
	claimed := l.MustRegister(local(dom(1, "web1"))).Instance
	if claimed.ID == former.ID || claimed.IPv4 == former.IPv4 {
		t.Errorf("the upload has %s, %v", claimed.ID, claimed.IPv4)
	}
}

func TestTextsAreBounded(t *testing.T) {
	l := newLab(t)
	long := strings.Repeat("x", instance.MaxName+1)
	disk, network := dom(1, "web1"), dom(1, "web1")
	disk.Disks = []instance.Disk{{Target: "vda", Serial: long}}
	network.Interfaces = append(network.Interfaces, instance.Interface{MAC: mac(9), Network: long})
	devices := dom(1, "web1")
	devices.Disks = make([]instance.Disk, instance.MaxDevices+1)
	many := dom(1, "web1")
	many.Metadata.Values = map[string]string{}
	for i := range 5 {
		many.Metadata.Values[fmt.Sprint(i)] = strings.Repeat("x", instance.MaxValue)
	}
	tag := dom(1, "web1")
	tag.Metadata.Tags = map[string]string{"role": strings.Repeat("x", instance.MaxValue+1)}
	for want, d := range map[string]instance.Domain{
		"256 characters, accepted: at most 255":       dom(1, long),
		"disk 1: its <serial>":                        disk,
		"interface 3: its <source network>":           network,
		"1025 disks":                                  devices,
		`metadata key "rack" has a value of 16385`:    dom(1, "web1", "rack", strings.Repeat("x", instance.MaxValue+1)),
		`metadata tag "role" has a value of`:          tag,
		"in all, accepted: at most 65536":             many,
		"… has 256 characters, accepted: at most 255": dom(1, "web1", long, ""),
	} {
		l.Refused(d, denied.ErrInvalid, want)
	}
	l.MustRegister(dom(1, strings.Repeat("ä", instance.MaxName), "rack", strings.Repeat("x", instance.MaxValue)))
	_, err := l.Register(t.Context(), dom(2, strings.Repeat("x", 900_000)))
	if err == nil || len(err.Error()) > 1000 {
		t.Errorf("the refusal of a name of 900 KB has %d bytes", len(err.Error()))
	}
}
